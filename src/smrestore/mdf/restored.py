"""Writing restored system matrices with everything that is known about their scan."""

import uuid as uuids
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from smrestore.errors import InputError
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.file import TILE_BYTES, Indices, MdfFile, open_mdf
from smrestore.mdf.layout import (
    CONVERSION_FACTOR,
    DATA,
    FREQUENCY_SELECTION,
    IS_BACKGROUND_FRAME,
    Fields,
)
from smrestore.mdf.scans import UNKNOWN, Tracer, descriptive_fields, measurement_flags
from smrestore.mdf.writer import Blocks, write_mdf
from smrestore.physics.grid import CalibrationGrid

BY_POSITION = ("/calibration/positions", "/calibration/offsetFields", "/calibration/offsetField")
"""Datasets with one row per position, in the order of the frames."""


def write_restored(
    source_path: str | Path,
    destination_path: str | Path,
    matrix: np.ndarray,
    *,
    description: str,
    frequencies: Indices = None,
    grid: CalibrationGrid | None = None,
    background_corrected: bool = True,
    snr: np.ndarray | None = None,
    time: datetime | str | None = None,
    uuid: str | uuids.UUID | None = None,
) -> None:
    """Write a restored system matrix as a processed calibration scan.

    The layout is the usual one of system matrices, spectra (1, C, K, O) with the positions last and
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
        complex (C, K, Nx, Ny, Nz): all receive channels.
    description
        What was done; appended to ``/experiment/description``.
    frequencies
        0-based frequency indices of the matrix; by default all that the source stores.
    grid
        The grid of the matrix if it is not that of the source, after upsampling for example.
    background_corrected
        Whether the background was subtracted from the matrix.
    snr
        Signal-to-noise ratio of the restored rows, (C, K). None stores none, because that of the
        source does not hold any more.
    time, uuid
        Of the new file, for reproducible files; now and random by default.

    Raises
    ------
    InputError
        If the destination is the source, or the matrix does not fit to source, frequencies, grid.
    """
    if Path(destination_path).resolve() == Path(source_path).resolve():
        raise InputError(
            "a restored system matrix must not replace its source",
            path=destination_path,
            remedy="choose another name",
        )
    with open_mdf(source_path) as file:
        if file.calibration is None:
            raise file.error(
                "is a measurement, not a calibration scan",
                "/calibration/method",
                "give the calibration scan of the matrix",
            )
        file.require_single_period()
        stored = file.stored_frequencies(frequencies)
        calibration = file.calibration
        if grid is not None:
            calibration = replace(calibration, size=grid.size, fov=grid.fov, center=grid.center)
        expected = (file.acquisition.n_channels, len(stored), *calibration.size)
        if matrix.shape != expected:
            raise file.error(
                f"the restored matrix has shape {matrix.shape} instead of {expected}",
                DATA,
                "give all receive channels, the chosen frequencies and the complete grid",
            )
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
            **_measurement(file, matrix, file.frequency_indices[stored], background_corrected),
        }
        write_mdf(destination_path, fields)


def _copied(file: MdfFile, same_positions: bool) -> dict[str, h5py.Dataset]:
    """Return the datasets of the source that still hold; of ``/measurement`` the user-defined."""
    datasets = {}

    def collect(name: str, node: h5py.Group | h5py.Dataset) -> None:
        user_defined = any(part.startswith("_") for part in name.split("/"))
        replaced = name.startswith("measurement/") and not user_defined
        if isinstance(node, h5py.Dataset) and not replaced:
            datasets[f"/{name}"] = node

    file.hdf5.visititems(collect)
    outdated = ["/calibration/snr", CONVERSION_FACTOR]
    meandering = file.calibration.is_meandering and not file.flags.frame_permutation
    if not same_positions or meandering or file.calibration.order != "xyz":
        outdated += BY_POSITION
    return {name: dataset for name, dataset in datasets.items() if name not in outdated}


def _acquisition(file: MdfFile, n_frames: int, stored: np.ndarray) -> dict[str, Any]:
    """Return the group in the shapes that the specification demands, for the restored data."""
    transfer_function = file.transfer_function
    restored = replace(
        file.acquisition,
        n_frames=n_frames,
        conversion_factor=None,
        # MPIFiles.jl expects one value per stored frequency.
        transfer_function=None if transfer_function is None else transfer_function[:, stored],
    )
    return restored.to_fields()


def _calibration(calibration: Calibration, snr: np.ndarray | None) -> dict[str, Any]:
    restored = replace(
        calibration, order="xyz", is_meandering=False, snr=None if snr is None else snr[None]
    )
    return restored.to_fields()


def _measurement(
    file: MdfFile, matrix: np.ndarray, frequency_indices: np.ndarray, background_corrected: bool
) -> dict[str, Any]:
    n_positions = int(np.prod(matrix.shape[2:]))
    selected = len(frequency_indices) < file.acquisition.n_frequencies or np.any(
        np.diff(frequency_indices) != 1
    )
    fields = {
        DATA: Blocks((1, *matrix.shape[:2], n_positions), np.dtype(np.complex64), _rows(matrix)),
        IS_BACKGROUND_FRAME: np.zeros(n_positions, dtype=bool),
        **measurement_flags(
            isFourierTransformed=True,
            isFastFrameAxis=True,
            isFrequencySelection=selected,
            isBackgroundCorrected=background_corrected,
            isSpectralLeakageCorrected=file.flags.spectral_leakage_corrected,
            isTransferFunctionCorrected=file.flags.transfer_function_corrected,
        ),
    }
    if selected:
        fields[FREQUENCY_SELECTION] = frequency_indices + 1
    return fields


def _rows(matrix: np.ndarray) -> Iterator[tuple[Any, np.ndarray]]:
    n_channels, n_frequencies, *size = matrix.shape
    n_positions = int(np.prod(size))
    step = max(1, TILE_BYTES // (8 * n_positions))
    for channel in range(n_channels):
        for start in range(0, n_frequencies, step):
            part = slice(start, start + step)
            images = np.asarray(matrix[channel, part])
            yield (0, channel, part), images.transpose(0, 3, 2, 1).reshape(-1, n_positions)
