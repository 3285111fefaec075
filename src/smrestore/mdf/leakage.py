"""Spectral leakage of time signals, lessened by a window over neighboring signals.

A signal that is not periodic over its V samples, because it drifts or because a motion goes on,
leaks from strong into weak frequencies. With its neighbors before and after it is a longer signal,
which a Hann window of three periods makes periodic, as in MPIFiles.jl.
"""

import numpy as np

NO_NEIGHBOR = -1


def frame_neighbors(
    acquisition_index: np.ndarray, is_background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the stored frame measured just before, and just after each stored frame, int64 (N,).

    Only frames of the same kind are neighbors: a phantom and the empty bore are no one signal.
    Frames without a neighbor on a side have :data:`NO_NEIGHBOR` there.
    """
    order = np.argsort(acquisition_index)
    alike = is_background[order[1:]] == is_background[order[:-1]]
    before, after = np.full((2, len(order)), NO_NEIGHBOR, dtype=np.int64)
    before[order[1:][alike]] = order[:-1][alike]
    after[order[:-1][alike]] = order[1:][alike]
    return before, after


def hann_windows(n_parts: int, n_samples: int) -> np.ndarray:
    """Return a Hann window of unit mean over consecutive signals, float64 (n_parts, n_samples)."""
    length = n_parts * n_samples
    places = np.arange(length)
    window = (1 - np.cos(2 * np.pi * places / (length - 1))) * length / (length - 1)
    return window.reshape(n_parts, n_samples)


def windowed(
    signals: np.ndarray, own: np.ndarray, before: np.ndarray, after: np.ndarray
) -> np.ndarray:
    """Return signals corrected for spectral leakage, float64 (n, V).

    Parameters
    ----------
    signals
        float64 (m, V).
    own, before, after
        Rows of ``signals``, int (n,): of each wanted signal, and of its neighbors, which may be
        :data:`NO_NEIGHBOR`.

    Returns
    -------
    numpy.ndarray
        With both neighbors, one third of the sum of the three signals under the thirds of a window
        of 3 V samples; with one, half the sum of two under a window of 2 V; without any, the signal
        itself.
    """
    corrected = signals[own]
    has_before, has_after = before != NO_NEIGHBOR, after != NO_NEIGHBOR
    for chosen, parts in (
        (has_before & has_after, (before, own, after)),
        (has_before & ~has_after, (before, own)),
        (has_after & ~has_before, (own, after)),
    ):
        if chosen.any():
            windows = hann_windows(len(parts), signals.shape[1])
            under = [signals[part[chosen]] * w for part, w in zip(parts, windows, strict=True)]
            corrected[chosen] = sum(under) / len(parts)
    return corrected
