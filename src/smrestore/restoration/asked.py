"""One way to restore a scan from what a user asks for: a command or a call from Python."""

import math
from collections.abc import Sequence
from pathlib import Path

from smrestore.methods import load_method
from smrestore.restoration.automatic import Decision, restore_automatically
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
    as_measured_below: float | None = None,
    allow_misfit: bool = False,
    background: str | None = "interpolate",
    spectral_leakage: str = "ignore",
) -> tuple[RestorationSummary, Decision | None]:
    """Restore a calibration scan as a user asks for it and write it as MDF.

    Without a method and a network, each component is restored by what has the least expected error,
    see :func:`smrestore.restoration.automatic.restore_automatically`.

    Parameters
    ----------
    scan, output
        MDF files.
    task
        What is restored.
    method
        ``dct-filter``, ``spline``, ``biharmonic``, ``model`` or ``model-and-measurement``; None
        for a network, or to leave the choice to the expected error.
    model
        Weights of a trained network, or its name in the package; None for a method.
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
    as_measured_below
        Without method and network, see :func:`.automatic.restore_automatically`.
    background, spectral_leakage
        How the scan is read, see :func:`smrestore.restoration.scan.restore_scan`.

    Returns
    -------
    RestorationSummary
        What was done.
    Decision or None
        Which method restored which component, if this was left open.

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
    automatic = method is None and model is None
    fitted = method in METHODS
    for option, wrong in (
        ("--as-measured-below", as_measured_below is not None and not automatic),
        ("--twins", twins and (fitted or automatic)),
        ("--spectral-leakage", spectral_leakage == "correct" and (fitted or automatic)),
        ("--fit", fit is not None and not (fitted or automatic)),
        ("--save-fit", save_fit is not None and not (fitted or automatic)),
        ("--allow-misfit", allow_misfit and not fitted),
    ):
        if wrong:
            raise InputError(
                f"cannot be used with {method or ('a network' if model else 'all methods')}",
                field=option,
                remedy=_remedy(option, fitted or automatic),
            )
    if automatic:
        decision = restore_automatically(
            scan,
            output,
            task=task,
            fit=fit,
            save_fit=save_fit,
            background=background,
            as_measured_below=as_measured_below,
        )
        return decision.summary, decision
    if fitted:
        summary = restore_by_model(
            scan,
            output,
            method,
            task=task,
            fit=fit,
            background=background,
            allow_misfit=allow_misfit,
            save=save_fit,
        )
        return summary, None
    baseline = None
    if method is not None:
        options = {"dct-filter": {"omega": omega}, "spline": {"alignment": "aligned"}}
        baseline = {"method": method, **options.get(method, {})}
    inference = {
        "within_noise": within_noise if math.isfinite(within_noise) else None,
        "ensemble": tuple(ensemble),
    }
    summary = restore_scan(
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
    return summary, None


def _remedy(option: str, fitted: bool) -> str:
    """Return what to do about an option that does not belong to a method."""
    if option == "--as-measured-below":
        return "leave it out, or the method"
    return f"leave it out, or use --method {'dct-filter' if fitted else METHODS[1]}"
