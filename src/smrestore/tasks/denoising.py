"""Denoising: every voxel is measured, with too few averages."""

import numpy as np

from smrestore.degradation import Pair, pair, scale_to_sigma
from smrestore.noise import NoisePool
from smrestore.store import Component


def degrade(
    component: Component,
    truth: np.ndarray,
    pool: NoisePool,
    *,
    sigma: float,
    rng: np.random.Generator,
) -> Pair:
    """Add noise of the component's own receive channel and frequency to its truth.

    Parameters
    ----------
    component
        Names channel and frequency.
    truth
        Its image after rotation and scaling, complex64 (Nx, Ny, Nz).
    pool
        Noise from empty frames; a run of frames fills the grid in acquisition order.
    sigma
        Standard deviation of the complex noise, in units of ``truth``; 0 adds none.
    """
    if sigma == 0:
        return pair(truth, truth, 0.0)
    noise = pool.draw_image(component.channel, component.frequency, truth.shape, rng)
    return pair(truth, truth + scale_to_sigma(noise, sigma), sigma)
