"""Whether expected errors are right, and whether the automatic choice is never worse.

    python benchmarks/expected_error.py                      # after make run
    python benchmarks/expected_error.py --scans FOLDER --cases "hard snake" "hard spiral"
    python benchmarks/expected_error.py --csv rows.csv --draw docs/images/expected-error.png

Each virtual scan is restored without a given method, and by each single method. Repetitions of a
scan, with other noise, are restored without a given method, by the model, and by both. Components
with an SNR of 5 or more count: largest measured magnitude over the noise. PSNR is that of each
component against the truth of the scan, in dB: largest true magnitude over root mean square error.

- By scan and SNR: mean PSNR of each method, and how far the automatic choice is from the best.
- By expected PSNR: the mean PSNR that components turned out to have, as a table and, with
  ``--draw``, as a picture of all rows in the CSV file, to which each run adds.
"""

import argparse
import itertools
import tempfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from tabulate import tabulate

from smrestore import mdf
from smrestore.mdf.restored import EXPECTED_ERROR
from smrestore.methods import load_method
from smrestore.restoration.automatic import (
    AFTERWARDS,
    METHODS,
    network_method,
    restore_automatically,
)
from smrestore.restoration.expected import remaining_noise
from smrestore.restoration.modelled import restore_by_model
from smrestore.restoration.scan import restore_scan
from smrestore.restoration.summary import WITH_SIGNAL
from smrestore.tasks.scan import ScanTask, scan_task

SNRS = (WITH_SIGNAL, 20.0, 100.0, np.inf)
STEP = 5.0
"""Width of the classes of expected PSNR in dB."""
FEWEST = 8
"""Components of a class that is shown."""
ALLOWED = 0.2
"""By how many dB the automatic choice may be below the best single method."""
SIMPLE = ("measured", "filter")
REPETITIONS = ("", "-b", "-c", "-d")
"""What names of scans of the same truth end with."""


@dataclass(frozen=True)
class Case:
    """A scan, what is restored of it, and where its truth lies."""

    scan: str
    truth: str
    task: str = "denoising"
    factor: int | None = None
    decimate: bool = False


CASES = {
    "snake": Case("snake-calibration", "snake-calibration"),
    "spiral": Case("spiral-calibration", "spiral-calibration"),
    "thousand averages": Case("resolution-calibration", "resolution-calibration"),
    "one average": Case("resolution-fast", "resolution-calibration"),
    "every second voxel": Case(
        "resolution-calibration", "resolution-calibration", "accelerated-calibration", 2, True
    ),
    "spiral x2": Case("spiral-calibration", "spiral-fine", "upsampling", 2),
    "nested": Case("nested-calibration", "nested-calibration", "inpainting"),
}
CASES |= {
    f"hard {name}": Case(f"hard-{c.scan}", f"hard-{c.truth}", c.task, c.factor, c.decimate)
    for name, c in CASES.items()
}


def deviation(images: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the root mean square error of each component."""
    return np.sqrt(np.mean(np.abs(images - truth) ** 2, axis=(-3, -2, -1)))


def read_truth(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return the true components (C, K, Nx, Ny, Nz), and the voxels that went wrong (n, 3)."""
    with h5py.File(path) as file:
        return file["system_matrix"][()], file["corrupted"][()]


def measure(
    name: str, repetition: str, folders: list[Path], work: Path, fits: Path
) -> pd.DataFrame | None:
    """Restore a scan in all ways. Return rows: a component by a method. None without this scan."""
    case = CASES[name]
    scan = find(f"{case.scan}{repetition}.mdf", folders, optional=bool(repetition))
    if scan is None:
        return None
    truth, wrong = read_truth(find(f"{case.truth}.truth.h5", folders))
    missing = None
    if case.task == "inpainting":
        missing = np.zeros(truth.shape[2:], bool)
        missing[tuple(wrong.T)] = True
    task = scan_task(case.task, factor=case.factor, decimate=case.decimate, missing=missing)
    fit = fits / f"{name.replace(' ', '-')}{repetition}.json"
    known = {"fit" if fit.exists() else "save": fit}
    done = restore_by_model(scan, work / f"{METHODS[2]}.mdf", METHODS[2], task=task, **known)
    restore_by_model(scan, work / "model.mdf", "model", task=task, fit=fit)
    chosen = restore_automatically(scan, work / "automatic.mdf", task=task, fit=fit)
    noise, snr = done.noise[0], done.peak[0] / np.maximum(done.noise[0], np.finfo(float).tiny)
    peak = np.abs(truth).max(axis=(-3, -2, -1))
    shown = (snr >= WITH_SIGNAL) & (peak > 0) & (noise > 0)
    with mdf.open_mdf(scan) as file:
        frequencies = file.frequency_indices
    rows = np.argwhere(shown)
    if not repetition:
        restore_scan(
            scan,
            work / f"{METHODS[1]}.mdf",
            network_method(case.task),
            name="network",
            task=task,
            twins=case.task == "denoising",
            chosen=np.column_stack([rows[:, 0], frequencies[rows[:, 1]]]),
        )
        simple(scan, task, work / "filter.mdf")
    expected = {
        "model": stated(work / "model.mdf"),
        METHODS[2]: stated(work / f"{METHODS[2]}.mdf"),
        "automatic": chosen.expected_error[0],
    }
    if case.task == "denoising":
        expected |= {"measured": noise, METHODS[1]: noise * remaining_noise(snr)}
    parts = []
    for method in (*SIMPLE, METHODS[1], "model", METHODS[2], "automatic"):
        path = scan if method == "measured" else work / f"{method}.mdf"
        if not path.exists():
            continue
        images = mdf.read_system_matrix(
            path, background="interpolate" if method == "measured" else None
        )
        if images.shape != truth.shape or (method == "measured" and case.task != "denoising"):
            continue
        with np.errstate(divide="ignore", invalid="ignore"):
            actual = 20 * np.log10(peak / deviation(images, truth))
            thought = 20 * np.log10(peak / expected.get(method, np.full(peak.shape, np.nan)))
        parts.append(
            pd.DataFrame(
                {
                    "case": name,
                    "repetition": repetition.lstrip("-") or "a",
                    "dimensions": 2 if truth.shape[-1] == 1 else 3,
                    "method": method,
                    "restored by": np.array(METHODS)[chosen.method[0][shown]],
                    "snr": snr[shown],
                    "expected": thought[shown],
                    "actual": actual[shown],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def find(name: str, folders: list[Path], optional: bool = False) -> Path | None:
    """Return the first file of this name."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    if optional:
        return None
    raise SystemExit(f"{name} is in none of {', '.join(map(str, folders))}")


def stated(path: Path) -> np.ndarray:
    """Return the expected error that a restored file states, (C, K)."""
    with h5py.File(path) as file:
        return file[EXPECTED_ERROR][0]


def simple(scan: Path, task: ScanTask, path: Path) -> None:
    """Restore a scan by the classical method of the task."""
    entry = AFTERWARDS.get(task.name, {"method": "dct-filter", "omega": 2.75})
    factor = 0.3 if task.name == "denoising" else 1.0
    restore_scan(
        scan, path, load_method(entry, None, task.name), name="filter", task=task,
        background_factor=factor,
    )  # fmt: skip


def never_worse(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the mean PSNR of each method by scan and SNR, and the lead of the automatic choice."""
    rows = rows[rows["repetition"] == "a"]
    rows = rows.assign(SNR=pd.cut(rows["snr"], SNRS, right=False).map(_class_name))
    table = rows.pivot_table("actual", ["case", "SNR"], "method", "mean", sort=False, observed=True)
    counts = rows[rows["method"] == "automatic"].groupby(["case", "SNR"], observed=True).size()
    single = table.drop(columns="automatic")
    table.insert(0, "components", counts)
    table["best"] = single.idxmax(axis=1)
    table["lead"] = table["automatic"] - single.max(axis=1)
    table["fine"] = np.where(table["lead"] >= -ALLOWED, "yes", "NO")
    return table.reset_index()


def _class_name(interval: pd.Interval) -> str:
    if np.isinf(interval.right):
        return f"{interval.left:g} and more"
    return f"{interval.left:g} to {interval.right:g}"


def reliability(rows: pd.DataFrame) -> pd.DataFrame:
    """Return by method, scanner, dimension and expected PSNR the mean PSNR that came of it."""
    known = rows[np.isfinite(rows["expected"]) & np.isfinite(rows["actual"])]
    known = known.assign(
        scanner=np.where(known["case"].str.startswith("hard"), "virtual-hard", "default"),
        middle=STEP * np.round(known["expected"] / STEP),
    )
    keys = ["method", "scanner", "dimensions", "middle"]
    table = known.groupby(keys).agg(
        components=("actual", "size"), expected=("expected", "mean"), actual=("actual", "mean")
    )
    table = table[table["components"] >= FEWEST].reset_index()
    return table.assign(difference=table["actual"] - table["expected"])


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw what was expected against what came of it, a panel for each method."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    methods = [m for m in ("automatic", METHODS[2], "model", METHODS[1], "measured")
               if m in set(table["method"])]  # fmt: skip
    figure, panels = plt.subplots(
        1, len(methods), figsize=(3.1 * len(methods), 3.6), sharex=True, sharey=True, squeeze=False
    )
    limits = np.array([15.0, 90.0])
    for axes, method in zip(panels[0], methods, strict=True):
        axes.fill_between(limits, limits - 1, limits + 1, color="0.8", label="within 1 dB")
        axes.plot(limits, limits, color="0.5", linewidth=0.8)
        for scanner, color in (("default", "C0"), ("virtual-hard", "C3")):
            for dimensions, marker in ((2, "o"), (3, "^")):
                own = table[
                    (table["method"] == method)
                    & (table["scanner"] == scanner)
                    & (table["dimensions"] == dimensions)
                ]
                axes.plot(
                    own["expected"], own["actual"], marker, linestyle="-", color=color,
                    markersize=4, linewidth=0.8, label=f"{scanner}, {dimensions}D",
                    fillstyle="full" if dimensions == 2 else "none",
                )  # fmt: skip
        axes.set_title(method.replace("-", " "), fontsize=9)
        axes.set_xlabel("expected PSNR (dB)")
        axes.set_xlim(limits)
        axes.set_ylim(limits)
        axes.set_aspect("equal")
    panels[0, 0].set_ylabel("mean PSNR against the truth (dB)")
    panels[0, 0].legend(fontsize=7, loc="upper left", frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110, bbox_inches="tight")


def main() -> None:
    """Measure, and print the tables of all rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--scans", nargs="+", type=Path, default=[Path("results/scans")])
    parser.add_argument("--csv", type=Path, help="add the rows to this file, and show all in it")
    parser.add_argument("--fits", type=Path, help="folder of fits, which are made if missing")
    parser.add_argument("--draw", type=Path, help="picture to draw")
    arguments = parser.parse_args()
    rows = pd.DataFrame()
    if arguments.csv and arguments.csv.exists():
        rows = pd.read_csv(arguments.csv)
    for name, repetition in itertools.product(arguments.cases, REPETITIONS):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder)
            found = measure(name, repetition, arguments.scans, work, arguments.fits or work)
        if found is None:
            continue
        if len(rows):
            label = found["repetition"].iloc[0]
            rows = rows[(rows["case"] != name) | (rows["repetition"] != label)]
        rows = pd.concat([rows, found], ignore_index=True)
        if arguments.csv:
            rows.to_csv(arguments.csv, index=False)
        print(name, repetition, flush=True)
    table = reliability(rows)
    for shown in (never_worse(rows), table):
        print(tabulate(shown, headers="keys", floatfmt=".1f", showindex=False, missingval=""))
    if arguments.draw:
        draw(table, arguments.draw)


if __name__ == "__main__":
    main()
