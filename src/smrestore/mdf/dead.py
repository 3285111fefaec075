"""Receive channels that measured nothing: a cable that is off, or a factor that is 0."""

import numpy as np

from smrestore.mdf.file import MdfFile
from smrestore.support.errors import InputError

PROBED = 8
"""Frames, or frequencies where the frames lie last, that show that a channel is alive."""

CONSTANT = 1e-12
"""Spectra are 0 up to this share of frequency 0: the rounding of transformed constants. One digit
of a 24-bit converter is far more."""


def dead_channels(file: MdfFile, *, read: bool = True) -> dict[int, str]:
    """Return why receive channels are dead, by their 0-based numbers; none if all are alive.

    A channel is dead if its signal never changes: all its spectra are 0 except at frequency 0. Few
    values show that a channel is alive. All of them are read of those that seem dead.

    Parameters
    ----------
    file
        Open file of any kind.
    read
        Whether values may be read; else only the conversion factors tell.
    """
    factors = file.acquisition.conversion_factor
    found = {}
    for channel in range(file.acquisition.n_channels):
        if factors is not None and factors[channel, 0] == 0:
            found[channel] = "its conversion factor is 0"
        elif read:
            levels = _levels(file, channel)
            if levels is not None:
                found[channel] = "its signal is constant" if any(levels) else "all its values are 0"
    return found


def without_dead(file: MdfFile) -> dict[int, str]:
    """Return :func:`dead_channels` of a file that must have another one.

    Raises
    ------
    InputError
        If all receive channels are dead.
    """
    dead = dead_channels(file)
    if len(dead) == file.acquisition.n_channels:
        raise file.error(
            f"no receive channel measured anything: {dead[0]} in channel 0",
            "/measurement/data",
            "check receiver and conversion factors, and measure again",
        )
    return dead


def _levels(file: MdfFile, channel: int) -> list[float] | None:
    """Return the level at frequency 0 in each period of a dead channel; None if it is alive."""
    frames, stored = file.frame_indices(None), file.stored_frequencies(None)
    is_fast = file.flags.fourier_transformed and file.flags.fast_frame_axis
    some = (frames, _spread(stored)) if is_fast else (_spread(frames), stored)
    channels = np.array([channel])
    levels = []
    for period in range(file.acquisition.n_periods):
        view = file.of_period(period)
        try:
            if _level(view, view.spectra(some[0], channels, some[1]), some[1]) is None:
                return None
            parts = [
                _level(view, tile, stored[part])
                for _, _, part, tile in view.tiles(frames, channels, stored)
            ]
        except InputError:
            # A value that is not finite is no constant; whoever needs it says so.
            return None
        if None in parts:
            return None
        levels.append(max(parts))
    return levels


def _level(file: MdfFile, spectra: np.ndarray, stored: np.ndarray) -> float | None:
    """Return the largest magnitude at frequency 0 if there is nothing else, or None."""
    magnitude = np.abs(spectra)
    is_direct = file.frequency_indices[stored] == 0
    level = float(magnitude[..., is_direct].max(initial=0))
    rest = float(magnitude[..., ~is_direct].max(initial=0))
    return level if rest <= CONSTANT * level else None


def _spread(indices: np.ndarray) -> np.ndarray:
    step = max(1, len(indices) // PROBED)
    return indices[::step][:PROBED]
