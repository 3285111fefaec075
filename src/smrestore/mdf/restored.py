"""Writing restored system matrices with everything that is known about their scan."""

import math
import uuid as uuids
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from smrestore.mdf.calibration import Calibration
from smrestore.mdf.copied import conforming_time, copied_datasets, is_user_defined
from smrestore.mdf.data import TILE_BYTES
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import (
    BY_POSITION,
    CONVERSION_FACTOR,
    DATA,
    FREQUENCY_SELECTION,
    IS_BACKGROUND_FRAME,
    SNR,
    Fields,
)
from smrestore.mdf.scans import UNKNOWN, Tracer, descriptive_fields, measurement_flags
from smrestore.mdf.writer import Blocks, write_mdf
from smrestore.physics.grid import CalibrationGrid
from smrestore.support.files import check_separate

EXPECTED_ERROR = "/calibration/_expectedError"
"""User-defined dataset of restored matrices: float64 (J, C, K), in the unit of the matrix."""
RESTORED_BY, METHOD_NAMES = "/calibration/_restoredBy", "/calibration/_restoredByNames"
"""User-defined datasets of matrices that several methods restored: the number of the method of each
row, uint8 (J, C, K), and the names of all methods."""


def write_restored(
    source_path: str | Path,
    destination_path: str | Path,
    matrix: np.ndarray,
    *,
    description: str,
    frequencies: Indices = None,
    grid: CalibrationGrid | None = None,
    background_corrected: bool = True,
    spectral_leakage: str = "ignore",
    snr: np.ndarray | None = None,
    expected_error: np.ndarray | None = None,
    restored_by: tuple[np.ndarray, Sequence[str]] | None = None,
    time: datetime | str | None = None,
    uuid: str | uuids.UUID | None = None,
) -> None:
    """Write a restored system matrix as a processed calibration scan.

    The layout is the usual one of system matrices, spectra (J, C, K, O) with the positions last and
    x fastest, without background frames. All datasets of the source are copied, user-defined and
    unknown ones included, except for what the restoration makes wrong: the measurement, the
    signal-to-noise ratio, and the conversion factor, which is already applied.

    Parameters
    ----------
    source_path
        The calibration scan from which :func:`read_system_matrix` read the matrix, with the
        transfer function ignored: the flag of its correction is copied.
    destination_path
        Must be another file.
    matrix
        complex (J, C, K, Nx, Ny, Nz): all periods and receive channels. With one period per frame
        also (C, K, Nx, Ny, Nz). Anything that is sliced like an array, such as an open HDF5
        dataset; it is read in pieces.
    description
        What was done; appended to ``/experiment/description``.
    frequencies
        0-based frequency indices of the matrix; by default all that the source stores.
    grid
        The grid of the matrix if it is not that of the source, after upsampling for example.
    background_corrected
        Whether the background was subtracted from the matrix.
    spectral_leakage
        How the source was read, see :func:`open_mdf`; the flag says what came of it.
    snr
        Signal-to-noise ratio of the restored rows, (C, K) or (J, C, K). None stores none, because
        that of the source does not hold any more.
    expected_error
        Root mean square error that is expected of the restored rows, in the unit of the matrix,
        (C, K) or (J, C, K); stored as the user-defined :data:`EXPECTED_ERROR`.
    restored_by
        Number of the method that restored each row, (C, K) or (J, C, K), and the names of all
        methods; stored as the user-defined :data:`RESTORED_BY` and :data:`METHOD_NAMES`.
    time, uuid
        Of the new file, for reproducible files; now and random by default.

    Raises
    ------
    InputError
        If the destination is the source, or the matrix does not fit to source, frequencies, grid.
    """
    check_separate(destination_path, source_path)
    with open_mdf(source_path, spectral_leakage=spectral_leakage) as file:
        if file.calibration is None:
            raise file.error(
                "is a measurement, not a calibration scan",
                "/calibration/method",
                "give the calibration scan of the matrix",
            )
        stored = file.stored_frequencies(frequencies)
        calibration = file.calibration
        if grid is not None:
            calibration = replace(calibration, size=grid.size, fov=grid.fov, center=grid.center)
        n_periods = file.acquisition.n_periods
        expected = (n_periods, file.acquisition.n_channels, len(stored), *calibration.size)
        without_period = expected[1:] if n_periods == 1 else expected
        if matrix.shape not in (expected, without_period):
            raise file.error(
                f"the restored matrix has shape {matrix.shape} instead of {without_period}",
                DATA,
                "give all periods, receive channels, chosen frequencies and the complete grid",
            )
        if snr is not None:
            snr = _per_row(file, snr, SNR, (n_periods, *matrix.shape[-5:-3]))
        own, rows = {}, (n_periods, *matrix.shape[-5:-3])
        if expected_error is not None:
            own[EXPECTED_ERROR] = _per_row(file, expected_error, EXPECTED_ERROR, rows)
        if restored_by is not None:
            numbers, names = restored_by
            own[RESTORED_BY] = _per_row(file, numbers, RESTORED_BY, rows).astype(np.uint8)
            own[METHOD_NAMES] = list(names)
        defaults = descriptive_fields(time, uuid)
        copied = _copied(file, same_positions=grid is None)
        if any(name.startswith("/tracer/") for name in copied):
            defaults |= Tracer(UNKNOWN, concentration=0.0, volume=0.0).to_fields()
        former = Fields(file.hdf5, file.path).text("/experiment/description", "")
        fields = {
            **defaults,
            **copied,
            **{name: defaults[name] for name in ("/version", "/uuid", "/time")},
            "/experiment/description": "\n".join(filter(None, (former, description))),
            **_acquisition(file, calibration.n_positions, stored),
            **_calibration(calibration, snr),
            **own,
            **_measurement(file, matrix, file.frequency_indices[stored], background_corrected),
        }
        write_mdf(destination_path, fields)


def _per_row(
    file: MdfFile, values: np.ndarray, name: str, expected: tuple[int, int, int]
) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    if values.shape not in (expected, expected[1:]):
        raise file.error(
            f"has shape {values.shape} instead of {expected}",
            name,
            "give one value per row of the matrix",
        )
    return np.broadcast_to(values, expected)


def _copied(file: MdfFile, same_positions: bool) -> dict[str, Any]:
    """Return the datasets of the source that still hold; of ``/measurement`` the user-defined."""
    outdated = [SNR, EXPECTED_ERROR, RESTORED_BY, METHOD_NAMES, CONVERSION_FACTOR]
    outdated.append("/acquisition/numPeriods")
    meandering = file.calibration.is_meandering and not file.flags.frame_permutation
    if not same_positions or meandering or file.calibration.order != "xyz":
        outdated += BY_POSITION

    def holds(name: str) -> bool:
        replaced = name.startswith("/measurement/") and not is_user_defined(name)
        return not replaced and name not in outdated

    return copied_datasets(file, holds)


def _acquisition(file: MdfFile, n_frames: int, stored: np.ndarray) -> dict[str, Any]:
    """Return the group in the shapes that the specification demands, for the restored data."""
    transfer_function = file.transfer_function
    restored = replace(
        file.acquisition,
        n_frames=n_frames,
        start_time=conforming_time(file.acquisition.start_time),
        conversion_factor=None,
        # MPIFiles.jl expects one value per stored frequency.
        transfer_function=None if transfer_function is None else transfer_function[:, stored],
    )
    return restored.to_fields()


def _calibration(calibration: Calibration, snr: np.ndarray | None) -> dict[str, Any]:
    restored = replace(calibration, order="xyz", is_meandering=False, snr=snr)
    return restored.to_fields()


def _measurement(
    file: MdfFile, matrix: np.ndarray, frequency_indices: np.ndarray, background_corrected: bool
) -> dict[str, Any]:
    n_positions = math.prod(matrix.shape[-3:])
    shape = (file.acquisition.n_periods, *matrix.shape[-5:-3], n_positions)
    selected = len(frequency_indices) < file.acquisition.n_frequencies or np.any(
        np.diff(frequency_indices) != 1
    )
    fields = {
        DATA: Blocks(shape, np.dtype(np.complex64), _rows(matrix)),
        IS_BACKGROUND_FRAME: np.zeros(n_positions, dtype=bool),
        **measurement_flags(
            isFourierTransformed=True,
            isFastFrameAxis=True,
            isFrequencySelection=selected,
            isBackgroundCorrected=background_corrected,
            isSpectralLeakageCorrected=file.leakage_is_corrected,
            isTransferFunctionCorrected=file.flags.transfer_function_corrected,
        ),
    }
    if selected:
        fields[FREQUENCY_SELECTION] = frequency_indices + 1
    return fields


def _rows(matrix: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    *periods, n_channels, n_frequencies, _, _, _ = matrix.shape
    n_positions = math.prod(matrix.shape[-3:])
    step = max(1, TILE_BYTES // (8 * n_positions))
    for place in np.ndindex(*periods, n_channels):
        for start in range(0, n_frequencies, step):
            part = slice(start, min(start + step, n_frequencies))
            images = np.asarray(matrix[(*place, part)])
            values = images.transpose(0, 3, 2, 1).reshape(-1, n_positions)
            yield (place[0] if periods else 0, place[-1], part), values
