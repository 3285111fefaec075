"""DnCNN: a plain convolutional network that predicts the noise.

Zhang et al., Beyond a Gaussian denoiser, IEEE Trans. Image Process. 26(7), 2017.
"""

import torch
from torch import nn

CONVOLUTIONS = {2: nn.Conv2d, 3: nn.Conv3d}
BATCH_NORMS = {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}


class DnCNN(nn.Module):
    """DnCNN in two or three dimensions.

    Parameters
    ----------
    dimension
        2 or 3.
    features, depth
        Width and number of convolutions; published: 64 and 17 (557 250 parameters in 2D).
    batch_norm
        Normalize the inner layers over the batch, as published. Padding enters the statistics.
    mask_features
        Set features outside the valid voxels to zero after every layer. The padding then acts as
        the usual zero padding of a convolution, and the result does not depend on its width.
    """

    def __init__(
        self,
        dimension: int = 2,
        features: int = 64,
        depth: int = 17,
        batch_norm: bool = True,
        mask_features: bool = False,
    ) -> None:
        super().__init__()
        self.mask_features = mask_features
        convolution = CONVOLUTIONS[dimension]
        layers = [nn.Sequential(convolution(2, features, 3, padding=1), nn.ReLU(inplace=True))]
        for _ in range(depth - 2):
            inner: list[nn.Module] = [
                convolution(features, features, 3, padding=1, bias=not batch_norm)
            ]
            if batch_norm:
                inner.append(BATCH_NORMS[dimension](features))
            layers.append(nn.Sequential(*inner, nn.ReLU(inplace=True)))
        self.layers = nn.ModuleList(layers)
        self.last = convolution(features, 2, 3, padding=1)

    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore ``image`` (B, 2, *grid); see :mod:`smrestore.networks`."""
        features = image
        for layer in self.layers:
            features = layer(features)
            if self.mask_features:
                features = features * mask
        return image - self.last(features)
