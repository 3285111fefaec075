"""Background frames: what the scanner measures without a sample, and its removal."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore.mdf.choices import Period
from smrestore.mdf.data import TILE_BYTES
from smrestore.mdf.file import Indices, MdfFile, open_mdf
from smrestore.mdf.layout import DATA, IS_BACKGROUND_FRAME
from smrestore.mdf.limits import new_array
from smrestore.support.errors import InputError

BACKGROUND_CORRECTIONS = ("interpolate", "mean", None)


@dataclass(frozen=True, eq=False)
class BackgroundFrames:
    """The background frames of a scan, which tell its noise.

    Attributes
    ----------
    path
        The scan.
    spectra
        complex64 (E, coil, frequency) in the order of acquisition.
    times, foreground_times
        Acquisition indices of these E frames and of all others.
    are_subtracted
        Whether the file is flagged as corrected.
    """

    path: Path
    spectra: np.ndarray
    times: np.ndarray
    foreground_times: np.ndarray
    are_subtracted: bool

    @classmethod
    def read(
        cls,
        path: str | Path,
        channels: Indices = None,
        frequencies: Indices = None,
        *,
        transfer_function: str = "ignore",
        period: Period = None,
        spectral_leakage: str = "ignore",
    ) -> "BackgroundFrames":
        """Read them; parameters as in :func:`iter_spectra`. There may be none."""
        with open_mdf(
            path,
            transfer_function=transfer_function,
            period=period,
            spectral_leakage=spectral_leakage,
        ) as file:
            return cls(
                Path(path),
                background_spectra(
                    file, file.channel_indices(channels), file.stored_frequencies(frequencies)
                ),
                file.acquisition_index[file.frames.background],
                file.acquisition_index[file.frames.foreground],
                file.flags.background_corrected,
            )

    def deviation(self) -> np.ndarray:
        """Return their standard deviation, see :func:`background_std`."""
        if len(self.spectra) < 2:
            raise InputError(
                f"a standard deviation needs two background frames, there are {len(self.spectra)}",
                path=self.path,
                field=IS_BACKGROUND_FRAME,
                remedy="use a scan with more of them, or a choice that needs none",
            )
        return np.std(self.spectra.astype(np.complex128), axis=0, ddof=1)

    def corrected_noise(self, background: str | None) -> np.ndarray:
        """Return the noise of components without their background, see the function."""
        correction = "interpolate" if self.are_subtracted else background
        if correction is None or len(self.spectra) < 2:
            return self.deviation()
        runs = _Runs.of(self.times, correction)
        if correction == "interpolate" and len(self.spectra) > 2:
            frame = _residual_noise(self.spectra.astype(np.complex128), self.times, runs)
        else:
            frame = self.deviation()
        before, after, weight = runs.around(self.foreground_times)
        subtracted = (1 - weight) ** 2 / runs.counts[before] + weight**2 / runs.counts[after]
        return frame * np.sqrt(1 + subtracted.mean())


def read_background(
    path: str | Path, channels: Indices = None, frequencies: Indices = None, **reading: object
) -> np.ndarray:
    """Return the spectra of the background frames, complex64 (E, coil, frequency).

    The frames come in the order of acquisition. Parameters as in :meth:`BackgroundFrames.read`. A
    file without background frames gives E = 0.
    """
    return BackgroundFrames.read(path, channels, frequencies, **reading).spectra


def background_std(
    path: str | Path, channels: Indices = None, frequencies: Indices = None, **reading: object
) -> np.ndarray:
    """Return the standard deviation of the background frames, float64 (coil, frequency).

    This is sqrt(sum |x - mean x|^2 / (E - 1)) over the E background frames, the noise that
    whitening divides by (Knopp et al. 2021, IEEE TMI). Drift between the frames counts. Parameters
    as in :meth:`BackgroundFrames.read`.

    Raises
    ------
    InputError
        If there are fewer than two background frames.
    """
    return BackgroundFrames.read(path, channels, frequencies, **reading).deviation()


def corrected_noise(
    path: str | Path,
    channels: Indices = None,
    frequencies: Indices = None,
    *,
    background: str | None = "interpolate",
    **reading: object,
) -> np.ndarray:
    """Return the noise of components without their background, float64 (coil, frequency).

    Most of the drift between background frames is subtracted from the components. The standard
    deviation of these frames therefore overstates the noise, several times in scans of many
    averages. Here each background frame is compared with the interpolation between frames of the
    runs before and after it. For white noise of variance s^2, the difference has the variance
    s^2 (1 + w^2 + (1 - w)^2), where w is the weight of the later frame. Its squared magnitude,
    divided by the factor of s^2, has the median s^2 ln 2, which jumps do not affect. Components
    have this noise and that of the subtracted background.

    Parameters
    ----------
    background
        How it is subtracted, see :func:`smrestore.mdf.read_system_matrix`. Drift stays in the
        components if this is not ``interpolate`` and the file is not flagged as corrected. Then,
        and if there are only two background frames, the noise of a frame is
        :func:`background_std`. The other parameters are those of :meth:`BackgroundFrames.read`.

    Returns
    -------
    numpy.ndarray
        sqrt(mean |n - mean n|^2) of the noise n of each component.

    Raises
    ------
    InputError
        If there are fewer than two background frames.
    """
    return BackgroundFrames.read(path, channels, frequencies, **reading).corrected_noise(background)


def _residual_noise(background: np.ndarray, times: np.ndarray, runs: "_Runs") -> np.ndarray:
    """Return the noise of single frames (E, coil, frequency) beside their interpolation."""
    number = np.arange(len(times))
    middle, before, after = number[1:-1], number[:-2], number[2:]
    if len(runs.counts) > 2:
        # Frames of one run tell nothing of what drifts from run to run.
        run = np.repeat(np.arange(len(runs.counts)), runs.counts)
        middle = number[(run > 0) & (run < run[-1])]
        place = middle - runs.starts[run[middle]]
        before, after = (
            runs.starts[run[middle] + step] + np.minimum(place, runs.counts[run[middle] + step] - 1)
            for step in (-1, 1)
        )
    weight = (times[middle] - times[before]) / (times[after] - times[before])
    weight = weight[:, np.newaxis, np.newaxis]
    residual = background[middle] - (1 - weight) * background[before] - weight * background[after]
    variance = np.abs(residual) ** 2 / (1 + weight**2 + (1 - weight) ** 2)
    return np.sqrt(np.median(variance, axis=0) / np.log(2))


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
        With single background frames at a fixed distance this is the interpolation of MPIFiles.jl.
        With blocks of them, that one has steps and this one has none.
    """
    runs = _Runs.of(background_times, correction)
    before, after, weight = runs.around(times)

    # The estimate needs four arrays of complex128 at a time.
    step = max(1, TILE_BYTES // (4 * 16 * len(times)))
    for channel in range(spectra.shape[0]):
        for start in range(0, spectra.shape[1], step):
            part = slice(start, start + step)
            frames = background[:, channel, part].astype(np.complex128)
            means = (np.add.reduceat(frames, runs.starts) / runs.counts[:, None]).T
            estimate = means[:, before] * (1 - weight) + means[:, after] * weight
            spectra[channel, part] -= estimate.astype(np.complex64)


def background_shares(
    times: np.ndarray, background_times: np.ndarray, correction: str
) -> np.ndarray:
    """Return the share of each run of background frames in the subtraction, float64 (O, R).

    Shares are divided by the square root of the number of frames of a run, so that white noise of
    unit variance in each frame leaves the covariance ``I + W W^T`` in the components, with the
    shares W: positions between the same background frames share their noise. Parameters as in
    :func:`subtract_background`.
    """
    runs = _Runs.of(background_times, correction)
    before, after, weight = runs.around(times)
    shares = np.zeros((len(times), len(runs.counts)))
    rows = np.arange(len(times))
    np.add.at(shares, (rows, before), (1 - weight) / np.sqrt(runs.counts[before]))
    np.add.at(shares, (rows, after), weight / np.sqrt(runs.counts[after]))
    return shares


@dataclass(frozen=True, eq=False)
class _Runs:
    """Runs of consecutive background frames, each of which counts as its mean.

    Attributes
    ----------
    starts, counts
        First frame and number of frames of each, int (R,).
    centers
        Acquisition time, (R,).
    """

    starts: np.ndarray
    counts: np.ndarray
    centers: np.ndarray

    @classmethod
    def of(cls, times: np.ndarray, correction: str) -> "_Runs":
        """Divide frames at ascending ``times``; all are one run if the mean is subtracted."""
        starts = np.zeros(1, dtype=int)
        if correction == "interpolate":
            starts = np.concatenate([starts, np.flatnonzero(np.diff(times) > 1) + 1])
        counts = np.diff(np.append(starts, len(times)))
        return cls(starts, counts, np.add.reduceat(times.astype(np.float64), starts) / counts)

    def around(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the runs before and after each time, and the weight of the one after."""
        position = np.interp(times, self.centers, np.arange(len(self.centers)))
        before = np.floor(position).astype(int)
        return before, np.minimum(before + 1, len(self.centers) - 1), position - before
