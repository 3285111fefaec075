"""How time, memory and disk grow with the size of a study.

    python benchmarks/growth.py                                    # all curves, about four minutes
    python benchmarks/growth.py --figure docs/images/growth.png

Each curve changes one size over a decade or more: the number of matrices, the voxels of a grid, the
frames of a noise pool, and the components of a scan that are restored. Each point is a process of
its own with one thread; the kernel says what it took (processor time, largest resident memory).
The exponent p is that of a power law, size^p, fitted to what a point takes beyond a process of the
same kind with almost nothing to do.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tabulate import tabulate
from tqdm import tqdm

SEED = 2026
MEBIBYTE = 2**20
THREADS = dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def simulate(cases: list[dict], path: Path, components: int) -> None:
    """Simulate matrices one after the other, as a job of the workflow does."""
    from smrestore.simulation.batches import ComponentSelection, Resources, simulate_batch

    simulate_batch(
        cases,
        path,
        selection=ComponentSelection(maximum=components),
        seed=SEED,
        resources=Resources(threads=1),
    )


def cases(count: int, dimension: int, size: int) -> list[dict]:
    """Return drawn parameters with the same grid each."""
    from smrestore.physics.parameters import SizeLimits, draw_cases

    limits = SizeLimits((4, 106))
    drawn = draw_cases(
        count, seed=SEED, dataset="growth", split="train", dimension=dimension, limits=limits
    )
    grid = (size, size, size if dimension == 3 else 1)
    return [{**case, "size": grid} for case in drawn]


def simulate_matrices(count: int, folder: Path) -> Path:
    """Simulate 2D matrices of 30 x 30 voxels with the components of the study."""
    path = folder / f"matrices-{count}.h5"
    simulate(cases(count, 2, 30), path, 760)
    return path


def simulate_voxels(size: int, folder: Path) -> Path:
    """Simulate a 3D matrix of this many voxels along each axis with the components of the study."""
    path = folder / f"voxels-{size}.h5"
    simulate(cases(1, 3, size), path, 4096)
    return path


def sequence():
    """Return the 2D sequence of the default configuration."""
    from smrestore.scanner import load_sequence

    return load_sequence(_configuration()["sequences"]["lissajous-xy"])


def scanner():
    """Return the virtual scanner of the default configuration."""
    from smrestore.scanner import load_scanner

    return load_scanner("virtual", _configuration()["scanners"]["virtual"])


def _configuration() -> dict:
    from smrestore.configuration import load_configuration

    return load_configuration([Path(__file__).parents[1] / "config.yaml"])


def measure_frames(frames: int, folder: Path) -> None:
    """Measure an empty scan."""
    from smrestore.scanner import scan_empty

    scan_empty(folder / f"empty-{frames}.mdf", scanner(), sequence(), frames=frames, seed=SEED)


def build_pool(frames: int, folder: Path) -> Path:
    """Build a noise pool of an empty scan, with all frequencies."""
    from smrestore.noise import build_noise_pool

    path = folder / f"pool-{frames}.h5"
    build_noise_pool([folder / f"empty-{frames}.mdf"], path, background_level="remove")
    return path


def measure_calibration(_: int, folder: Path) -> None:
    """Measure a calibration scan of 17 x 15 positions."""
    from smrestore.scanner import load_grid, scan_calibration

    path = folder / "calibration.mdf"
    if not path.exists():
        scan_calibration(
            path,
            folder / "truth.h5",
            scanner(),
            sequence(),
            load_grid(_configuration()["grids"]["snake"]),
            averages=10,
            seed=SEED,
        )


def restore_rows(count: int, folder: Path) -> Path:
    """Restore this many components of the scan with the U-Net of the package."""
    import torch

    from smrestore.methods import load_method
    from smrestore.restoration.scan import restore_scan

    torch.set_num_threads(1)
    path = folder / f"restored-{count}.mdf"
    chosen = np.stack([np.arange(count) % 2, 20 + np.arange(count) // 2], axis=1)
    method = load_method(None, "unet-canonical")
    restore_scan(folder / "calibration.mdf", path, method, name="unet", chosen=chosen)
    return path


@dataclass(frozen=True)
class Curve:
    """A size that grows, and what is done with it.

    Attributes
    ----------
    what
        Name for readers.
    points
        Sizes; the first one is what is taken off the others.
    number
        What readers count of a size.
    work
        Done in a process of its own; returns the file that it wrote.
    prepare
        Done before, in a process that is not counted.
    """

    what: str
    points: tuple[int, ...]
    number: Callable[[int], int]
    work: Callable[[int, Path], Path]
    prepare: Callable[[int, Path], None] | None = None


CURVES = {
    "matrices": Curve(
        "matrices, 2D, 30 x 30", (1, 10, 32, 100, 320), lambda n: n, simulate_matrices
    ),
    "voxels": Curve("voxels of a 3D matrix", (2, 8, 12, 17, 24), lambda n: n**3, simulate_voxels),
    "frames": Curve(
        "frames of a noise pool",
        (10, 1000, 3200, 10000, 32000),
        lambda n: n,
        build_pool,
        measure_frames,
    ),
    "components": Curve(
        "components restored",
        (1, 32, 100, 320, 1000, 3200),
        lambda n: n,
        restore_rows,
        measure_calibration,
    ),
}


@dataclass(frozen=True)
class Point:
    """What a process took: s of processor time, bytes of memory and of its file."""

    number: int
    seconds: float
    memory: float
    disk: float


def in_process(curve: str, step: str, size: int, folder: Path) -> tuple[float, float]:
    """Return processor time in s and largest resident memory in bytes of one step."""
    command = [sys.executable, __file__, "--step", curve, step, str(size), str(folder)]
    process = subprocess.Popen(command, env=os.environ | THREADS, stderr=subprocess.DEVNULL)
    # Only this process, not the largest child so far, as getrusage would say.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} failed")
    return usage.ru_utime + usage.ru_stime, 1024.0 * usage.ru_maxrss


def measure(name: str, folder: Path) -> list[Point]:
    """Return the points of a curve."""
    curve, points = CURVES[name], []
    for size in tqdm(curve.points, desc=curve.what):
        if curve.prepare:
            in_process(name, "prepare", size, folder)
        seconds, memory = in_process(name, "work", size, folder)
        path = Path((folder / f"{name}-{size}.path").read_text())
        points.append(Point(curve.number(size), seconds, memory, path.stat().st_size))
        path.unlink()
    return points


def exponent(points: list[Point], quantity: str) -> float:
    """Return p of a power law fitted to what the points take beyond the first one.

    NaN if one of them takes nothing beyond it.
    """
    first, *rest = points
    number = np.array([point.number for point in rest], float)
    beyond = np.array([getattr(point, quantity) - getattr(first, quantity) for point in rest])
    if np.any(beyond <= 0):
        return float("nan")
    return float(np.polyfit(np.log(number), np.log(beyond), 1)[0])


def rows(curve: Curve, points: list[Point]) -> list[list[object]]:
    """Return a row for each point, and one with the exponents."""
    found: list[list[object]] = [
        [curve.what if i == 0 else "", p.number, p.seconds, p.memory / MEBIBYTE, p.disk / MEBIBYTE]
        for i, p in enumerate(points)
    ]
    powers = [exponent(points, quantity) for quantity in ("seconds", "memory", "disk")]
    texts = ["none" if np.isnan(power) else f"{power:.2f}" for power in powers]
    return [*found, ["", "exponent", *texts]]


def draw(curves: dict[str, list[Point]], path: Path) -> None:
    """Draw processor time, memory and disk against each size."""
    from smrestore.figures.style import FULL_WIDTH_MM, add_axes, journal_style, new_figure

    panels = (
        ("seconds", 1, "processor time (s)"),
        ("memory", 2**30, "peak memory (GiB)"),
        ("disk", 2**30, "disk (GiB)"),
    )
    with journal_style():
        figure = new_figure(FULL_WIDTH_MM, 62)
        for place, (quantity, unit, label) in enumerate(panels):
            axes = add_axes(figure, 13 + 54 * place, 12, 40, 38)
            for name, points in curves.items():
                number = [point.number for point in points[1:]]
                values = [getattr(point, quantity) / unit for point in points[1:]]
                axes.loglog(number, values, "o-", label=CURVES[name].what, markersize=2.5)
            axes.set(xlabel="number", ylabel=label)
            if quantity == "memory":
                axes.set_ylim(0.1, 10)
            if place == 0:
                handles = axes.get_legend_handles_labels()
        figure.legend(*handles, loc="upper center", ncols=4)
        figure.savefig(path, dpi=200)


def main() -> None:
    """Measure and print all curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", type=Path, help="picture to draw")
    parser.add_argument("--curves", nargs="+", choices=CURVES, default=list(CURVES))
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step:
        name, step, size, folder = arguments.step
        path = getattr(CURVES[name], step)(int(size), Path(folder))
        if path is not None:
            (Path(folder) / f"{name}-{size}.path").write_text(str(path))
        return
    headers = ["", "number", "processor time (s)", "peak memory (MiB)", "disk (MiB)"]
    curves = {}
    for name in arguments.curves:
        with tempfile.TemporaryDirectory(prefix="smrestore-growth-") as folder:
            curves[name] = measure(name, Path(folder))
        table = rows(CURVES[name], curves[name])
        print(tabulate(table, headers=headers, floatfmt=("", "", ".1f", ".0f", ".1f")), flush=True)
    if arguments.figure:
        draw(curves, arguments.figure)


if __name__ == "__main__":
    main()
