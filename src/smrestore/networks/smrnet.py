"""SMRnet: super-resolution of system matrices by residual-in-residual dense blocks.

Baltruschat et al., 3d-SMRnet: achieving a new quality of MPI system matrix recovery by deep
learning, MICCAI 2020. The blocks are those of Wang et al., ESRGAN, ECCV Workshops 2018.
"""

import math

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
from smrestore.networks.options import SMRnetOptions

SLOPE = 0.2
RESIDUAL_SCALE = 0.2
INITIAL_SCALE = 0.1


def activated(features: torch.Tensor, known: Mask) -> torch.Tensor:
    """Return features after a leaky rectifier, 0 where they are not known."""
    return functional.leaky_relu(apply_mask(features, known), SLOPE, inplace=True)


class DenseBlock(nn.Module):
    """Five convolutions that each see the results of all before them, and a scaled residual."""

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

    With ``mask_features``, finer grids have the same mask with its voxels repeated.
    """

    def __init__(self, dimension: int, options: SMRnetOptions) -> None:
        super().__init__()
        features = options.features
        self.factor, self.mask_features = options.factor, options.mask_features
        self.first = convolution(dimension, 2, features)
        self.blocks = nn.ModuleList(
            ResidualInResidual(dimension, features, options.growth) for _ in range(options.blocks)
        )
        self.trunk = convolution(dimension, features, features)
        self.upsampling = nn.ModuleList(
            convolution(dimension, features, features)
            for _ in range(int(math.log2(options.factor)))
        )
        self.fine = convolution(dimension, features, features)
        self.last = convolution(dimension, features, 2)
        self.interpolation = None
        if options.interpolation_skip:
            self.interpolation = AlignedInterpolation(dimension, options.factor)
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
