"""One way to restore a scan from what a user asks for: a command or a call from Python."""

import math
from collections.abc import Sequence
from pathlib import Path

from smrestore.methods import load_method
from smrestore.restoration.modelled import METHODS, restore_by_model
from smrestore.restoration.scan import restore_scan
from smrestore.restoration.summary import RestorationSummary
from smrestore.support.errors import InputError
from smrestore.support.files import check_separate
from smrestore.tasks.scan import ScanTask


def restore_as_asked(
    scan: str | Path,
    output: str | Path,
    task: ScanTask,
    *,
    method: str | None = None,
    model: str | Path | None = None,
    omega: float = 2.75,
    sigma_factor: float = 0.3,
    within_noise: float = 3.0,
    ensemble: Sequence[str] = (),
    twins: bool = False,
    fit: str | Path | None = None,
    save_fit: str | Path | None = None,
    allow_misfit: bool = False,
    background: str | None = "interpolate",
    spectral_leakage: str = "ignore",
) -> RestorationSummary:
    """Restore a calibration scan by a method or a network and write it as MDF.

    Parameters
    ----------
    scan, output
        MDF files.
    task
        What is restored.
    method
        ``dct-filter``, ``spline``, ``biharmonic``, ``model`` or ``model-and-measurement``; None for
        a network.
    model
        Weights of a trained network; None for a method.
    omega
        Threshold of dct-filter.
    sigma_factor
        Classical methods are told the deviation of the background frames times this.
    within_noise, ensemble
        Of networks, see :class:`smrestore.methods.options.Inference`; inf for no limit.
    twins
        Denoising, not of fitted methods: average each component with its twins first.
    fit, save_fit, allow_misfit
        Of fitted methods, see :func:`smrestore.restoration.modelled.restore_by_model`.
    background, spectral_leakage
        How the scan is read, see :func:`smrestore.restoration.scan.restore_scan`.

    Raises
    ------
    InputError
        If options do not belong together, or the scan cannot be restored.
    """
    check_separate(output, scan, fit, model)
    if save_fit is not None:
        check_separate(save_fit, scan, fit, output)
    if twins and task.name != "denoising":
        raise InputError(
            f"twins cannot be used for {task.name}",
            field="--twins",
            remedy="denoise with twins first, and then restore the result",
        )
    fitted = method in METHODS
    for option, wrong in (
        ("--twins", twins and fitted),
        ("--spectral-leakage", spectral_leakage == "correct" and fitted),
        ("--fit", fit is not None and not fitted),
        ("--save-fit", save_fit is not None and not fitted),
        ("--allow-misfit", allow_misfit and not fitted),
    ):
        if wrong:
            raise InputError(
                f"cannot be used with {method or 'a network'}",
                field=option,
                remedy=f"leave it out, or use --method {'dct-filter' if fitted else METHODS[1]}",
            )
    if fitted:
        return restore_by_model(
            scan,
            output,
            method,
            task=task,
            fit=fit,
            background=background,
            allow_misfit=allow_misfit,
            save=save_fit,
        )
    baseline = None
    if method is not None:
        options = {"dct-filter": {"omega": omega}, "spline": {"alignment": "aligned"}}
        baseline = {"method": method, **options.get(method, {})}
    inference = {
        "within_noise": within_noise if math.isfinite(within_noise) else None,
        "ensemble": tuple(ensemble),
    }
    return restore_scan(
        scan,
        output,
        load_method(baseline, model, task.name, inference=inference),
        name=method or str(model),
        task=task,
        background_factor=sigma_factor if baseline else None,
        twins=twins,
        background=background,
        spectral_leakage=spectral_leakage,
    )
