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
from smrestore.networks.options import DnCNNOptions


class DnCNN(Network):
    """DnCNN in two or three dimensions.

    As published, the statistics of batch normalization include the padding. With
    ``mask_features``, they leave it out, and it acts as the usual zero padding of a convolution.
    """

    def __init__(self, dimension: int, options: DnCNNOptions) -> None:
        super().__init__()
        features, batch_norm = options.features, options.batch_norm
        self.mask_features = options.mask_features
        self.first = convolution(dimension, 2, features)
        norm = MaskedBatchNorm if options.mask_features else BATCH_NORMS[dimension]
        self.inner = nn.ModuleList(
            convolution(dimension, features, features, bias=not batch_norm)
            for _ in range(options.depth - 2)
        )
        self.norms = nn.ModuleList(norm(features) for _ in self.inner) if batch_norm else None
        self.last = convolution(dimension, features, 2)
        if options.zero_last:
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
