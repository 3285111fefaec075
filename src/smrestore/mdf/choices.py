"""How a file is read where there is a choice: period, transfer function, spectral leakage."""

import numpy as np

from smrestore.mdf.description import Description
from smrestore.mdf.layout import TRANSFER_FUNCTION
from smrestore.support.errors import InputError

TRANSFER_FUNCTION_POLICIES = ("ignore", "divide")
SPECTRAL_LEAKAGE_POLICIES = ("ignore", "correct", "correct-if-possible")
IS_LEAKAGE_CORRECTED = "/measurement/isSpectralLeakageCorrected"
MEAN = "mean"

Period = int | str | None


def checked_period(description: Description, period: Period) -> Period:
    """Return a choice of the period after a check that the file has it."""
    n_periods = description.acquisition.n_periods
    if period is None:
        return None
    if period == MEAN:
        if not description.acquisition.fields_are_constant:
            raise description.error(
                "the fields change from period to period, so their mean has no meaning",
                "/acquisition/gradient",
                f"choose a period from 0 to {n_periods - 1}",
            )
        return MEAN
    if isinstance(period, str) or not 0 <= period < n_periods:
        raise description.error(
            f"there is no period {period!r}",
            "/acquisition/numPeriodsPerFrame",
            f"choose from 0 to {n_periods - 1}, or {MEAN!r}",
        )
    return int(period)


def chosen_periods(description: Description, period: Period) -> list[int]:
    """Return the periods that a checked choice stands for; one is needed if there are several."""
    n_periods = description.acquisition.n_periods
    if period == MEAN:
        return list(range(n_periods))
    if period is None and n_periods > 1:
        raise description.error(
            f"there are {n_periods} drive-field periods per frame, and none is chosen",
            "/acquisition/numPeriodsPerFrame",
            f"choose a period from 0 to {n_periods - 1}, or {MEAN!r} if all are alike",
        )
    return [period or 0]


def chosen_divisor(description: Description, policy: str) -> np.ndarray | None:
    """Return the transfer function to divide by, complex (C, K), or None."""
    _check_policy(policy, TRANSFER_FUNCTION_POLICIES, "transfer_function")
    if policy == "ignore" or description.flags.transfer_function_corrected:
        return None
    if description.transfer_function is None:
        raise description.error(
            "there is no transfer function to divide by",
            TRANSFER_FUNCTION,
            "add it, or choose transfer_function: ignore",
        )
    return description.transfer_function


def chosen_windows(description: Description, policy: str) -> bool:
    """Return whether signals are windowed over their neighbors, after a check that they can."""
    _check_policy(policy, SPECTRAL_LEAKAGE_POLICIES, "spectral_leakage")
    if policy == "ignore" or description.flags.spectral_leakage_corrected:
        return False
    obstacle = _leakage_obstacle(description)
    if obstacle is None:
        return True
    if policy == "correct-if-possible":
        return False
    raise description.error(obstacle[0], IS_LEAKAGE_CORRECTED, obstacle[1])


def _leakage_obstacle(description: Description) -> tuple[str, str] | None:
    """Return why spectral leakage cannot be corrected, and what to do, or None."""
    if description.flags.fourier_transformed:
        return (
            "spectra cannot be corrected for spectral leakage any more, which takes the time "
            "signals",
            "choose spectral_leakage: ignore, or use the scan as it was measured",
        )
    if description.acquisition.n_periods == 1 and description.calibration is not None:
        return (
            "each frame of a calibration is another position, so that none continues another",
            "choose spectral_leakage: ignore for calibrations of one period per frame",
        )
    if not description.acquisition.fields_are_constant:
        return (
            "the fields change from period to period, so that none continues another",
            "choose spectral_leakage: ignore",
        )
    return None


def _check_policy(policy: str, policies: tuple[str, ...], field: str) -> None:
    if policy not in policies:
        raise InputError(
            f"unknown policy {policy!r}", field=field, remedy=f"choose one of {', '.join(policies)}"
        )
