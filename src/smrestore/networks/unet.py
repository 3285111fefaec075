"""A residual U-Net that is told the noise level.

The layout follows DRUNet (Zhang et al., Plug-and-play image restoration with deep denoiser prior,
IEEE Trans. Pattern Anal. Mach. Intell. 44(10), 2022): no normalization, strided and transposed
convolutions, and sums as skips. There are no biases either. So a positive multiple of an image
gives the same multiple of the restored image, and a denoiser also works at noise levels that it was
not trained for (Mohan et al., Robust and interpretable blind image denoising via bias-free
convolutional neural networks, ICLR 2020).
"""

import itertools

import torch
from torch import nn
from torch.nn import functional

from smrestore.networks.base import Network
from smrestore.networks.layers import (
    CONVOLUTIONS,
    MAX_POOLS,
    TRANSPOSED_CONVOLUTIONS,
    Mask,
    apply_mask,
    cells_to_channels,
    channels_to_cells,
    convolution,
    crop,
    first_voxels,
    pad_to_multiple,
    roll_each,
    start_with_zero,
)
from smrestore.networks.options import UNetOptions
from smrestore.support.errors import InputError


class ResidualBlock(nn.Module):
    """Two convolutions with a rectifier between them, and a residual."""

    def __init__(self, dimension: int, features: int, bias: bool) -> None:
        super().__init__()
        self.first = convolution(dimension, features, features, bias=bias)
        self.second = convolution(dimension, features, features, bias=bias)

    def forward(self, features: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return features of the same shape."""
        inner = functional.relu(apply_mask(self.first(features), known), inplace=True)
        return features + apply_mask(self.second(inner), known)


class Stage(nn.ModuleList):
    """Residual blocks one after the other."""

    def __init__(self, dimension: int, features: int, blocks: int, bias: bool) -> None:
        super().__init__(ResidualBlock(dimension, features, bias) for _ in range(blocks))

    def forward(self, features: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return features of the same shape."""
        for block in self:
            features = block(features, known)
        return features


class UNet(Network):
    """Residual U-Net in two or three dimensions: the result is the image plus a correction.

    - A third channel has the noise level at every known voxel, unless the network is ``blind``.
    - With ``known_channel``, one more channel has the root mean square of the image at known
      voxels. So a multiple of the image still gives the same multiple of the result. If
      ``mask_features`` is off, unknown voxels may then have values, such as a first guess.
    - With ``mask_features``, the cells of coarser levels begin at the first known voxel. A cell is
      known if one of its voxels is.
    - With ``fades_below`` f, the correction is multiplied by s / sqrt(s^2 + f^2), where s is the
      noise level over the root mean square of the known voxels.
    """

    def __init__(self, dimension: int, options: UNetOptions) -> None:
        super().__init__()
        channels, blocks, bias = options.channels, options.blocks, options.bias
        self.dimension, self.blind = dimension, options.blind
        self.mask_features = options.mask_features
        self.cell, self.known_channel = options.cell, options.known_channel
        self.fades_below = options.fades_below
        steps = list(itertools.pairwise(channels))
        n_inputs = 2 + (not self.blind) + self.known_channel
        inputs, outputs = (n * self.cell**dimension for n in (n_inputs, 2))
        self.first = convolution(dimension, inputs, channels[0], bias=bias)
        self.encoder = nn.ModuleList(Stage(dimension, n, blocks, bias) for n in channels[:-1])
        self.down = nn.ModuleList(
            CONVOLUTIONS[dimension](fine, coarse, 2, stride=2, bias=bias) for fine, coarse in steps
        )
        self.deepest = Stage(dimension, channels[-1], blocks, bias)
        self.up = nn.ModuleList(
            TRANSPOSED_CONVOLUTIONS[dimension](coarse, fine, 2, stride=2, bias=bias)
            for fine, coarse in reversed(steps)
        )
        self.decoder = nn.ModuleList(
            Stage(dimension, n, blocks, bias) for n in reversed(channels[:-1])
        )
        self.last = convolution(dimension, channels[0], outputs, bias=bias)
        if options.zero_last:
            start_with_zero(self.last)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image``; see :class:`~smrestore.networks.base.Network`.

        Raises
        ------
        InputError
            If the noise level is missing and the network is not blind.
        """
        channels = [image]
        axes = tuple(range(1, image.ndim))
        size = ((image**2 * mask).sum(axes, keepdim=True) / mask.sum(axes, keepdim=True)).sqrt()
        if self.known_channel:
            channels.append(size * mask)
        share = torch.ones_like(size)
        if not self.blind:
            if sigma is None:
                raise InputError(
                    "the noise level of the images is not known",
                    field="network unet",
                    remedy="give sigma, or train the network with blind: true",
                )
            level = sigma.to(image.dtype).reshape(-1, *[1] * (image.ndim - 1))
            channels.append(level * mask)
            if self.fades_below is not None:
                share = level / torch.hypot(level, self.fades_below * size).clamp(min=1e-30)
        inputs = torch.cat(channels, dim=1)
        if not self.mask_features:
            return image + share * self._correction(inputs, None)
        start = first_voxels(mask)
        known = roll_each(mask, -start)
        correction = self._correction(roll_each(inputs * mask, -start), known)
        return image + share * roll_each(correction, start)

    def _correction(self, inputs: torch.Tensor, mask: Mask) -> torch.Tensor:
        grid, coarsest = inputs.shape[2:], self.cell * 2 ** len(self.down)
        known = None if mask is None else self._pooled(pad_to_multiple(mask, coarsest), self.cell)
        cells = cells_to_channels(pad_to_multiple(inputs, coarsest), self.cell)
        features = apply_mask(self.first(cells), known)
        skips, masks = [features], [known]
        for stage, down in zip(self.encoder, self.down, strict=True):
            features = stage(features, known)
            skips.append(features)
            masks.append(known)
            known = None if known is None else self._pooled(known, 2)
            features = apply_mask(down(features), known)
        features = self.deepest(features, known)
        for stage, up in zip(self.decoder, self.up, strict=True):
            skip, known = skips.pop(), masks.pop()
            features = stage(apply_mask(up(features), known) + skip, known)
        return crop(channels_to_cells(self.last(features + skips.pop()), self.cell), grid)

    def _pooled(self, known: torch.Tensor, side: int) -> torch.Tensor:
        return known if side == 1 else MAX_POOLS[self.dimension](known, side)
