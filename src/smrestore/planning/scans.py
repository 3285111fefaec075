"""Virtual scans and noise pools. Small scans of the same kind are kept for later kernels."""

import math
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from smrestore.noise import build_noise_pool
from smrestore.physics.grid import CalibrationGrid
from smrestore.planning.jobs import Bench, Job, cpu_seconds, steady_seconds
from smrestore.planning.simulation import distinct
from smrestore.planning.start import start_of
from smrestore.scanner import (
    load_calibration,
    load_grid,
    load_phantom,
    load_scanner,
    load_sequence,
    scan_calibration,
    scan_empty,
)
from smrestore.scanner.phantoms import refined
from smrestore.scanner.recording import stored_frequencies
from smrestore.scanner.scans import PHANTOM_OVERSAMPLING, repeat_calibration
from smrestore.scanner.signal import BLOCK_BYTES

POSITIONS = {1: 200, 2: 260, 3: 120}
"""Positions of a small calibration at most, by driven axes: those that a fit uses, or nearly so."""
DYNAMIC_POSITIONS = 16
"""The same where moments turn by the Fokker-Planck equation."""
FRAMES = 24, 96
"""Frames of small empty scans."""
POOL_SHARE = 3
"""Copies of a block of frames that are held while a pool is built."""


@dataclass(frozen=True)
class SmallScan:
    """A calibration on fewer positions than that of the run.

    Attributes
    ----------
    path, truth
        Its files.
    grid
        Of the scan of the run.
    positions
        Measured positions.
    per_position, per_frame
        Processor time of a position, and of a frame whose signal is known, in s.
    frame_bytes, truth_bytes
        Size in the files of a frame and of a position.
    points
        Points of the delta sample.
    """

    path: Path
    truth: Path
    grid: CalibrationGrid
    positions: int
    per_position: float
    per_frame: float
    frame_bytes: float
    truth_bytes: float
    points: int

    @property
    def share(self) -> float:
        """Positions of the run over those of this scan."""
        return self.grid.n_positions / self.positions


def expanded(config: dict, scan: str) -> dict:
    """Return the entry of a virtual scan with the entries that it names."""
    entry = dict(config["scans"][scan])
    entry["scanner_name"] = entry["scanner"]
    for key, section in (
        ("scanner", "scanners"),
        ("sequence", "sequences"),
        ("grid", "grids"),
        ("phantom", "phantoms"),
    ):
        if key in entry:
            entry[key] = config[section][entry[key]]
    return entry


def driven_axes(config: dict, scan: str) -> int:
    """Return the number of driven axes of a virtual scan."""
    sequence = config["sequences"][config["scans"][scan]["sequence"]]
    return sum(amplitude > 0 for amplitude in sequence["drive_amplitude_mT"])


def fewer(grid: CalibrationGrid, most: int) -> CalibrationGrid:
    """Return a grid of the same field of view and at most about ``most`` voxels."""
    factor = min(1.0, most / grid.n_positions)
    extended = sum(n > 1 for n in grid.size)
    scale = factor ** (1 / max(1, extended))
    return replace(grid, size=tuple(n if n == 1 else max(2, round(n * scale)) for n in grid.size))


def small_calibration(bench: Bench, scan: str) -> SmallScan:
    """Measure a calibration on fewer positions, and what it takes."""
    entry = expanded(bench.config, scan)
    settings = load_calibration(entry) | {"corruption": None}
    tracer = entry["scanner"]["tracer"]
    most = POSITIONS[driven_axes(bench.config, scan)]
    if tracer.get("rotation", {}).get("kind", "equilibrium") != "equilibrium":
        most = DYNAMIC_POSITIONS
    whole = settings["grid"]
    settings["grid"] = grid = fewer(whole, most)
    path, truth = bench.folder / f"{scan}.mdf", bench.folder / f"{scan}.truth.h5"
    seed = bench.config["seed"]
    simulated = steady_seconds(partial(scan_calibration, path, truth, seed=seed, **settings))
    again = bench.folder / f"{scan}-again.mdf"
    repeated = steady_seconds(partial(repeat_calibration, again, truth, seed=seed, **settings))
    points, _ = settings["scanner"].delta_sample.quadrature()
    n = grid.n_positions
    return SmallScan(
        path,
        truth,
        whole,
        n,
        max(simulated - repeated, 0.0) / n,
        repeated / n,
        path.stat().st_size / n,
        truth.stat().st_size / n,
        len(points),
    )


def small_repetition(bench: Bench, scan: str, original: SmallScan) -> SmallScan:
    """Repeat a small calibration with the noise of another scan of the same voxels."""
    settings = load_calibration(expanded(bench.config, scan)) | {"corruption": None}
    settings["grid"] = fewer(settings["grid"], original.positions)
    path = bench.folder / f"{scan}.mdf"
    repeat_calibration(path, original.truth, seed=bench.config["seed"], **settings)
    return replace(original, path=path)


def plan_calibration_scan(bench: Bench, scan: str, small: SmallScan) -> Job:
    """Return the job of a calibration scan, from a small one of the same scanner and sequence."""
    entry = bench.config["scans"][scan]
    n = math.prod(bench.config["grids"][entry["grid"]]["size"])
    start = start_of("scans")
    repeats = "repeats" in entry
    return Job(
        "scans",
        scan,
        start.seconds + n * (small.per_frame + (0 if repeats else small.per_position)),
        memory=start.memory + 4 * BLOCK_BYTES,
        disk=n * (small.frame_bytes + (0 if repeats else small.truth_bytes)),
        rule="repeat_calibration" if repeats else "scan_calibration",
    )


def plan_phantom_scan(bench: Bench, scan: str, small: SmallScan) -> Job:
    """Return the job of a phantom scan, likewise."""
    entry = expanded(bench.config, scan)
    fine = refined(load_grid(entry["grid"]), PHANTOM_OVERSAMPLING)
    phantom = load_phantom(entry["phantom"])
    points = int(np.count_nonzero(phantom.on_grid(fine, oversampling=4)))
    frames = entry["frames"] + entry["background_frames"]
    start = start_of("scans")
    return Job(
        "scans",
        scan,
        # Where the grid has no extent, the tracer reaches as far as the delta sample.
        start.seconds
        + points * _points_across(small) * small.per_position / small.points
        + frames * small.per_frame,
        memory=start.memory + 4 * BLOCK_BYTES,
        disk=frames * small.frame_bytes,
        rule="scan_phantom",
    )


def _points_across(small: SmallScan) -> int:
    flat = sum(extent == 0 for extent in small.grid.fov)
    return round(small.points ** (flat / 3))


def _frequencies(bench: Bench, scan: str, n_frequencies: int) -> np.ndarray | None:
    """Return frequencies as many as are stored of an empty scan, None for all.

    Those of all components that draw their noise from it are stored.
    """
    config = bench.config
    if config["scans"][scan]["frequencies"] == "all":
        return None
    pools = {pool for pool, e in config["noise_pools"].items() if scan in e.get("scans", [])}
    used = {
        (entry["dataset"], split)
        for section, splits in (("experiments", ("train", "validation")), ("test_sets", ("test",)))
        for entry in config[section].values()
        if entry["noise_pool"] in pools
        for split in splits
    }
    count = 0.0
    for dataset in {dataset for dataset, _ in used}:
        entry = config["datasets"][dataset]
        matrices = sum(entry["matrices"][split] for name, split in used if name == dataset)
        drawn = matrices * entry["components"]["maximum"]
        # The datasets of a sequence draw from the same ones.
        count = max(count, distinct(drawn, bench.strong.get(dataset, float(drawn))))
    rng = np.random.default_rng(config["seed"])
    count = min(n_frequencies, max(2, round(count)))
    return np.sort(rng.choice(n_frequencies, count, replace=False))


@dataclass(frozen=True)
class SmallEmpty:
    """What a frame of an empty scan takes, and of a pool made of it: seconds and bytes."""

    scan_fixed: float
    scan_frame: float
    scan_bytes: float
    pool_fixed: float
    pool_frame: float
    pool_bytes: float


def small_empty(bench: Bench, scan: str) -> SmallEmpty:
    """Measure short empty scans and build pools of them."""
    entry = expanded(bench.config, scan)
    sequence = load_sequence(entry["sequence"])
    scanner = load_scanner(entry["scanner_name"], entry["scanner"])
    stored = stored_frequencies(sequence, entry.get("max_mixing_order"))
    needed = _frequencies(bench, scan, sequence.n_frequencies)
    if needed is None:
        needed = stored
    found = []
    for frames in (FRAMES[0], *FRAMES):
        path, pool = bench.folder / f"{scan}-{frames}.mdf", bench.folder / f"{scan}-{frames}.h5"
        pool.unlink(missing_ok=True)
        scanning = partial(
            scan_empty,
            path,
            scanner,
            sequence,
            frames=frames,
            seed=bench.config["seed"],
            frequencies=needed,
        )
        building = partial(build_noise_pool, [path], pool, background_level="remove")
        found.append(
            (
                cpu_seconds(scanning),
                path.stat().st_size if path.exists() else 0,
                cpu_seconds(building),
                pool.stat().st_size,
            )
        )
    # The first one loads what the others find in memory.
    few, many = np.array(found[1], float), np.array(found[2], float)
    slope = np.maximum((many - few) / (FRAMES[1] - FRAMES[0]), 0)
    fixed = np.maximum(few - slope * FRAMES[0], 0)
    return SmallEmpty(
        float(fixed[0]), float(slope[0]), float(slope[1]),
        float(fixed[2]), float(slope[2]), float(slope[3]),
    )  # fmt: skip


def plan_empty_scan(bench: Bench, scan: str, small: SmallEmpty) -> Job:
    """Return the job of an empty scan."""
    frames = bench.config["scans"][scan]["frames"]
    start = start_of("scans")
    return Job(
        "scans",
        scan,
        start.seconds + small.scan_fixed + frames * small.scan_frame,
        memory=start.memory + 4 * BLOCK_BYTES,
        disk=frames * small.scan_bytes,
        rule="scan_empty",
    )


def plan_pool(bench: Bench, pool: str, small: SmallEmpty | None) -> Job:
    """Return the job that makes a noise pool, of scans or by formula."""
    entry, start = bench.config["noise_pools"][pool], start_of("noise")
    scans = bench.config["scans"]
    frames = entry.get("frames") or sum(
        scans[scan].get("frames", 0) for scan in entry.get("scans", [])
    )
    if small is None:
        if "model" not in entry:
            bench.note(f"noise pool {pool}: the length of its scans is unknown; not counted")
        rule = "draw_noise_pool" if "model" in entry else ""
        return Job("noise", pool, start.seconds, memory=start.memory, rule=rule)
    return Job(
        "noise",
        pool,
        start.seconds + small.pool_fixed + frames * small.pool_frame,
        memory=start.memory + POOL_SHARE * min(frames * small.pool_bytes, 2**26),
        disk=frames * small.pool_bytes,
    )
