"""Drift of the background frames over the time of a scan."""

from dataclasses import dataclass

import numpy as np

from smrestore.mdf import BackgroundFrames
from smrestore.viewing.matrices import ViewedMatrix

MAXIMUM_FRAMES = 200
"""Background frames on the page, evenly chosen if there are more."""


@dataclass(frozen=True, eq=False)
class Drift:
    """Background frames of a scan, without their mean.

    Attributes
    ----------
    times
        Acquisition indices of the E frames, int64 (E,).
    overall
        Their distance to the mean frame over the noise of a component, root mean square over rows,
        float64 (C, E). White noise alone gives values near 1, or a little less.
    deviations
        By receive channel and frequency index, complex64 (E,), in the unit of the scan.
    n_frames
        Background frames of the scan.
    """

    times: np.ndarray
    overall: np.ndarray
    deviations: dict[tuple[int, int], np.ndarray]
    n_frames: int


def read_drift(matrix: ViewedMatrix, rows: list[np.ndarray]) -> Drift | None:
    """Read the background frames of a scan at the rows of the page.

    Parameters
    ----------
    matrix
        The scan.
    rows
        0-based frequency indices of each receive channel.

    Returns
    -------
    Drift or None
        None if there are fewer than three background frames.
    """
    wanted = np.unique(np.concatenate(rows))
    frames = BackgroundFrames.read(matrix.path, frequencies=wanted, period=matrix.period)
    n_frames = len(frames.times)
    if n_frames < 3:
        return None
    shown = np.unique(np.linspace(0, n_frames - 1, min(n_frames, MAXIMUM_FRAMES)).astype(int))
    noise = frames.corrected_noise("interpolate")
    deviation = frames.spectra - frames.spectra.mean(axis=0)
    overall = np.zeros((matrix.n_channels, len(shown)))
    deviations = {}
    for channel, of_channel in enumerate(rows):
        places = np.searchsorted(wanted, of_channel)
        values = deviation[shown, channel][:, places]
        deviations |= {(channel, int(k)): values[:, i] for i, k in enumerate(of_channel)}
        noisy = noise[channel, places] > 0
        ratio = np.abs(values[:, noisy]) / noise[channel, places[noisy]]
        if noisy.any():
            overall[channel] = np.sqrt((ratio**2).mean(axis=1))
    return Drift(frames.times[shown], overall, deviations, n_frames)
