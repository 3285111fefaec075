"""What the arrays of a group mean: the description beside them, in YAML."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import Field, model_validator

from smrestore.support.errors import InputError
from smrestore.support.settings import (
    Count,
    Flag,
    Natural,
    Number,
    Once,
    Positive,
    Settings,
    Text,
    setting,
    vector,
)

Axis = Literal["channel", "frequency", "x", "y", "z", "position"]
BackgroundAxis = Literal["frame", "channel", "frequency"]
NORMALIZATIONS = ("none", "samples", "amplitude")
Normalization = Literal["none", "samples", "amplitude"]


class SequenceDescription(Settings):
    """Drive and static fields, and how the signal is sampled."""

    drive_amplitude_mT: vector(Annotated[Number, Field(ge=0, le=500)], 3) = setting(  # noqa: N815
        ..., "drive field along x, y, z; 0 switches an axis off"
    )
    drive_phase_rad: vector(Number, 3) = setting(
        (0.0, 0.0, 0.0), "phase along x, y, z: 0 is a cosine, -pi/2 a sine"
    )
    dividers: vector(Natural, 3) = setting(
        ..., "drive frequencies are the base frequency divided by these"
    )
    base_frequency_Hz: Positive = setting(..., "frequency that the dividers divide")  # noqa: N815
    sampling_rate_Hz: Positive = setting(..., "of the signal: twice the bandwidth")  # noqa: N815
    gradient_T_per_m: vector(Annotated[Number, Field(ge=-100, le=100)], 3) = setting(  # noqa: N815
        ..., "diagonal of the selection field gradient"
    )
    offset_mT: vector(Annotated[Number, Field(ge=-3000, le=3000)], 3) = setting(  # noqa: N815
        (0.0, 0.0, 0.0), "constant field at the center, such as a focus field"
    )


class GridDescription(Settings):
    """Where the delta sample was placed."""

    size: vector(Natural, 3) = setting(..., "voxels along x, y, z; 1 where the grid has no extent")
    fov_mm: vector(Annotated[Number, Field(ge=0, le=1000)], 3) = setting(
        ..., "field of view between the outer voxel edges"
    )
    center_mm: vector(Annotated[Number, Field(ge=-1000, le=1000)], 3) = setting(
        (0.0, 0.0, 0.0), "its center"
    )
    sample_mm: vector(Annotated[Number, Field(gt=0, le=100)], 3) | None = setting(
        None, "edges of the delta sample; unknown if left out"
    )


class TracerDescription(Settings):
    """The tracer of the delta sample."""

    name: Text = setting(...)
    concentration_mol_per_l: Annotated[Number, Field(ge=0, le=20)] = setting(
        0.0, "of iron; 0 if unknown"
    )
    volume_ul: Annotated[Number, Field(ge=0, le=1e6)] = setting(0.0, "0 if unknown")


class Variable(Settings):
    """Names of the variables in the data file."""

    system_matrix: Text = setting("system_matrix", "complex matrix")
    frequency_index: Text | None = setting(
        None, "places of the stored frequencies in the complete spectrum; all if left out"
    )
    snr: Text | None = setting(None, "signal-to-noise ratio of each row")
    background: Text | None = setting(None, "spectra of background frames")


class Description(Settings):
    """What the variables of a data file mean."""

    variables: Variable = setting(Variable())
    axes: Annotated[tuple[Axis, ...], Once] = setting(
        ("channel", "frequency", "x", "y", "z"),
        "order of the axes of the matrix; position stands for all of x, y, z, and axes of length 1 "
        "may be left out",
    )
    background_axes: Annotated[tuple[BackgroundAxis, ...], Once] = setting(
        ("frame", "channel", "frequency"), "order of the axes of the background"
    )
    position_order: Literal["xyz", "xzy", "yxz", "yzx", "zxy", "zyx"] = setting(
        "xyz", "axes of a position axis from the fastest to the slowest"
    )
    first_frequency_index: Annotated[Count, Field(le=1)] = setting(
        0, "whether frequency_index counts from 0 or 1"
    )
    conjugate: Flag = setting(False, "whether the spectra were computed with exp(+i 2 pi f t)")
    normalization: Normalization = setting(
        "none",
        "what the FFT was divided by: nothing, the samples V, or V / 2 (amplitudes; at frequency "
        "0 and the Nyquist frequency V)",
    )
    unit: Text = setting("V", "of the signal")
    background_corrected: Flag = setting(..., "whether the background was subtracted")
    transfer_function_corrected: Flag = setting(
        False, "whether the spectra were divided by a transfer function"
    )
    averages: Natural = setting(1, "of each position")
    sequence: SequenceDescription = setting(...)
    grid: GridDescription = setting(...)
    tracer: TracerDescription | None = setting(None)
    scanner: Text | None = setting(None, "name of the scanner")
    method: Text = setting("robot", "how the matrix was made: robot, simulation, hybrid")
    simulated: Flag = setting(False, "whether the data are synthetic")
    start_time: Text | None = setting(
        None, "when the calibration began, UTC, yyyy-mm-ddThh:mm:ss.sss; now if left out"
    )
    text: Text | None = setting(None, "what was measured, for readers")

    @model_validator(mode="after")
    def _check(self) -> "Description":
        places = {"x", "y", "z"} & set(self.axes)
        if "frequency" not in self.axes or ("position" in self.axes) == bool(places):
            raise InputError(
                f"{', '.join(self.axes)} are no axes of a system matrix",
                field="axes",
                remedy="name frequency, position or x, y and z, and channel if there are several",
            )
        if "frequency" not in self.background_axes:
            raise InputError(
                "frequency is missing",
                field="background_axes",
                remedy="name frequency, and frame and channel if there are these axes",
            )
        return self


def read_description(path: str | Path) -> Description:
    """Read and check a description.

    Raises
    ------
    InputError
        One line that names the file, the key, the fault and the remedy.
    """
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", path=path, remedy="check the path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(
            f"is no YAML ({' '.join(str(error).split())})",
            path=path,
            remedy="see docs/exchange.md for an example",
        ) from None
    if not isinstance(content, dict):
        raise InputError("holds no keys", path=path, remedy="see docs/exchange.md for an example")
    try:
        return Description.checked(content)
    except InputError as error:
        raise InputError(error.what, path=path, field=error.field, remedy=error.remedy) from None
