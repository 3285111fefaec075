"""Accelerated calibration and upsampling: every second or fourth voxel is measured."""

from dataclasses import dataclass

import numpy as np

from smrestore.noise import NoisePool
from smrestore.simulation.store import Component
from smrestore.tasks.degradation import Pair, component_noise, pair
from smrestore.tasks.task import Task, decimate


@dataclass(frozen=True)
class AcceleratedCalibration(Task):
    """A calibration that measures every ``factor``-th voxel along each axis, from the first.

    Of N voxels of an axis, ceil(N / ``factor``) are measured.
    """

    factor: int

    @property
    def spacing(self) -> int:
        """Voxels of the restored grid from one measured voxel to the next."""
        return self.factor

    def degrade(
        self,
        component: Component,
        truth: np.ndarray,
        pool: NoisePool,
        *,
        sigma: float,
        rng: np.random.Generator,
    ) -> Pair:
        """Keep every ``factor``-th voxel, and add the noise of one frame to each."""
        measured = decimate(truth, self.factor)
        noise = component_noise(pool, component, measured.shape, sigma, rng)
        return pair(truth, measured + noise, sigma, spacing=self.factor)


@dataclass(frozen=True)
class Upsampling(AcceleratedCalibration):
    """Components on a grid finer than any that was measured.

    Training and test sets are simulated on refined grids: see ``refinement`` of a dataset. One of
    refinement 4 is used as it is for factor 4. For factor 2, every second voxel is the ground truth
    (``truth_spacing`` 2). So both factors start from the same measured grids.
    """

    truth_spacing: int
