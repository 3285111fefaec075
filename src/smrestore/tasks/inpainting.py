"""Inpainting: a part of the scan failed."""

from dataclasses import dataclass

import numpy as np

from smrestore.noise import NoisePool
from smrestore.simulation.store import Component
from smrestore.tasks.degradation import Pair, component_noise, pair
from smrestore.tasks.masks import random_mask
from smrestore.tasks.task import Task


@dataclass(frozen=True)
class Inpainting(Task):
    """Runs of consecutive voxels of a scan are missing. They differ between components.

    ``mask_ratio`` and ``mask_runs`` are those of
    :class:`smrestore.tasks.options.InpaintingOptions`.
    """

    mask_ratio: tuple[float, float]
    mask_runs: tuple[int, int]

    def degrade(
        self,
        component: Component,
        truth: np.ndarray,
        pool: NoisePool,
        *,
        sigma: float,
        rng: np.random.Generator,
    ) -> Pair:
        """Add noise to all voxels, and remove those of a random mask."""
        ratio = rng.uniform(*self.mask_ratio)
        runs = int(rng.integers(self.mask_runs[0], self.mask_runs[1] + 1))
        missing = random_mask(truth.shape, ratio, rng, runs)
        noise = component_noise(pool, component, truth.shape, sigma, rng)
        return pair(truth, truth + noise, sigma, missing=missing)
