"""The tables of a measurement: quality of the components and images of each method."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from smrestore.evaluation.transfer.classes import (
    between_scans,
    order_names,
    over_components,
    snr_names,
    with_classes,
)
from smrestore.metrics import interval_text
from smrestore.support.files import atomic_path

METRICS = ("psnr", "ssim", "psnr_missing")
NAMES = {
    "psnr": "component_psnr_dB",
    "ssim": "component_ssim",
    "psnr_missing": "component_psnr_missing_dB",
}


def make_transfer_table(
    reconstructions: Sequence[str | Path],
    components: Sequence[str | Path],
    *,
    methods: Sequence[str],
    csv: str | Path,
    markdown: str | Path,
    classes: str | Path,
) -> None:
    """Write the scores of each system matrix of a measurement.

    Parameters
    ----------
    reconstructions
        Files of :func:`.images.reconstruct_scan`; those of further scans of the
        same truth count as repetitions.
    components
        Files of :func:`.components.score_components`, in any order. A scan
        without known truth has none, and its table holds the regularization alone.
    methods
        In the order of the table; each has an image.
    csv
        All numbers: a row per method for all components, each class of signal-to-noise ratio and
        each class of mixing order. Images have values in the row of all components.
    markdown, classes
        For readers: a row per method, and the PSNR of components by class.
    """
    images = _read_images(reconstructions)
    scores = None
    if components:
        scores = with_classes(pd.concat([pd.read_csv(path) for path in components]))
    records = []
    for method in methods:
        label, image = images[method]
        name = {"variant": method, "method": label}
        own = None if scores is None else scores[scores["method"] == method]
        if own is None or own.empty:  # the truth has no error
            records.append({**name, "by": "all", "class": "all", **image})
            continue
        for by, of_class, part in _classes(own):
            record = {**name, "by": by, "class": of_class, **_summary(part)}
            records.append(record | (image if by == "all" else {}))
    table = pd.DataFrame(records)
    with atomic_path(csv) as temporary:
        # Images differ by 1e-14 from run to run, as sums do that begin elsewhere in memory.
        table.to_csv(temporary, index=False, float_format="%.10g")
    _write_markdown(markdown, _readable(table[table["by"] == "all"]))
    _write_markdown(classes, _readable_classes(table))


def _read_images(paths: Sequence[str | Path]) -> dict[str, tuple[str, dict[str, float]]]:
    """Return label and numbers of the images of each method."""
    found: dict[str, list[Mapping[str, object]]] = {}
    for path in paths:
        with h5py.File(path, "r") as file:
            for method, group in file.items():
                if isinstance(group, h5py.Group):
                    attributes = {"rows": len(file["rows"]), **group.attrs}
                    found.setdefault(method, []).append(attributes)
    images = {}
    for method, scans in found.items():
        record = {"rows": scans[0]["rows"], "scans": len(scans)}
        for metric in ("psnr_dB", "ssim"):
            values = [float(scan[metric]) for scan in scans]
            known = not np.isnan(values).any()
            mean, ci95, _ = between_scans(values) if known else (np.nan, np.nan, 0)
            record |= {f"image_{metric}": mean, f"image_{metric}_ci95": ci95}
        record["absolute_regularization"] = scans[0]["absolute_regularization"]
        images[method] = scans[0]["label"], record
    return images


def _classes(scores: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    parts = [("all", "all", scores)]
    parts += [("snr", name, scores[scores["snr_class"] == name]) for name in snr_names()]
    parts += [("order", name, scores[scores["order_class"] == name]) for name in order_names()]
    return [part for part in parts if len(part[2])]


def _summary(scores: pd.DataFrame) -> dict[str, float]:
    """Return means over components, with intervals over components and between scans."""
    record: dict[str, float] = {}
    for metric in METRICS:
        if metric not in scores:
            continue
        mean, ci95, record["components"] = over_components(scores, metric)
        scans = between_scans(scores.groupby("scan")[metric].mean().to_numpy()).ci95
        name = NAMES[metric]
        record |= {name: mean, f"{name}_ci95": ci95, f"{name}_ci95_scans": scans}
    return record


def _write_markdown(path: str | Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as temporary:
        temporary.write_text(table.to_markdown(index=False, disable_numparse=True) + "\n")


def _interval(mean: float, ci95: float, digits: int) -> str:
    """Return a mean with its interval, without where one scan gives none."""
    if np.isnan(ci95) and not np.isnan(mean):
        return f"{mean:.{digits}f}"
    return interval_text(mean, ci95, digits)


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text: intervals in one cell, empty where nothing is known."""
    readable = table[["method"]].copy()
    for column in ("components", "rows", "scans"):
        if column in table:
            readable[column] = ["" if pd.isna(n) else f"{n:.0f}" for n in table[column]]
    for column, title, digits in (
        ("component_psnr_dB", "component PSNR in dB", 1),
        ("component_psnr_missing_dB", "PSNR of missing voxels in dB", 1),
        ("component_ssim", "component SSIM", 3),
        ("image_psnr_dB", "image PSNR in dB", 2),
        ("image_ssim", "image SSIM", 3),
    ):
        if column in table:
            intervals = zip(table[column], table[f"{column}_ci95"], strict=True)
            readable[title] = [_interval(*interval, digits) for interval in intervals]
    readable["absolute regularization"] = [f"{x:.4g}" for x in table["absolute_regularization"]]
    return readable


def _readable_classes(table: pd.DataFrame) -> pd.DataFrame:
    """Return the PSNR of each method by class as text, a column per class."""
    titles = {("snr", name): f"SNR {name}" for name in snr_names()}
    titles |= {("order", name): f"order {name}" for name in order_names()}
    methods = table[table["by"] == "all"]
    readable = methods[["method"]].reset_index(drop=True)
    if NAMES["psnr"] not in table:
        return readable
    for (by, name), title in titles.items():
        part = table[(table["by"] == by) & (table["class"] == name)].set_index("variant")
        if part.empty:
            continue
        intervals = part[[NAMES["psnr"], f"{NAMES['psnr']}_ci95"]].reindex(methods["variant"])
        count = int(part["components"].iloc[0])
        readable[f"{title} (n = {count})"] = [_interval(*row, 1) for row in intervals.to_numpy()]
    return readable
