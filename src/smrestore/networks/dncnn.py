"""DnCNN: a plain convolutional network that predicts the noise.

Zhang et al., Beyond a Gaussian denoiser, IEEE Trans. Image Process. 26(7), 2017.
"""

import torch
from torch import nn
from torch.nn import functional

from smrestore.networks.base import Network
from smrestore.networks.layers import (
    BATCH_NORMS,
    Mask,
    MaskedBatchNorm,
    apply_mask,
    convolution,
    start_with_zero,
)


class DnCNN(Network):
    """DnCNN in two or three dimensions.

    Parameters
    ----------
    dimension
        2 or 3.
    features, depth
        Width and number of convolutions; published: 64 and 17 (557 250 parameters in 2D).
    batch_norm
        Normalize the inner layers over the batch, as published. Padding enters the statistics,
        unless features are masked.
    mask_features
        Set features outside the known voxels to zero after every layer, and leave these voxels out
        of the statistics. The padding then acts as the usual zero padding of a convolution, and
        the result does not depend on its width.
    zero_last
        Start with a last convolution of zeros: the untrained network is the identity.
    """

    def __init__(
        self,
        dimension: int = 2,
        features: int = 64,
        depth: int = 17,
        batch_norm: bool = True,
        mask_features: bool = False,
        zero_last: bool = False,
    ) -> None:
        super().__init__()
        self.mask_features = mask_features
        self.first = convolution(dimension, 2, features)
        norm = MaskedBatchNorm if mask_features else BATCH_NORMS[dimension]
        self.inner = nn.ModuleList(
            convolution(dimension, features, features, bias=not batch_norm)
            for _ in range(depth - 2)
        )
        self.norms = nn.ModuleList(norm(features) for _ in self.inner) if batch_norm else None
        self.last = convolution(dimension, features, 2)
        if zero_last:
            start_with_zero(self.last)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image``; see :class:`~smrestore.networks.base.Network`."""
        known = mask if self.mask_features else None
        features = activated(self.first(apply_mask(image, known)), known)
        for i, layer in enumerate(self.inner):
            features = layer(features)
            if self.norms is not None:
                norm = self.norms[i]
                features = norm(features) if known is None else norm(features, known)
            features = activated(features, known)
        return image - self.last(features)


def activated(features: torch.Tensor, known: Mask) -> torch.Tensor:
    """Return the rectified features, 0 where they are not known."""
    return functional.relu(apply_mask(features, known), inplace=True)
