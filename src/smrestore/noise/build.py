"""Noise pools from scans: any number of them, transposed in bounded memory."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from smrestore.mdf.choices import IS_LEAKAGE_CORRECTED, Period
from smrestore.mdf.data import frame_blocks
from smrestore.mdf.file import MdfFile, open_mdf
from smrestore.mdf.layout import DATA, FREQUENCY_SELECTION, IS_BACKGROUND_FRAME
from smrestore.noise.origin import Origin, origin_of
from smrestore.noise.pool import check_background_level
from smrestore.noise.workfile import Block, write_pool
from smrestore.simulation.store import SystemMatrixStore
from smrestore.support.errors import InputError

BLOCK_BYTES = 2**26
"""Spectra of a block of frames, in single precision."""


@dataclass(frozen=True)
class _Part:
    """Frames of one scan that are read together, and where they go in the pool."""

    scan: Path
    frames: np.ndarray
    start: int


def build_noise_pool(
    scans: str | Path | Sequence[str | Path],
    path: str | Path,
    *,
    background_level: str,
    frequencies: np.ndarray | None = None,
    averages: int | None = None,
    frame_range: tuple[int, int] | None = None,
    period: Period = None,
    spectral_leakage: str = "ignore",
    block_frames: int | None = None,
) -> None:
    """Transpose empty frames to (channel, frequency, frame), streaming blocks of frames.

    Peak memory is about three times ``BLOCK_BYTES`` beyond the libraries, whatever the number of
    frames, scans and frequencies, plus 40 bytes per frame for the tables of frames.

    Parameters
    ----------
    scans
        MDF files. All frames of an empty scan count as noise, whatever its background flags say; of
        a calibration scan the background frames do.
    path
        Pool to write, see docs/data-formats.md.
    background_level
        Kept as attribute for the readers of the pool. ``remove``: the mean of each drawn run of
        frames is taken away, as the background correction of a calibration does. ``keep``: runs
        are used as they were measured, with the constant signal of the empty scanner.
    frequencies
        Bins of the complete spectrum to keep; by default all that every scan stores, which may be
        a part of the spectrum.
    averages
        Averages that drawn noise shall stand for; by default those of the first scan. Noise falls
        with the square root of the averages.
    frame_range
        First frame and the one after the last, of each scan in the order of acquisition; all by
        default. If only background frames are used, only these are counted.
    period
        Drive-field period of frames that have several. The ``mean`` of all of them counts as that
        many times the averages.
    spectral_leakage
        Of time signals, see :func:`smrestore.mdf.open_mdf`. The window over neighboring frames
        leaves half of the variance of white noise.
    block_frames
        Frames at a time; as many as fit into ``BLOCK_BYTES`` by default.

    Raises
    ------
    InputError
        If a scan is not readable, has fewer than two frames to use or values that are not finite,
        or does not store a frequency that is wanted, or if the scans differ in receive channels,
        frequency axis or correction of spectral leakage or have no frequency in common.
    """
    check_background_level(background_level)
    paths = [Path(scans)] if isinstance(scans, str | Path) else [Path(scan) for scan in scans]
    if not paths:
        raise InputError("no scan is given", path=path, field="scans", remedy="name at least one")
    origins: list[Origin] = []
    parts: list[_Part] = []
    axis = kept = corrected = None
    reading = {"period": period, "spectral_leakage": spectral_leakage}
    for scan in paths:
        with open_mdf(scan, **reading) as file:
            file.periods()
            axis = _same_axis(file, axis)
            corrected = _same_leakage(file, corrected)
            kept = _kept_frequencies(file, frequencies, kept)
    for scan in paths:
        with open_mdf(scan, **reading) as file:
            frames = _noise_frames(file, frame_range)
            step = block_frames or _block_frames(file, len(kept))
            start = sum(len(origin.frames) for origin in origins)
            parts += [
                _Part(scan, frames[block], start + block.start)
                for block in frame_blocks(len(frames), step)
            ]
            origin = origin_of(file, frames)
            # The mean over periods is one over averages.
            origins.append(replace(origin, averages=origin.averages * len(file.periods())))
    n_channels, frequency_axis = axis

    def block(number: int) -> Block:
        part = parts[number]
        with open_mdf(part.scan, **reading) as file:
            spectra = file.spectra(
                part.frames, np.arange(n_channels), file.stored_frequencies(kept)
            )
        place = slice(part.start, part.start + len(part.frames))
        return (slice(None), slice(None), place), spectra.transpose(1, 2, 0)

    write_pool(
        path,
        shape=(n_channels, len(kept), sum(len(origin.frames) for origin in origins)),
        origins=origins,
        attributes={
            "model": "measured",
            "background_level": background_level,
            "averages": averages or origins[0].averages,
            "n_frequencies": len(frequency_axis),
            "spectral_leakage_corrected": corrected,
            **({} if period is None else {"period": period}),
        },
        frequency=kept,
        frequency_axis=frequency_axis[kept],
        n_blocks=len(parts),
        block=block,
    )


def frequencies_of(stores: Iterable[str | Path], *, twins: bool = False) -> np.ndarray:
    """Return the frequency bins that system matrix stores hold, ascending, int32.

    With ``twins``, those of their twin frequencies as well, see :mod:`smrestore.methods.twins`.
    """
    found: set[int] = set()
    for path in stores:
        store = SystemMatrixStore([path])
        for matrix, index in enumerate(store.index):
            frequencies = np.unique(index["frequency"])
            if twins:
                orders = np.abs(store.mixing_orders(matrix))
                _, label = np.unique(orders, axis=0, return_inverse=True)
                label = label.ravel()
                frequencies = np.flatnonzero(np.isin(label, label[frequencies]))
            found.update(frequencies.tolist())
    return np.array(sorted(found), dtype=np.int32)


def needed_frequencies(stores: Sequence[str | Path], twins: bool) -> np.ndarray | None:
    """Return :func:`frequencies_of` some stores, None, which stands for all, without any."""
    return frequencies_of(stores, twins=twins) if stores else None


def _same_axis(file: MdfFile, former: tuple[int, np.ndarray] | None) -> tuple[int, np.ndarray]:
    """Return receive channels and frequency axis, which must be those of the former scans."""
    acquisition = file.acquisition
    channels, axis = acquisition.n_channels, acquisition.frequencies
    if former is None:
        return channels, axis
    if channels != former[0]:
        raise file.error(
            f"{channels} receive channels, the scans before have {former[0]}",
            "/acquisition/receiver/numChannels",
            "build a pool from scans of one scanner",
        )
    if len(axis) != len(former[1]) or not np.allclose(axis, former[1], rtol=1e-6):
        raise file.error(
            f"{len(axis)} frequencies up to {axis[-1]:g} Hz, the scans before have "
            f"{len(former[1])} up to {former[1][-1]:g} Hz",
            "/acquisition/receiver/numSamplingPoints",
            "build a pool from scans of one sequence and bandwidth",
        )
    return channels, former[1]


def _same_leakage(file: MdfFile, former: bool | None) -> bool:
    """Return whether spectral leakage is corrected, as in the former scans."""
    if former not in (None, file.leakage_is_corrected):
        raise file.error(
            f"is {int(file.leakage_is_corrected)} as it is read, but {int(former)} in the scans "
            "before, which changes the noise",
            IS_LEAKAGE_CORRECTED,
            "build a pool from scans that are all corrected or all not",
        )
    return file.leakage_is_corrected


def _kept_frequencies(
    file: MdfFile, frequencies: np.ndarray | None, former: np.ndarray | None
) -> np.ndarray:
    """Return the bins to keep, ascending: those wanted, or all that this and former scans store."""
    stored = np.sort(file.frequency_indices)
    if frequencies is None:
        kept = stored if former is None else np.intersect1d(stored, former, assume_unique=True)
        if len(kept) == 0:
            raise file.error(
                "none of its frequencies is stored in all scans before",
                FREQUENCY_SELECTION,
                "build a pool from scans that store the same frequencies",
            )
        return kept
    kept = np.unique(np.asarray(frequencies, dtype=np.int64))
    missing = np.setdiff1d(kept, stored)
    if len(missing):
        raise file.error(
            f"{len(missing)} of {len(kept)} frequencies that are needed are not stored, the first "
            f"is {missing[0]}",
            FREQUENCY_SELECTION if file.flags.frequency_selection else DATA,
            "record these frequencies too, or use a scan that stores all",
        )
    return kept


def _noise_frames(file: MdfFile, frame_range: tuple[int, int] | None) -> np.ndarray:
    """Return the stored indices of the frames without a sample, in the order of acquisition."""
    if file.calibration is None:
        frames, field = np.argsort(file.acquisition_index), "/acquisition/numFrames"
        remedy = "scan for longer"
    else:
        frames, field = file.frames.background, IS_BACKGROUND_FRAME
        remedy = "use an empty scan"
        if file.flags.background_corrected:
            raise file.error(
                "the background was subtracted, so that its frames are no noise",
                "/measurement/isBackgroundCorrected",
                "use the calibration as measured, or an empty scan",
            )
    if frame_range is not None:
        first, stop = frame_range
        if stop > len(frames):
            raise file.error(
                f"frames {first} to {stop} are wanted, there are {len(frames)}",
                field,
                "correct frame_range",
            )
        frames = frames[first:stop]
    if len(frames) < 2:
        what = "frame" if file.calibration is None else "background frame"
        raise file.error(f"{len(frames)} {what}{'s' * (len(frames) != 1)}", field, remedy)
    return frames


def _block_frames(file: MdfFile, n_frequencies: int) -> int:
    """Return how many frames fit into a block."""
    spectra = 8 * file.acquisition.n_channels * n_frequencies
    # One channel at a time is read: stored spectra, or signals that are transformed as float64 and
    # complex128.
    stored = len(file.frequency_indices)
    channel = 16 * stored if file.flags.fourier_transformed else 8 * file.acquisition.n_samples
    if file.leakage_is_corrected and not file.flags.spectral_leakage_corrected:
        # Signals under each part of a window, and their sum.
        channel *= 4
    return max(1, BLOCK_BYTES // max(spectra, channel))
