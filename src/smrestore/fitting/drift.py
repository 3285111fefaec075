"""Courses of the background that all components share, from those in which the model sees nothing.

What drifts between the background frames of a calibration, a feedthrough or a temperature, does so
in all components at once: each has its own complex pattern of few real courses over the frames, and
components of low mixing orders have most of it. Residuals of thousands of components with noise
alone show these courses: with white noise, the eigenvalues of their covariance end at the edge of
Marchenko and Pastur (Math. USSR Sbornik 1 (1967) 457), and what exceeds it is shared. Fits of the
model, and its posterior, then take nothing from the values along these courses.
"""

import numpy as np
from scipy.linalg import svd
from scipy.sparse.linalg import svds

MOST = 8
"""Courses at most."""
FEWEST, ENOUGH = 20, 1000
"""Components with noise alone that are needed, and that are used at most."""
ABOVE = 1.1
"""Times the edge that the variance along a course must have, over that of the noise."""


class Whitening:
    """Makes noise white that holds that of the background frames which were subtracted from it.

    Its covariance, over that of one value, is I + S S^T. Of this, the inverse of the symmetric root
    is taken, by the singular values of S, so no matrix of all positions is needed.

    Parameters
    ----------
    shares
        S, float64 (M, R), as of :func:`smrestore.mdf.background.background_shares`; or None.
    """

    def __init__(self, shares: np.ndarray | None):
        self.left = None
        if shares is not None and shares.shape[1]:
            self.left, values, _ = svd(shares, full_matrices=False)
            self.scale = np.sqrt(1 + values**2)

    def white(self, values: np.ndarray) -> np.ndarray:
        """Return values (M, K) whose noise is white."""
        if self.left is None:
            return values
        return values + self.left @ ((1 / self.scale - 1)[:, None] * (self.left.T @ values))

    def colored(self, values: np.ndarray) -> np.ndarray:
        """Return what white ones (M, K) were before."""
        if self.left is None:
            return values
        return values + self.left @ ((self.scale - 1)[:, None] * (self.left.T @ values))


def common_courses(
    residual: np.ndarray, noise: np.ndarray, unseen: np.ndarray, shares: np.ndarray | None
) -> np.ndarray:
    """Return the courses that components share, float64 (M, Q) with orthogonal columns once white.

    Parameters
    ----------
    residual
        Measured minus model, complex (M, K).
    noise
        Variance of the noise, float64 (K,).
    unseen
        Components in which the model sees nothing, bool (K,).
    shares
        See :class:`Whitening`.
    """
    positions = len(residual)
    chosen = np.flatnonzero(unseen & (noise > 0))
    if len(chosen) < FEWEST or positions <= 2 * MOST:
        return np.zeros((positions, 0))
    chosen = chosen[:: -(-len(chosen) // ENOUGH)]
    whitening = Whitening(shares)
    white = whitening.white(residual[:, chosen]) / np.sqrt(noise[chosen] / 2)
    values = np.concatenate([white.real, white.imag], axis=1).astype(np.float64)
    left, singular, _ = svds(values, k=min(MOST, min(values.shape) - 1), random_state=0)
    left, power = left[:, ::-1], singular[::-1] ** 2
    count, rest = values.shape[1], np.sum(values**2)
    found = 0
    while found < len(power):
        edge = rest / (positions - found) * (1 + np.sqrt(positions / count)) ** 2
        if power[found] <= ABOVE * edge:
            break
        rest -= power[found]
        found += 1
    return whitening.colored(left[:, :found])
