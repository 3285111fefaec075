"""Classes of components, by signal-to-noise ratio and by mixing order, and means over them."""

import itertools
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from smrestore.metrics import ConfidenceInterval, confidence_interval

SNR_LIMITS = (1.5, 3.0, 5.0, 10.0)
"""Lower ends of the classes; each ends where the next begins, the last one nowhere."""
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
    """Return mean and interval over components; n counts components.

    Each component counts once, with its mean over the scans it was scored in: scans of one truth
    are no independent samples of components.
    """
    values = scores.groupby(COMPONENT)[column].mean() if len(scores) else scores[column]
    return confidence_interval(values.to_numpy())


def between_scans(values: Sequence[float]) -> ConfidenceInterval:
    """Return mean and 95 % interval over scans of one truth, which differ in noise alone.

    There are few scans, so that the interval takes Student's t instead of 1.96; it is NaN for a
    single one.
    """
    mean, ci95, n = confidence_interval(np.asarray(values))
    return ConfidenceInterval(mean, ci95 / 1.96 * student.ppf(0.975, n - 1) if n > 1 else ci95, n)
