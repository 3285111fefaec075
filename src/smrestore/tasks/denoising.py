"""Denoising: every voxel is measured, with too few averages."""

from dataclasses import dataclass

import numpy as np

from smrestore.noise import NoisePool
from smrestore.simulation.store import Component
from smrestore.tasks.degradation import Pair, component_noise, pair
from smrestore.tasks.task import Task


@dataclass(frozen=True)
class Denoising(Task):
    """The task of denoising. It has no options."""

    def degrade(
        self,
        component: Component,
        truth: np.ndarray,
        pool: NoisePool,
        *,
        sigma: float,
        rng: np.random.Generator,
    ) -> Pair:
        """Add noise to the ground truth."""
        noise = component_noise(pool, component, truth.shape, sigma, rng)
        return pair(truth, truth + noise, sigma)
