"""Network architectures, one module per architecture.

A network maps a batch of padded components, real and imaginary part as channels, and the mask of
known voxels to restored components; :class:`smrestore.networks.base.Network` says how.
"""

from smrestore.networks.base import Network
from smrestore.networks.dncnn import DnCNN
from smrestore.networks.pconv_unet import PConvUNet
from smrestore.networks.rdn import RDN
from smrestore.networks.smrnet import SMRnet
from smrestore.networks.swinir import SwinIR
from smrestore.networks.unet import UNet
from smrestore.support.errors import InputError

NETWORKS: dict[str, type[Network]] = {
    "dncnn": DnCNN,
    "rdn": RDN,
    "swinir": SwinIR,
    "smrnet": SMRnet,
    "pconv-unet": PConvUNet,
    "unet": UNet,
}


def build_network(name: str, dimension: int, **sizes) -> Network:
    """Build a network by its configured name and sizes, with fresh weights.

    Raises
    ------
    InputError
        If the name, a size or the dimension is unknown to the architecture.
    """
    if name not in NETWORKS:
        raise InputError(
            f"unknown network {name!r}", field="network", remedy=f"use one of {', '.join(NETWORKS)}"
        )
    network = NETWORKS[name]
    if dimension not in network.dimensions:
        raise InputError(
            f"network {name} does not exist in dimension {dimension}",
            field="dimension",
            remedy=f"use dimension {' or '.join(map(str, network.dimensions))}, or another network",
        )
    try:
        return network(dimension=dimension, **sizes)
    except TypeError as error:
        raise InputError(
            str(error), field=f"network {name}", remedy="see docs/configuration.md for its sizes"
        ) from None
