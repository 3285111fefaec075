"""Simulated components with their twin frequencies: what averaging them gains on test sets."""

from collections.abc import Callable

import numpy as np

from smrestore.methods.twins import combine_twins
from smrestore.noise import NoisePool
from smrestore.physics.mixing import twin_groups
from smrestore.simulation.store import Component
from smrestore.support.errors import InputError
from smrestore.tasks.degradation import Pair, pair

NoiseSource = Callable[[], np.random.Generator]
"""Gives a generator in the same state each time."""


def twin_bins(mixing_order: np.ndarray, frequency: int) -> np.ndarray:
    """Return the frequency bins that hold the image of one, itself included, int64 (n,).

    ``mixing_order`` is that of all bins, int (K, 3).
    """
    same = (np.abs(mixing_order) == np.abs(mixing_order[frequency])).all(axis=1)
    for group in twin_groups(mixing_order[same], int(same.sum())):
        bins = np.flatnonzero(same)[group]
        if frequency in bins:
            return bins
    return np.array([frequency])


def degrade_with_twins(
    component: Component,
    truth: np.ndarray,
    pool: NoisePool,
    *,
    sigma: float,
    mixing_order: np.ndarray,
    rng: NoiseSource,
) -> Pair:
    """Return a noisy component, averaged with its twins by their signal-to-noise ratios.

    The twins are those of an equilibrium model with coils of equal sensitivity at all frequencies:
    the image of bin k' is that of bin k times k' / k. Noise comes from the same run of frames of
    the pool, at the frequency of each twin. One factor scales it for all twins, such that the
    component itself has the standard deviation ``sigma``. So the spectrum of the noise decides how
    much a twin helps. Twins that the pool does not hold, and bin 0, are left out.

    Parameters
    ----------
    component, truth, sigma
        As for :meth:`smrestore.tasks.Task.degrade`.
    pool
        Noise from empty frames.
    mixing_order
        Of all frequency bins, int (K, 3).
    rng
        Draws the noise; the component itself gets what denoising alone would give it.

    Returns
    -------
    Pair
        The noise that the method is told is what is left after averaging.
    """
    if sigma == 0:
        return pair(truth, truth, sigma)
    bins = twin_bins(mixing_order, component.frequency)
    bins = bins[np.isin(bins, pool.frequencies) & (bins > 0)]
    raw = np.stack([pool.draw_image(component.channel, k, truth.shape, rng()) for k in bins])
    own = int(np.flatnonzero(bins == component.frequency)[0])
    level = raw - raw.mean(axis=(1, 2, 3), keepdims=True)
    deviations = np.sqrt(np.mean(np.abs(level) ** 2, axis=(1, 2, 3), dtype=np.float64))
    if not deviations[own] > 0:
        raise InputError("noise is constant, so it cannot be scaled", remedy="check the empty scan")
    factor = sigma / deviations[own]
    images = truth * (bins / component.frequency)[:, None, None, None] + factor * raw
    combined = combine_twins(images.astype(np.complex64), factor * deviations, mixing_order[bins])
    return pair(truth, combined.images[own], float(combined.noise[own]))
