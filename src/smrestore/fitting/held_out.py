"""How wrong a model is at positions that it was not fitted to."""

import numpy as np

from smrestore.fitting.solve import Measured, factors

ORDER_LIMITS = (5, 9, 13)
ORDER_NAMES = ("order 1 to 4", "order 5 to 8", "order 9 to 12", "order 13 or more")
SNR_LIMITS = (10.0, 30.0, 100.0)
SNR_NAMES = ("SNR 3 to 10", "SNR 10 to 30", "SNR 30 to 100", "SNR above 100")
CLEAR = 10.0
"""Power over that of the noise of components that tell the held-out misfit."""
LENGTH = 2.0
"""Correlation length, in distances between neighbours, of patterns of low and high frequency."""
SMOOTH, ROUGH = 0.5, 0.05
"""Strength of a pattern, over the largest, from which on it is smooth, and below which rough."""


def order_class(total: np.ndarray) -> np.ndarray:
    """Return the class of components by |n_x| + |n_y| + |n_z|: a place in :data:`ORDER_NAMES`."""
    return np.searchsorted(ORDER_LIMITS, total, side="right")


def misfit_class(total: np.ndarray, channel: np.ndarray) -> np.ndarray:
    """Return the number of components that share a misfit: of an order class and a channel."""
    # A few numbers are left free in each channel.
    return order_class(total) + 2 * len(ORDER_NAMES) * channel


def with_factors(data: Measured, images: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return images (P, S) of a model in the unit of the scan, by factors of some positions."""
    weights = np.zeros(len(data.positions))
    weights[train] = 1
    return factors(images, data.images, weights)[0] * images


def held_out_error(
    data: Measured, predicted: np.ndarray, test: np.ndarray, total: np.ndarray
) -> tuple[float, dict[str, float]]:
    """Return how far predictions are off at the positions ``test``.

    Parameters
    ----------
    predicted
        By models that do not know these positions, see :func:`with_factors`, complex (P, S).
    test
        Indices of positions, int64 (n,).
    total
        |n_x| + |n_y| + |n_z| of the components, int64 (S,).

    Returns
    -------
    loss
        Mean logarithm of one plus the squared error over the noise: each component counts.
    error
        Relative misfit as amplitude with the noise removed, each component that stands out of it
        counted alike: ``all`` and by class.
    """
    model, measured = predicted[test], data.images[test]
    noise = data.noise**2
    error = np.abs(measured - model) ** 2
    loss = float(np.mean(np.log1p(error / np.maximum(noise, np.finfo(float).tiny))))
    power = np.mean(np.abs(measured) ** 2, axis=0)
    signal = np.maximum(power - noise, noise)
    clear = power > CLEAR * noise
    if not clear.any():
        clear[:] = True

    def misfit(own: np.ndarray) -> float:
        own = np.flatnonzero(own & clear)
        extra = np.maximum(np.mean((error[:, own].mean(axis=0) - noise[own]) / signal[own]), 0)
        explained = np.maximum(np.mean((power[own] - noise[own]) / signal[own]), 1e-12)
        return float(np.sqrt(extra / explained))

    found = {"all": misfit(np.ones(len(noise), dtype=bool))}
    ratio = np.sqrt(signal / np.maximum(noise, np.finfo(float).tiny))
    for names, classes in (
        (ORDER_NAMES, order_class(total)),
        (SNR_NAMES, np.searchsorted(SNR_LIMITS, ratio, side="right")),
    ):
        for number, name in enumerate(names):
            if (clear & (classes == number)).any():
                found[name] = misfit(classes == number)
    found |= _by_spatial_frequency(
        data.positions[test], (measured - model)[:, clear], model[:, clear], noise[clear]
    )
    return loss, found


def _by_spatial_frequency(
    positions: np.ndarray, residual: np.ndarray, model: np.ndarray, noise: np.ndarray
) -> dict[str, float]:
    """Return the misfit of smooth, medium and rough patterns over the positions.

    Positions need not form a grid, so patterns are the eigenvectors of a smooth covariance between
    them.
    """
    distance = np.linalg.norm(positions[:, None] - positions, axis=-1)
    np.fill_diagonal(distance, np.inf)
    scale = LENGTH * max(float(np.median(distance.min(axis=1))), np.finfo(float).tiny)
    np.fill_diagonal(distance, 0)
    strength, patterns = np.linalg.eigh(np.exp(-0.5 * (distance / scale) ** 2))
    strength = strength / strength.max()
    energy = np.sum(np.abs(model) ** 2, axis=0)
    unexplained = np.abs(patterns.T @ residual) ** 2 - noise
    share = np.abs(patterns.T @ model) ** 2
    found = {}
    for name, own in (
        ("smooth", strength >= SMOOTH),
        ("medium", (strength < SMOOTH) & (strength >= ROUGH)),
        ("rough", strength < ROUGH),
    ):
        part = share[own].sum(axis=0) / energy
        if own.any() and part.mean() > 1e-6:
            extra = np.mean(unexplained[own].sum(axis=0) / energy)
            found[f"{name} in space"] = float(np.sqrt(max(extra, 0) / part.mean()))
    return found
