"""A calibration scan of a virtual scanner with imperfect fields, to fit the physics to."""

import copy
from pathlib import Path

import pytest
from tiny_scanner import SCANNER, SEED

from smrestore.fitting.settings import FitSettings
from smrestore.physics.grid import CalibrationGrid
from smrestore.physics.sequence import Sequence
from smrestore.scanner import load_scanner, scan_calibration

# A short cycle: 17 and 16 periods of the drive fields instead of 102 and 96.
SEQUENCE = Sequence(
    drive_amplitude=(12e-3, 12e-3, 0.0),
    gradient=(-1.0, -1.0, 2.0),
    dividers=(16, 17, 99),
    base_frequency=2.5e6 / 6,
    sampling_rate=2.5e6,
)
GRID = CalibrationGrid((9, 8, 1), (0.027, 0.024, 0.0))
SETTINGS = FitSettings(states=("fluid",), components=60)


@pytest.fixture(scope="module")
def scanner():
    """Return a scanner with imperfect fields and a sample of some size."""
    entry = copy.deepcopy(SCANNER)
    entry["tracer"]["core_sizes"] = 5
    entry["delta_sample"]["size_mm"] = [2.0, 2.0, 2.0]
    entry["fields"] |= {"selection_deviation": 0.03, "drive_deviation": 0.03}
    return load_scanner("fitted", entry)


@pytest.fixture(scope="module")
def scan(scanner, tmp_path_factory) -> Path:
    """Return a calibration; its truth lies beside it."""
    folder = tmp_path_factory.mktemp("fitting")
    path = folder / "scan.mdf"
    scan_calibration(path, folder / "truth.h5", scanner, SEQUENCE, GRID, averages=10, seed=SEED)
    return path
