"""Choices of a reconstruction, as they stand in a configuration."""

import math
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import PlainValidator, WithJsonSchema, model_validator

from smrestore.support.choices import Background, Leakage, Weighting
from smrestore.support.errors import InputError
from smrestore.support.settings import Count, Flag, Natural, Number, Once, Settings, setting, vector

if TYPE_CHECKING:
    import numpy as np

    from smrestore.reconstruction.regularization import Regularization


def _check_period(value: object) -> object:
    is_index = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    if value is not None and value != "mean" and not is_index:
        raise InputError(f"{value!r} is no period", remedy="give a number from 0, or mean")
    return value


Period = Annotated[
    int | str | None,
    PlainValidator(_check_period),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"const": "mean"}]}),
]
"""Type of a drive-field period of frames that have several, or their mean."""


class ReconstructionSettings(Settings):
    """Choices of a reconstruction by the regularized Kaczmarz method."""

    sweeps: Natural = setting(..., "sweeps over all rows", study="1000; 3 and 10 in 3D")
    relative_regularization: Number | None = setting(
        None,
        "lambda over (squared norm of the weighted matrix / voxels); give it or the absolute one",
        ge=0,
    )
    absolute_regularization: Number | None = setting(
        None, "lambda itself, in squared units of the weighted matrix, instead", ge=0
    )
    snr_threshold: Number = setting(
        ...,
        "smallest signal-to-noise ratio of a row in the calibration as measured; 0 keeps all. All "
        "methods use the same rows",
        ge=0,
    )
    channels: Annotated[vector(Count, 1, 100), Once] = setting(
        ..., "receive channels, counted from 0"
    )
    weighting: Weighting = setting(
        "none",
        "weights of the rows: none, 1 over the norm, or 1 over the background standard deviation. "
        "They come from the calibration as it was measured and are the same for every method",
        ours=True,
    )
    real: Flag = setting(True, "the image is real")
    positive: Flag = setting(True, "the image is not negative")
    min_frequency_Hz: Number = setting(0.0, "lower end of the frequency band", ge=0, le=1e9)  # noqa: N815 (the unit belongs to the key)
    max_frequency_Hz: Number | None = setting(  # noqa: N815
        None, "upper end of the frequency band; no limit if left out", ge=1e3, le=1e9
    )
    max_mixing_order: Count | None = setting(
        None, "largest abs(n_x) + abs(n_y) + abs(n_z) of a row; no limit if left out"
    )
    shuffle_seed: Count | None = setting(
        None,
        "seed of a random order of the rows, the same in all sweeps; if left out, channel after "
        "channel with rising frequency",
    )
    frames: vector(Count, 2) | None = setting(
        None,
        "first frame and end (not included) of the frames with a phantom whose mean is "
        "reconstructed; all if left out",
    )
    background: Background = setting(
        "interpolate",
        "how the background of calibrations is subtracted, also before they are restored and "
        "shown: interpolated over the acquisition time, their mean, or not at all",
        ours=True,
    )
    period: Period = setting(
        None,
        "drive-field period of frames that have several, from 0, or `mean` of those of equal "
        "fields. If left out, all periods are used, each as rows of its own; calibration and "
        "phantom must have equally many",
    )
    spectral_leakage: Leakage = setting(
        "ignore",
        "`correct` lessens the [spectral leakage](mdf.md#choices) of time signals of phantom and "
        "empty scan, and of calibrations as far as these can be corrected, also before they are "
        "restored and shown",
        ours=True,
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        absolute = self.absolute_regularization is not None
        if absolute == (self.relative_regularization is not None):
            raise InputError(
                "given together with absolute_regularization"
                if absolute
                else "no regularization given",
                field="relative_regularization",
                remedy="set one of both, and the other to null"
                if absolute
                else "give it or absolute_regularization",
            )
        if self.max_frequency_Hz is not None and self.min_frequency_Hz > self.max_frequency_Hz:
            raise InputError(
                f"{self.min_frequency_Hz:g} is above {self.max_frequency_Hz:g}",
                field="min_frequency_Hz",
                remedy="give the smaller value first",
            )
        return self

    @property
    def calibration_reading(self) -> dict[str, str | None]:
        """How calibrations are read, see :func:`calibration_reading`."""
        return calibration_reading(self.background, self.spectral_leakage)

    @property
    def calibration_leakage(self) -> str:
        """What is done about spectral leakage in calibrations."""
        return self.calibration_reading["spectral_leakage"]

    def regularization(self, matrix: "np.ndarray", weights: "np.ndarray") -> "Regularization":
        """Return lambda in both conventions for a matrix (rows, voxels) and its weights (rows,)."""
        from smrestore.reconstruction.regularization import (
            absolute_regularization,
            relative_regularization,
        )

        if self.absolute_regularization is not None:
            return relative_regularization(self.absolute_regularization, matrix, weights)
        return absolute_regularization(self.relative_regularization, matrix, weights)

    def select_rows(
        self, snr: "np.ndarray", frequencies: "np.ndarray", mixing_order: "np.ndarray | None" = None
    ) -> "np.ndarray":
        """Return the rows that pass these settings; see `smrestore.reconstruction.select_rows`."""
        from smrestore.reconstruction.rows import select_rows

        return select_rows(
            snr,
            frequencies,
            snr_threshold=self.snr_threshold,
            channels=self.channels,
            min_frequency=self.min_frequency_Hz,
            max_frequency=math.inf if self.max_frequency_Hz is None else self.max_frequency_Hz,
            max_mixing_order=self.max_mixing_order,
            mixing_order=mixing_order,
        )


def calibration_reading(
    background: str = "interpolate", spectral_leakage: str = "ignore"
) -> dict[str, str | None]:
    """Return how calibrations are read, in the words of :func:`smrestore.mdf.read_system_matrix`.

    If spectral leakage is corrected, calibrations are corrected only if this is possible: few of
    them are time signals of several equal periods.
    """
    return {
        "background": None if background == "none" else background,
        "spectral_leakage": "correct-if-possible" if spectral_leakage == "correct" else "ignore",
    }
