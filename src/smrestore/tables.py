"""Tables of the study: evaluation rows in, means with confidence intervals out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from smrestore.errors import InputError
from smrestore.files import atomic_path
from smrestore.metrics import confidence_interval, interval_text

KEY = ["table", "task", "dimension", "test_set", "method", "sigma", "scale", "size_range", "metric"]
PUBLISHED_COLUMNS = [*KEY, "mean", "ci95"]
METRICS = ("psnr", "ssim")
DIGITS = {"psnr": 2, "ssim": 4}


def read_published(path: str | Path) -> pd.DataFrame:
    """Read the published values, one row per number, with the columns ``PUBLISHED_COLUMNS``."""
    published = pd.read_csv(path)
    missing = set(PUBLISHED_COLUMNS) - set(published)
    if missing:
        raise InputError(
            "column is missing", path=path, field=sorted(missing)[0], remedy="restore the file"
        )
    return published


def summarize(rows: pd.DataFrame, *, number: int, task: str, dimension: int) -> pd.DataFrame:
    """Return mean, 95 % confidence interval and n per method, noise level and metric."""
    records = []
    for (method, sigma), group in rows.groupby(["method", "sigma"], sort=False):
        for metric in METRICS:
            mean, ci95, n = confidence_interval(group[metric].to_numpy())
            records.append(
                {
                    "table": number,
                    "task": task,
                    "dimension": dimension,
                    "test_set": "test",
                    "method": method,
                    "sigma": sigma,
                    "scale": None,
                    "size_range": "all",
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
    """Add ``paper_mean`` and ``paper_ci95`` where the study has the number.

    ``published_names`` maps our methods to those of the published table; others get no value.
    """
    join = ["table", "task", "dimension", "published", "sigma", "size_range", "metric"]
    paper = published.rename(
        columns={"method": "published", "mean": "paper_mean", "ci95": "paper_ci95"}
    )
    paper = paper[[*join, "paper_mean", "paper_ci95"]]
    names = [published_names.get(method, "") for method in summary["method"]]
    named = summary.assign(published=names)
    return named.merge(paper, on=join, how="left").drop(columns="published")


def layout(table: pd.DataFrame, labels: Mapping[str, str]) -> pd.DataFrame:
    """Return the table for readers: a row per metric, noise level and method, as formatted text."""
    records = []
    for row in table.sort_values(["metric", "sigma"], kind="stable").itertuples():
        digits = DIGITS[row.metric]
        records.append(
            {
                "metric": {"psnr": "PSNR in dB", "ssim": "SSIM"}[row.metric],
                "σ": f"{row.sigma:g}",
                "method": labels[row.method],
                "this run": interval_text(row.mean, row.ci95, digits),
                "n": row.n,
                "study": interval_text(row.paper_mean, row.paper_ci95, digits),
            }
        )
    return pd.DataFrame(records)


LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "σ": r"$\sigma$",
        "±": r"$\pm$",
    }
)


def _latex(text: str) -> str:
    return text.translate(LATEX)


def make_table(
    evaluations: Sequence[str | Path],
    published: str | Path,
    *,
    number: int,
    task: str,
    dimension: int,
    published_names: Mapping[str, str],
    labels: Mapping[str, str],
    caption: str,
    csv: str | Path,
    markdown: str | Path,
    latex: str | Path,
) -> None:
    """Write one table of the study as CSV, Markdown and LaTeX.

    Raises
    ------
    InputError
        If an evaluation holds no rows.
    """
    parts = []
    for path in evaluations:
        part = pd.read_csv(path)
        if part.empty:
            raise InputError("no rows", path=path, remedy="evaluate again")
        parts.append(part)
    summary = summarize(pd.concat(parts), number=number, task=task, dimension=dimension)
    table = compare(summary, read_published(published), published_names)
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    readable = layout(table, labels)
    heading = f"Table {number}. {caption} Mean with 95 % confidence interval over n components."
    with atomic_path(markdown) as temporary:
        temporary.write_text(f"{heading}\n\n{readable.to_markdown(index=False)}\n")
    body = readable.rename(columns=_latex).map(lambda cell: _latex(str(cell)))
    with atomic_path(latex) as temporary:
        temporary.write_text(
            body.to_latex(index=False, escape=False, caption=_latex(heading), label=f"tab:{number}")
        )
