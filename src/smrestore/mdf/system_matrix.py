"""System matrices from calibration scans."""

from pathlib import Path

import numpy as np

from smrestore.mdf.background import (
    BACKGROUND_CORRECTIONS,
    background_shares,
    background_spectra,
    subtract_background,
)
from smrestore.mdf.calibration import Calibration
from smrestore.mdf.choices import Period
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import DATA, IS_BACKGROUND_FRAME
from smrestore.mdf.limits import new_array
from smrestore.support.errors import InputError


def read_system_matrix(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    background: str | None = "interpolate",
    transfer_function: str = "ignore",
    period: Period = None,
    spectral_leakage: str = "ignore",
) -> np.ndarray:
    """Read the system matrix of a calibration scan, raw or processed.

    Raw scans (time signals, interleaved background frames, meandering path) are streamed; of
    processed ones (spectra, fast frame axis) only the selected rows are read, and sparse ones are
    decoded row by row. Memory is that of the result and some 100 MB.

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
    period
        Needed if frames have several drive-field periods, see :func:`open_mdf`.
    spectral_leakage
        ``ignore`` or ``correct``, see :func:`open_mdf`. Only calibrations of several periods of
        equal fields per frame can be corrected.

    Returns
    -------
    complex64 (coil, frequency, x, y, z) in ``acquisition.unit``: unnormalized real FFT.

    Raises
    ------
    InputError
        If the file is no calibration scan, the grid disagrees with the number of foreground frames,
        a correction is wanted without background frames, a frequency is not stored, a value is not
        finite, or the result does not fit into the free memory.
    """
    if background not in BACKGROUND_CORRECTIONS:
        raise InputError(
            f"unknown background correction {background!r}",
            field="background",
            remedy="choose interpolate, mean or none",
        )
    with open_mdf(
        path,
        transfer_function=transfer_function,
        period=period,
        spectral_leakage=spectral_leakage,
    ) as file:
        return matrix_of(
            file, file.channel_indices(channels), file.stored_frequencies(frequencies), background
        )


def matrix_of(
    file: MdfFile, channels: np.ndarray, stored: np.ndarray, background: str | None
) -> np.ndarray:
    """Return rows of an open calibration scan; channels and stored frequencies are checked ones."""
    calibration = calibration_of(file)
    foreground = file.frames.foreground
    voxels = calibration.voxels(acquired=not file.flags.frame_permutation)
    shape = (len(channels), len(stored), len(voxels))
    matrix = new_array(shape, np.complex64, file.path, DATA)
    for frame, channel, frequency, tile in file.tiles(foreground, channels, stored):
        matrix[channel, frequency, voxels[frame]] = tile.transpose(1, 2, 0)
    if background is not None and not file.flags.background_corrected:
        times = np.empty(len(voxels), np.int64)
        times[voxels] = file.acquisition_index[foreground]
        # The times of sparse data are rarely known.
        correction = background if file.times_are_known else "mean"
        _correct(file, matrix, times, channels, stored, correction)
    return matrix.reshape(*matrix.shape[:2], *calibration.size)


def noise_shares(file: MdfFile, background: str | None = "interpolate") -> np.ndarray | None:
    """Return the shares of background frames in each voxel, float64 (P, R), [x, y, z] flattened.

    See :func:`smrestore.mdf.background.background_shares`. None if nothing is subtracted, or if the
    times of the frames are not known.
    """
    frames = file.frames
    if background is None or not len(frames.background) or not file.times_are_known:
        return None
    voxels = calibration_of(file).voxels(acquired=not file.flags.frame_permutation)
    times = np.empty(len(voxels), np.int64)
    times[voxels] = file.acquisition_index[frames.foreground]
    return background_shares(times, file.acquisition_index[frames.background], background)


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
    if n_foreground == 0:
        raise file.error(
            f"all {len(file.is_background)} frames are background",
            IS_BACKGROUND_FRAME,
            "store 0 for the frames with the sample, or declare the scan as empty",
        )
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
            "read the matrix without background correction (background: none), or set "
            "isBackgroundCorrected to 1 if it was done",
        )
    background = background_spectra(file, channels, stored)
    background_times = file.acquisition_index[frames]
    subtract_background(matrix, times, background, background_times, correction)
