"""Signal-to-noise ratio of system matrix rows."""

from pathlib import Path

import numpy as np

from smrestore.errors import InputError
from smrestore.mdf.background import read_background
from smrestore.mdf.file import Indices, open_mdf
from smrestore.mdf.layout import IS_BACKGROUND_FRAME
from smrestore.mdf.system_matrix import read_system_matrix

N_STRONGEST = 20
"""Frequencies that show where the signal region is."""


def signal_to_noise(source: str | Path | tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Return the signal-to-noise ratio of each row, float64 (coil, frequency).

    The definition is that of ``calculateSystemMatrixSNR`` in MPIFiles.jl for one period. With the
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
        If there are no background frames or fewer than 20 frequencies.
    """
    if isinstance(source, tuple):
        matrix, background = source
        _check(background, None)
        return np.stack(
            [_channel_snr(rows, background[:, c]) for c, rows in enumerate(matrix)], axis=0
        )
    with open_mdf(source) as file:
        n_channels = file.acquisition.n_channels
    return np.concatenate([_read_channel_snr(source, channel) for channel in range(n_channels)])


def read_snr(
    path: str | Path, *, channels: Indices = None, frequencies: Indices = None
) -> np.ndarray:
    """Return the stored signal-to-noise ratio, else the computed one, float64 (coil, frequency).

    Parameters as in :func:`read_system_matrix`. Stored values follow the definition of whoever
    wrote them (ParaVision's for converted files); computed ones that of :func:`signal_to_noise`.
    """
    with open_mdf(path) as file:
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        shape = (file.acquisition.n_channels, len(file.frequency_indices))
        snr = None if file.calibration is None else file.calibration.snr
        if snr is not None and (snr.shape[-2:] != shape or snr.ndim > 3):
            raise file.error(
                f"has shape {snr.shape} instead of {(1, *shape)}",
                "/calibration/snr",
                "store one value per stored frequency, or remove it",
            )
    if snr is None:
        snr = signal_to_noise(path)
    return snr.reshape(-1, *shape)[0].astype(np.float64)[np.ix_(channels, stored)]


def _read_channel_snr(path: str | Path, channel: int) -> np.ndarray:
    background = read_background(path, [channel])
    _check(background, path)
    matrix = read_system_matrix(path, channels=[channel], background=None)
    return _channel_snr(matrix[0], background[:, 0])[None]


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
    background = background.astype(np.complex128)
    mean = background.mean(axis=0)
    deviation = background - mean if len(background) > 1 else background
    noise = np.abs(deviation).mean(axis=0)
    overall = np.array([np.median(np.abs(row - mu)) for row, mu in zip(rows, mean, strict=True)])
    strongest = np.argsort(-_ratio(overall, noise), kind="stable")[:N_STRONGEST]
    magnitude = np.abs(rows[strongest])
    region = (magnitude > 0.9 * magnitude.max(axis=1, keepdims=True)).any(axis=0)
    signal = np.empty(len(rows))
    for k, row in enumerate(rows):
        height = np.abs(row - mean[k])
        signal[k] = np.median(height[region]) if region.any() else 0.0
        if signal[k] > 3.5 * noise[k]:
            signal[k] = np.median(height[height > 0.9 * height.max()])
    return _ratio(signal, noise)


def _ratio(signal: np.ndarray, noise: np.ndarray) -> np.ndarray:
    return np.divide(signal, noise, out=np.zeros_like(signal), where=noise > 0)
