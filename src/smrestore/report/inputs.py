"""Inputs of a run: scans, simulated matrices, noise pools, networks and software."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import h5py
import pandas as pd

from smrestore import mdf
from smrestore.support.errors import InputError

PACKAGES = (
    "smrestore",
    "numpy",
    "scipy",
    "numba",
    "h5py",
    "pandas",
    "torch",
    "lightning-fabric",
    "matplotlib",
    "snakemake",
)
"""Those that decide on numbers and figures."""


def describe_scans(
    scans: Sequence[str | Path], settings: Mapping[str, Mapping[str, object]] | None = None
) -> pd.DataFrame:
    """Return a row per scan: what it is and where it comes from.

    ``settings`` are the entries of scans in the configuration, by name.
    """
    records = []
    for path in scans:
        with mdf.open_mdf(path) as file:
            acquisition, calibration = file.acquisition, file.calibration
            background = int(file.is_background.sum())
        grid = "" if calibration is None else " × ".join(map(str, calibration.size))
        records.append(
            {
                "scan": Path(path).stem,
                "file": _origin(Path(path), (settings or {}).get(Path(path).stem, {})),
                "grid": grid,
                "frames": acquisition.n_frames,
                "background frames": background,
                "averages": acquisition.n_averages,
                "started": acquisition.start_time,
            }
        )
    return pd.DataFrame(records)


def _origin(path: Path, settings: Mapping[str, object]) -> str:
    """Return where a scan comes from; slices are files of their own, other files are links."""
    if path.is_symlink():
        return str(path.resolve())
    if "slice" not in settings:
        return "virtual scanner"
    place = ("path",) if settings["source"] == "file" else ("store", "file")
    names = ", ".join(str(settings[key]) for key in place)
    return f"{names}, slice {settings['slice']}"


def describe_datasets(
    datasets: Mapping[str, Mapping[str, object]], folder: str | Path
) -> pd.DataFrame:
    """Return a row per dataset and split with matrices.

    Parameters
    ----------
    datasets
        Entries with all their settings.
    folder
        Holds ``{dataset}/{split}/{batch}.h5``. Batches that were removed after use are missing only
        from the column that says what made them.
    """
    records = []
    for name, entry in datasets.items():
        for split, count in entry["matrices"].items():
            if not count:
                continue
            files = sorted((Path(folder) / name / split).glob("*.h5"))
            limits = entry["grid"]
            records.append(
                {
                    "dataset": name,
                    "split": split,
                    "matrices": count,
                    "model": entry["model"],
                    "parameters": f"drawn as {entry['draws_of']}/{split}",
                    "voxels per axis": _sizes(limits, entry["refinement"]),
                    "components at most": entry["components"]["maximum"],
                    "made with": _makers(files),
                }
            )
    return pd.DataFrame(records)


def _sizes(limits: Mapping[str, object], refinement: int) -> str:
    text = f"{limits['minimum_size']} to {limits['maximum_size']}"
    if "average_size" in limits:
        low, high = limits["average_size"]
        text += f", average in ({low:g}, {high:g}]"
    return text if refinement == 1 else f"{text}, times {refinement}"


def describe_pools(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return a row per noise pool: its scans, frames and what made it."""
    records = []
    for path in map(Path, paths):
        with h5py.File(path, "r") as file:
            channels, frequencies, frames = file["noise"].shape
            scans = [str(group.attrs["name"]) for group in file.get("scans", {}).values()]
            records.append(
                {
                    "pool": path.stem,
                    "scans": ", ".join(dict.fromkeys(scans)) or "by formula",
                    "channels": channels,
                    "frequencies": frequencies,
                    "frames": frames,
                    "averages": int(file.attrs["averages"]),
                    "made with": _maker(file.attrs),
                }
            )
    return pd.DataFrame(records)


def describe_networks(cards: Sequence[str | Path], labels: Mapping[str, str]) -> pd.DataFrame:
    """Return a row per trained network, from its card.

    Raises
    ------
    InputError
        If a card is missing or lacks an entry.
    """
    records = []
    for path in map(Path, cards):
        try:
            card = json.loads(path.read_text())
            settings, metrics = card["settings"], card["metrics"]
            records.append(
                {
                    "network": labels[path.parent.name],
                    "task": card["task"],
                    "architecture": f"{settings['network']['name']}, {settings['dimension']}D",
                    "weights": card["parameters"],
                    "steps": settings["steps"],
                    "batch": settings["batch_size"],
                    "patch": settings["patch"],
                    "data": _common_folder([file["path"] for file in card["training"]["files"]]),
                    "noise": Path(card["noise_pool"]["path"]).stem,
                    "validation PSNR in dB": f"{metrics['validation_psnr_dB']:.2f}",
                    "training in s": f"{metrics['elapsed_s']:.0f}",
                    "seed": card["seed"],
                    "made with": _maker(card),
                }
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"no card of a model ({error!r})", path=path, remedy="train the network again"
            ) from None
    return pd.DataFrame(records)


def _common_folder(files: Sequence[str]) -> str:
    folders = dict.fromkeys("/".join(Path(path).parent.parts[-2:]) for path in files)
    return ", ".join(folders)


def describe_software() -> pd.DataFrame:
    """Return versions of what computes, and the machine that writes the report."""
    rows = [("Python", platform.python_version())]
    for package in PACKAGES:
        try:
            rows.append((package, version(package)))
        except PackageNotFoundError:
            continue
    rows.append(("machine", f"{platform.platform()}, {os.cpu_count()} cores"))
    return pd.DataFrame(rows, columns=["software", "version"])


def _makers(files: Sequence[Path]) -> str:
    found = {}
    for path in files:
        with h5py.File(path, "r") as file:
            found.setdefault(_maker(file.attrs))
    return ", ".join(found)


def _maker(attributes: Mapping[str, object]) -> str:
    return f"{attributes['smrestore_version']} ({attributes['git_commit']})"
