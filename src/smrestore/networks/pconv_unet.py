"""PConvUNet: a U-Net of partial convolutions, which see only known voxels.

Liu et al., Image inpainting for irregular holes using partial convolutions, ECCV 2018. The layout
of the levels and the handling of known voxels in the decoder are the same. The published losses on
features of photographs have no meaning here.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from smrestore.networks.base import Network
from smrestore.networks.layers import BATCH_NORMS, CONVOLUTIONS, group_norm, without_autocast
from smrestore.networks.options import PConvUNetOptions
from smrestore.support.errors import InputError

SLOPE = 0.2
COUNTING = {2: functional.conv2d, 3: functional.conv3d}

Part = tuple[torch.Tensor, torch.Tensor]


class PartialConvolution(nn.Module):
    """Convolution over known voxels: (W (x m)) |window| / sum(m) + b, and 0 where nothing is known.

    The result is known where the window holds a known voxel. Nothing is known beyond the border of
    the array. Several inputs are concatenated. Each has its own mask, and the window counts the
    channels of all.
    """

    def __init__(
        self,
        dimension: int,
        widths: Sequence[int],
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.dimension, self.widths, self.stride = dimension, tuple(widths), stride
        self.window = sum(widths) * kernel**dimension
        self.convolution = CONVOLUTIONS[dimension](
            sum(widths), outputs, kernel, stride, padding=kernel // 2, bias=False
        )
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        ones = torch.ones(1, 1, *[kernel] * dimension)
        self.register_buffer("ones", ones, persistent=False)

    def forward(self, *parts: Part) -> Part:
        """Return features and mask of pairs of features (B, C, *grid) and masks (B, 1, *grid)."""
        ratio, known = self._count([mask for _, mask in parts])
        masked = [features * mask.to(features.dtype) for features, mask in parts]
        features = self.convolution(torch.cat(masked, dim=1) if len(masked) > 1 else masked[0])
        features = features * ratio.to(features.dtype)
        if self.bias is not None:
            bias = self.bias.to(features.dtype).reshape(-1, *[1] * self.dimension)
            features = features + bias * known.to(features.dtype)
        return features, known

    @torch.no_grad()
    def _count(self, masks: Sequence[torch.Tensor]) -> Part:
        """Return |window| / sum(m), 0 in empty windows, and the mask of the other windows."""
        # Counts exceed the integers that half precision can hold.
        with without_autocast(masks[0].device):
            counts = [
                width
                * COUNTING[self.dimension](
                    mask.float(),
                    self.ones.float(),
                    stride=self.stride,
                    padding=self.ones.shape[-1] // 2,
                )
                for width, mask in zip(self.widths, masks, strict=True)
            ]
            # A sum of floats 0 and 1: rounding makes it an exact count on every device.
            count = torch.stack(counts).sum(dim=0).round()
            known = (count > 0).float()
            return known * self.window / count.clamp(min=1), known


class Level(nn.Module):
    """A partial convolution with normalization and activation."""

    def __init__(
        self,
        dimension: int,
        widths: Sequence[int],
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        norm: str = "none",
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.convolution = PartialConvolution(
            dimension, widths, outputs, kernel, stride, bias=norm == "none"
        )
        self.norm = nn.Identity()
        self.normalizes_batch = norm == "batch"
        if norm == "batch":
            self.norm = BATCH_NORMS[dimension](outputs)
        elif norm == "group":
            self.norm = group_norm(outputs)
        self.slope = slope

    def forward(self, *parts: Part) -> Part:
        """Return activated features and their mask.

        Raises
        ------
        InputError
            If batch normalization would be trained on a single value per channel.
        """
        features, known = self.convolution(*parts)
        if self.training and self.normalizes_batch and known.numel() == 1:
            raise InputError(
                "a batch of one patch leaves a single voxel on the coarsest grid, whose values "
                "cannot be normalized",
                field="network pconv-unet.norm",
                remedy="use larger batches or patches, fewer levels, or norm: group",
            )
        return functional.leaky_relu(self.norm(features), self.slope), known


class PConvUNet(Network):
    """U-Net of partial convolutions in two or three dimensions."""

    def __init__(self, dimension: int, options: PConvUNetOptions) -> None:
        super().__init__()
        channels, norm = options.channels, options.norm
        kernels = [3] * len(channels) if options.kernels is None else options.kernels
        self.known_skip = options.known_skip
        widths = [2, *channels]
        self.encoder = nn.ModuleList(
            Level(
                dimension,
                [widths[i]],
                widths[i + 1],
                kernel=kernels[i],
                stride=2,
                norm=norm if i else "none",
            )
            for i in range(len(channels))
        )
        self.decoder = nn.ModuleList(
            Level(dimension, [widths[i + 1], widths[i]], widths[i], norm=norm, slope=SLOPE)
            for i in reversed(range(1, len(channels)))
        )
        self.last = PartialConvolution(dimension, [widths[1], 2], 2)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image``; see :class:`~smrestore.networks.base.Network`."""
        passed: list[Part] = [(image, mask)]
        for level in self.encoder:
            passed.append(level(passed[-1]))
        part = passed.pop()
        for layer in (*self.decoder, self.last):
            skip = passed.pop()
            part = layer(resized(part, skip[0].shape[2:]), skip)
        restored, _ = part
        if self.known_skip:
            restored = restored + image * mask
        return restored


def resized(part: Part, grid: torch.Size) -> Part:
    """Return features and mask on a finer grid of any size. Each voxel is a copy of the nearest."""
    features, mask = part
    return (
        functional.interpolate(features, size=grid, mode="nearest"),
        functional.interpolate(mask, size=grid, mode="nearest"),
    )
