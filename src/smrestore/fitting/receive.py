"""Factors of components: what the receive chain does to the images of the model.

The factor of a weak component is lost in noise, but transfer functions of coils and amplifiers are
smooth over frequency. A Gaussian process over frequency through the well-known factors of a channel
(Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapter 2) is the prior of
all of them.
"""

import numpy as np
from scipy.linalg import solve_triangular

WELL_KNOWN = 5.0
"""A factor tells about its neighbours if it exceeds its own standard deviation by this."""
LENGTHS = (25e3, 50e3, 100e3, 200e3, 400e3)
"""Correlation lengths in Hz, of which the likeliest is taken."""
MOST = 800
"""Factors that a process goes through at most, spread evenly over the known ones."""
NUGGET = 1e-3
"""Least deviation of a factor from a smooth curve, relative to it."""


def smooth_factors(
    frequency: np.ndarray, factor: np.ndarray, variance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return factors of the components of **one** channel with the prior of smoothness.

    Parameters
    ----------
    frequency
        In Hz, float64 (K,).
    factor, variance
        Estimate of each factor, complex128 (K,), and its variance (K,); infinite where a component
        tells nothing.

    Returns
    -------
    factor, variance
        Posterior mean and variance. Without at least four well-known factors, the estimates.
    """
    known = np.flatnonzero(np.abs(factor) > WELL_KNOWN * np.sqrt(variance))
    if len(known) < 4:
        return factor, variance
    known = known[np.unique(np.linspace(0, len(known) - 1, min(MOST, len(known))).astype(int))]
    # Magnitudes grow and fall over frequency, so factors are compared with a running median.
    size = np.abs(factor[known])
    scale = np.interp(frequency, frequency[known], _running_median(size))
    own = factor[known] / scale[known]
    noise = variance[known] / scale[known] ** 2
    best = max(
        (
            (_likelihood(frequency[known], own, noise, length, nugget), length, nugget)
            for length in LENGTHS
            for nugget in (NUGGET, 1e-2, 5e-2, 0.2)
        ),
    )
    _, length, nugget = best
    across = _kernel(frequency[:, None] - frequency[known], length)
    inside = _kernel(frequency[known, None] - frequency[known], length)
    gain = np.linalg.solve(inside + np.diag(noise + nugget**2), across.T).T
    smooth = gain @ own
    spread = np.maximum(1 - np.sum(gain * across, axis=1), 0) + nugget**2
    smooth, spread = smooth * scale, spread * scale**2
    share = spread / (spread + variance)
    share[~np.isfinite(variance)] = 0.0
    return smooth + share * (factor - smooth), np.where(
        np.isfinite(variance), share * variance, spread
    )


def _kernel(distance: np.ndarray, length: float) -> np.ndarray:
    return np.exp(-0.5 * (distance / length) ** 2)


def _likelihood(
    frequency: np.ndarray, values: np.ndarray, noise: np.ndarray, length: float, nugget: float
) -> float:
    covariance = _kernel(frequency[:, None] - frequency, length) + np.diag(noise + nugget**2)
    triangle = np.linalg.cholesky(covariance)
    white = solve_triangular(triangle, values, lower=True)
    return float(-2 * np.log(np.diag(triangle)).sum() - np.sum(np.abs(white) ** 2))


def _running_median(values: np.ndarray, reach: int = 10) -> np.ndarray:
    padded = np.pad(values, reach, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1), axis=1)
