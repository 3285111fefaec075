"""Gains of methods over a baseline, on simulated test sets and on the virtual scanner."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from smrestore.evaluation.transfer.classes import (
    COMPONENT,
    over_components,
    snr_names,
    with_classes,
)
from smrestore.metrics import confidence_interval
from smrestore.tasks.degradation import complex_sigma

TESTED = ["matrix", *COMPONENT, "sigma"]


@dataclass(frozen=True)
class Gain:
    """Gain in PSNR of a method over the baseline, for the components of one class.

    Attributes
    ----------
    method, snr_class
        Name of the method, and of the class in :func:`.classes.snr_names`.
    components
        Components of the class.
    simulated, simulated_ci95
        Mean gain on the test set at the noise of these components in dB, and half width of its
        95 % confidence interval.
    measured, measured_ci95
        Mean gain on the components themselves.
    """

    method: str
    snr_class: str
    components: int
    simulated: float
    simulated_ci95: float
    measured: float
    measured_ci95: float


def transfer_gains(
    evaluations: Sequence[str | Path],
    scores: Sequence[str | Path],
    *,
    baseline: str,
    methods: Sequence[str],
    sigma_convention: str,
) -> list[Gain]:
    """Return the gains of methods over a baseline, by method and class.

    Gains are differences of the same component. The gain on the test set is known at its noise
    levels. It is interpolated linearly to the noise of each component of the scan, relative to its
    peak as in the test set. Beyond the first and last level, it stays at their values.

    Parameters
    ----------
    evaluations
        Of the baseline and the methods on one test set, see :mod:`smrestore.evaluation.scores`.
    scores
        Of the same on one or more scans of one truth, see :mod:`.transfer.components`.
    baseline, methods
        Their names.
    sigma_convention
        Of the test set.
    """
    tested = pd.concat([pd.read_csv(path) for path in evaluations])
    found = with_classes(pd.concat([pd.read_csv(path) for path in scores]))
    gains = []
    for method in methods:
        levels, means, intervals = _simulated(tested, baseline, method, sigma_convention)
        paired = paired_gain(found, baseline, method, ["scan", *COMPONENT, "sigma", "snr_class"])
        for name in snr_names():
            part = paired[paired["snr_class"] == name]
            if part.empty:
                continue
            mean, ci95, n = over_components(part, "gain")
            gains.append(
                Gain(
                    method,
                    name,
                    n,
                    float(np.interp(part["sigma"], levels, means).mean()),
                    float(np.interp(part["sigma"], levels, intervals).mean()),
                    mean,
                    ci95,
                )
            )
    return gains


def paired_gain(
    scores: pd.DataFrame, baseline: str, method: str, key: Sequence[str]
) -> pd.DataFrame:
    """Return the gain in PSNR of each component, columns ``key``, ``gain``, and both PSNR.

    ``psnr`` is that of the method, ``psnr_baseline`` that of the baseline.
    """
    columns = [*key, "psnr"]
    ours, theirs = (scores.loc[scores["method"] == m, columns] for m in (method, baseline))
    both = ours.merge(theirs, on=list(key), suffixes=("", "_baseline"), validate="one_to_one")
    return both.assign(gain=both["psnr"] - both["psnr_baseline"])


def _simulated(
    tested: pd.DataFrame, baseline: str, method: str, sigma_convention: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the noise levels of complex noise, ascending, and the gain there with its interval."""
    paired = paired_gain(tested, baseline, method, TESTED)
    rows = [
        (complex_sigma(sigma, sigma_convention), *confidence_interval(part["gain"].to_numpy())[:2])
        for sigma, part in paired.groupby("sigma")
    ]
    return tuple(np.array(sorted(rows)).T)
