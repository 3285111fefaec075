"""Options of methods: of classical ones, and of the use of networks.

A new classical method is one file with its function and one entry here. This module imports no
numerical libraries.
"""

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from smrestore.support.choices import Alignment, Ensemble
from smrestore.support.settings import (
    Flag,
    Number,
    Once,
    Settings,
    either,
    literals,
    setting,
    vector,
)

if TYPE_CHECKING:
    from smrestore.methods.classical import Method


class ClassicalOptions(Settings):
    """What all classical methods have in common.

    Attributes
    ----------
    tasks
        Tasks that the method is for.
    """

    tasks: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def build(self) -> "Method":
        """Return the method."""


class DctFilter(ClassicalOptions):
    """Soft thresholding in the discrete cosine domain, for denoising."""

    tasks: ClassVar[tuple[str, ...]] = ("denoising",)

    method: Literal["dct-filter"] = "dct-filter"
    omega: Number = setting(
        ..., "threshold in standard deviations of the noise", study="2.75", gt=0, le=100
    )

    def build(self) -> "Method":
        """Return the method."""
        from smrestore.methods.cosine import dct_filter

        return lambda batch: [dct_filter(item.image, item.sigma, self.omega) for item in batch]


class Spline(ClassicalOptions):
    """Cubic splines through the measured voxels, for accelerated calibration and upsampling."""

    tasks: ClassVar[tuple[str, ...]] = ("accelerated-calibration", "upsampling")

    method: Literal["spline"] = "spline"
    alignment: Alignment = setting(
        ...,
        "`aligned`: voxels are where they were measured. `half-pixel`: they are the centers of "
        "blocks, as in common image resizing",
        study="not given; its numbers look like `half-pixel`",
    )

    def build(self) -> "Method":
        """Return the method."""
        from smrestore.methods.spline import spline_upsample

        return lambda batch: [
            spline_upsample(item.image, item.spacing, item.restored_size, alignment=self.alignment)
            for item in batch
        ]


class Biharmonic(ClassicalOptions):
    """Smoothest surface through the known voxels, for inpainting."""

    tasks: ClassVar[tuple[str, ...]] = ("inpainting",)

    method: Literal["biharmonic"] = "biharmonic"

    def build(self) -> "Method":
        """Return the method."""
        from smrestore.methods.biharmonic import inpaint_biharmonic_each

        return lambda batch: inpaint_biharmonic_each(
            [item.image for item in batch], [item.missing for item in batch]
        )


class GuessedSpline(Spline):
    """Cubic splines as the first guess of a network."""

    error_share: Number = setting(
        0.0,
        "the spline also restores the measured voxels from every second of them; this share of its "
        "error is told to the network as noise",
        ours=True,
        ge=0,
        le=10,
    )


CLASSICAL: dict[str, type[ClassicalOptions]] = {
    literals(options, "method")[0]: options for options in (DctFilter, Spline, Biharmonic)
}
"""Options of all classical methods, by the name of the method."""

AnyGuess = either(DctFilter, GuessedSpline, Biharmonic, by="method")
"""Type of the options of a classical method whose result a network refines."""


class Inference(Settings):
    """How a trained network is used. A change repeats no training."""

    ensemble: Annotated[vector(Ensemble, 0, 2), Once] = setting(
        (),
        "transformed versions of a component that are restored, turned back and averaged. "
        "`phases`: turned by 90, 180 and 270 degrees; by 180 degrees only for networks of `phase: "
        "canonical`. `flips`: mirrored along each axis, for networks trained with "
        "`training.flips`; not where a task leaves voxels out",
        study="not done",
    )
    tile: Flag = setting(
        False,
        "restore grids larger than the patch in tiles of its size, which overlap by a quarter and "
        "are blended. This takes less memory, and the network sees no more than in training",
        ours=True,
    )
    within_noise: Number | None = setting(
        None,
        "measured voxels change by at most this many standard deviations of their noise, so that a "
        "network cannot spoil a scan with little noise; no limit if left out",
        study="not done",
        gt=0,
        le=1000,
    )
    power_within_noise: Number | None = setting(
        None,
        "for denoising: if what the network removed has more than this many times the power of the "
        "noise, the share of it beyond one is given back, so that a network cannot spoil "
        "components unlike those that it was trained with; no limit if left out",
        study="not done",
        ge=1,
        le=1000,
    )
    spectrum_within_noise: Number | None = setting(
        None,
        "the same for the coefficients of the cosine transform, for denoising: a pattern that the "
        "network removed is added again if it stands out of the noise; no limit if left out",
        study="not done",
        gt=0,
        le=1000,
    )
