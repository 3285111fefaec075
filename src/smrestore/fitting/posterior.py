"""Model and measurement: the posterior mean of both, with its variance.

A true component is a s + e: its image in the model, and a misfit e. The misfit is smooth in space:
a Gaussian process with covariance rho^2 E kappa(r - r'), where E is the mean square of a s over the
measured positions and rho the relative misfit. The measured component has white noise of variance N
besides, and drift, d^2 N kappa. With kappa = V diag(lambda) V^T at the measured positions, all are
diagonal in the basis V, so each component costs two products with V.

Courses that all components share (:mod:`smrestore.fitting.drift`) are noise as well, at least of
the strength that they have where the model sees nothing, and of what a component shows along them
if its misfit does not explain that.

rho is found by maximum likelihood, for classes of components first and then for each of them with a
prior around its class; d comes from components in which the model sees nothing. Nothing is assumed
about where positions are: they may be a part of the voxels, or others than the wanted ones. Of
large grids, the positions nearest to the center tell what all positions share.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.linalg import orth, solve_triangular

from smrestore.fitting.drift import SharedDrift
from smrestore.fitting.growth import Growth, learn_growth

MISFITS = np.geomspace(3e-5, 2.0, 30)
"""Relative misfits rho among which the likeliest is taken."""
DRIFTS = np.array([0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2])
"""Drift d in units of the noise, likewise."""
LENGTHS = (0.7, 1.2, 2.0, 3.5)
"""Correlation lengths of the misfit in voxels, likewise."""
CLASS_WIDTH = 0.4
"""Standard deviation of ln rho in a class."""
UNSEEN = 0.01
"""Energy of the model over that of the noise below which a component shows drift alone."""
BLIND = 1e-3
"""Strength of the misfit, over the largest, below which residuals tell the noise."""
EXPLAINED = 2.0
"""Times its expected power along the courses of a drift that misfit explains."""
MOST_NOISE = 10.0
"""Variance of the noise, over the estimate from background frames, at most. More is misfit."""
WEAKEST, NODE_STEP = 1e-12, 0.5
"""Least strength of the misfit, over the largest, that is told from none, and the step of the
logarithm of the strengths that likelihoods are computed at."""
CLEAR = 1000.0
"""Energy of the model over that of the noise of components that tell how misfit depends on size. In
others, rough misfit and noise beyond that of background frames look alike."""
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
        shared = self.weights @ power
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
            return _square(rotated)
        return _square(rotated - self.taken @ (self.taken.T @ rotated))

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
        along = np.sum(_square(self.drift.courses.T @ rotated), axis=0)
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


def _product(matrix: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a real matrix, float32 (A, M), times complex values (M, K), complex64 (A, K).

    NumPy would make the matrix complex first, which doubles the operations.
    """
    parts = np.ascontiguousarray(values, np.complex64).view(np.float32)
    return (matrix @ parts).view(np.complex64)


def _square(values: np.ndarray) -> np.ndarray:
    """Return squared magnitudes, float64."""
    return np.square(np.abs(values), dtype=np.float64)


def _covariance(first: np.ndarray, second: np.ndarray, length: float) -> np.ndarray:
    square = np.zeros((len(first), len(second)))
    for axis in range(3):
        square += (first[:, axis, None] - second[:, axis]) ** 2
    return np.exp(square * (-0.5 / length**2))


@dataclass(frozen=True, eq=False)
class Misfit:
    """How far the model is believed.

    Attributes
    ----------
    length
        Correlation length in voxels.
    drift
        d, in units of the noise.
    of_class
        rho of each class, by its number.
    score
        Log-likelihood, up to a constant.
    growth
        How rho depends on the size of components, None if none of them tells it.
    """

    length: float
    drift: float
    of_class: dict[int, float]
    score: float = 0.0
    growth: Growth | None = None

    def of_classes(self, classes: np.ndarray) -> np.ndarray:
        """Return the relative misfit of components by the number of their class, (S,)."""
        known = np.array([self.of_class.get(number, 0.0) for number in classes.tolist()])
        # The smallest stands for none that noise would show.
        return np.where(known > MISFITS[0], known, 0.0)


def _with_class(likelihood: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Return the likelihood of misfits (K, len(MISFITS)) with the prior of their class (K,)."""
    return likelihood - 0.5 * ((np.log(MISFITS) - np.log(usual)[:, None]) / CLASS_WIDTH) ** 2


def learn_misfit(
    residual: np.ndarray,
    energy: np.ndarray,
    noises: Sequence[np.ndarray],
    classes: np.ndarray,
    measured: np.ndarray,
    shares: np.ndarray | None,
    weight: float,
    drift: SharedDrift | None = None,
    model: np.ndarray | None = None,
    size: np.ndarray | None = None,
) -> tuple[Misfit, int]:
    """Learn length, drift and misfit by class, and which of several noises is the likeliest.

    Parameters
    ----------
    residual
        Measured minus model, complex (M, K), of components that stand for all.
    energy
        Mean square of the model over the positions, float64 (K,).
    noises
        Variances of the noise among which the likeliest is taken, float64 (K,) each.
    classes
        int64 (K,).
    measured
        Positions in voxels, float64 (M, 3).
    model, size
        Components of the model, complex (M, K), and their root mean square over the largest of
        their channel, float64 (K,); 0 for those that do not tell how the misfit depends on it.
        None if that is not asked for.

    Returns
    -------
    Misfit
        The likeliest.
    int
        The number of its noise.
    """
    best: tuple[Misfit, int] | None = None
    some = np.zeros(len(energy), dtype=bool)
    if size is not None:
        some = (energy > CLEAR * np.max(noises, axis=0)) & (size > 0)
    tables: list[list[np.ndarray]] = [[] for _ in noises]
    for length in LENGTHS:
        basis = Basis.at(measured, measured[:0], length, shares, drift)
        power = basis.power(_product(basis.project, residual))
        if some.any():
            taken = basis.power(_product(basis.project, model[:, some]))
            taken /= np.sum(taken, axis=0)
        for number, noise in enumerate(noises):
            found = _with_basis(basis, length, power, energy, noise, classes, weight)
            if best is None or found.score > best[0].score:
                best = found, number
            if some.any():
                # The factor of a component took one value away.
                whole = power[:, some] + taken * noise[some]
                actual = basis.noise(whole, noise[some], weight)
                table, by_noise = _likelihoods(
                    basis, whole, energy[some], actual, noise[some], weight, found.drift
                )
                tables[number].append(table + by_noise[:, None])
    misfit, number = best
    if some.any():
        # Misfit of a high order is rougher than that of a low one: each has its own length.
        likelihood = np.logaddexp.reduce(tables[number])
        misfit = replace(misfit, growth=learn_growth(likelihood, MISFITS, size[some]))
    return misfit, number


def _likelihoods(
    basis: Basis,
    power: np.ndarray,
    energy: np.ndarray,
    noise: np.ndarray,
    given: np.ndarray,
    weight: float,
    drift: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the log-likelihood of each misfit by residuals, and that of their noise.

    Arrays (K, len(MISFITS)) and (K,). ``noise`` is what they have, ``given`` that of background
    frames, float64 (K,) each.
    """
    ratio = noise / given
    # Background frames count as well: misfit must not pass for noise that they do not have.
    by_noise = -weight * (np.log(ratio) + 1 / ratio)
    return basis.nodes.likelihoods(power, energy, noise, drift), by_noise


def _with_basis(
    basis: Basis,
    length: float,
    power: np.ndarray,
    energy: np.ndarray,
    given: np.ndarray,
    classes: np.ndarray,
    weight: float,
) -> Misfit:
    """Return the misfit of a length: squared residuals ``power`` (M, K), ``given`` noise (K,)."""
    noise = basis.noise(power, given, weight)
    unseen = energy < UNSEEN * given
    drift = 0.0
    if unseen.any():
        scaled = power[:, unseen] @ (1 / noise[unseen])
        spreads = [DRIFTS[i] ** 2 * basis.strength + 1 for i in range(len(DRIFTS))]
        count = np.count_nonzero(unseen) * basis.kept
        drift = float(
            DRIFTS[np.argmax([-np.sum(count * np.log(s) + scaled / s) for s in spreads])]
        )  # fmt: skip
    seen = ~unseen
    total, by_noise = _likelihoods(
        basis, power[:, seen], energy[seen], noise[seen], given[seen], weight, drift
    )
    score = float(np.sum(by_noise))
    of_class = {}
    for number in np.unique(classes[seen]).tolist():
        own = total[classes[seen] == number]
        of_class[number] = float(MISFITS[np.argmax(own.sum(axis=0))])
        score += _with_class(own, np.full(len(own), of_class[number])).max(axis=1).sum()
    return Misfit(length, drift, of_class, float(score))


def combine(
    measured: np.ndarray,
    model_at_measured: np.ndarray,
    model_at_wanted: np.ndarray,
    noise: np.ndarray,
    classes: np.ndarray,
    basis: Basis,
    misfit: Misfit,
    weight: float,
    believed: np.ndarray | float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the posterior mean of components and its mean standard deviation.

    Parameters
    ----------
    measured, model_at_measured
        complex (M, K).
    model_at_wanted
        complex (P, K).
    noise
        Variance of the noise, float64 (K,).
    classes
        int64 (K,).
    believed
        Relative misfit by the size of components, float64 (K,), 0 where it is not known. It has a
        say in the deviation, not in the mean.

    Returns
    -------
    mean
        complex (P, K).
    deviation
        Root mean square over the wanted positions, float64 (K,).
    """
    rotated = _product(basis.project, measured - model_at_measured)
    power = basis.power(rotated)
    noise = basis.noise(power, noise, weight)
    energy = np.mean(np.abs(model_at_measured) ** 2, axis=0)
    tiny = np.finfo(float).tiny
    noise, energy = np.maximum(noise, tiny), np.maximum(energy, tiny)
    strength = basis.strength[:, None]
    usual = np.array([misfit.of_class.get(c, max(misfit.of_class.values(), default=0.1))
                      for c in classes.tolist()])  # fmt: skip
    likelihood = basis.nodes.likelihoods(power, energy, noise, misfit.drift)
    likelihood = _with_class(likelihood, usual)
    variance = MISFITS[np.argmax(likelihood, axis=1)] ** 2 * energy
    spread = strength * (variance + misfit.drift**2 * noise) + noise
    drift = basis.drift_strength(rotated, variance, noise) if len(basis.drift) else np.empty(0)
    scaled, unknown = basis.over_variance(rotated, spread, drift)
    gain = variance / spread
    mean = model_at_wanted + _product(basis.across, variance * scaled)
    weighted = basis.mean_square
    expected = np.where(np.greater(believed, 0), np.square(believed) * energy, variance)
    # Of a linear estimate with this gain, whatever the variance of the misfit is.
    wrong = expected * (1 - 2 * weighted @ gain)
    wrong += weighted @ (gain**2 * (spread + strength * (expected - variance)))
    wrong += variance**2 * (weighted @ unknown)
    return mean, np.sqrt(np.maximum(wrong, 0))
