"""Background frames: what the scanner measures without a sample, and its removal."""

from pathlib import Path

import numpy as np

from smrestore.errors import InputError
from smrestore.mdf.choices import Period
from smrestore.mdf.data import TILE_BYTES
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import DATA, IS_BACKGROUND_FRAME
from smrestore.mdf.limits import new_array

BACKGROUND_CORRECTIONS = ("interpolate", "mean", None)


def read_background(
    path: str | Path,
    channels: Indices = None,
    frequencies: Indices = None,
    *,
    transfer_function: str = "ignore",
    period: Period = None,
    spectral_leakage: str = "ignore",
) -> np.ndarray:
    """Return the spectra of the background frames, complex64 (E, coil, frequency).

    The frames come in the order of acquisition. Parameters as in :func:`iter_spectra`. A file
    without background frames gives E = 0.
    """
    with open_mdf(
        path,
        transfer_function=transfer_function,
        period=period,
        spectral_leakage=spectral_leakage,
    ) as file:
        return background_spectra(
            file, file.channel_indices(channels), file.stored_frequencies(frequencies)
        )


def background_std(
    path: str | Path,
    channels: Indices = None,
    frequencies: Indices = None,
    *,
    transfer_function: str = "ignore",
    period: Period = None,
    spectral_leakage: str = "ignore",
) -> np.ndarray:
    """Return the standard deviation of the background frames, float64 (coil, frequency).

    This is sqrt(sum |x - mean x|^2 / (E - 1)) over the E background frames, the noise that
    whitening divides by (Knopp et al. 2021, IEEE TMI). Drift between the frames counts.

    Raises
    ------
    InputError
        If there are fewer than two background frames.
    """
    background = read_background(
        path,
        channels,
        frequencies,
        transfer_function=transfer_function,
        period=period,
        spectral_leakage=spectral_leakage,
    )
    if len(background) < 2:
        raise InputError(
            f"a standard deviation needs two background frames, there are {len(background)}",
            path=path,
            field=IS_BACKGROUND_FRAME,
            remedy="use a scan with more of them, or a choice that needs none",
        )
    return np.std(background.astype(np.complex128), axis=0, ddof=1)


def background_spectra(file: MdfFile, channels: np.ndarray, stored: np.ndarray) -> np.ndarray:
    """Return the background frames of an open file in the order of acquisition."""
    frames = file.frames.background
    shape = (len(frames), len(channels), len(stored))
    spectra = new_array(shape, np.complex64, file.path, DATA)
    for *place, tile in file.tiles(frames, channels, stored):
        spectra[tuple(place)] = tile
    return spectra


def subtract_background(
    spectra: np.ndarray,
    times: np.ndarray,
    background: np.ndarray,
    background_times: np.ndarray,
    correction: str,
) -> None:
    """Subtract the background from foreground frames in place.

    Parameters
    ----------
    spectra
        complex64 (coil, frequency, O).
    times
        Acquisition indices of these frames, (O,).
    background
        complex64 (E, coil, frequency) in the order of acquisition, E >= 1.
    background_times
        Acquisition indices of the background frames, ascending, (E,).
    correction
        ``mean`` subtracts the mean background frame. ``interpolate`` replaces each run of
        consecutive background frames by its mean at its central time, interpolates linearly over
        the acquisition time between runs and stays constant before the first and after the last.
        With one background frame every fixed number of frames this is the interpolation of
        MPIFiles.jl; with blocks of them it is free of the steps which that one has.
    """
    starts = np.zeros(1, dtype=int)
    if correction == "interpolate":
        breaks = np.flatnonzero(np.diff(background_times) > 1) + 1
        starts = np.concatenate([starts, breaks])
    counts = np.diff(np.append(starts, len(background)))
    centers = np.add.reduceat(background_times.astype(np.float64), starts) / counts
    position = np.interp(times, centers, np.arange(len(centers)))
    before = np.floor(position).astype(int)
    after = np.minimum(before + 1, len(centers) - 1)
    weight = position - before

    # The estimate needs four arrays of complex128 at a time.
    step = max(1, TILE_BYTES // (4 * 16 * len(times)))
    for channel in range(spectra.shape[0]):
        for start in range(0, spectra.shape[1], step):
            part = slice(start, start + step)
            runs = np.add.reduceat(background[:, channel, part].astype(np.complex128), starts)
            means = (runs / counts[:, None]).T
            estimate = means[:, before] * (1 - weight) + means[:, after] * weight
            spectra[channel, part] -= estimate.astype(np.complex64)
