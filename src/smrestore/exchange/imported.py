"""A calibration scan in MDF from the plain arrays of a group and their description."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.exchange.arrays import Variables, open_variables
from smrestore.exchange.description import Description, read_description
from smrestore.mdf.layout import DATA, FREQUENCY_SELECTION, IS_BACKGROUND_FRAME
from smrestore.mdf.scans import Tracer, descriptive_fields, measurement_flags
from smrestore.mdf.writer import timestamp
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence as ScanSequence
from smrestore.support.errors import InputError
from smrestore.support.files import check_separate

logger = logging.getLogger(__name__)

COMPLETE = ("channel", "frequency", "x", "y", "z")


def import_matrix(data: str | Path, description: str | Path, output: str | Path) -> mdf.Summary:
    """Write a calibration scan in MDF from arrays.

    Parameters
    ----------
    data
        NumPy archive (.npz) or MATLAB file (.mat) of any version.
    description
        What its variables mean, YAML: :class:`smrestore.exchange.description.Description`.
    output
        MDF file to write: spectra with the positions last, and the background frames behind them.

    Returns
    -------
    Summary
        Of the new file, with what is unusual about it.

    Raises
    ------
    InputError
        If description and data do not belong together, or the data are no system matrix.
    """
    check_separate(output, data, description)
    said = read_description(description)
    try:
        sequence, grid = _sequence(said), _grid(said)
    except InputError as error:
        raise InputError(
            error.what, path=description, field=error.field, remedy=error.remedy
        ) from None
    with open_variables(data) as variables:
        matrix = _matrix(variables, said, grid)
        indices = _indices(variables, said, matrix.shape[1], sequence.n_frequencies)
        background = _background(variables, said, matrix.shape[:2])
        snr = _snr(variables, said, matrix.shape[:2])
    _normalize(matrix, background, said, indices, sequence.n_samples)
    mdf.write_mdf(output, _fields(said, sequence, grid, matrix, indices, background, snr))
    summary = mdf.inspect_mdf(output)
    for line in summary.unusual:
        logger.warning("%s: %s", output, line)
    return summary


def _sequence(said: Description) -> ScanSequence:
    given = said.sequence
    return ScanSequence(
        drive_amplitude=tuple(1e-3 * a for a in given.drive_amplitude_mT),
        gradient=given.gradient_T_per_m,
        dividers=given.dividers,
        base_frequency=given.base_frequency_Hz,
        sampling_rate=given.sampling_rate_Hz,
        drive_phase=given.drive_phase_rad,
        offset=tuple(1e-3 * o for o in given.offset_mT),
    )


def _grid(said: Description) -> CalibrationGrid:
    return CalibrationGrid(
        said.grid.size,
        tuple(1e-3 * length for length in said.grid.fov_mm),
        tuple(1e-3 * place for place in said.grid.center_mm),
    )


def _matrix(variables: Variables, said: Description, grid: CalibrationGrid) -> np.ndarray:
    """Return the matrix, complex128 (channel, frequency, x, y, z)."""
    name = said.variables.system_matrix
    values = variables.array(name, "variables.system_matrix")
    if values.dtype.kind != "c":
        raise _error(
            variables,
            f"the variable {name!r} holds real numbers",
            "variables.system_matrix",
            "store the complex matrix",
        )
    sizes = dict(zip("xyz", grid.size, strict=True)) | {"position": grid.n_positions}
    axes = list(said.axes)
    values = _with_axes(variables, values, name, axes)
    for axis, found in zip(axes, values.shape, strict=True):
        if sizes.get(axis, found) != found:
            raise _error(
                variables,
                f"the variable {name!r} of shape {values.shape} has {found} along {axis}, and the "
                f"grid {sizes[axis]}",
                "axes",
                "correct the order of the axes or the size of the grid",
            )
    if "position" in axes:
        place, order = axes.index("position"), said.position_order
        values = np.moveaxis(values, place, -1)
        # The fastest axis is the last one in the order of NumPy.
        slow_to_fast = [grid.size["xyz".index(axis)] for axis in reversed(order)]
        values = values.reshape(*values.shape[:-1], *slow_to_fast)
        axes = [axis for axis in axes if axis != "position"] + list(reversed(order))
    for axis in COMPLETE:
        if axis not in axes:
            if sizes.get(axis, 1) > 1:
                raise _error(
                    variables,
                    f"{axis} is no axis of {name!r}, and the grid has {sizes[axis]} voxels there",
                    "axes",
                    "name this axis too, or correct the grid",
                )
            axes.append(axis)
            values = values[..., None]
    if not np.isfinite(values).all():
        raise _error(
            variables,
            f"the variable {name!r} holds NaN or infinite values",
            "variables.system_matrix",
            "repair or leave out what is not finite",
        )
    return values.transpose([axes.index(axis) for axis in COMPLETE]).astype(np.complex128)


def _with_axes(
    variables: Variables, values: np.ndarray, name: str, axes: Sequence[str]
) -> np.ndarray:
    """Return an array with as many axes as are named: MATLAB drops those of length 1 at the end."""
    missing = len(axes) - values.ndim
    if missing > 0:
        values = values.reshape(*values.shape, *[1] * missing)
    while values.ndim > len(axes) and values.shape[-1] == 1:
        values = values[..., 0]
    if values.ndim != len(axes):
        raise _error(
            variables,
            f"the variable {name!r} has shape {values.shape}, and {len(axes)} axes are named: "
            f"{', '.join(axes)}",
            "axes",
            "name each axis",
        )
    return values


def _indices(
    variables: Variables, said: Description, n_stored: int, n_frequencies: int
) -> np.ndarray:
    """Return the places of the frequencies in the complete spectrum, int64 (K,)."""
    name, field = said.variables.frequency_index, "variables.frequency_index"
    if name is None:
        if n_stored != n_frequencies:
            raise _error(
                variables,
                f"{n_stored} frequencies are stored, and the sequence has {n_frequencies}",
                field,
                "name the variable with their indices, or correct the sequence",
            )
        return np.arange(n_frequencies)
    given = variables.array(name, field).ravel()
    indices = np.round(given.real).astype(np.int64) - said.first_frequency_index
    wrong = len(indices) != n_stored or len(set(indices.tolist())) != len(indices)
    if wrong or (given != np.round(given.real)).any() or indices.min() < 0:
        raise _error(
            variables,
            f"the variable {name!r} holds no {n_stored} different indices",
            field,
            "store one whole number for each frequency of the matrix, and set "
            "first_frequency_index to the first possible one",
        )
    if indices.max() >= n_frequencies:
        raise _error(
            variables,
            f"the variable {name!r} names frequency {indices.max()}, and the sequence has "
            f"{n_frequencies}",
            field,
            "correct the indices or the sampling rate",
        )
    return indices


def _background(
    variables: Variables, said: Description, rows: tuple[int, int]
) -> np.ndarray | None:
    """Return the background, complex128 (frame, channel, frequency), or None."""
    name, field = said.variables.background, "variables.background"
    if name is None:
        return None
    axes = list(said.background_axes)
    values = _with_axes(variables, variables.array(name, field), name, axes)
    for axis in ("frame", "channel"):
        if axis not in axes:
            axes.append(axis)
            values = values[..., None]
    places = [axes.index(axis) for axis in ("frame", "channel", "frequency")]
    values = values.transpose(places).astype(np.complex128)
    if values.shape[1:] != rows or not np.isfinite(values).all():
        raise _error(
            variables,
            f"the variable {name!r} has {values.shape[1]} channels and {values.shape[2]} "
            f"frequencies, the matrix {rows[0]} and {rows[1]}; all must be finite",
            field,
            "correct background_axes, or leave the background out",
        )
    return values


def _snr(variables: Variables, said: Description, rows: tuple[int, int]) -> np.ndarray | None:
    """Return the signal-to-noise ratio, float64 (1, channel, frequency), or None."""
    name, field = said.variables.snr, "variables.snr"
    if name is None:
        return None
    values = variables.array(name, field)
    axes = [axis for axis in said.axes if axis in ("channel", "frequency")]
    if 1 in rows and values.size == math.prod(rows):
        # A vector, which MATLAB has as a row or a column.
        values = values.reshape(rows)
    elif axes != ["channel", "frequency"]:
        values = values.T
    if values.shape != rows or values.dtype.kind == "c" or not np.isfinite(values).all():
        raise _error(
            variables,
            f"the variable {name!r} has no finite real number for each of {rows[0]} channels and "
            f"{rows[1]} frequencies",
            field,
            "store one for each row of the matrix, or leave it out",
        )
    return values.astype(np.float64)[None]


def _normalize(
    matrix: np.ndarray,
    background: np.ndarray | None,
    said: Description,
    indices: np.ndarray,
    n_samples: int,
) -> None:
    """Bring spectra to unnormalized FFTs with exp(-i 2 pi f t), in place."""
    factor = np.ones(len(indices))
    if said.normalization != "none":
        factor[:] = n_samples
    if said.normalization == "amplitude":
        has_pair = (indices > 0) & (2 * indices != n_samples)
        factor[has_pair] /= 2
    for values, shape in ((matrix, (-1, 1, 1, 1)), (background, (-1,))):
        if values is not None:
            values *= factor.reshape(shape)
            if said.conjugate:
                np.conjugate(values, out=values)


def _fields(
    said: Description,
    sequence: ScanSequence,
    grid: CalibrationGrid,
    matrix: np.ndarray,
    indices: np.ndarray,
    background: np.ndarray | None,
    snr: np.ndarray | None,
) -> dict[str, object]:
    n_channels, n_frequencies = matrix.shape[:2]
    # Positions come last, with x as the fastest axis, and the background behind them.
    rows = matrix.transpose(0, 1, 4, 3, 2).reshape(n_channels, n_frequencies, -1)
    n_background = 0
    if background is not None:
        n_background = len(background)
        rows = np.concatenate([rows, background.transpose(1, 2, 0)], axis=2)
    acquisition = mdf.Acquisition.from_sequence(
        sequence,
        n_frames=rows.shape[2],
        start_time=said.start_time or timestamp(),
        n_averages=said.averages,
        n_channels=n_channels,
        unit=said.unit,
    )
    sample = said.grid.sample_mm
    calibration = mdf.Calibration(
        method=said.method,
        size=grid.size,
        fov=grid.fov,
        center=grid.center,
        delta_sample_size=sample and tuple(1e-3 * edge for edge in sample),
        snr=snr,
    )
    tracer = {}
    if said.tracer is not None:
        tracer = Tracer(
            said.tracer.name,
            concentration=said.tracer.concentration_mol_per_l,
            volume=1e-6 * said.tracer.volume_ul,
        ).to_fields()
    selected = len(indices) < sequence.n_frequencies or (np.diff(indices) != 1).any()
    fields = {
        **descriptive_fields(),
        **acquisition.to_fields(),
        **calibration.to_fields(),
        **tracer,
        "/experiment/isSimulation": said.simulated,
        DATA: rows.astype(np.complex64)[None],
        IS_BACKGROUND_FRAME: np.arange(rows.shape[2]) >= rows.shape[2] - n_background,
        **measurement_flags(
            isFourierTransformed=True,
            isFastFrameAxis=True,
            isFrequencySelection=bool(selected),
            isBackgroundCorrected=said.background_corrected,
            isTransferFunctionCorrected=said.transfer_function_corrected,
        ),
    }
    if selected:
        fields[FREQUENCY_SELECTION] = indices + 1
    if said.text:
        fields["/experiment/description"] = said.text
    if said.scanner:
        fields["/scanner/name"] = said.scanner
    return fields


def _error(variables: Variables, what: str, field: str, remedy: str) -> InputError:
    return InputError(what, path=variables.path, field=field, remedy=remedy)
