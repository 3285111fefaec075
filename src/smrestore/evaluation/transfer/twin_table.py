"""What twin frequencies gain: a method on them against the same method on single components."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from smrestore.evaluation.transfer.classes import (
    COMPONENT,
    over_components,
    snr_names,
    with_classes,
)
from smrestore.evaluation.transfer.gains import TESTED, paired_gain
from smrestore.metrics import confidence_interval, interval_text
from smrestore.support.files import atomic_path


def make_twin_table(
    comparisons: Sequence[Mapping[str, object]], *, csv: str | Path, markdown: str | Path
) -> None:
    """Write the gain in PSNR of each method on twins, by noise level or class.

    Parameters
    ----------
    comparisons
        ``place`` (test set or measurement), ``method`` and ``single`` (names of both methods),
        ``label`` and ``single_label`` (for readers), ``rows`` (CSV files of the evaluation of a
        test set, or of the scores of a measurement).
    csv, markdown
        All numbers, and the table for readers.
    """
    records = []
    for comparison in comparisons:
        rows = pd.concat([pd.read_csv(path) for path in comparison["rows"]])
        simulated = "matrix" in rows
        for condition, part in (_levels if simulated else _snr_classes)(rows, comparison):
            record = {key: comparison[key] for key in ("place", "method", "single", "label")}
            record |= {"single_label": comparison["single_label"], "condition": condition}
            for column, name in (
                ("psnr_baseline", "single_psnr_dB"),
                ("psnr", "psnr_dB"),
                ("gain", "gain_dB"),
            ):
                if simulated:
                    mean, ci95, n = confidence_interval(part[column].to_numpy())
                else:
                    mean, ci95, n = over_components(part, column)
                record |= {name: mean, f"{name}_ci95": ci95}
            records.append(record | {"components": n})
    table = pd.DataFrame(records)
    readable = pd.DataFrame(
        {
            "where": table["place"],
            "condition": table["condition"],
            "components": table["components"].astype(str),
            "method": table["single_label"],
            "PSNR in dB": [f"{x:.1f}" for x in table["single_psnr_dB"]],
            "on twins": table["label"],
            "PSNR of twins in dB": [f"{x:.1f}" for x in table["psnr_dB"]],
            "gain in dB": [
                interval_text(*pair, 2)
                for pair in zip(table["gain_dB"], table["gain_dB_ci95"], strict=True)
            ],
        }
    )
    with atomic_path(csv) as temporary:
        table.to_csv(temporary, index=False)
    with atomic_path(markdown) as temporary:
        temporary.write_text(readable.to_markdown(index=False, disable_numparse=True) + "\n")


def _levels(rows: pd.DataFrame, comparison: Mapping[str, object]) -> list[tuple[str, pd.DataFrame]]:
    paired = paired_gain(rows, comparison["single"], comparison["method"], TESTED)
    return [(f"σ = {sigma:g}", part) for sigma, part in paired.groupby("sigma")]


def _snr_classes(
    rows: pd.DataFrame, comparison: Mapping[str, object]
) -> list[tuple[str, pd.DataFrame]]:
    key = ["scan", *COMPONENT, "snr_class"]
    paired = paired_gain(with_classes(rows), comparison["single"], comparison["method"], key)
    parts = [(f"SNR {name}", paired[paired["snr_class"] == name]) for name in snr_names()]
    return [("all", paired), *((name, part) for name, part in parts if len(part))]
