"""Courses of the background that all components share, from those in which the model sees nothing.

What drifts between the background frames of a calibration, a feedthrough or a temperature, does so
in all components at once: each has its own complex pattern of few real courses over the frames, and
components of low mixing orders have most of it. Residuals of components with noise alone show these
courses: with white noise, the eigenvalues of their covariance end at the edge of Marchenko and
Pastur (Math. USSR Sbornik 1 (1967) 457), and what exceeds it is shared. The posterior takes drift
along these courses for noise.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import orth, svd
from scipy.sparse.linalg import svds

MOST = 8
"""Courses at most."""
FEWEST, ENOUGH = 20, 1000
"""Components with noise alone that are needed, and that are used at most."""
FARTHEST = 0.5
"""Share of the components in which the model sees nothing that count: those of the highest
frequencies. Others may hold signals that the model does not know."""
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


@dataclass(frozen=True, eq=False)
class SharedDrift:
    """What all components share.

    Attributes
    ----------
    courses
        float64 (M, Q), orthonormal once the noise is white.
    strength
        Variance along each course in components with noise alone, over that of the noise and
        beside it, float64 (Q,).
    """

    courses: np.ndarray
    strength: np.ndarray

    def __len__(self) -> int:
        """Return the number of courses."""
        return len(self.strength)

    @classmethod
    def none(cls, positions: int) -> "SharedDrift":
        """Return no drift at so many positions."""
        return cls(np.zeros((positions, 0)), np.zeros(0))

    def at(self, some: np.ndarray) -> "SharedDrift":
        """Return the part at some of the positions."""
        return SharedDrift(self.courses[some], self.strength)

    def without(self, values: np.ndarray) -> np.ndarray:
        """Return values (M, S) without all that the courses explain of them."""
        if not len(self):
            return values
        base = orth(self.courses).astype(values.real.dtype)
        return values - base @ (base.T @ values)


def shared_drift(
    residual: np.ndarray, frequency: np.ndarray, shares: np.ndarray | None
) -> SharedDrift:
    """Return the courses that components share.

    Parameters
    ----------
    residual
        Measured minus model, of components in which the model sees nothing, complex (M, K).
    frequency
        Of the components, (K,): any increasing measure.
    shares
        See :class:`Whitening`.
    """
    positions = len(residual)
    chosen = np.flatnonzero(residual.any(axis=0))
    chosen = chosen[np.argsort(frequency[chosen], kind="stable")]
    chosen = chosen[int((1 - FARTHEST) * len(chosen)) :]
    if len(chosen) < FEWEST or positions <= 2 * MOST:
        return SharedDrift.none(positions)
    chosen = chosen[:: -(-len(chosen) // ENOUGH)]
    whitening = Whitening(shares)
    white = whitening.white(residual[:, chosen])
    # With noise alone, a component tells its noise better than its few background frames.
    white = white / np.sqrt(0.5 * np.mean(np.abs(white) ** 2, axis=0))
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
    noise = rest / (positions - found)
    return SharedDrift(whitening.colored(left[:, :found]), power[:found] / noise - 1)
