"""Time and memory of the commands for a lab's own scan, against their budgets on two cores.

    python benchmarks/restore.py [--cases plane volume missing view] [--folder FOLDER]

Scans of usual sizes are simulated first: the tracer has cores of one size and the sample no extent,
which is quick, while the header states a sample of 2 mm, as real scans do. Each command runs
in a process of its own. Wall time tells something on an idle machine only; processor time adds up
all cores.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
from tabulate import tabulate

from smrestore.configuration import load_configuration
from smrestore.mdf.layout import DELTA_SAMPLE_SIZE
from smrestore.physics.grid import CalibrationGrid
from smrestore.scanner.configured import load_scanner, load_sequence
from smrestore.scanner.scans import scan_calibration
from smrestore.scanner.signal import DeltaSample
from smrestore.support.checksums import CHECKSUM

ROOT = Path(__file__).parents[1]
SAMPLE = (2e-3, 2e-3, 2e-3)
"""Edge lengths in m that the header of the scans states."""


@dataclass(frozen=True)
class Case:
    """What is measured, and what it may take.

    Attributes
    ----------
    scan
        Name of the scan in :data:`SCANS`.
    arguments
        Of the command line; ``{scan}``, ``{mask}`` and ``{output}`` are put in.
    seconds, memory
        Budgets: wall time on two idle cores, and peak memory in GiB.
    """

    scan: str
    arguments: tuple[str, ...]
    seconds: float
    memory: float | None = None


@dataclass(frozen=True)
class Scan:
    """A calibration: its sequence, its grid, and what is stored.

    ``rate`` in Hz, where it is not that of the sequence.
    """

    sequence: str
    grid: CalibrationGrid
    averages: int
    order: int | None = None
    rate: float | None = None


SCANS = {
    "plane": Scan(
        "lissajous-xy", CalibrationGrid((17, 15, 1), (0.034, 0.03, 0.0)), 10, rate=2.5e6
    ),
    "volume": Scan(
        "lissajous-xyz", CalibrationGrid((19, 19, 19), (0.019, 0.019, 0.019)), 100, order=11
    ),
    "missing": Scan(
        "lissajous-xyz", CalibrationGrid((25, 21, 27), (0.025, 0.021, 0.0135)), 100, order=11
    ),
}  # fmt: skip
MISSING = range(3000, 3100)
"""Positions of a run that went wrong."""
CASES = {
    "plane": Case("plane", ("restore", "denoising", "{scan}", "{output}.mdf"), 30),
    "volume": Case("volume", ("restore", "denoising", "{scan}", "{output}.mdf"), 480, 3),
    "missing": Case(
        "missing", ("restore", "inpainting", "{scan}", "{output}.mdf", "--mask", "{mask}"), 600
    ),
    "view": Case("volume", ("view", "{scan}", "-o", "{output}.html"), 20),
}


def make_scan(name: str, path: Path) -> None:
    """Simulate a scan, and write the mask of its wrong positions beside it."""
    scan = SCANS[name]
    config = load_configuration([ROOT / "config.yaml"])
    scanner = load_scanner("virtual", config["scanners"]["virtual"])
    scanner = replace(
        scanner,
        tracer=replace(scanner.tracer, core_sizes=1),
        delta_sample=DeltaSample((0.0, 0.0, 0.0), 1),
    )
    sequence = load_sequence(config["sequences"][scan.sequence])
    if scan.rate is not None:
        sequence = replace(sequence, sampling_rate=scan.rate)
    scan_calibration(
        path,
        path.with_suffix(".truth.h5"),
        scanner,
        sequence,
        scan.grid,
        averages=scan.averages,
        seed=config["seed"],
        max_mixing_order=scan.order,
    )
    with h5py.File(path, "r+") as file:
        file[DELTA_SAMPLE_SIZE][...] = SAMPLE
        # A scan of a lab has no checksums.
        del file[DELTA_SAMPLE_SIZE].attrs[CHECKSUM]
    nx, ny, _ = scan.grid.size
    lines = [f"{n % nx},{n // nx % ny},{n // nx // ny}" for n in MISSING]
    path.with_suffix(".csv").write_text("\n".join(["x,y,z", *lines]) + "\n")


def measure(name: str, folder: Path) -> dict[str, object]:
    """Run a command in a process of its own."""
    case = CASES[name]
    scan = folder / f"{case.scan}.mdf"
    begin = time.perf_counter()
    if not scan.exists():
        make_scan(case.scan, scan)
    made = time.perf_counter() - begin
    places = {"scan": scan, "mask": scan.with_suffix(".csv"), "output": folder / f"{name}-out"}
    command = [sys.executable, "-m", "smrestore.cli"]
    command += [argument.format(**places) for argument in case.arguments]
    begin = time.perf_counter()
    child = subprocess.Popen(command, stdout=(folder / f"{name}.log").open("w"), env=os.environ)
    _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - begin
    return {
        "case": name,
        "wall in s": wall,
        "processor in s": used.ru_utime + used.ru_stime,
        "peak memory in GiB": used.ru_maxrss / 2**20,
        "budget": f"{case.seconds:g} s" + (f", {case.memory:g} GiB" if case.memory else ""),
        "ended well": status == 0,
        "simulated in s": made,
    }


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--folder", type=Path, help="keep scans and results here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        rows = []
        for name in arguments.cases:
            rows.append(measure(name, folder))
            print(tabulate(rows, headers="keys", floatfmt=".1f"), flush=True)


if __name__ == "__main__":
    main()
