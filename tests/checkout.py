"""Copies of this checkout, and the workflow run in them."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]


def load_benchmark(name: str) -> ModuleType:
    """Return a script of ``benchmarks/`` as a module."""
    folder = str(ROOT / "benchmarks")
    sys.path.insert(0, folder)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(folder)


def copy_checkout(target: Path) -> Path:
    """Copy what git tracks, or would track, into a folder, thus without any results."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listing.split("\0")):
        if not os.path.lexists(ROOT / name):
            continue  # deleted, but not yet committed
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, target / name, follow_symlinks=False)
    return target


def environment(checkout: Path) -> dict[str, str]:
    """Return the environment in which Snakemake and its jobs use this Python and a copy's code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "PYTHONPATH": str(checkout / "src")}


def snakemake(
    checkout: Path, *arguments: str | Path, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in a copy; its two output streams come back as one, ``stdout``.

    Its end is not delayed as by the default profile, which is for runs of minutes and more.
    """
    return subprocess.run(
        ["snakemake", *map(str, arguments), "--max-jobs-per-timespan", "100/1s"],
        cwd=checkout,
        env=environment(checkout),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
