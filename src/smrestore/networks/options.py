"""Options of each network: its sizes, their defaults, and its class.

A new network is one file with its class and one entry here. This module does not import PyTorch, so
that a configuration is checked quickly.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator

from smrestore.support.errors import InputError
from smrestore.support.settings import (
    Flag,
    Natural,
    Number,
    Settings,
    either,
    literals,
    setting,
    vector,
)

if TYPE_CHECKING:
    from smrestore.networks.base import Network


class NetworkOptions(Settings):
    """What all networks have in common.

    Attributes
    ----------
    dimensions
        Dimensions in which the architecture exists.
    finer
        Voxels of the result for each voxel of the image, along each axis.
    hides_unknown
        The network does not see the values at voxels that were not measured.
    """

    dimensions: ClassVar[tuple[int, ...]] = (2, 3)

    @property
    def finer(self) -> int:
        """Voxels of the result for each voxel of the image, along each axis."""
        return 1

    @property
    def hides_unknown(self) -> bool:
        """Whether the network cannot see the values at voxels that were not measured."""
        return getattr(self, "mask_features", True)

    @staticmethod
    @abstractmethod
    def architecture() -> "type[Network]":
        """Return the class of the network, which takes a dimension and these options."""


def _mask_features(default: bool = False) -> object:
    return setting(
        default,
        "set features outside the known voxels to zero after every layer, so that the result does "
        "not depend on the padding",
        ours=True,
    )


def _zero_last() -> object:
    return setting(
        False,
        "start with a last convolution of zeros: the untrained network returns its image",
        ours=True,
    )


def _checkpoint() -> object:
    return setting(
        False,
        "keep only the inputs of blocks, and compute the rest again for the gradients: a fraction "
        "of the memory, a third more time",
    )


class DnCNNOptions(NetworkOptions):
    """Plain convolutions that predict the noise.

    Zhang et al. 2017, IEEE Trans. Image Process. 26, 3142. The defaults are the published sizes:
    557 250 parameters in 2D.
    """

    name: Literal["dncnn"] = "dncnn"
    features: Natural = setting(64, "width")
    depth: Natural = setting(17, "number of convolutions", ge=2)
    batch_norm: Flag = setting(
        True,
        "normalize the inner layers over the batch; with `mask_features`, over known voxels only",
    )
    mask_features: Flag = _mask_features()
    zero_last: Flag = _zero_last()

    @staticmethod
    def architecture() -> "type[Network]":
        """Return the class of the network."""
        from smrestore.networks.dncnn import DnCNN

        return DnCNN


class RDNOptions(NetworkOptions):
    """Residual dense network, without upscaling.

    Zhang et al. 2021, IEEE Trans. Pattern Anal. Mach. Intell. 43, 2480. The defaults are the
    published sizes: 21 974 530 parameters in 2D. In 3D, `blocks: 8, layers: 6, growth: 32`
    (6 366 210) needs less memory.
    """

    name: Literal["rdn"] = "rdn"
    features: Natural = setting(64, "width between blocks")
    growth: Natural = setting(64, "width of the convolutions within a dense block")
    blocks: Natural = setting(16, "number of dense blocks")
    layers: Natural = setting(8, "convolutions in each dense block")
    mask_features: Flag = _mask_features()
    zero_last: Flag = _zero_last()
    checkpoint: Flag = _checkpoint()

    @staticmethod
    def architecture() -> "type[Network]":
        """Return the class of the network."""
        from smrestore.networks.rdn import RDN

        return RDN


class SwinIROptions(NetworkOptions):
    """Attention within shifted windows, for 2D only.

    Liang et al. 2021, ICCV Workshops. The defaults are the published sizes: 11 500 922
    parameters. The lightweight one, `features: 60, depths: [6, 6, 6, 6]`, has 904 202.
    """

    dimensions: ClassVar[tuple[int, ...]] = (2,)

    name: Literal["swinir"] = "swinir"
    features: Natural = setting(180, "width, a multiple of `heads`")
    depths: vector(Natural, 1, 100) = setting((6, 6, 6, 6, 6, 6), "blocks in each group")
    heads: Natural = setting(6, "attention heads")
    window: Natural = setting(8, "side of the windows", unit="voxels", ge=2)
    mlp_ratio: Number = setting(2.0, "width of the perceptrons over `features`", ge=1, le=16)
    drop_path: Number = setting(
        0.1,
        "probability that the last block is left out for a sample in a training step; that of "
        "earlier blocks rises linearly from 0",
        ge=0,
        lt=1,
    )
    mask_features: Flag = setting(
        False,
        "leave unknown voxels out of attention and set their features to zero before convolutions; "
        "windows then begin at the first known voxel, so that the padding does not matter",
        ours=True,
    )
    zero_last: Flag = _zero_last()
    checkpoint: Flag = _checkpoint()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.features % self.heads:
            raise InputError(
                f"{self.features} features cannot be shared by {self.heads} heads",
                field="features",
                remedy="make features a multiple of heads",
            )
        return self

    @staticmethod
    def architecture() -> "type[Network]":
        """Return the class of the network."""
        from smrestore.networks.swinir import SwinIR

        return SwinIR


class SMRnetOptions(NetworkOptions):
    """Super-resolution by residual-in-residual dense blocks.

    Baltruschat et al. 2020, MICCAI. The defaults are the published sizes: 19 863 682 parameters in
    3D with `factor: 4`.
    """

    name: Literal["smrnet"] = "smrnet"
    factor: Literal[2, 4] = setting(2, "how many times finer the restored grid is along each axis")
    features: Natural = setting(64, "width")
    blocks: Natural = setting(9, "number of residual-in-residual blocks")
    growth: Natural = setting(32, "width of the convolutions within a dense block")
    mask_features: Flag = _mask_features()
    interpolation_skip: Flag = setting(
        False,
        "add the network to a linear interpolation of the known voxels, aligned with the fine grid",
        ours=True,
    )

    @property
    def finer(self) -> int:
        """Voxels of the result for each voxel of the image, along each axis."""
        return self.factor

    @property
    def hides_unknown(self) -> bool:
        """Whether the network cannot see the values at voxels that were not measured."""
        return True

    @staticmethod
    def architecture() -> "type[Network]":
        """Return the class of the network."""
        from smrestore.networks.smrnet import SMRnet

        return SMRnet


class PConvUNetOptions(NetworkOptions):
    """Inpainting by partial convolutions, which see only known voxels.

    Liu et al. 2018, ECCV. The default has 2 907 982 parameters in 3D. The published one is 2D:
    `channels: [64, 128, 256, 512, 512, 512, 512]`, `kernels: [7, 5, 5, 3, 3, 3, 3]`.
    """

    name: Literal["pconv-unet"] = "pconv-unet"
    channels: vector(Natural, 1, 100) = setting(
        (32, 64, 128, 256), "width of each level of the encoder, which halves the grid"
    )
    kernels: vector(Literal[1, 3, 5, 7, 9, 11], 1, 100) | None = setting(
        None, "kernel of each level of the encoder; 3 everywhere if left out"
    )
    norm: Literal["batch", "group", "none"] = setting(
        "batch",
        "normalization over the batch, over groups of at most 8 channels of each sample, or none. "
        "First and last layer have none",
    )
    known_skip: Flag = setting(
        False,
        "known voxels of the result are those of the image plus a correction",
        ours=True,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kernels is not None and len(self.kernels) != len(self.channels):
            raise InputError(
                f"{len(self.kernels)} kernels for {len(self.channels)} levels",
                field="kernels",
                remedy="give one kernel per entry of channels",
            )
        return self

    @staticmethod
    def architecture() -> "type[Network]":
        """Return the class of the network."""
        from smrestore.networks.pconv_unet import PConvUNet

        return PConvUNet


class UNetOptions(NetworkOptions):
    """Residual U-Net that is told the noise level. It is not part of the study.

    After DRUNet (Zhang et al. 2022, IEEE Trans. Pattern Anal. Mach. Intell. 44, 6360), whose sizes
    are `channels: [64, 128, 256, 512]`, `blocks: 4`: 32 639 808 parameters in 2D.
    """

    name: Literal["unet"] = "unet"
    channels: vector(Natural, 1, 100) = setting(
        (16, 32, 64, 128), "width of each level; from one to the next the grid is halved", ours=True
    )
    blocks: Natural = setting(2, "residual blocks per level, on the way down and up", ours=True)
    blind: Flag = setting(False, "do not tell the network the noise level", ours=True)
    bias: Flag = setting(
        False,
        "convolutions have biases; without them, a positive multiple of image and noise level "
        "gives the same multiple of the restored image",
        ours=True,
    )
    mask_features: Flag = _mask_features(True)
    zero_last: Flag = _zero_last()
    cell: Natural = setting(
        1,
        "side of the cells whose voxels are the channels of the first level (as in FFDNet, Zhang "
        "et al. 2018, IEEE Trans. Image Process. 27, 4608); 2 leaves out the finest and slowest "
        "level",
        unit="voxels",
        ours=True,
    )
    known_channel: Flag = setting(
        False,
        "one more channel says which voxels are known, for networks that refine a `guess`",
        ours=True,
    )
    fades_below: Number | None = setting(
        None,
        "noise over the root mean square of the image below which the correction fades with the "
        "noise, so that little noise means little change; not with `blind`",
        gt=0,
        le=100,
        ours=True,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.blind and self.fades_below is not None:
            raise InputError(
                "a network that is not told the noise level cannot fade with it",
                field="fades_below",
                remedy="leave it out, or blind",
            )
        return self

    @staticmethod
    def architecture() -> "type[Network]":
        """Return the class of the network."""
        from smrestore.networks.unet import UNet

        return UNet


NETWORKS: dict[str, type[NetworkOptions]] = {
    literals(options, "name")[0]: options
    for options in (
        DnCNNOptions,
        RDNOptions,
        SwinIROptions,
        SMRnetOptions,
        PConvUNetOptions,
        UNetOptions,
    )
}
"""Options of all networks, by the name of the network."""

AnyNetwork = either(*NETWORKS.values(), by="name")
"""Type of the options of any network."""
