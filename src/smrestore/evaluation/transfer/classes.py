"""Classes of components, by signal-to-noise ratio and by mixing order, and means over them."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd

from smrestore.metrics import ConfidenceInterval, confidence_interval

SNR_LIMITS = (1.5, 3.0, 10.0, 30.0, 100.0)
"""Lower ends of the classes; each ends where the next begins, the last one nowhere.

Few components lie between 3.5 and 10, where the definition of the ratio changes."""
ORDER_LIMITS = (1, 5, 9)
"""The same for |n_x| + |n_y| + |n_z|."""
COMPONENT = ["channel", "frequency"]


def snr_names() -> list[str]:
    """Return the names of the classes by signal-to-noise ratio, the noisiest first."""
    ends = itertools.pairwise(SNR_LIMITS)
    return [*(f"{low:g} to {high:g}" for low, high in ends), f"{SNR_LIMITS[-1]:g} or more"]


def order_names() -> list[str]:
    """Return the names of the classes by mixing order, the lowest first."""
    ends = itertools.pairwise(ORDER_LIMITS)
    return [*(f"{low} to {high - 1}" for low, high in ends), f"{ORDER_LIMITS[-1]} or more"]


def with_classes(scores: pd.DataFrame) -> pd.DataFrame:
    """Return scores with the columns ``snr_class`` and ``order_class``, None below the first."""
    order = scores[[f"mixing_order_{axis}" for axis in "xyz"]].abs().sum(axis=1)
    return scores.assign(
        snr_class=_class(scores["snr"].to_numpy(), SNR_LIMITS, snr_names()),
        order_class=_class(order.to_numpy(), ORDER_LIMITS, order_names()),
    )


def _class(values: np.ndarray, limits: Sequence[float], names: list[str]) -> list[str | None]:
    return [None if i == 0 else names[i - 1] for i in np.searchsorted(limits, values, side="right")]


def over_components(scores: pd.DataFrame, column: str) -> ConfidenceInterval:
    """Return mean and 95 % interval over components; n counts components.

    The scores of a component in several scans of one truth are no independent samples of
    components: the standard error is the cluster-robust one of the mean over all scores, with
    components as clusters (Cameron and Miller 2015, J. Hum. Resour. 50, 317). For a single scan
    this is :func:`smrestore.metrics.confidence_interval`.
    """
    mean, ci95, n = confidence_interval(scores[column].to_numpy())
    sums = (scores[column] - mean).groupby([scores[key] for key in COMPONENT]).sum().to_numpy()
    count = len(sums)
    if np.isfinite(ci95) and count > 1:
        ci95 = float(1.96 * np.sqrt(count / (count - 1) * np.sum(sums**2)) / n)
    return ConfidenceInterval(mean, ci95 if count > 1 else float("nan"), count)


def between_scans(values: Sequence[float]) -> ConfidenceInterval:
    """Return mean and 95 % interval over scans of one truth, which differ in noise alone.

    There are few scans, so that the interval takes Student's t instead of 1.96; it is NaN for a
    single one.
    """
    mean, ci95, n = confidence_interval(np.asarray(values))
    # Loaded here, as it takes half a second and only tables need it.
    from scipy.stats import t as student

    return ConfidenceInterval(mean, ci95 / 1.96 * student.ppf(0.975, n - 1) if n > 1 else ci95, n)
