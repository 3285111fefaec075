"""System matrices from calibration scans."""

from pathlib import Path

import numpy as np

from smrestore.errors import InputError
from smrestore.mdf.background import (
    BACKGROUND_CORRECTIONS,
    background_spectra,
    subtract_background,
)
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import IS_BACKGROUND_FRAME


def read_system_matrix(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    background: str | None = "interpolate",
    transfer_function: str = "ignore",
) -> np.ndarray:
    """Read the system matrix of a calibration scan, raw or processed.

    Raw scans (time signals, interleaved background frames, meandering path) are streamed; of
    processed ones (spectra, fast frame axis) only the selected rows are read.

    Parameters
    ----------
    path
        MDF v2 file with a ``/calibration`` group.
    channels, frequencies
        0-based receive channels and frequency indices k of the complete spectrum; None stands for
        all that are stored.
    background
        ``interpolate`` subtracts the background interpolated over the acquisition time, ``mean``
        the mean background frame (see :func:`smrestore.mdf.background.subtract_background`), None
        nothing. Files that are flagged as corrected stay as they are.
    transfer_function
        ``ignore`` or ``divide``, see :func:`open_mdf`.

    Returns
    -------
    complex64 (coil, frequency, x, y, z) in ``acquisition.unit``: unnormalized real FFT.

    Raises
    ------
    InputError
        If the file is no calibration scan, the grid disagrees with the number of foreground frames,
        a correction is wanted without background frames, a frequency is not stored, or a value is
        not finite.
    """
    if background not in BACKGROUND_CORRECTIONS:
        raise InputError(
            f"unknown background correction {background!r}",
            field="background",
            remedy="choose interpolate, mean or none",
        )
    with open_mdf(path, transfer_function=transfer_function) as file:
        calibration = calibration_of(file)
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        foreground = file.frames.foreground
        voxels = calibration.voxels(acquired=not file.flags.frame_permutation)
        matrix = np.empty((len(channels), len(stored), len(voxels)), np.complex64)
        for frame, channel, frequency, tile in file.tiles(foreground, channels, stored):
            matrix[channel, frequency, voxels[frame]] = tile.transpose(1, 2, 0)
        if background is not None and not file.flags.background_corrected:
            times = np.empty(len(voxels), np.int64)
            times[voxels] = file.acquisition_index[foreground]
            _correct(file, matrix, times, channels, stored, background)
    return matrix.reshape(*matrix.shape[:2], *calibration.size)


def calibration_of(file: MdfFile) -> Calibration:
    """Return the calibration of a file that must be a calibration scan with a complete grid."""
    calibration = file.calibration
    if calibration is None:
        raise file.error(
            "is a measurement, not a calibration scan",
            "/calibration/method",
            "give a system matrix",
        )
    n_foreground = len(file.frames.foreground)
    if calibration.n_positions != n_foreground:
        raise file.error(
            f"a grid of {' x '.join(map(str, calibration.size))} has {calibration.n_positions} "
            f"positions, but there are {n_foreground} foreground frames",
            "/calibration/size",
            "correct the size or the background mask",
        )
    return calibration


def _correct(
    file: MdfFile,
    matrix: np.ndarray,
    times: np.ndarray,
    channels: np.ndarray,
    stored: np.ndarray,
    correction: str,
) -> None:
    frames = file.frames.background
    if len(frames) == 0:
        raise file.error(
            "there are no background frames to subtract",
            IS_BACKGROUND_FRAME,
            "read the matrix without background correction (background: none)",
        )
    background = background_spectra(file, channels, stored)
    background_times = file.acquisition_index[frames]
    subtract_background(matrix, times, background, background_times, correction)
