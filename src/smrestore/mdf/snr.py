"""Signal-to-noise ratio of system matrix rows."""

from pathlib import Path

import numpy as np

from smrestore.mdf.background import background_spectra
from smrestore.mdf.choices import MEAN, Period
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import IS_BACKGROUND_FRAME, SNR
from smrestore.mdf.system_matrix import calibration_of, matrix_of
from smrestore.support.errors import InputError

N_STRONGEST = 20
"""Frequencies that show where the signal region is."""

BLOCK_BYTES = 1 << 28
"""Memory of the rows that are read at a time."""


def signal_to_noise(source: str | Path | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the signal-to-noise ratio of each row, float64 (coil, frequency).

    The definition is that of ``calculateSystemMatrixSNR`` in MPIFiles.jl: the median over the
    periods of a frame, if there are several, of the following. With the
    mean background mu, the noise of a row is mean |background - mu|. The signal region is where
    |S| exceeds 0.9 of its maximum in any of the 20 rows of the coil with the largest
    median |S - mu| / noise. The signal is the median of |S - mu| over this region, or, if that
    exceeds 3.5 times the noise, the median of those |S - mu| that exceed 0.9 of their maximum. Rows
    without noise have a ratio of 0.

    Parameters
    ----------
    source
        A calibration scan, or a pair of the matrix *without* background correction, complex
        (coil, frequency, x, y, z), and its background frames, complex (E, coil, frequency).

    Raises
    ------
    InputError
        If there are no background frames or fewer than 20 frequencies. A single background frame
        is its own noise.
    """
    if isinstance(source, tuple):
        matrix, background = source
        _check(background, None)
        return np.stack(
            [_channel_snr(rows, background[:, c]) for c, rows in enumerate(matrix)], axis=0
        )
    with open_mdf(source) as file:
        return ratio_of(file)


def ratio_of(file: MdfFile) -> np.ndarray:
    """Return :func:`signal_to_noise` of an open file, whichever period is chosen."""
    calibration_of(file)
    _check(np.empty((len(file.frames.background), 0, len(file.frequency_indices))), file.path)
    views = [file.of_period(period) for period in range(file.acquisition.n_periods)]
    channels = range(file.acquisition.n_channels)
    return np.median([[_channel_of_file(view, c) for c in channels] for view in views], axis=0)


def read_snr(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    period: Period = 0,
    spectral_leakage: str = "ignore",
) -> np.ndarray:
    """Return the stored signal-to-noise ratio, else the computed one, float64 (coil, frequency).

    Parameters as in :func:`read_system_matrix`. Stored values follow the definition of whoever
    wrote them (ParaVision's for converted files), and differ between ``period`` s; computed ones
    follow :func:`signal_to_noise`.
    """
    with open_mdf(path, period=period, spectral_leakage=spectral_leakage) as file:
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        snr = stored_snr(file)
        if snr is None:
            snr = ratio_of(file)
    return snr[np.ix_(channels, stored)]


def stored_snr(file: MdfFile) -> np.ndarray | None:
    """Return the stored ratio of the chosen or first period, float64 (C, K), or None.

    Values of all frequencies are cut to the stored ones, because writers differ in whether they do.
    """
    if file.calibration is None or file.calibration.snr is None:
        return None
    snr, acquisition = file.calibration.snr, file.acquisition
    shape = (acquisition.n_channels, len(file.frequency_indices))
    full = (acquisition.n_channels, acquisition.n_frequencies)
    period = 0 if file.period in (None, MEAN) else file.period
    fits = snr.ndim in (2, 3) and snr.shape[-2:] in (shape, full)
    if not fits or (snr.ndim == 3 and len(snr) not in (1, acquisition.n_periods)):
        raise file.error(
            f"has shape {snr.shape} instead of {(acquisition.n_periods, *shape)}",
            SNR,
            "store one value per stored frequency, or remove it",
        )
    if snr.ndim == 3:
        snr = snr[period if len(snr) > 1 else 0]
    if snr.shape != shape:
        snr = snr[:, file.frequency_indices]
    if np.isnan(snr).any():
        raise file.error("holds NaN", SNR, "remove it; it is computed then")
    return snr.astype(np.float64)


def _channel_of_file(file: MdfFile, channel: int) -> np.ndarray:
    """Return the ratio of one coil, (K,), reading the rows twice in blocks of bounded size."""
    n_frequencies = len(file.frequency_indices)
    step = max(1, BLOCK_BYTES // (8 * file.calibration.n_positions))
    blocks = [np.arange(k, min(k + step, n_frequencies)) for k in range(0, n_frequencies, step)]
    # A file that fits into one block is read once.
    last_read = {}

    def read(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if block[0] not in last_read:
            last_read.clear()
            last_read[block[0]] = _rows_of_file(file, channel, block)
        return last_read[block[0]]

    overall = np.concatenate([_overall_ratio(*read(block)) for block in blocks])
    strongest = np.sort(_strongest(overall))
    region = np.zeros(file.calibration.n_positions, dtype=bool)
    for block in blocks:
        inside = strongest[(strongest >= block[0]) & (strongest <= block[-1])]
        if len(inside):
            rows, _ = read(block)
            region |= _signal_region(rows[inside - block[0]])
    return np.concatenate([_final_ratio(*read(block), region) for block in reversed(blocks)][::-1])


def _rows_of_file(file: MdfFile, channel: int, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    channels = np.array([channel])
    rows = matrix_of(file, channels, stored, None)[0].reshape(len(stored), -1)
    return rows, background_spectra(file, channels, stored)[:, 0]


def _check(background: np.ndarray, path: str | Path | None) -> None:
    if len(background) == 0:
        raise InputError(
            "a signal-to-noise ratio needs background frames",
            path=path,
            field=IS_BACKGROUND_FRAME,
            remedy="use a calibration scan with background frames or a stored ratio",
        )
    if background.shape[-1] < N_STRONGEST:
        raise InputError(
            f"a signal-to-noise ratio needs {N_STRONGEST} frequencies, "
            f"there are {background.shape[-1]}",
            path=path,
            remedy="keep more frequencies",
        )


def _channel_snr(matrix: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the ratio of one coil, (K,), from its rows (K, x, y, z) and background (E, K)."""
    rows = matrix.reshape(len(matrix), -1)
    strongest = _strongest(_overall_ratio(rows, background))
    return _final_ratio(rows, background, _signal_region(rows[strongest]))


def _noise(background: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and noise of each row, (K,), from the background frames (E, K)."""
    background = background.astype(np.complex128)
    mean = background.mean(axis=0)
    deviation = background - mean if len(background) > 1 else background
    return mean, np.abs(deviation).mean(axis=0)


def _overall_ratio(rows: np.ndarray, background: np.ndarray) -> np.ndarray:
    mean, noise = _noise(background)
    return _ratio(np.median(np.abs(rows - mean[:, None]), axis=1), noise)


def _strongest(overall: np.ndarray) -> np.ndarray:
    return np.argsort(-overall, kind="stable")[:N_STRONGEST]


def _signal_region(rows: np.ndarray) -> np.ndarray:
    """Return where any of the rows (n, O) is near its maximum, bool (O,)."""
    magnitude = np.abs(rows)
    return (magnitude > 0.9 * magnitude.max(axis=1, keepdims=True)).any(axis=0)


def _final_ratio(rows: np.ndarray, background: np.ndarray, region: np.ndarray) -> np.ndarray:
    mean, noise = _noise(background)
    height = np.abs(rows - mean[:, None])
    signal = np.median(height[:, region], axis=1) if region.any() else np.zeros(len(rows))
    strong = np.flatnonzero(signal > 3.5 * noise)
    signal[strong] = _median_near_maximum(height[strong])
    return _ratio(signal, noise)


def _median_near_maximum(height: np.ndarray) -> np.ndarray:
    """Return the median of the numbers in each row that exceed 0.9 times its maximum."""
    ascending = np.sort(height, axis=1)
    n_rows, n = ascending.shape
    count = (ascending > 0.9 * ascending[:, -1:]).sum(axis=1)
    row = np.arange(n_rows)
    lower, upper = n - count + (count - 1) // 2, n - count + count // 2
    return (ascending[row, lower] + ascending[row, upper]) / 2


def _ratio(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.divide(signal, noise, out=np.zeros_like(signal), where=noise > 0)
