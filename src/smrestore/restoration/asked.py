"""One way to restore a scan from what a user asks for: a command or a call from Python."""

import math
from collections.abc import Sequence
from pathlib import Path

from smrestore.methods import load_method
from smrestore.networks.cards import DENOISER
from smrestore.restoration.automatic import INFERENCE, Decision, restore_automatically
from smrestore.restoration.modelled import METHODS, restore_by_model
from smrestore.restoration.scan import restore_scan
from smrestore.restoration.summary import RestorationSummary
from smrestore.restoration.tested import warn_of_untested
from smrestore.support.errors import InputError
from smrestore.support.files import check_separate
from smrestore.tasks.scan import ScanTask

OMEGA, SIGMA_FACTOR = 2.75, 0.3
"""As in the default run."""


def restore_as_asked(
    scan: str | Path,
    output: str | Path,
    task: ScanTask,
    *,
    method: str | None = None,
    model: str | Path | None = None,
    omega: float | None = None,
    sigma_factor: float | None = None,
    within_noise: float | None = None,
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
        Threshold of dct-filter; 2.75 by default.
    sigma_factor
        Classical methods are told the deviation of the background frames times this; 0.3 by
        default.
    within_noise, ensemble
        Of networks, see :class:`smrestore.methods.options.Inference`; inf for no limit. 3.0 by
        default.
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
        ("--omega", omega is not None and method != "dct-filter"),
        ("--sigma-factor", sigma_factor is not None and (method is None or fitted)),
        ("--within-noise", within_noise is not None and model is None),
        ("--ensemble", bool(ensemble) and model is None),
    ):
        if wrong:
            raise InputError(
                f"cannot be used {_how(method, model)}",
                field=option,
                remedy=_remedy(option),
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
        warn_of_untested(scan, decision.summary)
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
        warn_of_untested(scan, summary)
        return summary, None
    baseline = None
    if method is not None:
        options = {"dct-filter": {"omega": _or(omega, OMEGA)}, "spline": {"alignment": "aligned"}}
        baseline = {"method": method, **options.get(method, {})}
    within_noise = _or(within_noise, INFERENCE["within_noise"])
    inference = {"ensemble": tuple(ensemble)}
    if math.isfinite(within_noise):
        inference["within_noise"] = within_noise
        if task.name == "denoising":
            inference["power_within_noise"] = INFERENCE["power_within_noise"]
    summary = restore_scan(
        scan,
        output,
        load_method(baseline, model, task.name, inference=inference),
        name=method or str(model),
        task=task,
        background_factor=_or(sigma_factor, SIGMA_FACTOR) if baseline else None,
        twins=twins,
        background=background,
        spectral_leakage=spectral_leakage,
    )
    if model is not None:
        warn_of_untested(scan, summary)
    return summary, None


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _how(method: str | None, model: str | Path | None) -> str:
    if method is not None:
        return f"with {method}"
    return "without a method" if model is None else "with a network"


def _remedy(option: str) -> str:
    """Return what to do about an option that does not belong to a method."""
    if option == "--as-measured-below":
        return "leave it out, or the method"
    if option in ("--fit", "--save-fit", "--allow-misfit"):
        return f"leave it out, or use --method {METHODS[1]}"
    if option in ("--twins", "--spectral-leakage"):
        return f"leave it out, or use --method dct-filter or --model {DENOISER}"
    if option == "--omega":
        return "leave it out, or use --method dct-filter"
    if option == "--sigma-factor":
        return "leave it out, or use a classical method"
    return f"leave it out, or use --model {DENOISER}"
