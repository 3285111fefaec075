"""SMRnet: super-resolution of system matrices by residual-in-residual dense blocks.

Baltruschat et al., 3d-SMRnet: achieving a new quality of MPI system matrix recovery by deep
learning, MICCAI 2020; the blocks are those of Wang et al., ESRGAN, ECCV Workshops 2018.
"""

import torch
from torch import nn
from torch.nn import functional

from smrestore.networks.base import Network
from smrestore.networks.layers import (
    CONVOLUTIONS,
    AlignedInterpolation,
    Mask,
    apply_mask,
    convolution,
    enlarge,
)
from smrestore.support.errors import InputError

FACTORS = (2, 4)
SLOPE = 0.2
RESIDUAL_SCALE = 0.2
INITIAL_SCALE = 0.1


def activated(features: torch.Tensor, known: Mask) -> torch.Tensor:
    """Return features after a leaky rectifier, 0 where they are not known."""
    return functional.leaky_relu(apply_mask(features, known), SLOPE, inplace=True)


class DenseBlock(nn.Module):
    """Five convolutions, of which each sees the results of all before it; scaled residual."""

    def __init__(self, dimension: int, features: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            convolution(dimension, features + i * growth, growth) for i in range(4)
        )
        self.last = convolution(dimension, features + 4 * growth, features)

    def forward(self, features: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return features of the same shape."""
        dense = features
        for layer in self.layers:
            dense = torch.cat([dense, activated(layer(dense), known)], dim=1)
        return features + RESIDUAL_SCALE * apply_mask(self.last(dense), known)


class ResidualInResidual(nn.Module):
    """Three dense blocks with a scaled residual around them."""

    def __init__(self, dimension: int, features: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DenseBlock(dimension, features, growth) for _ in range(3))

    def forward(self, features: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return features of the same shape."""
        inner = features
        for block in self.blocks:
            inner = block(inner, known)
        return features + RESIDUAL_SCALE * inner


class SMRnet(Network):
    """SMRnet in two or three dimensions.

    Parameters
    ----------
    dimension
        2 or 3.
    factor
        How many times finer the result is along each axis: 2 or 4.
    features, blocks, growth
        Width, number of residual-in-residual blocks and width within their dense blocks; published:
        64, 9 and 32 (19 863 682 parameters in 3D with factor 4).
    mask_features
        Set features outside the known voxels to zero after every layer, so that the result does
        not depend on the width of the padding. On finer grids, the mask repeats its voxels.
    interpolation_skip
        Add the network to a linear interpolation of the known voxels, aligned with the fine grid,
        instead of leaving all to the network, as published.
    """

    def __init__(
        self,
        dimension: int = 3,
        factor: int = 2,
        features: int = 64,
        blocks: int = 9,
        growth: int = 32,
        mask_features: bool = False,
        interpolation_skip: bool = False,
    ) -> None:
        super().__init__()
        if factor not in FACTORS:
            raise InputError(
                f"there is no SMRnet for {factor} times finer grids",
                field="network smrnet.factor",
                remedy=f"use one of {', '.join(map(str, FACTORS))}",
            )
        self.factor, self.mask_features = factor, mask_features
        self.first = convolution(dimension, 2, features)
        self.blocks = nn.ModuleList(
            ResidualInResidual(dimension, features, growth) for _ in range(blocks)
        )
        self.trunk = convolution(dimension, features, features)
        self.upsampling = nn.ModuleList(
            convolution(dimension, features, features) for _ in range(FACTORS.index(factor) + 1)
        )
        self.fine = convolution(dimension, features, features)
        self.last = convolution(dimension, features, 2)
        self.interpolation = AlignedInterpolation(dimension, factor) if interpolation_skip else None
        for layer in self.modules():
            if isinstance(layer, CONVOLUTIONS[dimension]):
                nn.init.kaiming_normal_(layer.weight)
                layer.weight.data *= INITIAL_SCALE
                nn.init.zeros_(layer.bias)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image``; see :class:`~smrestore.networks.base.Network`."""
        known = mask if self.mask_features else None
        shallow = apply_mask(self.first(apply_mask(image, known)), known)
        features = shallow
        for block in self.blocks:
            features = block(features, known)
        features = shallow + apply_mask(self.trunk(features), known)
        for layer in self.upsampling:
            known = None if known is None else enlarge(known)
            features = activated(layer(enlarge(features)), known)
        restored = self.last(activated(self.fine(features), known))
        if self.interpolation is not None:
            restored = restored + self.interpolation(image, mask)
        return restored
