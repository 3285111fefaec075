"""Tables of the study as readers see them: blocks of text, in Markdown and in LaTeX.

A block belongs to one test set. Its columns are methods. Each combination of metric, noise level
and grid size has a row for this run, and below it one for the study and one for the difference,
where the study has the number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from smrestore.metrics import interval_text

DIGITS = {"psnr": 2, "psnr_missing": 2, "ssim": 4}
METRIC_NAMES = {
    "psnr": "PSNR in dB",
    "psnr_missing": "PSNR of missing voxels in dB",
    "ssim": "SSIM",
}
SIGMA_CONVENTIONS = {
    "complex": "of the complex noise",
    "per-channel": "of its real and of its imaginary part each",
}
ALIGNMENTS = {
    "aligned": (
        "cubic spline through the samples where they were measured, at voxels 0, s, 2s, ... "
        "(aligned), with natural ends, held constant beyond the last sample"
    ),
    "half-pixel": (
        "the same spline with the samples taken as centers of pixels of s voxels (half-pixel), "
        "which shifts the image by (s - 1)/2 voxels"
    ),
}
OURS, STUDY, DIFFERENCE = "this run", "study", "difference"


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of one test set as text.

    Attributes
    ----------
    title
        Empty if the table has no other block.
    rows
        As shown.
    group_starts
        Numbers of the rows of this run, each of which begins a group.
    best
        Cells with the best mean of this run, by number of the row and name of the column.
    """

    title: str
    rows: pd.DataFrame
    group_starts: tuple[int, ...]
    best: frozenset[tuple[int, str]]


def layout(table: pd.DataFrame, labels: Mapping[str, str]) -> list[Block]:
    """Return a block for each test set of a table that :func:`.tables.compare` made."""
    by_set = table.groupby(["dimension", "scale", "test_set"], sort=False, dropna=False)
    several = by_set.ngroups > 1
    return [_block(_block_title(*key) if several else "", part, labels) for key, part in by_set]


def _block_title(dimension: int, scale: float, test_set: str) -> str:
    parts = [f"{dimension}D"]
    if not np.isnan(scale):
        parts.append(f"×{scale:g}")
    if test_set != "test":
        parts.append(f"{test_set.removeprefix('test-')} particles")
    return ", ".join(parts)


def _block(title: str, part: pd.DataFrame, labels: Mapping[str, str]) -> Block:
    methods = list(dict.fromkeys(part["method"]))
    with_sizes = part["size_range"].nunique() > 1
    records, starts, best = [], [], set()
    for (metric, sigma, size), group in _groups(part):
        of_method = group.set_index("method")
        starts.append(len(records))
        head = {"metric": METRIC_NAMES[metric], "σ": f"{sigma:g}"}
        if with_sizes:
            head["size"] = size
        head["n"] = "/".join(str(n) for n in dict.fromkeys(group["n"]))
        for kind in (OURS, STUDY, DIFFERENCE):
            if kind != OURS and of_method["paper_mean"].isna().all():
                continue
            cells = {
                method: _cell(kind, of_method.loc[method], DIGITS[metric])
                for method in methods
                if method in of_method.index
            }
            row = head if kind == OURS else dict.fromkeys(head, "")
            records.append(row | {"value": kind} | {m: cells.get(m, "") for m in methods})
        if len(methods) > 1:
            best.add((starts[-1], labels[of_method["mean"].idxmax()]))
    rows = pd.DataFrame(records).rename(columns=dict(labels))
    return Block(title, rows, tuple(starts), frozenset(best))


def _groups(part: pd.DataFrame) -> list[tuple[tuple, pd.DataFrame]]:
    """Return the rows by metric, noise level and size, in this order of sorting."""
    sizes = {name: place for place, name in enumerate(dict.fromkeys(part["size_range"]))}
    order = list(METRIC_NAMES)
    groups = part.groupby(["metric", "sigma", "size_range"], sort=False)
    return sorted(groups, key=lambda item: (order.index(item[0][0]), item[0][1], sizes[item[0][2]]))


def _cell(kind: str, row: pd.Series, digits: int) -> str:
    if kind == OURS:
        return interval_text(row["mean"], row["ci95"], digits)
    if kind == STUDY:
        return as_printed(row["paper_mean"], row["paper_ci95"])
    text = interval_text(row["difference"], row["difference_ci95"], digits)
    return f"+{text}" if row["difference"] >= 0 else text


def as_printed(mean: float, ci95: float) -> str:
    """Return a published value with as many digits as the study prints, as far as they show."""
    if np.isnan(mean):
        return ""
    digits = max(len(repr(float(x)).partition(".")[2]) for x in (mean, ci95))
    return interval_text(mean, ci95, digits)


def notes(
    table: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    sigma_conventions: Sequence[str],
    size_names: Sequence[str],
    other_sizes: float,
    alignments: Mapping[str, str],
) -> list[str]:
    """Return what a reader must know to use the numbers, one sentence or two each.

    Parameters
    ----------
    table
        All rows.
    labels
        Names of methods for readers.
    sigma_conventions
        Of the test sets.
    size_names
        Configured size ranges.
    other_sizes
        Share of the components whose size lies in none of them.
    alignments
        Rule of alignment of the methods that interpolate.
    """
    conventions = " or ".join(SIGMA_CONVENTIONS[c] for c in dict.fromkeys(sigma_conventions))
    compared = not table["paper_mean"].isna().all()
    texts = [
        "Mean over n components with its 95 % confidence interval (1.96 standard errors).",
        f"σ is the standard deviation {conventions}, relative to a component of unit maximum. "
        "PSNR (peak 1) and SSIM are taken over the real and the imaginary part.",
    ]
    if "psnr_missing" in set(table["metric"]):
        texts.append("PSNR of missing voxels counts these alone; the study gives none.")
    if size_names:
        found = set(table["size_range"])
        empty = [name for name in size_names if name not in found]
        text = "Sizes are average side lengths of the grids in voxels."
        if other_sizes > 0:
            text += f" {other_sizes:.0%} of the components lie in no range and count in all alone."
        if empty:
            text += f" No component lies in {', '.join(empty)}."
        lone = [
            name
            for name in size_names
            if name in found and table.loc[table["size_range"] == name, "paper_mean"].isna().all()
        ]
        if lone:
            text += f" The study has no values for {', '.join(lone)}"
            text += ", and its values for all sizes are over other grids." if compared else "."
        texts.append(text)
    if compared:
        texts.append(
            "Study: as published. Difference: this run minus the study, with the interval of the "
            "difference of two independent means."
        )
    else:
        texts.append("The study has no values for these methods and test sets.")
    texts += [
        f"{labels[method]}: {ALIGNMENTS[rule]}."
        for method, rule in alignments.items()
        if method in set(table["method"])
    ]
    return texts


def markdown_table(heading: str, blocks: Sequence[Block], texts: Sequence[str]) -> str:
    """Return the table as Markdown: heading, blocks with their titles, notes."""
    parts = [heading]
    for block in blocks:
        parts += [f"**{block.title}**"] if block.title else []
        parts.append(block.rows.to_markdown(index=False, disable_numparse=True))
    return "\n\n".join([*parts, *texts]) + "\n"


_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "σ": r"$\sigma$",
        "±": r"$\pm$",
        "×": r"$\times$",
    }
)


def _latex(text: object) -> str:
    return str(text).translate(_LATEX)


def latex_table(heading: str, blocks: Sequence[Block], texts: Sequence[str], *, label: str) -> str:
    """Return the table as LaTeX for booktabs; the best mean of each row is bold."""
    lines = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\footnotesize",
        rf"\caption{{{_latex(heading)}}}",
        rf"\label{{{label}}}",
    ]
    for block in blocks:
        lines += [*_tabular(block), r"\par\smallskip"]
    lines += [rf"\raggedright {_latex(' '.join(texts))}\par", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _tabular(block: Block) -> list[str]:
    columns = list(block.rows.columns)
    left = columns.index("value") + 1
    lines = [rf"\begin{{tabular}}{{{'l' * left}{'r' * (len(columns) - left)}}}", r"\toprule"]
    if block.title:
        lines += [rf"\multicolumn{{{len(columns)}}}{{l}}{{{_latex(block.title)}}} \\", r"\midrule"]
    names = ["" if name == "value" else _latex(name) for name in columns]
    lines += [" & ".join(names) + r" \\", r"\midrule"]
    for number, cells in enumerate(block.rows.itertuples(index=False, name=None)):
        if number and number in block.group_starts:
            lines.append(r"\addlinespace")
        texts = [
            rf"\textbf{{{_latex(cell)}}}" if (number, name) in block.best else _latex(cell)
            for name, cell in zip(columns, cells, strict=True)
        ]
        lines.append(" & ".join(texts) + r" \\")
    return [*lines, r"\bottomrule", r"\end{tabular}"]
