"""Layers in two and three dimensions that several networks share.

Masks of layers are (B, 1, *grid), or None, which leaves features as they are.
"""

import contextlib
import math

import torch
from torch import nn
from torch.nn import functional

Mask = torch.Tensor | None

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED_CONVOLUTIONS = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
BATCH_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
MAX_POOLS = {2: functional.max_pool2d, 3: functional.max_pool3d}
TRANSPOSED = {2: functional.conv_transpose2d, 3: functional.conv_transpose3d}


def convolution(
    dimension: int, inputs: int, outputs: int, kernel: int = 3, bias: bool = True
) -> nn.Module:
    """Return a convolution with an odd kernel that keeps the grid."""
    return CONVOLUTIONS[dimension](inputs, outputs, kernel, padding=kernel // 2, bias=bias)


def without_autocast(device: torch.device) -> contextlib.AbstractContextManager:
    """Return a context in which operations on a device keep the precision of their inputs."""
    if not torch.amp.is_autocast_available(device.type):
        return contextlib.nullcontext()
    return torch.autocast(device.type, enabled=False)


def apply_mask(features: torch.Tensor, mask: Mask) -> torch.Tensor:
    """Return features (B, C, *grid) with zeros where the mask is 0.

    Call it between convolution and activation. Then it costs no memory, because neither of them
    keeps its result for the backward pass. The activations of this package map zero to zero.
    """
    return features if mask is None else features * mask.to(features.dtype)


def start_with_zero(layer: nn.Module) -> None:
    """Set a layer's weights to zero, so that a network with a residual starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


def pad_to_multiple(values: torch.Tensor, multiple: int) -> torch.Tensor:
    """Return (B, C, *grid) with zeros after the end of each axis, up to a multiple of voxels."""
    missing = [-n % multiple for n in values.shape[2:]]
    if not any(missing):
        return values
    return functional.pad(values, [n for end in reversed(missing) for n in (0, end)])


def crop(values: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    """Return the voxels of (B, C, *larger grid) that :func:`pad_to_multiple` was given."""
    return values[(..., *(slice(n) for n in grid))]


def cells_to_channels(values: torch.Tensor, side: int) -> torch.Tensor:
    """Return (B, C * side^axes, *(grid / side)): the voxels of each cell as channels.

    A cell has ``side`` voxels along each axis. The grid must be a multiple of it.
    """
    if side == 1:
        return values
    batch, channels, *grid = values.shape
    split = [n for length in grid for n in (length // side, side)]
    axes = len(grid)
    # Sides of the cell after the channel, then the coarse grid.
    order = [0, 1, *range(3, 3 + 2 * axes, 2), *range(2, 2 + 2 * axes, 2)]
    cells = values.reshape(batch, channels, *split).permute(order)
    return cells.reshape(batch, channels * side**axes, *(n // side for n in grid))


def channels_to_cells(values: torch.Tensor, side: int) -> torch.Tensor:
    """Undo :func:`cells_to_channels`."""
    if side == 1:
        return values
    batch, channels, *grid = values.shape
    axes = len(grid)
    cells = values.reshape(batch, channels // side**axes, *[side] * axes, *grid)
    order = [0, 1, *(n for axis in range(axes) for n in (2 + axes + axis, 2 + axis))]
    return cells.permute(order).reshape(batch, -1, *(n * side for n in grid))


def first_voxels(mask: torch.Tensor) -> torch.Tensor:
    """Return the lowest index along each axis where a mask (B, 1, *grid) is not 0: (B, axes)."""
    known = mask[:, 0] > 0
    axes = range(1, known.ndim)
    lowest = [
        known.any(dim=[other for other in axes if other != axis]).to(torch.uint8).argmax(dim=1)
        for axis in axes
    ]
    return torch.stack(lowest, dim=1)


def roll_each(values: torch.Tensor, shifts: torch.Tensor) -> torch.Tensor:
    """Roll each sample of (B, C, *grid) by its own ``shifts`` (B, axes), cyclically.

    Networks with cells of several voxels use this to move the first known voxel into the first
    cell. Otherwise the result would depend on the place of the image in the patch.
    """
    for axis in range(2, values.ndim):
        n = values.shape[axis]
        index = (torch.arange(n, device=values.device) - shifts[:, axis - 2, None]) % n
        shape = [len(values)] + [1] * (values.ndim - 1)
        shape[axis] = n
        values = values.gather(axis, index.reshape(shape).expand(values.shape))
    return values


def enlarge(values: torch.Tensor, factor: int = 2) -> torch.Tensor:
    """Return (B, C, *(factor * grid)): each voxel repeated ``factor`` times along each axis."""
    return functional.interpolate(values, scale_factor=float(factor), mode="nearest")


class AlignedInterpolation(nn.Module):
    """Linear interpolation of the known voxels to a grid that is ``factor`` times finer.

    Voxel j of the coarse grid is voxel ``factor * j`` of the fine one, as after decimation. The
    usual resizing functions would shift the image by half a coarse voxel minus half a fine one.
    Unknown neighbours, and those beyond the end, do not count: the weights of the others are scaled
    up to a sum of 1. So the last sample continues beyond the end. Without any known neighbour the
    result is 0.
    """

    def __init__(self, dimension: int, factor: int) -> None:
        super().__init__()
        self.dimension, self.factor = dimension, factor
        ramp = 1 - (torch.arange(2 * factor - 1) - (factor - 1)).abs() / factor
        kernel = torch.ones(())
        for _ in range(dimension):
            kernel = kernel[..., None] * ramp
        self.register_buffer("kernel", kernel[None, None], persistent=False)

    def forward(self, image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (B, C, *(factor * grid)) of an image (B, C, *grid) with its mask (B, 1, *grid)."""
        with without_autocast(image.device):
            mask = mask.to(self.kernel.dtype)
            weighted = self._spread(image.to(self.kernel.dtype) * mask)
            weights = self._spread(mask)
            return torch.where(weights > 0, weighted / weights.clamp(min=1e-6), 0.0)

    def _spread(self, values: torch.Tensor) -> torch.Tensor:
        channels = values.shape[1]
        return TRANSPOSED[self.dimension](
            values,
            self.kernel.expand(channels, *self.kernel.shape[1:]),
            stride=self.factor,
            padding=self.factor - 1,
            output_padding=self.factor - 1,
            groups=channels,
        )


class MaskedBatchNorm(nn.Module):
    """Batch normalization with statistics of the voxels in a mask alone.

    Parameters and statistics have the names and meanings of ``torch.nn.BatchNorm2d``.
    """

    def __init__(self, features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.ones(features))
        self.bias = nn.Parameter(torch.zeros(features))
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def forward(self, features: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Normalize (B, C, *grid). Values where the mask is 0 have no meaning."""
        # Sums over many voxels need more digits than half precision has, so that of weights counts.
        values = features.to(self.weight.dtype)
        mean, variance = self.running_mean, self.running_var
        if self.training:
            axes = [0, *range(2, features.ndim)]
            mask = mask.to(values.dtype)
            count = mask.sum().clamp(min=1)
            mean = (values * mask).sum(axes) / count
            centred = (values - self._channels(mean, values)) * mask
            variance = centred.square().sum(axes) / count
            with torch.no_grad():
                unbiased = variance * count / (count - 1).clamp(min=1)
                self.running_mean.lerp_(mean, self.momentum)
                self.running_var.lerp_(unbiased, self.momentum)
                self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        normalized = values * self._channels(scale, values) + self._channels(shift, values)
        return normalized.to(features.dtype)

    @staticmethod
    def _channels(vector: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        return vector.reshape(-1, *[1] * (like.ndim - 2))


def group_norm(features: int, groups: int = 8) -> nn.GroupNorm:
    """Return a normalization over up to ``groups`` groups of channels of each sample."""
    return nn.GroupNorm(math.gcd(groups, features), features)
