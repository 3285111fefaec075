"""The numbers that a report opens with, each with its meaning."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from smrestore.report.markdown import read_markdown

NOISE_LEVEL = 0.1
"""Of the test components that stand for a table; all tables of the study have it."""

VERDICTS = ("supported", "not supported", "not decided", "not run")
NO_METHODS = ("measured", "reference", "truth")
"""Rows of tables of scans that no method made."""


@dataclass(frozen=True)
class Headline:
    """A number of the run.

    Attributes
    ----------
    value
        The number with its unit.
    meaning
        What it says, and what it rests on.
    """

    value: str
    meaning: str


def headlines(
    tables: Sequence[str | Path], labels: Mapping[str, str], classical: Sequence[str]
) -> list[Headline]:
    """Return up to five numbers: claims, a test set, scans and their images, and time.

    Parameters
    ----------
    tables
        Markdown files of the tables. Their numbers come from the CSV files beside them; what is
        missing is left out.
    labels
        Names of methods for readers.
    classical
        Names of methods that are no networks.

    Raises
    ------
    InputError
        If a Markdown file holds no table.
    """
    named = {Path(table).stem: Path(table) for table in tables}
    found = [
        _claims(named.get("claims")),
        _test_set(_numbers(named.get("table2")), labels, classical),
    ]
    scans = {
        stem.removeprefix("transfer-"): _numbers(named[stem])
        for stem in named
        if stem.startswith("transfer-") and "." not in stem
    }
    found += _gains(scans)
    found.append(_time(named.get("calibration-time")))
    return [headline for headline in found if headline is not None]


def _numbers(table: Path | None) -> pd.DataFrame:
    """Return the numbers beside a table; an empty one if there are none."""
    path = None if table is None else table.with_suffix(".csv")
    if path is None or not path.exists() or not path.stat().st_size:
        return pd.DataFrame()
    return pd.read_csv(path)


def _claims(page: Path | None) -> Headline | None:
    if page is None:
        return None
    rows = read_markdown(page).tables[0][1]
    if "this run" not in rows:
        return None
    counts = [int((rows["this run"] == verdict).sum()) for verdict in VERDICTS]
    others = [
        f"{count} {verdict}"
        for count, verdict in zip(counts[1:], VERDICTS[1:], strict=True)
        if count
    ]
    rest = f"; {', '.join(others)}" if others else ""
    return Headline(
        f"{counts[0]} of {len(rows)}",
        f"claims of the study supported by this run, at its scale{rest}",
    )


def _test_set(
    rows: pd.DataFrame, labels: Mapping[str, str], classical: Sequence[str]
) -> Headline | None:
    """Return the best method of the first dimension beside the classical one of the study."""
    if rows.empty:
        return None
    dimension = rows["dimension"].iloc[0]
    chosen = rows[
        (rows["dimension"] == dimension)
        & (rows["test_set"] == rows["test_set"].iloc[0])
        & (rows["metric"] == "psnr")
        & (rows["size_range"] == "all")
        & (rows["sigma"] == NOISE_LEVEL)
    ]
    published = chosen[chosen["method"].isin(classical) & chosen["paper_mean"].notna()]
    if published.empty:
        return None
    best, usual = (part.loc[part["mean"].idxmax()] for part in (chosen, published))
    name = labels.get(best["method"], best["method"])
    return Headline(
        f"{best['mean']:.1f} dB",
        f"PSNR of simulated {dimension}D components with noise σ = {NOISE_LEVEL:g}, denoised by "
        f"{name}, the best of {len(chosen)} methods; "
        f"{labels.get(usual['method'], usual['method'])} reaches {usual['mean']:.1f} dB (table 2)",
    )


def _gains(scans: Mapping[str, pd.DataFrame]) -> list[Headline]:
    """Return what the best method gains on components and image, from the worst to the best scan.

    All scans count: those of particles and fields like those of the models would promise too much.
    """
    compared = {name: rows for name, rows in map(_best, scans, scans.values()) if rows is not None}
    found = []
    for column, what in (
        ("component_psnr_dB", "PSNR of components"),
        ("image_psnr_dB", "PSNR of the phantom image"),
    ):
        gains = {
            name: float(best[column] - measured[column])
            for name, (measured, best) in compared.items()
            if pd.notna(best[column]) and pd.notna(measured[column])
        }
        if not gains:
            continue
        least, most = min(gains, key=gains.get), max(gains, key=gains.get)
        # Zero has no sign.
        ends = [f"{round(gains[name], 1) + 0.0:+.1f}" for name in (least, most)]
        where = "; ".join(
            f"{end} on {name} by {compared[name][1]['method']}"
            for end, name in {"least": least, "most": most}.items()
        )
        scans_text = "1 virtual scan" if len(gains) == 1 else f"{len(gains)} virtual scans"
        found.append(
            Headline(
                f"{' to '.join(dict.fromkeys(ends)).replace('-', '−')} dB",
                f"{what} gained over the calibration as measured, {scans_text}, each by the method "
                f"that restores its components best: {where}",
            )
        )
    return found


def _best(name: str, rows: pd.DataFrame) -> tuple[str, tuple[pd.Series, pd.Series] | None]:
    """Return a scan with its rows as measured and by the method of the best components."""
    if not {"variant", "by", "method", "component_psnr_dB", "image_psnr_dB"} <= set(rows.columns):
        return name, None
    overall = rows[rows["by"] == "all"].set_index("variant")
    methods = overall.drop(index=[other for other in NO_METHODS if other in overall.index])
    known = methods[methods["component_psnr_dB"].notna()]
    if "measured" not in overall.index or known.empty:
        return name, None
    return name, (overall.loc["measured"], known.loc[known["component_psnr_dB"].idxmax()])


def _time(page: Path | None) -> Headline | None:
    if page is None:
        return None
    rows = read_markdown(page).tables[0][1]
    needed = {"scan", "task", "measured", "takes", "instead of", "which takes"}
    if not needed <= set(rows.columns):
        return None
    accelerated = rows[rows["task"] == "accelerated-calibration"]
    row = (accelerated if len(accelerated) else rows).iloc[0]
    return Headline(
        f"{row['takes']} instead of {row['which takes']}",
        f"duration of the calibration {row['scan']} ({row['measured']}) and of the one that its "
        f"restoration stands for ({row['instead of']})",
    )
