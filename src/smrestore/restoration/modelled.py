"""Restoration of a whole scan by the physics that is fitted to it: MDF in, MDF out."""

import functools
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import numpy as np

from smrestore import mdf
from smrestore.fitting.apply import predict
from smrestore.fitting.model import DESCRIBED, FittedModel, ScanFit, read_fits, write_fits
from smrestore.fitting.scan import CalibrationData, fit_scan, read_calibration
from smrestore.fitting.settings import DEFAULTS, FitSettings
from smrestore.physics.grid import CalibrationGrid
from smrestore.restoration.expected import fitted_error
from smrestore.restoration.matrix import RestoredMatrix
from smrestore.restoration.plan import (
    MEMORY_BYTES,
    Plan,
    plan_restoration,
    refuse_implausible,
    warn_of_dead,
)
from smrestore.restoration.summary import RestorationSummary, summarize
from smrestore.support.choices import Fitted
from smrestore.support.errors import InputError
from smrestore.tasks.scan import ScanTask, scan_task

logger = logging.getLogger(__name__)

NOISE_GAIN = 4.0
"""Rows of a restored matrix are of use that far below the noise of the calibration. Phantoms are
measured with more averages than positions, but noise of theirs remains (benchmarks/fit_rows.py)."""
METHODS = get_args(Fitted)
"""Methods that restore a matrix as a whole, with all its components at once."""


def fit_calibration(
    source: str | Path,
    *,
    task: ScanTask | None = None,
    settings: FitSettings = DEFAULTS,
    background: str | None = "interpolate",
) -> list[ScanFit]:
    """Fit the physics to each period of a calibration scan.

    Parameters
    ----------
    source
        MDF file.
    task
        Voxels that it marks as missing or decimated are not used; denoising by default.
    background
        How the background is subtracted: ``interpolate``, ``mean`` or None.

    Raises
    ------
    InputError
        If the scan cannot be fitted.
    """
    task = task or scan_task("denoising")
    refuse_implausible(source)
    plan = plan_restoration(source, task, MEMORY_BYTES, False, "ignore")
    warn_of_dead(source, plan)
    return _fits(source, task, settings, plan.shape[0], _reader(source, background, plan))


def _fits(
    source: str | Path,
    task: ScanTask,
    settings: FitSettings,
    n_periods: int,
    read: Callable[[int], CalibrationData],
) -> list[ScanFit]:
    """Fit each period that ``read`` gives."""
    fits = []
    for period in range(n_periods):
        with _naming(source):
            whole = read(period)
            fits.append(fit_scan(whole.without(task.unused(whole.grid.size)), settings))
    for doubt in fits[0].model.doubts():
        logger.warning("%s: %s", source, doubt)
    if not fits[0].model.describes:
        logger.warning("%s: %s", source, _misfit(fits[0].model))
    return fits


def restore_by_model(
    source: str | Path,
    destination: str | Path,
    method: str,
    *,
    task: ScanTask | None = None,
    settings: FitSettings = DEFAULTS,
    fit: str | Path | None = None,
    refinement: int = 1,
    background: str | None = "interpolate",
    allow_misfit: bool = False,
    save: str | Path | None = None,
) -> RestorationSummary:
    """Write all components that follow from the physics fitted to a calibration scan, as MDF.

    Each period of a frame has a fit of its own. Images of all components are held in memory.

    Parameters
    ----------
    source, destination
        MDF files of the measured and the restored scan.
    method
        ``model``: the images of the model alone. ``model-and-measurement``: the posterior mean of
        both, see :mod:`smrestore.fitting.posterior`.
    task
        Denoising by default. Of the measured voxels, those are used that the task does not mark as
        missing or decimated.
    settings, background
        As in :func:`fit_calibration`.
    fit
        Fit of this scan, or of another one with the same sequence and tracer, written before. The
        scan is fitted now if not given.
    refinement
        Voxels per voxel of the grid of the task and axis, on a finer grid with the same ends.
    allow_misfit
        Restore scans, too, that the model does not describe.
    save
        JSON file for the fit.

    Raises
    ------
    InputError
        If the scan cannot be fitted, or the model does not describe it.
    """
    task = task or scan_task("denoising")
    refuse_implausible(source)
    plan = plan_restoration(source, task, MEMORY_BYTES, False, "ignore")
    rows, size, new_grid = plan.shape[:3], plan.shape[3:], plan.grid
    n_periods = rows[0]
    if refinement > 1:
        new_grid = _finer(plan.grid, source, refinement)
        size = new_grid.size
    summary = RestorationSummary.unknown(rows)
    restored = np.zeros((*rows, *size), np.complex64)
    error, snr = np.zeros(rows), np.zeros(rows)
    warn_of_dead(source, plan)
    read = _reader(source, background, plan)
    models = None
    if fit is None:
        fits = _fits(source, task, settings, n_periods, read)
        models = [found.model for found in fits]
        if save is not None:
            write_fits(save, fits, Path(source).name)
    for period in range(n_periods):
        with _naming(source):
            whole = read(period)
            data = whole.without(task.unused(whole.grid.size))
            if models is None:
                models = _of_all_periods(read_fits(fit, data.forward()), n_periods, fit)
            _check(models[period], allow_misfit)
            grid = new_grid or data.grid
            wanted = grid.positions().reshape(-1, 3)
            found = predict(
                data, models[period], wanted, with_measurement=method == "model-and-measurement"
            )
        channels = np.unique(data.components.channel)
        images = found.images.T.reshape(len(channels), -1, *grid.size)
        restored[period, channels] = images
        noise = data.noise.reshape(len(channels), -1)
        expected = fitted_error(data, found)
        error[period, channels] = expected.error.reshape(len(channels), -1)
        summary.beside_noise[period, channels] = expected.beside_noise.reshape(len(channels), -1)
        snr[period, channels] = restored_snr(
            root_mean_square(images), error[period, channels], noise
        )
        before = whole.images.T.reshape(len(channels), -1, *whole.grid.size)
        place = np.arange(images.shape[1])
        for i, channel in enumerate(channels):
            summarize(summary, (period, int(channel), place), before[i], images[i], noise[i])
    mdf.write_restored(
        source,
        destination,
        RestoredMatrix(
            restored.shape,
            plan.rows_at_a_time,
            lambda period, channel, part: restored[period, channel, part],
        ),
        description=f"restored by {method} ({task.name}): physics fitted to {Path(source).name}",
        grid=new_grid,
        snr=snr,
        expected_error=error,
        background_corrected=plan.corrected or background is not None,
        spectral_leakage="ignore",
    )
    return summary


def _finer(grid: CalibrationGrid | None, source: str | Path, refinement: int) -> CalibrationGrid:
    """Return a finer grid than that of a task, or of the scan if it is the same."""
    if grid is None:
        with mdf.open_mdf(source) as file:
            grid = file.grid()
    return scan_task("upsampling", factor=refinement).restored_grid(grid)


def root_mean_square(images: np.ndarray) -> np.ndarray:
    """Return the root mean square of images (..., Nx, Ny, Nz), float64 (...)."""
    return np.sqrt(np.mean(np.abs(images) ** 2, axis=(-3, -2, -1), dtype=np.float64))


def restored_snr(signal: np.ndarray, error: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Return the signal-to-noise ratio that a restored matrix states of its rows.

    Parameters
    ----------
    signal
        Root mean square of each row, float64 of any shape.
    error, noise
        Expected error of each row, and its noise in the calibration, in the same unit and shape.
    """
    unknown = np.hypot(error, noise / NOISE_GAIN)
    return np.divide(signal, unknown, out=np.zeros_like(signal), where=unknown > 0)


def _reader(
    source: str | Path, background: str | None, plan: Plan
) -> Callable[[int], CalibrationData]:
    """Return what reads a period, and keeps the last one: a scan of one period is read once."""
    several = plan.shape[0] > 1

    @functools.lru_cache(maxsize=1)
    def read(period: int) -> CalibrationData:
        return read_calibration(source, background=background, period=period if several else None)

    return read


@contextmanager
def _naming(source: str | Path) -> Iterator[None]:
    """Name the scan in errors that name no file."""
    try:
        yield
    except InputError as error:
        if error.path is not None:
            raise
        raise InputError(error.what, path=source, field=error.field, remedy=error.remedy) from None


def _of_all_periods(
    models: list[FittedModel], n_periods: int, path: str | Path
) -> list[FittedModel]:
    """Return a model for each period."""
    if len(models) not in (1, n_periods):
        raise InputError(
            f"fitted to {len(models)} periods, and the scan has {n_periods}",
            path=path,
            field="periods",
            remedy="fit the scan itself with smrestore fit",
        )
    return models * (n_periods // len(models))


def _misfit(model: FittedModel) -> str:
    return (
        f"the fitted model leaves {100 * model.held_out['all']:.0f} % of the signal at held-out "
        f"positions unexplained (as amplitude); {100 * DESCRIBED:.0f} % are allowed"
    )


def _check(model: FittedModel, allow_misfit: bool) -> None:
    """Refuse a scan that the model does not describe."""
    if not (model.describes or allow_misfit):
        raise InputError(
            _misfit(model),
            remedy="check gradient, drive field and grid in the header, or restore without a model",
        )
