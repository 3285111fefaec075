"""A small world: simulated matrices, a scanner and its scans, made once per session."""

import dataclasses
from pathlib import Path

import pytest
from fitted_scanner import scan, scanner  # noqa: F401 (fixtures)
from tiny_scanner import SCANNER, SEED

from smrestore.noise import build_noise_pool
from smrestore.physics import CalibrationGrid, Sequence
from smrestore.physics.parameters import SizeLimits, draw_cases
from smrestore.scanner import load_scanner, scan_calibration, scan_empty
from smrestore.scanner.scans import Scanner
from smrestore.simulation.batches import ComponentSelection, simulate_batch

FRAMES = 150


@dataclasses.dataclass(frozen=True)
class World:
    """Files and settings that belong together; grids have 4 to 12 voxels along an axis."""

    folder: Path
    sequence: Sequence
    scanner: Scanner
    grid: CalibrationGrid
    training: Path
    validation: Path
    empty: Path
    pool: Path
    calibration: Path
    calibration_truth: Path


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("world")
    sequence = Sequence((0.012, 0.012, 0.0), (-1.0, -1.0, 2.0), sampling_rate=2.5e6)
    virtual = load_scanner("tiny", SCANNER)
    grid = CalibrationGrid((7, 5, 1), (0.028, 0.02, 0.0))
    world = World(
        folder,
        sequence,
        virtual,
        grid,
        training=folder / "train.h5",
        validation=folder / "validation.h5",
        empty=folder / "empty.mdf",
        pool=folder / "pool.h5",
        calibration=folder / "calibration.mdf",
        calibration_truth=folder / "calibration.truth.h5",
    )
    for split, path, count in (("train", world.training, 3), ("validation", world.validation, 2)):
        cases = draw_cases(
            count,
            seed=SEED,
            dataset="tiny",
            split=split,
            dimension=2,
            limits=SizeLimits((4, 12)),
            sampling_rate=2.5e6,
        )
        simulate_batch(cases, path, selection=ComponentSelection(1e-5, 60), seed=SEED)
    scan_empty(world.empty, virtual, sequence, frames=FRAMES, seed=SEED)
    build_noise_pool(world.empty, world.pool, background_level="remove", block_frames=32)
    scan_calibration(
        world.calibration,
        world.calibration_truth,
        virtual,
        sequence,
        grid,
        averages=100,
        seed=SEED,
    )
    return world
