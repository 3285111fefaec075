"""What all restoration networks have in common."""

from abc import ABC, abstractmethod

import torch
from torch import nn


class Network(nn.Module, ABC):
    """A network that restores a batch of components in one call.

    It is built from its dimension and its options (:mod:`smrestore.networks.options`).

    Attributes
    ----------
    factor
        The restored grid has ``factor`` times as many voxels along each axis as the image. Only
        super-resolution has more than 1. Voxel j of the image is voxel ``factor * j`` of the
        result.
    mask_features
        Whether inner layers leave out what ``mask`` does not know. Then results do not depend on
        padding.
    """

    factor: int = 1
    mask_features: bool = False

    @abstractmethod
    def forward(
        self, image: torch.Tensor, mask: torch.Tensor, sigma: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Restore components on a grid of any size.

        Parameters
        ----------
        image
            Real and imaginary part as channels, (B, 2, *grid); 0 where ``mask`` is 0.
        mask
            (B, 1, *grid), 1 where a voxel was measured, 0 in the padding and in holes.
        sigma
            Standard deviation of the complex noise of each image, in its units, (B,). Only
            networks that use the noise level read it.

        Returns
        -------
        Tensor
            (B, 2, *(factor * grid)). Values outside the grid of the component have no meaning.
        """
