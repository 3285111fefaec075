"""Spectra of single frames: measurements, empty scans, raw calibration scans."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from smrestore.mdf.file import Indices, frame_blocks, open_mdf


def iter_spectra(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    frames: Indices = None,
    block_frames: int = 64,
    transfer_function: str = "ignore",
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

    Yields
    ------
    frame_indices, spectra
        The stored indices, int64 (n,), and complex64 (n, channels, frequencies): unnormalized real
        FFT of the converted signal.

    Raises
    ------
    InputError
        If the file is at fault or does not hold what is asked for, or for a value that is not
        finite.
    """
    with open_mdf(path, transfer_function=transfer_function) as file:
        frames = file.frame_indices(frames)
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        for block in frame_blocks(len(frames), block_frames):
            yield frames[block], file.spectra(frames[block], channels, stored)


def read_spectra(
    path: str | Path,
    *,
    channels: Indices = None,
    frequencies: Indices = None,
    frames: Indices = None,
    transfer_function: str = "ignore",
) -> np.ndarray:
    """Return what :func:`iter_spectra` yields as one array, complex64 (frames, channels, k)."""
    with open_mdf(path, transfer_function=transfer_function) as file:
        frames = file.frame_indices(frames)
        channels = file.channel_indices(channels)
        stored = file.stored_frequencies(frequencies)
        spectra = np.empty((len(frames), len(channels), len(stored)), np.complex64)
        for *place, tile in file.tiles(frames, channels, stored):
            spectra[tuple(place)] = tile
    return spectra
