"""The comparisons behind a claim: paired differences with their intervals.

Components of one matrix resemble each other, so intervals take matrices as the independent units:
those of a mean with clusters, with the correction G/(G - 1) for G clusters and the quantile of
Student's t for G - 1 degrees of freedom (Cameron and Miller, J. Human Resources 50 (2015) 317).
Each comparison counts for itself: there is no correction for their number.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import t as student_t

from smrestore.evaluation.claims.statements import AHEAD, BY_NOISE, BY_SIZE, EQUAL, Claim
from smrestore.evaluation.tables import ALL_SIZES, average_sizes, in_range, size_name
from smrestore.metrics import ConfidenceInterval
from smrestore.support.errors import InputError


@dataclass(frozen=True, eq=False)
class ComparedSet:
    """Rows of a test set or a calibration scan, and what a claim must know of it.

    Attributes
    ----------
    name
        Of the test set or the measurement.
    rows
        Evaluation rows, or scores of the components of a scan, of several methods.
    where
        ``table``, ``dimension``; or ``scan`` (task), ``dimension``.
    published
        Our methods -> those of the published table.
    size_ranges
        Of the table.
    """

    name: str
    rows: pd.DataFrame
    where: Mapping[str, object]
    published: Mapping[str, str]
    size_ranges: Sequence[Sequence[float]] = ()

    def methods(self, published: str) -> list[str]:
        """Return our methods that stand for a published one and have rows here."""
        found = set(self.rows["method"])
        return [m for m, theirs in self.published.items() if theirs == published and m in found]


def paired_differences(
    rows: pd.DataFrame, better: str, than: str, metric: str
) -> tuple[pd.Series, np.ndarray]:
    """Return the first method minus the second on the components that both restored.

    Parameters
    ----------
    rows
        Evaluation rows at one noise level, or scores of a scan; repeated scans are averaged first.
    better, than
        Names of the methods.
    metric
        Column.

    Returns
    -------
    pd.Series
        Differences by matrix, channel and frequency.
    np.ndarray
        The unit of each: the matrix of test sets; of a scan every component is one.

    Raises
    ------
    InputError
        If the methods were not evaluated on the same components.
    """
    key = ["matrix", "channel", "frequency"] if "matrix" in rows else ["channel", "frequency"]
    repeated = [*key, "scan"] if "scan" in rows else key
    first, second = (
        rows[rows["method"] == method].set_index(repeated)[metric] for method in (better, than)
    )
    if not first.index.is_unique or not first.index.sort_values().equals(
        second.index.sort_values()
    ):
        raise InputError(
            f"{better} and {than} were not evaluated on the same components",
            field=metric,
            remedy="evaluate both again",
        )
    with np.errstate(invalid="ignore"):  # two perfect restorations
        differences = (first - second).groupby(level=key, sort=True).mean()
    units = differences.index.get_level_values("matrix") if "matrix" in key else differences.index
    return differences, pd.factorize(units)[0]


def clustered_interval(values: np.ndarray, units: np.ndarray) -> ConfidenceInterval:
    """Return the mean of values with its 95 % confidence interval for independent units.

    Parameters
    ----------
    values
        float (n,).
    units
        int (n,): the cluster of each value.

    Returns
    -------
    ConfidenceInterval
        The half-width is NaN with fewer than two units or a mean that is not finite.
    """
    values = np.asarray(values, dtype=np.float64)
    mean, n = float(values.mean()), len(values)
    clusters = int(units.max()) + 1
    if clusters < 2 or not np.isfinite(mean):
        return ConfidenceInterval(mean, float("nan"), n)
    sums = np.bincount(units, weights=values - mean, minlength=clusters)
    error = np.sqrt(clusters / (clusters - 1) * np.square(sums).sum()) / n
    return ConfidenceInterval(mean, float(student_t.ppf(0.975, clusters - 1) * error), n)


def _comparisons(claim: Claim, part: ComparedSet, better: str, than: str) -> Iterator[dict]:
    """Yield the comparisons of two methods of ours that a claim asks for and that can be made."""
    rows = part.rows
    if "scan" in part.where:
        difference = clustered_interval(*paired_differences(rows, better, than, claim.metric))
        yield {"sigma": np.nan, "size_range": ALL_SIZES, "interval": difference}
        return
    available = set(rows["sigma"])
    levels = {s: rows[rows["sigma"] == s] for s in claim.sigma if s in available}
    if claim.expect == BY_NOISE:
        if len(levels) < 2:
            return
        (low, units), (high, _) = (
            paired_differences(level, better, than, claim.metric) for level in levels.values()
        )
        name = " to ".join(f"{s:g}" for s in levels)
        interval = clustered_interval((high - low).to_numpy(), units)
        yield {"sigma": name, "size_range": ALL_SIZES, "interval": interval}
        return
    for sigma, level in levels.items():
        if claim.expect != BY_SIZE:
            difference = clustered_interval(*paired_differences(level, better, than, claim.metric))
            yield {"sigma": f"{sigma:g}", "size_range": ALL_SIZES, "interval": difference}
            continue
        sizes = average_sizes(level, part.where["dimension"])
        ranges = [limits for limits in part.size_ranges if in_range(sizes, limits).any()]
        if len(ranges) < 2:
            continue
        small, large = (
            clustered_interval(
                *paired_differences(level[in_range(sizes, limits)], better, than, claim.metric)
            )
            for limits in (ranges[0], ranges[-1])
        )
        # Grids of different sizes are different matrices, so the two are independent.
        interval = ConfidenceInterval(
            large.mean - small.mean, float(np.hypot(small.ci95, large.ci95)), small.n + large.n
        )
        name = f"{size_name(ranges[0])} to {size_name(ranges[-1])}"
        yield {"sigma": f"{sigma:g}", "size_range": name, "interval": interval}


def published_difference(
    claim: Claim, published: pd.DataFrame, better: str, than: str, sigma: str, scale: float
) -> tuple[float, float]:
    """Return what the study has for a comparison, with the interval of independent means."""
    if "scan" in claim.where:
        return np.nan, np.nan
    chosen = published[
        (published["table"] == claim.where["table"])
        & (published["dimension"] == claim.where["dimension"])
        & (published["metric"] == claim.metric)
        & (published["scale"].isna() if np.isnan(scale) else published["scale"] == scale)
    ]

    def lead(level: float, size_range: str) -> np.ndarray:
        found = [
            chosen[
                (chosen["method"] == method)
                & (chosen["sigma"] == level)
                & (chosen["size_range"] == size_range)
            ][["mean", "ci95"]]
            for method in (better, than)
        ]
        if any(len(part) != 1 for part in found):
            return np.full(2, np.nan)
        (a, da), (b, db) = (part.to_numpy()[0] for part in found)
        return np.array([a - b, np.hypot(da, db)])

    levels = [float(s) for s in sigma.split(" to ")]
    if claim.expect == BY_NOISE:
        first, last = (lead(level, ALL_SIZES) for level in levels)
    elif claim.expect == BY_SIZE:
        sizes = [s for s in dict.fromkeys(chosen["size_range"]) if s != ALL_SIZES]
        if len(sizes) < 2:
            return np.nan, np.nan
        first, last = (lead(levels[0], size) for size in (sizes[0], sizes[-1]))
    else:
        return tuple(lead(levels[0], ALL_SIZES))
    return last[0] - first[0], float(np.hypot(first[1], last[1]))


def compare_claim(
    claim: Claim, sets: Sequence[ComparedSet], published: pd.DataFrame
) -> tuple[list[dict], int, int]:
    """Make the comparisons of a claim.

    Returns
    -------
    list of dict
        One for each comparison that could be made, see :func:`check_claims`.
    int, int
        How many of the comparisons of the study could be made, and how many there are.
    """
    scales = claim.where.get("scales", [np.nan])
    wanted = {key: value for key, value in claim.where.items() if key != "scales"}
    levels = claim.sigma if claim.expect in (AHEAD, EQUAL) and claim.sigma else ("",)
    pairs = list(itertools.product(scales, claim.better, claim.than))
    records, made = [], set()
    for part in sets:
        if any(part.where.get(key) != value for key, value in wanted.items()):
            continue
        (spacing,) = part.rows["scale"].unique() if "scale" in part.rows else (1,)
        own_scale = np.nan if spacing == 1 else float(spacing)
        for scale, theirs, other in pairs:
            if "scales" in claim.where and scale != own_scale:
                continue
            for better, than in itertools.product(part.methods(theirs), part.methods(other)):
                for found in _comparisons(claim, part, better, than):
                    interval = found["interval"]
                    paper = published_difference(
                        claim, published, theirs, other, found["sigma"], own_scale
                    )
                    made.add((scale, theirs, other, found["sigma"] if len(levels) > 1 else ""))
                    units = "matrix" if "matrix" in part.rows else "channel"
                    records.append(
                        {
                            "claim": claim.name,
                            "test_set": part.name,
                            "better": better,
                            "than": than,
                            "sigma": found["sigma"],
                            "size_range": found["size_range"],
                            "metric": claim.metric,
                            "expect": claim.expect,
                            "by": claim.by,
                            "difference": interval.mean,
                            "ci95": interval.ci95,
                            "n": interval.n,
                            "matrices": part.rows[units].nunique() if units == "matrix" else 1,
                            "paper_difference": paper[0],
                            "paper_ci95": paper[1],
                            "verdict": claim.verdict(interval),
                        }
                    )
    return records, len(made), len(pairs) * len(levels)
