"""Fit the physics to virtual scans: seconds, and quality against the truth.

First by the number of positions: mean PSNR of all components whose true peak exceeds half of the
noise, as measured, by spline where every second voxel is used, by the model, and by model and
measurement. The truth lies in the family that is fitted. Then, with ``--wrong``, families that do
not hold the truth, by peak over noise. The scans are those of the default run, made by
``snakemake results/scans/snake-calibration.mdf results/scans/resolution-calibration.mdf``.

With ``--large``, wall and processor seconds and memory of the 3D grid of config/paper.yaml, from
100 positions to all stored components of 19 x 19 x 19 voxels, beside one simulation of a tenth of
them. The virtual scanner visits these 100 alone, with the thermal noise of 1000 averages.
"""

import argparse
import contextlib
import itertools
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tabulate import tabulate

from smrestore.configuration import load_configuration
from smrestore.fitting.apply import predict
from smrestore.fitting.scan import (
    CalibrationData,
    FitSettings,
    fit_scan,
    read_calibration,
    spread_positions,
)
from smrestore.methods.spline import spline_upsample
from smrestore.physics.spectrum import Components
from smrestore.scanner.configured import load_grid, load_scanner, load_sequence
from smrestore.scanner.recording import stored_frequencies
from truths import Truth

ROOT = Path(__file__).parents[1]
POSITIONS = {"snake-calibration": (None, 60, 30, 15), "resolution-calibration": (None, 100, 50, 30)}
FLUID = FitSettings(states=("fluid",))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=Path, default=Path("results/scans"))
    parser.add_argument("--scan", nargs="+", default=list(POSITIONS))
    parser.add_argument("--wrong", action="store_true", help="fit families without the truth")
    parser.add_argument("--large", action="store_true", help="speed and memory of a large grid")
    arguments = parser.parse_args()
    if arguments.large:
        print(tabulate(large_grid(), headers="keys", floatfmt=".1f"))
        print(f"peak memory {peak_memory():.2f} GiB")
        return
    if arguments.wrong:
        rows = wrong_families(arguments.scans / "snake-calibration.mdf")
        print(tabulate(rows, headers="keys", floatfmt=".1f"))
        return
    rows = []
    for name in arguments.scan:
        rows += of_scan(arguments.scans / f"{name}.mdf", POSITIONS[name])
        print(tabulate(rows, headers="keys", floatfmt=".1f", missingval=""), flush=True)
    print(f"peak memory {peak_memory():.2f} GiB")


def peak_memory() -> float:
    """Return the peak memory of this process in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


class Clock:
    """Wall and processor seconds of steps."""

    def __init__(self) -> None:
        self.rows: list[dict[str, object]] = []

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.rows.append(
            {
                "step": name,
                "wall in s": time.perf_counter() - wall,
                "processor in s": time.process_time() - processor,
                "peak so far in GiB": peak_memory(),
            }
        )


def large_scan(count: int = 100) -> CalibrationData:
    """Return a scan of the resolution grid of config/paper.yaml at some of its positions."""
    config = load_configuration([ROOT / "config.yaml", ROOT / "config/paper.yaml"])
    entry = config["scans"]["resolution-calibration"]
    scanner = load_scanner(entry["scanner"], config["scanners"][entry["scanner"]])
    sequence = load_sequence(config["sequences"][entry["sequence"]])
    grid = load_grid(config["grids"][entry["grid"]])
    bins = stored_frequencies(sequence, entry["max_mixing_order"])
    every = grid.positions().reshape(-1, 3)
    voxels = spread_positions(every, count)
    model = scanner.signal_model(sequence, grid, seed=config["seed"], frequencies=bins)
    spectra = model.of_samples(every[voxels])
    n_channels = spectra.shape[1]
    images = spectra.reshape(count, -1)
    deviation = scanner.background.thermal_noise * np.sqrt(sequence.n_samples / entry["averages"])
    draw = np.random.default_rng(config["seed"]).normal(size=(2, *images.shape)) / np.sqrt(2)
    images = images + deviation * (draw[0] + 1j * draw[1])
    return CalibrationData(
        sequence,
        grid,
        voxels,
        Components(np.repeat(np.arange(n_channels), len(bins)), np.tile(bins, n_channels)),
        images.astype(np.complex64),
        np.full(images.shape[1], deviation),
        scanner.delta_sample.size,
    )


def large_grid() -> list[dict[str, object]]:
    clock = Clock()
    with clock.step("scan of 100 positions"):
        data = large_scan()
    every = data.grid.positions().reshape(-1, 3)
    with clock.step(f"fit to {len(data.voxels)} positions"):
        fitted = fit_scan(data, FLUID)
    tenth = every[::10]
    with clock.step(f"simulation of {len(tenth)} positions, {len(data.components)} components"):
        fitted.model.images(tenth, data.components)
    with clock.step(f"all components at {len(every)} positions by model and measurement"):
        predict(data, fitted.model, every, with_measurement=True)
    return clock.rows


def wrong_families(path: Path) -> list[dict[str, object]]:
    whole = read_calibration(path)
    truth = Truth.of(path.with_suffix(".truth.h5"), whole)
    peak = truth.peak
    ratio = np.where(whole.components.frequency > 0, peak / whole.noise, 0)
    rows = []

    def add(restored: np.ndarray, **names: object) -> None:
        restored = restored.T.reshape(truth.images.shape)
        row = dict(names)
        for low, high in itertools.pairwise((0.5, 3, 10, 30, 100, np.inf)):
            own = np.flatnonzero((ratio >= low) & (ratio < high))
            row[f"{low:g} to {high:g}"] = truth.quality(restored, own)
        rows.append(row)

    add(whole.images, family="", held_out="", images="measured")
    for name, settings in (
        ("that of the truth", FLUID),
        (
            "fields deviate linearly",
            FitSettings(states=("fluid",), selection_degree=2, drive_degree=1),
        ),
        (
            "ideal fields, grid may be shifted",
            FitSettings(states=("fluid",), selection_degree=1, drive_degree=-1),
        ),
        ("no anisotropy", FitSettings(states=("langevin",))),
    ):
        model = fit_scan(whole, settings).model
        held_out = f"{100 * model.held_out['all']:.0f} %"
        for both in (False, True):
            found = predict(whole, model, whole.positions, with_measurement=both)
            images = "model and measurement" if both else "model"
            add(found.images, family=name, held_out=held_out, images=images)
    return rows


def of_scan(path: Path, counts: tuple[int | None, ...]) -> list[dict[str, object]]:
    whole = read_calibration(path)
    size = whole.grid.size
    quality = Truth.of(path.with_suffix(".truth.h5"), whole).quality

    measured = whole.images.T.reshape(-1, *size)
    rows = []
    for count in counts:
        unused = np.zeros(size, dtype=bool)
        if count is not None:
            unused[...] = True
            unused.ravel()[spread_positions(whole.positions, count)] = False
        data = whole.without(unused)
        begin, processor = time.perf_counter(), time.process_time()
        model = fit_scan(data, FLUID).model
        fitted, processor = time.perf_counter() - begin, time.process_time() - processor
        positions = whole.grid.positions().reshape(-1, 3)
        found = {
            name: predict(data, model, positions, with_measurement=both)
            for name, both in (("model", False), ("model and measurement", True))
        }
        row = {"scan": path.stem, "positions": len(data.voxels), "fit in s": fitted}
        row["processor in s"] = processor
        if count is None:
            row["measured in dB"] = quality(measured)
            coarse = measured[:, ::2, ::2, ::2]
            row["spline x2 in dB"] = quality(
                np.stack([spline_upsample(c, 2, size) for c in coarse])
            )
        for name, prediction in found.items():
            row[f"{name} in dB"] = quality(prediction.images.T.reshape(-1, *size))
        row["held-out error in %"] = 100 * model.held_out["all"]
        rows.append(row)
    return rows


if __name__ == "__main__":
    main()
