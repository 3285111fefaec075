"""Restoration of a measured calibration scan, for any task and method: MDF in, MDF out."""

import logging
from pathlib import Path

import numpy as np

from smrestore import mdf
from smrestore.methods import Method
from smrestore.methods.twins import combine_twins
from smrestore.restoration.matrix import RestoredMatrix
from smrestore.restoration.plan import (
    MEMORY_BYTES,
    Plan,
    plan_restoration,
    wanted_components,
    warn_of_dead,
    warn_of_implausible,
    warn_of_unknown_noise,
)
from smrestore.restoration.summary import RestorationSummary, roughness_of, summarize
from smrestore.support.errors import InputError
from smrestore.support.progress import progress_bar
from smrestore.tasks.scan import ScanTask, scan_task

logger = logging.getLogger(__name__)

BATCH = 256
"""Components that a method gets at a time."""


def restore_components(
    images: np.ndarray,
    noise: np.ndarray,
    method: Method,
    task: ScanTask,
    *,
    size: tuple[int, int, int],
) -> np.ndarray:
    """Restore components: normalize each, apply the method, put its scale back.

    Methods keep the phase of what they see.

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

    The scan is read, restored and written block by block. A processed scan is read once. For a raw
    scan (time signals), each block reads all signals of one receive channel. If its spectra exceed
    the memory, a raw scan is therefore read several times.

    Frames of several drive-field periods, such as the patches of a multi-patch scan, are restored
    period by period: each period is a system matrix of its own over the same positions, with its
    own background and noise. The restored scan holds all of them.

    Receive channels that measured nothing stay 0, with a warning. There is a warning, too, about
    each value that no scanner has (:func:`smrestore.mdf.implausible`).

    If a scan has fewer than two background frames, its noise is estimated from its own roughness,
    with a warning.

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
        If the source is no calibration scan, all its receive channels are dead, it has values that
        are not finite, no background frames to subtract or spectral leakage that cannot be
        corrected, or the method does not fit the task.
    """
    task = task or scan_task("denoising")
    plan = plan_restoration(source, task, memory_bytes, twins, spectral_leakage)
    warn_of_dead(source, plan)
    warn_of_implausible(source)
    warn_of_unknown_noise(source, plan)
    summary = RestorationSummary.unknown(plan.shape[:3])
    wanted = wanted_components(plan, chosen)
    logger.info("%s: %d components by %s", source, wanted.sum() * plan.shape[0], name)

    def restore_block(period: int, channel: int, part: slice) -> np.ndarray:
        block = np.zeros((part.stop - part.start, *plan.shape[3:]), np.complex64)
        place = np.arange(part.start, part.stop)
        place = place[wanted[channel, place]]
        if not len(place):
            return block
        if channel in plan.dead:
            for values in (summary.snr_before, summary.snr_after, summary.noise):
                values[period, channel, place] = 0.0
            bar.update(len(place))
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
        summarize(summary, (period, channel, place), measured, restored, noise)
        block[place - part.start] = restored
        return block

    with progress_bar(total=int(wanted.sum()) * plan.shape[0], unit="component") as bar:
        mdf.write_restored(
            source,
            destination,
            RestoredMatrix(plan.shape, plan.rows_at_a_time, restore_block),
            description=f"restored by {name} ({task.name})",
            grid=plan.grid,
            background_corrected=plan.corrected or background is not None,
            spectral_leakage=spectral_leakage,
        )
    return summary


def _noise(
    source: str | Path,
    measured: np.ndarray,
    place: tuple[int, int, np.ndarray],
    plan: Plan,
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
        noise = deviation = roughness_of(measured)
        if np.isnan(noise).any():
            raise InputError(
                "the noise is unknown: there are fewer than two background frames, and the grid is "
                "too small for an estimate",
                path=source,
                field="/measurement/isBackgroundFrame",
                remedy="use a calibration scan with background frames",
            )
    return noise, noise if background_factor is None else background_factor * deviation
