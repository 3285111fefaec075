"""Network architectures, one module per architecture.

A network maps a batch of padded components (B, 2, *grid), real and imaginary part as channels, the
mask of measured voxels (B, 1, *grid) and the standard deviation of the complex noise (B,) to
restored components (B, 2, *grid), or finer ones. The mask is 0 in the padding and where voxels are
missing. The published networks do not look at the noise.
"""

from torch import nn

from smrestore.errors import InputError
from smrestore.networks.dncnn import DnCNN

NETWORKS = {"dncnn": DnCNN}


def build_network(name: str, dimension: int, **sizes) -> nn.Module:
    """Build a network by its configured name and sizes, with fresh weights.

    Raises
    ------
    InputError
        If the name or a size is unknown.
    """
    if name not in NETWORKS:
        raise InputError(
            f"unknown network {name!r}", field="network", remedy=f"use one of {', '.join(NETWORKS)}"
        )
    try:
        return NETWORKS[name](dimension=dimension, **sizes)
    except TypeError as error:
        raise InputError(
            str(error), field=f"network {name}", remedy="see docs/configuration.md for its sizes"
        ) from None
