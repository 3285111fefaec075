"""Restoration of a measured calibration scan, for any task and method: MDF in, MDF out."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.mdf.system_matrix import calibration_of
from smrestore.methods import Method
from smrestore.methods.twins import combine_twins, twin_groups
from smrestore.noise.roughness import roughness
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.mixing import mixing_orders
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar
from smrestore.tasks.scan import ScanTask, scan_task

logger = logging.getLogger(__name__)

BATCH = 256
MEMORY_BYTES = 1 << 29
"""Components that are held at a time, measured and restored."""

WITH_SIGNAL = 5.0
"""Smallest signal-to-noise ratio of a component that summaries count."""


@dataclass(frozen=True, eq=False)
class RestorationSummary:
    """What a restoration did, component by component; all float64 (J, C, K) for J periods.

    Attributes
    ----------
    snr_before, snr_after
        Largest magnitude over the noise that :func:`.roughness.roughness` finds in the
        component. It tells how smooth the component is, not how true.
    noise
        Standard deviation of the complex noise of the component, see
        :func:`smrestore.mdf.corrected_noise`.
    removed
        sqrt(mean |measured - restored|^2) over that noise: 1 where a method takes away as much as
        there is noise. NaN where the restored grid is another one.
    """

    snr_before: np.ndarray
    snr_after: np.ndarray
    noise: np.ndarray
    removed: np.ndarray

    @property
    def with_signal(self) -> np.ndarray:
        """Components with a measured signal-to-noise ratio of 5 or more, bool (J, C, K)."""
        return self.snr_before >= WITH_SIGNAL

    def channel_rows(self) -> list[dict[str, float]]:
        """Return for each receive channel the medians over its components with signal.

        If a frame has several periods, each of them has rows of its own.
        """
        rows = []
        for period, channel in np.ndindex(self.with_signal.shape[:2]):
            chosen = self.with_signal[period, channel]
            columns = {
                "SNR before": self.snr_before,
                "SNR after": self.snr_after,
                "removed / noise": self.removed,
            }
            medians = {
                name: float(np.median(values[period, channel][chosen])) if chosen.any() else np.nan
                for name, values in columns.items()
            }
            counts = {"components": chosen.size, "with signal": int(chosen.sum())}
            place = {"period": period} if len(self.with_signal) > 1 else {}
            rows.append({**place, "channel": channel, **counts, **medians})
        return rows


def restore_components(
    images: np.ndarray,
    noise: np.ndarray,
    method: Method,
    task: ScanTask,
    *,
    size: tuple[int, int, int],
) -> np.ndarray:
    """Restore components: normalize each, apply the method, put its scale back.

    The phase needs no care: methods keep that of what they see.

    Parameters
    ----------
    images
        Measured components, complex64 (n, Nx, Ny, Nz), background subtracted.
    noise
        Standard deviation of the complex noise that the method is told of each, float64 (n,), in
        units of the images.
    method
        See :mod:`smrestore.methods`.
    task
        How a component becomes the input of the method.
    size
        Voxels of the restored components.

    Returns
    -------
    numpy.ndarray
        complex64 (n, *size).

    Raises
    ------
    InputError
        If the method gives other sizes or values that are not finite.
    """
    prepared = [
        task.prepare(image, float(sigma)) for image, sigma in zip(images, noise, strict=True)
    ]
    restored = np.empty((len(images), *size), np.complex64)
    outputs = method([degraded for degraded, _ in prepared])
    for i, (image, (_, factor)) in enumerate(zip(outputs, prepared, strict=True)):
        if image.shape != tuple(size) or not np.isfinite(image).all():
            fault = "values that are not finite" if image.shape == tuple(size) else image.shape
            raise InputError(
                f"the method gives {fault} where {task.name} needs {tuple(size)} finite voxels",
                field="method",
                remedy="use a method of this task and dimension",
            )
        restored[i] = image * factor
    return restored


def restore_scan(
    source: str | Path,
    destination: str | Path,
    method: Method,
    *,
    name: str,
    task: ScanTask | None = None,
    background_factor: float | None = None,
    background: str | None = "interpolate",
    memory_bytes: int = MEMORY_BYTES,
    twins: bool = False,
    chosen: np.ndarray | None = None,
    spectral_leakage: str = "ignore",
) -> RestorationSummary:
    """Restore a calibration scan and write it as MDF, without changing the source.

    The scan is read, restored and written block by block. Processed scans are read once; of a raw
    scan (time signals) each block reads the signals of one receive channel, so that it is read as
    often as its spectra exceed the memory.

    Frames of several drive-field periods, such as the patches of a multi-patch scan, are restored
    period by period: each period is a system matrix of its own over the same positions, with its
    own background and noise. The restored scan holds all of them.

    A scan with fewer than two background frames tells the noise by its own roughness, with a
    warning.

    Parameters
    ----------
    source, destination
        MDF files of the measured and the restored scan.
    method
        See :mod:`smrestore.methods`.
    name
        Of the method, for the description in the file.
    task
        Denoising by default.
    background_factor
        The method is told the standard deviation of the background frames times this, as the study
        tells DCT-F; None tells it the noise of the components, see
        :func:`smrestore.mdf.corrected_noise`.
    background
        How the background is subtracted: ``interpolate``, ``mean`` or None.
    memory_bytes
        For measured and restored components together; at least one component is held.
    twins
        Whether each component is averaged with its twin frequencies first, see
        :mod:`smrestore.methods.twins`. The method is then told the share of the noise that is left.
    chosen
        Receive channel and frequency bin of the components to restore, int (n, 2); all others are
        0 in the file. None restores all.
    spectral_leakage
        Of time signals, see :func:`smrestore.mdf.open_mdf`. The restored scan states whether it is
        corrected.

    Raises
    ------
    InputError
        If the source is no calibration scan, has values that are not finite, no background frames
        to subtract or spectral leakage that cannot be corrected, or the method does not fit the
        task.
    """
    task = task or scan_task("denoising")
    plan = _plan(source, task, memory_bytes, twins, spectral_leakage)
    summary = RestorationSummary(*(np.full(plan.shape[:3], np.nan) for _ in range(4)))
    wanted = _wanted(plan, chosen)
    logger.info("%s: %d components by %s", source, wanted.sum() * plan.shape[0], name)

    def restore_block(period: int, channel: int, part: slice) -> np.ndarray:
        block = np.zeros((part.stop - part.start, *plan.shape[3:]), np.complex64)
        place = np.arange(part.start, part.stop)
        place = place[wanted[channel, place]]
        if not len(place):
            return block
        needed = plan.with_twins(place)
        measured = mdf.read_system_matrix(
            source,
            channels=[channel],
            frequencies=plan.frequencies[needed],
            background=background,
            period=period,
            spectral_leakage=spectral_leakage,
        )[0]
        noise, told = _noise(
            source, measured, (period, channel, needed), plan, background, background_factor
        )
        images = measured
        if plan.twins is not None:
            combined = combine_twins(measured, noise, plan.twins.mixing_order[needed])
            own = np.searchsorted(needed, place)
            images, told = combined.images[own], told[own]
            measured, noise = measured[own], noise[own]
            told = np.divide(told * combined.noise[own], noise, out=told, where=noise > 0)
        restored = np.empty((len(images), *plan.shape[3:]), np.complex64)
        for start in range(0, len(images), BATCH):
            some = slice(start, start + BATCH)
            restored[some] = restore_components(
                images[some],
                told[some],
                method,
                task,
                size=plan.shape[3:],
            )
            bar.update(len(restored[some]))
        _summarize(summary, (period, channel, place), measured, restored, noise)
        block[place - part.start] = restored
        return block

    with progress_bar(total=int(wanted.sum()) * plan.shape[0], unit="component") as bar:
        mdf.write_restored(
            source,
            destination,
            _RestoredMatrix(plan.shape, plan.rows_at_a_time, restore_block),
            description=f"restored by {name} ({task.name})",
            grid=plan.grid,
            background_corrected=plan.corrected or background is not None,
            spectral_leakage=spectral_leakage,
        )
    return summary


@dataclass(eq=False)
class _RestoredMatrix:
    """A system matrix that is restored while it is read, in ascending order, like an array.

    Attributes
    ----------
    shape
        (J, C, K, Nx, Ny, Nz).
    rows_at_a_time
        Components of a block. One block is held.
    restore_block
        Returns the components of a period and channel in a slice of the frequencies.
    """

    shape: tuple[int, ...]
    rows_at_a_time: int
    restore_block: Callable[[int, int, slice], np.ndarray]
    _place: tuple[int, int, int] | None = None
    _block: np.ndarray | None = None

    def __getitem__(self, place: tuple[int, int, slice]) -> np.ndarray:
        """Return components of one period and channel, complex64 (n, Nx, Ny, Nz)."""
        period, channel, part = place
        n_frequencies = self.shape[2]
        first, stop, _ = part.indices(n_frequencies)
        pieces = []
        while first < stop:
            number, offset = divmod(first, self.rows_at_a_time)
            if self._place != (period, channel, number):
                start = number * self.rows_at_a_time
                end = min(start + self.rows_at_a_time, n_frequencies)
                # The former block goes first.
                self._block = None
                self._block = self.restore_block(period, channel, slice(start, end))
                self._place = period, channel, number
            pieces.append(self._block[offset : offset + stop - first])
            first += len(pieces[-1])
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)


@dataclass(frozen=True, eq=False)
class _Plan:
    """What is read and written: the shape of the restored matrix, its grid if it is a new one."""

    shape: tuple[int, ...]
    grid: CalibrationGrid | None
    frequencies: np.ndarray
    n_background: int
    corrected: bool
    rows_at_a_time: int
    spectral_leakage: str
    twins: "_Twins | None" = None

    def with_twins(self, place: np.ndarray) -> np.ndarray:
        """Return the components to read for some, ascending indices into the frequencies."""
        return place if self.twins is None else self.twins.of(place)


@dataclass(frozen=True, eq=False)
class _Twins:
    """The twins among the stored frequencies.

    Attributes
    ----------
    mixing_order
        int64 (K, 3).
    group
        Equal numbers for twins, int64 (K,).
    """

    mixing_order: np.ndarray
    group: np.ndarray

    def of(self, place: np.ndarray) -> np.ndarray:
        """Return these components and their twins, ascending."""
        return np.flatnonzero(np.isin(self.group, self.group[place]))

    @property
    def largest(self) -> int:
        """Components of the largest group."""
        return int(np.bincount(self.group).max())


def _twins(file: mdf.MdfFile) -> _Twins:
    sequences = [file.of_period(period).sequence() for period in range(file.acquisition.n_periods)]
    if len({sequence.driven for sequence in sequences}) > 1:
        raise file.error(
            "periods of a frame differ in the axes that are driven, and so in twin frequencies",
            "/acquisition/drivefield/strength",
            "restore without twins",
        )
    orders = mixing_orders(sequences[0])[file.frequency_indices]
    group = np.arange(len(orders))
    for members in twin_groups(orders, len(orders)):
        group[members] = members[0]
    return _Twins(orders, group)


def _wanted(plan: _Plan, chosen: np.ndarray | None) -> np.ndarray:
    """Return which components are restored, bool (C, K)."""
    wanted = np.full(plan.shape[1:3], chosen is None)
    if chosen is not None:
        channels, frequencies = np.asarray(chosen).T
        # A file may store its frequencies in any order.
        order = np.argsort(plan.frequencies)
        wanted[channels, order[np.searchsorted(plan.frequencies, frequencies, sorter=order)]] = True
    return wanted


def _plan(
    source: str | Path,
    task: ScanTask,
    memory_bytes: int,
    use_twins: bool,
    spectral_leakage: str,
) -> _Plan:
    with mdf.open_mdf(source, spectral_leakage=spectral_leakage) as file:
        calibration = calibration_of(file)
        size, grid = calibration.size, None
        if calibration.fov is not None:
            measured = calibration.grid()
            grid = task.restored_grid(measured)
            size, grid = grid.size, None if grid == measured else grid
        elif task.new_grid:
            raise file.error(
                f"{task.name} needs the field of view of the calibration",
                "/calibration/fieldOfView",
                "add the outer edge lengths of the grid in m",
            )
        acquisition = file.acquisition
        rows = acquisition.n_periods, acquisition.n_channels, len(file.frequency_indices)
        background = len(file.frames.background)
        row_bytes = 8 * (calibration.n_positions + int(np.prod(size)) + background)
        twins = _twins(file) if use_twins else None
        if twins is not None:
            # All twins of a block are read, and combined in a copy.
            row_bytes *= 2 * twins.largest
        if background < 2:
            logger.warning(
                "%s: a standard deviation needs two background frames, there are %d; the noise is "
                "estimated from the roughness of each component",
                source,
                background,
            )
        return _Plan(
            (*rows, *size),
            grid,
            file.frequency_indices,
            background,
            file.flags.background_corrected,
            max(1, memory_bytes // row_bytes),
            spectral_leakage,
            twins,
        )


def _noise(
    source: str | Path,
    measured: np.ndarray,
    place: tuple[int, int, np.ndarray],
    plan: _Plan,
    background: str | None,
    background_factor: float | None,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the noise of components and the one that a method is told, both float64 (n,).

    ``place`` is their period, channel and places among the frequencies.
    """
    period, channel, part = place
    if plan.n_background >= 2:
        frames = mdf.BackgroundFrames.read(
            source,
            [channel],
            plan.frequencies[part],
            period=period,
            spectral_leakage=plan.spectral_leakage,
        )
        noise, deviation = frames.corrected_noise(background)[0], frames.deviation()[0]
    else:
        noise = deviation = _roughness(measured)
        if np.isnan(noise).any():
            raise InputError(
                "the noise is unknown: there are fewer than two background frames, and the grid is "
                "too small for an estimate",
                path=source,
                field="/measurement/isBackgroundFrame",
                remedy="use a calibration scan with background frames",
            )
    return noise, noise if background_factor is None else background_factor * deviation


def _summarize(
    summary: RestorationSummary,
    place: tuple[int, int, np.ndarray],
    measured: np.ndarray,
    restored: np.ndarray,
    noise: np.ndarray,
) -> None:
    for images, snr in ((measured, summary.snr_before), (restored, summary.snr_after)):
        peak = np.abs(images).max(axis=(1, 2, 3)).astype(np.float64)
        rough = _roughness(images)
        # What is perfectly smooth has no noise; what is zero has no signal.
        perfect = np.where(peak > 0, np.where(np.isnan(rough), np.nan, np.inf), 0.0)
        snr[place] = np.divide(peak, rough, out=perfect, where=rough > 0)
    summary.noise[place] = noise
    if measured.shape == restored.shape:
        change = np.sqrt(
            [np.mean(np.abs(a - b) ** 2) for a, b in zip(measured, restored, strict=True)]
        )
        unknown = np.full(len(change), np.nan)
        summary.removed[place] = np.divide(change, noise, out=unknown, where=noise > 0)


def _roughness(images: np.ndarray) -> np.ndarray:
    """Return the roughness of many components, a batch at a time."""
    parts = [roughness(images[start : start + BATCH]) for start in range(0, len(images), BATCH)]
    return np.concatenate(parts)
