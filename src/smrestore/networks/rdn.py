"""RDN: residual dense network, the variant for denoising.

Zhang et al., Residual dense network for image restoration, IEEE Trans. Pattern Anal. Mach. Intell.
43(7), 2021.
"""

import torch
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint as recompute

from smrestore.networks.base import Network
from smrestore.networks.layers import Mask, apply_mask, convolution, start_with_zero
from smrestore.networks.options import RDNOptions


class ResidualDenseBlock(nn.Module):
    """Convolutions that each see the results of all before them, then fusion and a residual."""

    def __init__(self, dimension: int, features: int, growth: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            convolution(dimension, features + i * growth, growth) for i in range(layers)
        )
        self.fusion = convolution(dimension, features + layers * growth, features, kernel=1)

    def forward(self, features: torch.Tensor, known: Mask) -> torch.Tensor:
        """Return features of the same shape."""
        dense = features
        for layer in self.layers:
            new = functional.relu(apply_mask(layer(dense), known), inplace=True)
            dense = torch.cat([dense, new], dim=1)
        return features + apply_mask(self.fusion(dense), known)


class RDN(Network):
    """RDN in two or three dimensions, without upscaling."""

    def __init__(self, dimension: int, options: RDNOptions) -> None:
        super().__init__()
        features, blocks = options.features, options.blocks
        self.mask_features, self.checkpoint = options.mask_features, options.checkpoint
        self.shallow = convolution(dimension, 2, features)
        self.first = convolution(dimension, features, features)
        self.blocks = nn.ModuleList(
            ResidualDenseBlock(dimension, features, options.growth, options.layers)
            for _ in range(blocks)
        )
        self.fusion = convolution(dimension, blocks * features, features, kernel=1)
        self.fused = convolution(dimension, features, features)
        self.last = convolution(dimension, features, 2)
        if options.zero_last:
            start_with_zero(self.last)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image``; see :class:`~smrestore.networks.base.Network`."""
        known = mask if self.mask_features else None
        shallow = apply_mask(self.shallow(apply_mask(image, known)), known)
        features = apply_mask(self.first(shallow), known)
        local = []
        for block in self.blocks:
            if self.checkpoint and torch.is_grad_enabled():
                features = recompute(block, features, known, use_reentrant=False)
            else:
                features = block(features, known)
            local.append(features)
        fused = apply_mask(self.fusion(torch.cat(local, dim=1)), known)
        fused = apply_mask(self.fused(fused) + shallow, known)
        return image + self.last(fused)
