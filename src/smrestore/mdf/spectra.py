"""Spectra of single frames: measurements, empty scans, raw calibration scans."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smrestore.mdf.choices import Period
from smrestore.mdf.data import frame_blocks
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import DATA
from smrestore.mdf.limits import new_array
from smrestore.support.errors import InputError


def iter_spectra(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    frames: Indices = None,
    block_frames: int = 64,
    transfer_function: str = "ignore",
    period: Period = None,
    spectral_leakage: str = "ignore",
    averages: int = 1,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the spectra of stored frames block by block; memory is bounded by the block.

    Parameters
    ----------
    path
        MDF v2 file with time signals or spectra, whatever its frame axis.
    channels, frequencies, frames
        0-based receive channels, frequency indices k of the complete spectrum (f = k * sampling
        rate / V), and frames in stored order, or boolean masks of them; None stands for all,
        background frames included.
    block_frames
        Frames per block.
    transfer_function
        ``ignore`` or ``divide``, see :func:`open_mdf`.
    period
        Needed if frames have several drive-field periods, see :func:`open_mdf`.
    spectral_leakage
        ``ignore`` or ``correct``, see :func:`open_mdf`.
    averages
        This many consecutive ones of the chosen frames are averaged, on top of the averages that
        the file contains; the last mean may be of fewer.

    Yields
    ------
    frame_indices, spectra
        The stored indices, int64 (n,), of the first frame of a mean, and complex64
        (n, channels, frequencies): unnormalized real FFT of the converted signal.

    Raises
    ------
    InputError
        If the file is at fault or does not hold what is asked for, or for a value that is not
        finite.
    """
    _check_averages(averages)
    with open_mdf(
        path,
        transfer_function=transfer_function,
        period=period,
        spectral_leakage=spectral_leakage,
    ) as file:
        frames = file.frame_indices(frames)
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        if averages == 1:
            for block in frame_blocks(len(frames), block_frames):
                yield frames[block], file.spectra(frames[block], channels, stored)
            return
        for block in frame_blocks(-(-len(frames) // averages), block_frames):
            firsts = np.arange(block.start, block.stop) * averages
            means = [
                _mean(file, frames[first : first + averages], channels, stored, block_frames)
                for first in firsts
            ]
            yield frames[firsts], np.stack(means)


def read_spectra(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    frames: Indices = None,
    transfer_function: str = "ignore",
    period: Period = None,
    spectral_leakage: str = "ignore",
    averages: int = 1,
) -> np.ndarray:
    """Return what :func:`iter_spectra` yields as one array, complex64 (frames, channels, k)."""
    _check_averages(averages)
    if averages > 1:
        blocks = iter_spectra(
            path,
            channels=channels,
            frequencies=frequencies,
            frames=frames,
            transfer_function=transfer_function,
            period=period,
            spectral_leakage=spectral_leakage,
            averages=averages,
        )
        return np.concatenate([spectra for _, spectra in blocks])
    with open_mdf(
        path,
        transfer_function=transfer_function,
        period=period,
        spectral_leakage=spectral_leakage,
    ) as file:
        frames = file.frame_indices(frames)
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        shape = (len(frames), len(channels), len(stored))
        spectra = new_array(shape, np.complex64, file.path, DATA)
        for *place, tile in file.tiles(frames, channels, stored):
            spectra[tuple(place)] = tile
    return spectra


def _check_averages(averages: int) -> None:
    if averages < 1:
        raise InputError(f"{averages} averages", field="averages", remedy="give 1 or more")


def _mean(
    file: MdfFile, frames: np.ndarray, channels: np.ndarray, stored: np.ndarray, block_frames: int
) -> np.ndarray:
    total = np.zeros((len(channels), len(stored)), np.complex128)
    for block in frame_blocks(len(frames), block_frames):
        total += file.spectra(frames[block], channels, stored).sum(axis=0, dtype=np.complex128)
    return (total / len(frames)).astype(np.complex64)
