"""Rows of a phantom scan: means over frames, without background."""

import logging
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.mdf import Period
from smrestore.mdf.layout import IS_BACKGROUND_FRAME
from smrestore.reconstruction.calibration_rows import Rows, request
from smrestore.reconstruction.matching import chosen_periods
from smrestore.support.errors import InputError

logger = logging.getLogger(__name__)


def read_measurement(
    phantom: str | Path,
    rows: Rows,
    *,
    frames: tuple[int, int] | None = None,
    average_frames: int | None = None,
    empty: str | Path | None = None,
    period: Period = None,
    spectral_leakage: str = "ignore",
) -> tuple[np.ndarray, int]:
    """Return the chosen rows of a phantom scan without its background, averaged over frames.

    Only the channels and frequencies of the rows are read, block by block. The background is the
    mean of the background frames, or of the empty scan if there is one; a scan that is flagged as
    corrected stays as it is, as does one without any background frame.

    Parameters
    ----------
    phantom
        Phantom scan.
    rows
        What to read.
    frames
        First frame and end (exclusive) among the frames with a phantom; None takes all.
    average_frames, empty
        As for :func:`reconstruct_phantom`.
    period
        Of a phantom scan with several per frame; None takes that of each row.
    spectral_leakage
        ``ignore`` or ``correct``, see :func:`smrestore.mdf.open_mdf`.

    Returns
    -------
    measurement, averaged_frames
        complex128 (n, Q), and the number of frames in each of the Q means.

    Raises
    ------
    InputError
        If all frames are background, the wanted frames do not exist, or a row is not stored.
    """
    with mdf.open_mdf(phantom) as file:
        foreground, background = file.frames.foreground, file.frames.background
        corrected = file.flags.background_corrected
    chosen = _chosen_frames(phantom, foreground, frames)
    averaged = min(average_frames or len(chosen), len(chosen))
    reading = {"period": period, "spectral_leakage": spectral_leakage}
    measurement = _means(phantom, rows, chosen, averaged, **reading)
    if empty is not None:
        with mdf.open_mdf(empty) as file:
            n_empty = file.acquisition.n_frames
        measurement -= _means(empty, rows, np.arange(n_empty), n_empty, **reading)
    elif len(background) and not corrected:
        measurement -= _means(phantom, rows, background, len(background), **reading)
    elif not corrected:
        logger.warning("%s: no background is subtracted, there are no background frames", phantom)
    return measurement, averaged


def _chosen_frames(
    phantom: str | Path, foreground: np.ndarray, chosen: tuple[int, int] | None
) -> np.ndarray:
    if len(foreground) == 0:
        raise InputError(
            "all frames are background",
            path=phantom,
            field=IS_BACKGROUND_FRAME,
            remedy="give a scan with a phantom inside",
        )
    first, end = (0, len(foreground)) if chosen is None else chosen
    if not 0 <= first < end <= len(foreground):
        raise InputError(
            f"frames from {first} up to {end} are wanted, there are {len(foreground)} with a "
            "phantom",
            path=phantom,
            field="frames",
            remedy=f"choose from 0 up to {len(foreground)}",
        )
    return foreground[first:end]


def _means(
    path: str | Path,
    rows: Rows,
    frames: np.ndarray,
    averaged: int,
    *,
    period: Period,
    spectral_leakage: str,
) -> np.ndarray:
    """Return means over consecutive frames, complex128 (n, ceil(len(frames) / averaged))."""
    group = np.arange(len(frames)) // averaged
    counts = np.bincount(group)
    with mdf.open_mdf(path) as file:
        chosen = chosen_periods(file, period)
    parts = []
    for own in rows.periods:
        channels, frequencies, place = request(rows.chosen[rows.period == own])
        sums = np.zeros((len(counts), len(place[0])), np.complex128)
        start = 0
        for _, spectra in mdf.iter_spectra(
            path,
            channels=channels,
            frequencies=frequencies,
            frames=frames,
            # Either one is chosen, or there are as many as the calibration has.
            period=chosen[0] if len(chosen) == 1 else own,
            spectral_leakage=spectral_leakage,
        ):
            values = spectra[(slice(None), *place)].astype(np.complex128)
            np.add.at(sums, group[start : start + len(values)], values)
            start += len(values)
        parts.append((sums / counts[:, None]).T)
    return np.concatenate(parts)
