"""Tables of the study: evaluation rows in, means with confidence intervals out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from smrestore.evaluation.layout import latex_table, layout, markdown_table, notes
from smrestore.metrics import confidence_interval
from smrestore.support.errors import InputError
from smrestore.support.files import atomic_path

KEY = ["table", "task", "dimension", "test_set", "method", "sigma", "scale", "size_range", "metric"]
PUBLISHED_COLUMNS = [*KEY, "mean", "ci95"]
METRICS = ("psnr", "psnr_missing", "ssim")
"""Columns of evaluation rows that become rows of a table, where a test set has them."""
ALL_SIZES = "all"


@dataclass(frozen=True)
class TabulatedSet:
    """What a table must know of a test set beyond its evaluation rows.

    Attributes
    ----------
    name, task, dimension, particle_state, sigma_convention
        As configured; ``dimension`` is the number of driven axes.
    """

    name: str
    task: str
    dimension: int
    sigma_convention: str
    particle_state: str | None = None

    @property
    def published_name(self) -> str:
        """Name of a test set of this kind in the published table."""
        return "test" if self.particle_state is None else f"test-{self.particle_state}"


def read_published(path: str | Path) -> pd.DataFrame:
    """Read the published values, one row per number, with the columns ``PUBLISHED_COLUMNS``."""
    published = pd.read_csv(path)
    missing = set(PUBLISHED_COLUMNS) - set(published)
    if missing:
        raise InputError(
            "column is missing", path=path, field=sorted(missing)[0], remedy="restore the file"
        )
    return published


def read_evaluations(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Read evaluation rows of several methods and test sets, in the order of the files.

    Raises
    ------
    InputError
        If one holds no rows.
    """
    parts = []
    for path in paths:
        part = pd.read_csv(path)
        if part.empty:
            raise InputError("no rows", path=path, remedy="evaluate again")
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def size_name(size_range: Sequence[float]) -> str:
    """Return the name of a range of average sizes as the study writes it."""
    low, high = size_range
    return f"({low:g}, {high:g}]"


def average_sizes(rows: pd.DataFrame, dimension: int) -> np.ndarray:
    """Return the mean side length over the driven axes of each row, float64 (n,) in voxels."""
    sides = [f"size_{axis}" for axis in "xyz"[:dimension]]
    return rows[sides].to_numpy(dtype=np.float64).mean(axis=1)


def in_range(sizes: np.ndarray, size_range: Sequence[float]) -> np.ndarray:
    """Tell which sizes lie above the lower and not above the upper limit."""
    return (sizes > size_range[0]) & (sizes <= size_range[1])


def summarize(
    rows: pd.DataFrame,
    test_set: TabulatedSet,
    *,
    number: int,
    size_ranges: Sequence[Sequence[float]] = (),
) -> pd.DataFrame:
    """Return mean, 95 % confidence interval and n per method, noise level, size and metric.

    Parameters
    ----------
    rows
        Evaluation rows of one test set.
    test_set
        What they belong to.
    number
        Of the table.
    size_ranges
        Above the first and not above the second average side length in voxels. A range without
        components gets no rows. All components together follow last, also those of other sizes.
    """
    records = []
    for (method, sigma), group in rows.groupby(["method", "sigma"], sort=False):
        sizes = average_sizes(group, test_set.dimension) if size_ranges else np.zeros(len(group))
        parts = {size_name(limits): in_range(sizes, limits) for limits in size_ranges}
        parts[ALL_SIZES] = np.ones(len(group), dtype=bool)
        (scale,) = group["scale"].unique() if "scale" in group else (1,)
        for size_range, chosen in parts.items():
            for metric in METRICS:
                if metric not in group or not chosen.any():
                    continue
                mean, ci95, n = confidence_interval(group.loc[chosen, metric].to_numpy())
                records.append(
                    {
                        "table": number,
                        "task": test_set.task,
                        "dimension": test_set.dimension,
                        "test_set": test_set.published_name,
                        "method": method,
                        "sigma": sigma,
                        "scale": np.nan if scale == 1 else float(scale),
                        "size_range": size_range,
                        "metric": metric,
                        "mean": mean,
                        "ci95": ci95,
                        "n": n,
                    }
                )
    return pd.DataFrame(records)


def compare(
    summary: pd.DataFrame, published: pd.DataFrame, published_names: Mapping[str, str]
) -> pd.DataFrame:
    """Add the published value and ours minus it, where the study has the number.

    The columns are ``paper_mean``, ``paper_ci95``, ``difference`` and ``difference_ci95``, the
    latter for independent means: the root of the sum of both squared intervals.

    ``published_names`` maps our methods to those of the published table; others get no value.
    """
    join = [key if key != "method" else "published" for key in KEY]
    paper = published.rename(
        columns={"method": "published", "mean": "paper_mean", "ci95": "paper_ci95"}
    )
    paper = paper[[*join, "paper_mean", "paper_ci95"]].astype({"scale": float})
    names = [published_names.get(method, "") for method in summary["method"]]
    table = summary.assign(published=names).merge(paper, on=join, how="left")
    table["difference"] = table["mean"] - table["paper_mean"]
    table["difference_ci95"] = np.hypot(table["ci95"], table["paper_ci95"])
    return table.drop(columns="published")


def make_table(
    evaluations: Sequence[str | Path],
    published: str | Path,
    *,
    number: int,
    test_sets: Sequence[Mapping[str, object]],
    size_ranges: Sequence[Sequence[float]],
    published_names: Mapping[str, str],
    labels: Mapping[str, str],
    alignments: Mapping[str, str],
    caption: str,
    csv: str | Path,
    markdown: str | Path,
    latex: str | Path,
) -> None:
    """Write one table of the study as CSV, Markdown and LaTeX.

    Parameters
    ----------
    evaluations
        Evaluation rows of all methods and test sets of the table.
    published
        Published values.
    number, size_ranges
        See :func:`summarize`.
    test_sets
        Fields of :class:`TabulatedSet`, in the order in which they are shown.
    published_names
        See :func:`compare`.
    labels
        Names of methods for readers.
    alignments
        Rule of alignment of those methods that interpolate.
    caption
        Without the number of the table.
    csv, markdown, latex
        Files to write.

    Raises
    ------
    InputError
        If an evaluation holds no rows.
    """
    rows = read_evaluations(evaluations)
    sets = [TabulatedSet(**fields) for fields in test_sets]
    parts = [(s, rows[rows["test_set"] == s.name]) for s in sets]
    summaries = [summarize(part, s, number=number, size_ranges=size_ranges) for s, part in parts]
    table = compare(pd.concat(summaries), read_published(published), published_names)
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    other_sizes = sum(
        len(part) - sum(in_range(average_sizes(part, s.dimension), r).sum() for r in size_ranges)
        for s, part in parts
        if size_ranges
    )
    blocks = layout(table, labels)
    texts = notes(
        table,
        labels,
        sigma_conventions=[s.sigma_convention for s in sets],
        size_names=[size_name(limits) for limits in size_ranges],
        other_sizes=other_sizes / len(rows),
        alignments=alignments,
    )
    heading = f"Table {number}. {caption}"
    with atomic_path(markdown) as temporary:
        temporary.write_text(markdown_table(heading, blocks, texts), encoding="utf-8")
    with atomic_path(latex) as temporary:
        temporary.write_text(
            latex_table(heading, blocks, texts, label=f"tab:{number}"), encoding="utf-8"
        )
