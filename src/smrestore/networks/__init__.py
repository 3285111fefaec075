"""Network architectures, one module per architecture.

A network takes a batch of padded components (real and imaginary part as channels) and the mask of
known voxels. It returns restored components: see :class:`smrestore.networks.base.Network`. The
options of all networks are in :mod:`smrestore.networks.options`.
"""

from typing import TYPE_CHECKING

from smrestore.networks.options import NETWORKS
from smrestore.support.errors import InputError

if TYPE_CHECKING:
    from smrestore.networks.base import Network

__all__ = ["NETWORKS", "build_network"]


def build_network(name: str, dimension: int, **sizes: object) -> "Network":
    """Build a network by its configured name and sizes, with fresh weights.

    Raises
    ------
    InputError
        If the name is unknown, or the architecture does not allow a size or the dimension.
    """
    if name not in NETWORKS:
        raise InputError(
            f"unknown network {name!r}", field="network", remedy=f"use one of {', '.join(NETWORKS)}"
        )
    dimensions = NETWORKS[name].dimensions
    if dimension not in dimensions:
        raise InputError(
            f"network {name} does not exist in dimension {dimension}",
            field="dimension",
            remedy=f"use dimension {' or '.join(map(str, dimensions))}, or another network",
        )
    options = NETWORKS[name].checked(sizes, f"network {name}")
    return options.architecture()(dimension, options)
