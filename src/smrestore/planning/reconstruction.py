"""Reconstructions of phantom scans with all system matrices of a measurement."""

import math
from functools import partial

import numpy as np

from smrestore.evaluation.transfer.rows import load_reconstruction_settings, scored_rows
from smrestore.metrics import psnr, ssim
from smrestore.planning.jobs import Bench, Job, cpu_seconds, per_item
from smrestore.planning.methods import restored_size
from smrestore.planning.scans import SmallScan
from smrestore.planning.start import start_of
from smrestore.reconstruction import ReconstructionSettings
from smrestore.reconstruction.calibration_rows import read_rows, select_rows
from smrestore.reconstruction.solver import kaczmarz

IMAGES = 2, 12
"""Components that are scored, few and more."""
WORKSPACE = 100 * 2**20
"""What compiled functions and libraries take as soon as they compute."""
UPDATES = 3e7
"""Products of a row with a voxel that are measured."""


class Reconstructions:
    """Reconstructions; what rows and scores take is measured once for each kind."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._rows: dict[tuple, tuple[float, int, int]] = {}
        self._score: dict[tuple, float] = {}

    def plan(self, name: str, measurement: dict, n_variants: int, small: SmallScan) -> Job:
        """Return the job of a measurement or of a realization."""
        settings = load_reconstruction_settings(measurement["reconstruction"])
        key = str(small.path), str(measurement["reconstruction"])
        if key not in self._rows:
            self._rows[key] = _rows(settings, small)
        read, n_rows, n_scored = self._rows[key]
        size = restored_size(measurement, small.grid.size)
        if size not in self._score:
            self._score[size] = _score(size)
        voxels = math.prod(size)
        each = (
            read * voxels / small.positions
            + n_scored * self._score[size]
            + _sweeps(n_rows, voxels, settings.sweeps)
        )
        start = start_of("reconstruction")
        return Job(
            "reconstruction",
            name,
            start.seconds + n_variants * each,
            memory=start.memory + WORKSPACE + 3 * 8.0 * n_rows * voxels,
            disk=n_variants * (4.0 * voxels + 200.0 * n_scored),
        )


def _rows(settings: ReconstructionSettings, small: SmallScan) -> tuple[float, int, int]:
    """Return the time to read the rows of a small scan, and how many are used and scored."""
    rows, scored = select_rows(small.path, settings), scored_rows(small.path, settings)
    read = cpu_seconds(lambda: read_rows(small.path, scored))
    return read, len(rows.chosen), len(scored.chosen)


def _score(size: tuple[int, int, int]) -> float:
    """Return the time to compare a component with the truth."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(IMAGES[1], *size, 2)).view(np.complex128)[..., 0]

    def compare(count: int) -> None:
        for image in images[:count]:
            psnr(image, images[0], peak=1.0)
            ssim(image, images[0])

    return per_item(compare, *IMAGES)


def _sweeps(n_rows: int, n_voxels: int, sweeps: int) -> float:
    """Return the time of the sweeps over a matrix of this size."""
    # Rows that do not fit into the cache wait for the memory, so none is left out.
    rng = np.random.default_rng(0)
    shape = min(n_rows, max(1, int(2 * UPDATES / n_voxels))), n_voxels
    matrix = rng.normal(size=(*shape, 2)).astype(np.float32).view(np.complex64)[..., 0]
    measurement = matrix @ np.ones(n_voxels, np.complex64)
    count = max(1, min(sweeps, int(UPDATES / matrix.size)))
    solve = partial(kaczmarz, matrix, measurement, regularization=1.0)
    solve(sweeps=1)
    seconds = cpu_seconds(lambda: solve(sweeps=count))
    return seconds * sweeps / count * n_rows / shape[0]
