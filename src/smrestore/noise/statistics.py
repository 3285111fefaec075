"""How the noise of each component behaves over the frames: deviation, drift, jumps, spectrum.

Everything is computed from rows of a pool by pieces, so that memory does not grow with the frames.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import h5py
import numpy as np
import scipy.fft

from smrestore.support.progress import progress_bar

ROWS, FRAMES = 512, 1024
"""Components and frames of a piece: 8 MiB in double precision, of which a handful is in use."""
SPECTRUM_FRAMES = 128
"""Frames of a window of the spectrum, fewer for shorter scans."""
JUMP_WINDOW = 8
"""Frames before and after a jump whose means are compared."""
JUMP_THRESHOLD = 6.0
"""A jump exceeds so many standard deviations of the difference of both means in white noise."""

Read = Callable[[int, int], np.ndarray]
"""Gives the frames from start to stop, complex64 (rows, stop - start)."""


@dataclass(frozen=True)
class Run:
    """Frames ``start`` to ``stop`` of a pool, from one scan, scaled to the averages of the pool."""

    start: int
    stop: int
    scale: float = 1.0

    def __len__(self) -> int:
        return self.stop - self.start

    def pieces(self, step: int, overlap: int = 0) -> Iterator[tuple[int, int]]:
        """Yield start and stop of pieces, each with ``overlap`` frames of the next."""
        for start in range(self.start, max(self.start + 1, self.stop - overlap), step):
            yield start, min(start + step + overlap, self.stop)


def dataset_shapes(rows: tuple[int, int], runs: Sequence[Run]) -> dict[str, tuple]:
    """Return shape and type of each statistic of ``rows`` = (channels, frequencies)."""
    bins = spectrum_frames(runs) // 2 + 1
    return {
        "mean": (rows, np.complex64),
        "standard_deviation": (rows, np.float32),
        "white_deviation": (rows, np.float32),
        "drift": (rows, np.float32),
        "jumps": (rows, np.int32),
        "spectrum": ((*rows, bins), np.float32),
        "spectrum_frequency": ((bins,), np.float64),
    }


def spectrum_frames(runs: Sequence[Run]) -> int:
    """Return the frames of a window: a power of two, so that each run holds one."""
    return min(SPECTRUM_FRAMES, 2 ** (min(map(len, runs)).bit_length() - 1))


def write_statistics(file: h5py.File, runs: Sequence[Run]) -> None:
    """Compute all statistics of a pool and write them into the datasets that it has for them."""
    noise = file["noise"]
    n_channels, n_frequencies, _ = noise.shape
    file["spectrum_frequency"][:] = scipy.fft.rfftfreq(spectrum_frames(runs))
    parts = [
        (channel, slice(start, min(start + ROWS, n_frequencies)))
        for channel in range(n_channels)
        for start in range(0, n_frequencies, ROWS)
    ]
    for channel, rows in progress_bar(parts, desc="statistics", unit="block"):

        def read(start: int, stop: int, place: tuple = (channel, rows)) -> np.ndarray:
            return noise[(*place, slice(start, stop))]

        for name, values in row_statistics(read, rows.stop - rows.start, runs).items():
            file[name][channel, rows] = values


def row_statistics(read: Read, n_rows: int, runs: Sequence[Run]) -> dict[str, np.ndarray]:
    """Return the statistics of some components.

    Parameters
    ----------
    read
        Gives their noise.
    n_rows
        Number of components.
    runs
        Frames by scan. A run has a mean of its own; differences between runs are not drift.

    Returns
    -------
    ``mean``: complex (n,) over all frames. ``standard_deviation``: sqrt(sum |x - mean x|^2 / dof)
    about the mean of each run. ``white_deviation``: sqrt(mean |x_i+1 - x_i|^2 / 2), which slow
    changes hardly touch (von Neumann 1941). ``drift``: sqrt(standard_deviation^2 -
    white_deviation^2), 0 where the latter is larger. ``jumps``: int (n,), steps of the mean of
    ``JUMP_WINDOW`` frames against that of the frames before, beyond ``JUMP_THRESHOLD`` standard
    deviations. ``spectrum``: float (n, bins), mean power at plus and minus each frequency (Welch
    1967, Hann windows that overlap by half), normalized so that white noise of variance v gives v.
    """
    total = np.zeros(n_rows, np.complex128)
    energy, steps = np.zeros(n_rows), np.zeros(n_rows)
    means = []
    for run in runs:
        shift, power, difference = _moments(read, n_rows, run)
        means.append(shift)
        total += len(run) * shift
        energy += run.scale**2 * power
        steps += run.scale**2 * difference
    n_frames = sum(map(len, runs))
    dof = n_frames - len(runs)
    variance, white = energy / dof, steps / (2 * dof)
    window = spectrum_frames(runs)
    jumps, spectrum, count = np.zeros(n_rows, int), np.zeros((n_rows, window // 2 + 1)), 0
    for run, mean in zip(runs, means, strict=True):
        jumps += _jumps(read, n_rows, run, np.sqrt(white) / run.scale)
        power, windows = _spectrum(read, run, mean, window)
        spectrum += run.scale**2 * power
        count += windows
    return {
        "mean": total / n_frames,
        "standard_deviation": np.sqrt(variance),
        "white_deviation": np.sqrt(white),
        "drift": np.sqrt(np.maximum(variance - white, 0)),
        "jumps": jumps,
        "spectrum": spectrum / count,
    }


def _moments(read: Read, n_rows: int, run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, sum of squared deviations and sum of squared steps of a run."""
    # Deviations from the first frame: the background level dwarfs its changes.
    first = read(run.start, run.start + 1)[:, 0].astype(np.complex128)
    last = np.zeros((n_rows, 1), np.complex128)
    total, energy, steps = np.zeros(n_rows, np.complex128), np.zeros(n_rows), np.zeros(n_rows)
    for start, stop in run.pieces(FRAMES):
        deviation = read(start, stop) - first[:, None]
        total += deviation.sum(axis=1)
        energy += _squared(deviation).sum(axis=1)
        # The first frame deviates by 0, so that it makes no step.
        steps += _squared(np.diff(deviation, axis=1, prepend=last)).sum(axis=1)
        last = deviation[:, -1:]
    shift = total / len(run)
    return first + shift, np.maximum(energy - len(run) * _squared(shift), 0), steps


def _jumps(read: Read, n_rows: int, run: Run, white: np.ndarray) -> np.ndarray:
    """Return how often each component jumps; what lies within one window is one jump."""
    counts, last = np.zeros(n_rows, int), np.full((n_rows, 1), -np.inf)
    threshold = (JUMP_THRESHOLD * white) ** 2 * 2 / JUMP_WINDOW
    for start, stop in run.pieces(FRAMES, overlap=2 * JUMP_WINDOW - 1):
        if stop - start < 2 * JUMP_WINDOW:
            break
        values = read(start, stop).astype(np.complex128)
        values -= values[:, :1]
        sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        means = (sums[:, JUMP_WINDOW:] - sums[:, :-JUMP_WINDOW]) / JUMP_WINDOW
        step = _squared(means[:, JUMP_WINDOW:] - means[:, :-JUMP_WINDOW])
        beyond = (step > threshold[:, None]) & (white[:, None] > 0)
        place = start + np.arange(step.shape[1], dtype=float)
        seen = np.maximum.accumulate(np.where(beyond, place, -np.inf), axis=1)
        before = np.maximum(np.hstack([last, seen[:, :-1]]), last)
        counts += (beyond & (place - before > JUMP_WINDOW)).sum(axis=1)
        last = np.maximum(last, seen[:, -1:])
    return counts


def _spectrum(read: Read, run: Run, mean: np.ndarray, window: int) -> tuple[np.ndarray, int]:
    """Return the sum of the periodograms of a run and their number."""
    taper = np.hanning(window + 2)[1:-1].astype(np.float32)
    taper /= np.sqrt(np.sum(taper**2))
    hop = max(1, window // 2)
    power, count = np.zeros((len(mean), window // 2 + 1)), 0
    for start, stop in run.pieces(FRAMES, overlap=window - hop):
        if stop - start < window:
            break
        deviation = (read(start, stop) - mean[:, None]).astype(np.complex64)
        for begin in range(0, stop - start - window + 1, hop):
            periodogram = _squared(scipy.fft.fft(deviation[:, begin : begin + window] * taper))
            mirrored = periodogram[:, -np.arange(window // 2 + 1)]
            power += (periodogram[:, : window // 2 + 1] + mirrored) / 2
            count += 1
    return power, count


def _squared(values: np.ndarray) -> np.ndarray:
    return values.real**2 + values.imag**2
