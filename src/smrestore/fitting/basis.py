"""The basis in which the misfit of a model and the noise of a measurement are independent.

With the covariance kappa of the misfit at the measured positions and kappa = V diag(lambda) V^T,
misfit and drift have the variances lambda in the basis V, and each component costs two products
with V. Large grids are divided into blocks.
"""

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.linalg import orth, solve_triangular

from smrestore.fitting.drift import SharedDrift

MISFITS = np.geomspace(3e-5, 2.0, 30)
"""Relative misfits rho among which the likeliest is taken."""
BLIND = 1e-3
"""Strength of the misfit, over the largest, below which residuals tell the noise."""
EXPLAINED = 2.0
"""Times its expected power along the courses of a drift that misfit explains."""
MOST_NOISE = 10.0
"""Variance of the noise, over the estimate from background frames, at most. More is misfit."""
WEAKEST, NODE_STEP = 1e-12, 0.5
"""Least strength of the misfit, over the largest, that is told from none, and the step of the
logarithm of the strengths that likelihoods are computed at."""
LARGEST = 1500
"""Measured positions that a covariance is decomposed for at most. Larger grids are restored in
blocks with a margin, since misfit that is far away tells nothing."""
MARGIN = 2.0
"""Width of the margin in correlation lengths of the misfit."""


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Few strengths of the misfit that stand for all rows of a basis.

    The likelihood of a component is a sum over rows of a function of their strength, which is
    smooth over its logarithm. So it follows from few nodes, by splines, for any misfit.

    Attributes
    ----------
    strength
        float64 (N,).
    weights
        What the nodes have of each row, float64 (N, M). Each row adds up to 1.
    count
        How many values a node stands for, float64 (N, 1).
    """

    strength: np.ndarray
    weights: np.ndarray
    count: np.ndarray

    @classmethod
    def of(cls, strength: np.ndarray, kept: np.ndarray) -> "_Nodes":
        """Return the nodes for strengths (M,) of rows that count as values ``kept`` (M,)."""
        top = np.log(max(strength.max(), np.finfo(float).tiny))
        nodes = top - NODE_STEP * np.arange(int(-np.log(WEAKEST) / NODE_STEP) + 1)[::-1]
        place = np.clip(np.log(np.maximum(strength, np.finfo(float).tiny)), nodes[0], nodes[-1])
        weights = make_interp_spline(nodes, np.eye(len(nodes)), k=5)(place).T
        return cls(np.exp(nodes), np.ascontiguousarray(weights), (weights @ kept)[:, None])

    def likelihoods(
        self, power: np.ndarray, energy: np.ndarray, noise: np.ndarray, drift: float
    ) -> np.ndarray:
        """Return the log-likelihood of each misfit, float64 (K, len(MISFITS)); power (M, K)."""
        return self.by_shares(self.weights @ power, energy, noise, drift)

    def by_shares(
        self, shared: np.ndarray, energy: np.ndarray, noise: np.ndarray, drift: float
    ) -> np.ndarray:
        """Return the same from what the nodes have of the power, float64 (N, K)."""
        result = np.empty((len(energy), len(MISFITS)))
        for number, rho in enumerate(MISFITS):
            spread = self.strength[:, None] * (rho**2 * energy + drift**2 * noise) + noise
            result[:, number] = -np.sum(self.count * np.log(spread) + shared / spread, axis=0)
        return result


@dataclass(frozen=True, eq=False)
class Basis:
    """The basis in which misfit and noise are independent, at measured positions.

    With the covariance of the noise Sigma = L L^T and that of the misfit kappa, both of unit size,
    L^-1 kappa L^-T = V diag(lambda) V^T.

    Attributes
    ----------
    project
        V^T L^-1, float32 (M, M), as the measured values are.
    strength
        lambda, float64 (M,).
    across
        Covariance between wanted and measured positions times L^-T V, float32 (P, M).
    drift
        What all components share, in this basis.
    taken
        Orthonormal base of its courses, float64 (M, Q).
    """

    project: np.ndarray
    strength: np.ndarray
    across: np.ndarray
    drift: SharedDrift
    taken: np.ndarray

    @classmethod
    def at(
        cls,
        measured: np.ndarray,
        wanted: np.ndarray,
        length: float,
        shares: np.ndarray | None,
        drift: SharedDrift | None = None,
    ) -> "Basis":
        """Return the basis for positions (M, 3) and (P, 3) in units of voxels.

        ``shares`` (M, R) of the background in the measured values as of
        :func:`smrestore.mdf.background.background_shares`, ``drift`` as of
        :func:`smrestore.fitting.drift.shared_drift`.
        """
        covariance = _covariance(measured, measured, length)
        noise = (
            np.eye(len(measured)) if shares is None else np.eye(len(measured)) + shares @ shares.T
        )
        triangle = np.linalg.cholesky(noise)
        half = solve_triangular(triangle, covariance, lower=True)
        white = solve_triangular(triangle, half.T, lower=True)
        strength, vectors = np.linalg.eigh((white + white.T) / 2)
        project = solve_triangular(triangle, vectors, lower=True, trans="T").T
        across = _covariance(wanted, measured, length) @ project.T
        drift = drift or SharedDrift.none(len(measured))
        courses = project @ drift.courses
        return cls(
            project.astype(np.float32),
            np.maximum(strength, 0),
            across.astype(np.float32),
            SharedDrift(courses, drift.strength),
            orth(courses) if len(drift) else courses,
        )

    @functools.cached_property
    def nodes(self) -> _Nodes:
        """What likelihoods are computed with."""
        return _Nodes.of(self.strength, self.kept)

    @functools.cached_property
    def kept(self) -> np.ndarray:
        """As how many values each row counts that courses do not take, float64 (M,)."""
        return 1 - np.sum(self.taken**2, axis=1)

    def power(self, rotated: np.ndarray) -> np.ndarray:
        """Return the squares of residuals (M, K) in this basis, without what courses take."""
        if not len(self.drift):
            return square(rotated)
        return square(rotated - self.taken @ (self.taken.T @ rotated))

    def drift_strength(
        self, rotated: np.ndarray, misfit: np.ndarray, noise: np.ndarray
    ) -> np.ndarray:
        """Return the variance along each course, float64 (K, Q).

        Parameters
        ----------
        rotated
            Residuals in this basis, complex (M, K).
        misfit, noise
            Variance of the misfit and of the noise, float64 (K,) each.
        """
        along = np.sum(square(self.drift.courses.T @ rotated), axis=0)
        explained = EXPLAINED * misfit * (self.strength @ np.sum(self.drift.courses**2, axis=1))
        beyond = along / noise - len(self.drift) - explained / noise
        scale = np.maximum(1, beyond / np.sum(self.drift.strength))
        return (noise * scale)[:, None] * self.drift.strength

    def over_variance(
        self, rotated: np.ndarray, spread: np.ndarray, drift: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return residuals over their variance, complex (M, K), and what drift makes unknown.

        The covariance of a component is diag(``spread``) + C diag(``drift``) C^T with the courses
        C. Its inverse is that of the first alone minus a product (Woodbury), whose diagonal is
        returned as well, float64 (M, K).

        Parameters
        ----------
        rotated, spread
            Residuals, complex, and their variances without drift, float64 (M, K) each.
        drift
            float64 (K, Q).
        """
        scaled, count = rotated / spread, len(self.drift)
        if not count:
            return scaled, np.zeros_like(spread)
        courses = self.drift.courses
        pairs = (courses[:, :, None] * courses[:, None, :]).reshape(len(spread), -1)
        inner = (pairs.T @ (1 / spread)).T.reshape(-1, count, count)
        inner = np.linalg.inv(inner + np.eye(count) / drift[:, :, None])
        size = np.einsum("kab,bk->ak", inner, courses.T @ scaled)
        unknown = np.einsum("ma,kab,mb->mk", courses, inner, courses, optimize=True)
        return scaled - (courses @ size) / spread, unknown / spread**2

    @functools.cached_property
    def mean_square(self) -> np.ndarray:
        """Mean square of ``across`` over the wanted positions, float64 (M,)."""
        return np.mean(np.square(self.across, dtype=np.float64), axis=0)

    def noise(self, power: np.ndarray, prior: np.ndarray, weight: float) -> np.ndarray:
        """Return the variance of the noise, float64 (K,), from squared residuals ``power`` (M, K).

        Where the misfit has no strength, residuals are noise alone. They count beside the estimate
        ``prior`` (K,), which is worth ``weight`` residuals.
        """
        alone = self.strength < BLIND * self.strength.max()
        found = np.sum(power[alone], axis=0) + weight * prior
        return np.minimum(found / (np.sum(self.kept[alone]) + weight), MOST_NOISE * prior)


def center_most(places: np.ndarray, count: int, center: np.ndarray | None = None) -> np.ndarray:
    """Return the indices of the ``count`` places (M, 3) nearest to their center or another one."""
    away = np.sum((places - (places.mean(axis=0) if center is None else center)) ** 2, axis=1)
    return np.sort(np.argsort(away, kind="stable")[:count])


def blocks(
    measured: np.ndarray, wanted: np.ndarray, margin: float, largest: int = LARGEST
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield indices of measured positions and of the wanted ones that they tell most about.

    Wanted positions are halved along their longest extent, until no more than ``largest`` measured
    ones are within a margin around them. Each wanted position comes once. The margin is narrower
    where it alone would hold more than an eighth of the measured positions that are allowed.

    Parameters
    ----------
    measured, wanted
        Positions (M, 3) and (P, 3) in units of voxels.
    margin
        In voxels.
    """
    everything = np.arange(len(wanted))
    if len(measured) <= largest:
        yield np.arange(len(measured)), everything
        return
    extent = np.ptp(measured, axis=0)
    density = len(measured) / np.prod(extent + 1)
    margin = min(margin, 0.5 * (largest / 8 / density) ** (1 / max(np.count_nonzero(extent), 1)))
    waiting = [everything]
    while waiting:
        some = waiting.pop()
        low, high = wanted[some].min(axis=0) - margin, wanted[some].max(axis=0) + margin
        near = np.flatnonzero(((measured >= low) & (measured <= high)).all(axis=1))
        if not len(near):
            near = center_most(measured, largest, wanted[some].mean(axis=0))
        if len(near) <= largest or len(some) == 1:
            if len(near) > largest:
                near = near[center_most(measured[near], largest, wanted[some].mean(axis=0))]
            yield near, some
            continue
        longest = int(np.argmax(np.ptp(wanted[some], axis=0)))
        order = some[np.argsort(wanted[some, longest], kind="stable")]
        middle = len(order) // 2
        waiting += [np.sort(order[middle:]), np.sort(order[:middle])]


def product(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a real matrix, float32 (A, M), times complex values (M, K), complex64 (A, K).

    NumPy would make the matrix complex first, which doubles the operations.
    """
    parts = np.ascontiguousarray(values, np.complex64).view(np.float32)
    return (matrix @ parts).view(np.complex64)


def square(values: np.ndarray) -> np.ndarray:
    """Return squared magnitudes, float64."""
    return np.square(np.abs(values), dtype=np.float64)


def _covariance(first: np.ndarray, second: np.ndarray, length: float) -> np.ndarray:
    square = np.zeros((len(first), len(second)))
    for axis in range(3):
        square += (first[:, axis, None] - second[:, axis]) ** 2
    return np.exp(square * (-0.5 / length**2))
