"""Restoration of a whole scan by the physics that is fitted to it: MDF in, MDF out."""

import logging
from pathlib import Path
from typing import get_args

import numpy as np

from smrestore import mdf
from smrestore.fitting.apply import predict
from smrestore.fitting.scan import DESCRIBED, FittedModel, fit_scan, read_calibration
from smrestore.fitting.settings import DEFAULTS, FitSettings
from smrestore.restoration.plan import plan_restoration
from smrestore.restoration.scan import MEMORY_BYTES, RestoredMatrix
from smrestore.restoration.summary import RestorationSummary, summarize
from smrestore.support.choices import Fitted
from smrestore.support.errors import InputError
from smrestore.tasks.scan import ScanTask, scan_task

logger = logging.getLogger(__name__)

METHODS = get_args(Fitted)
"""Methods that restore a matrix as a whole, with all its components at once."""


def restore_by_model(
    source: str | Path,
    destination: str | Path,
    method: str,
    *,
    task: ScanTask | None = None,
    settings: FitSettings = DEFAULTS,
    background: str | None = "interpolate",
    allow_misfit: bool = False,
    save: str | Path | None = None,
) -> RestorationSummary:
    """Fit the physics to a calibration scan and write all components that follow, as MDF.

    Each period of a frame is fitted for itself. Images of all components are held in memory.

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
    background
        How the background is subtracted: ``interpolate``, ``mean`` or None.
    allow_misfit
        Restore scans, too, that the model does not describe.
    save
        JSON file for the fitted model; of several periods, the first.

    Raises
    ------
    InputError
        If the scan cannot be fitted, or the model does not describe it.
    """
    task = task or scan_task("denoising")
    plan = plan_restoration(source, task, MEMORY_BYTES, False, "ignore")
    summary = RestorationSummary(*(np.full(plan.shape[:3], np.nan) for _ in range(4)))
    restored = np.zeros(plan.shape, np.complex64)
    for period in range(plan.shape[0]):
        reading = {"background": background, "period": period if plan.shape[0] > 1 else None}
        try:
            whole = read_calibration(source, **reading)
            data = whole.without(task.unused(whole.grid.size))
            model = fit_scan(data, settings)
            for doubt in model.doubts():
                logger.warning("%s: %s", source, doubt)
            _check(model, allow_misfit)
            if save is not None and period == 0:
                model.save(save, Path(source).name)
            grid = task.restored_grid(data.grid)
            wanted = grid.positions().reshape(-1, 3)
            found = predict(data, model, wanted, with_measurement=method == "model-and-measurement")
        except InputError as error:
            raise InputError(
                error.what, path=source, field=error.field, remedy=error.remedy
            ) from None
        n_channels = len(np.unique(data.components.channel))
        images = found.images.T.reshape(n_channels, -1, *grid.size)
        restored[period, :n_channels] = images
        noise = data.noise.reshape(n_channels, -1)
        before = whole.images.T.reshape(n_channels, -1, *whole.grid.size)
        for channel in range(n_channels):
            place = np.arange(images.shape[1])
            summarize(
                summary, (period, channel, place), before[channel], images[channel], noise[channel]
            )
    mdf.write_restored(
        source,
        destination,
        RestoredMatrix(
            plan.shape,
            plan.rows_at_a_time,
            lambda period, channel, part: restored[period, channel, part],
        ),
        description=f"restored by {method} ({task.name}): physics fitted to {Path(source).name}",
        grid=plan.grid,
        background_corrected=plan.corrected or background is not None,
        spectral_leakage="ignore",
    )
    return summary


def _check(model: FittedModel, allow_misfit: bool) -> None:
    """Refuse a scan that the model does not describe."""
    error = model.held_out["all"]
    if error <= DESCRIBED or allow_misfit:
        return
    raise InputError(
        f"the fitted model leaves {100 * error:.0f} % of the signal at held-out positions "
        f"unexplained (as amplitude); {100 * DESCRIBED:.0f} % are allowed",
        remedy="check gradient, drive field and grid in the header, or restore without a model",
    )
