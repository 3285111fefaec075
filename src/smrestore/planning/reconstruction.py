"""Reconstructions of phantom scans with all system matrices of a measurement."""

import math
from functools import partial

import numpy as np

from smrestore.evaluation.transfer.components import score_components
from smrestore.evaluation.transfer.images import Variant
from smrestore.evaluation.transfer.rows import load_reconstruction_settings
from smrestore.planning.jobs import Bench, Job, cpu_seconds
from smrestore.planning.methods import restored_size
from smrestore.planning.scans import SmallScan
from smrestore.planning.start import start_of
from smrestore.reconstruction.calibration_rows import read_rows, select_rows
from smrestore.reconstruction.solver import kaczmarz

UPDATES = 3e7
"""Products of a row with a voxel that are measured."""


class Reconstructions:
    """Reconstructions; what rows and images take is measured once for each kind."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self._scored: dict[tuple, tuple[float, int]] = {}

    def plan(self, name: str, measurement: dict, n_variants: int, small: SmallScan) -> Job:
        """Return the job of a measurement or of a realization."""
        settings = load_reconstruction_settings(measurement["reconstruction"])
        key = str(small.path), str(measurement["reconstruction"])
        if key not in self._scored:
            self._scored[key] = self._measured(settings, small)
        scored, n_rows = self._scored[key]
        size = restored_size(measurement, small.grid.size)
        voxels = math.prod(size)
        solved = _sweeps(n_rows, voxels, settings.sweeps)
        start = start_of("reconstruction")
        return Job(
            "reconstruction",
            name,
            start.seconds + n_variants * (scored * voxels / small.positions + solved),
            memory=start.memory + 3 * 8.0 * n_rows * voxels + small.frame_bytes * voxels,
            disk=n_variants * 4.0 * voxels + 200.0 * n_variants * n_rows,
        )

    def _measured(self, settings, small: SmallScan) -> tuple[float, int]:
        """Return the time to read and score a small matrix, and the rows of an image."""
        rows = select_rows(small.path, settings)
        variant = Variant("measured", "Measured", small.path)
        score = partial(
            score_components,
            [variant],
            small.path,
            small.truth,
            settings=settings,
            measurement="plan",
            path=self.bench.folder / "scores.csv",
        )

        def work() -> None:
            read_rows(small.path, rows)
            score()

        return cpu_seconds(work), len(rows.chosen)


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
