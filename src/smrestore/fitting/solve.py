"""The least-squares problem: unknowns of a family, and one complex factor for each component.

With images s_k(theta) of the model, the measured components m_k and weights w_k, the residuals are
w_k (m_k - a_k s_k) with a_k = <s_k, m_k> / <s_k, s_k>, so that the receive chain needs no model
(variable projection, Golub and Pereyra 1973, SIAM J. Numer. Anal. 10, 413; derivatives by Kaufman
1975, BIT 15, 49). Steps are those of Levenberg and Marquardt with Gaussian priors.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from smrestore.fitting.family import Family
from smrestore.fitting.forward import Forward
from smrestore.physics.spectrum import Components
from smrestore.support.errors import InputError

FLOOR = 0.01
"""Error that a model is granted at least, over the root mean square of a component: without it the
strongest components alone would decide."""
CONVERGED = 1e-3
"""Relative fall of the cost below which a fit ends."""
HALVINGS = 40
"""How often a start out of reach is moved halfway to the prior."""
OUTLIER = 8.0
"""Positions with so many times the median misfit are left out."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What a model is fitted to.

    Attributes
    ----------
    positions
        float64 (P, 3) in m.
    components
        S components.
    images
        complex128 (P, S).
    noise
        Standard deviation of the complex noise of each component, float64 (S,).
    """

    positions: np.ndarray
    components: Components
    images: np.ndarray
    noise: np.ndarray

    def part(self, positions: np.ndarray, components: np.ndarray) -> "Measured":
        """Return chosen positions and components."""
        chosen = Components(
            self.components.channel[components], self.components.frequency[components]
        )
        images = self.images[np.ix_(positions, components)]
        return Measured(self.positions[positions], chosen, images, self.noise[components])


@dataclass(frozen=True, eq=False)
class Fit:
    """The end of a fit.

    Attributes
    ----------
    theta, covariance
        Unknowns (U,) and their covariance (U, U), scaled by the misfit.
    cost
        Sum of squared residuals and priors.
    misfit
        Root mean square residual in units of the granted error.
    evaluations
        Steps that were tried.
    """

    theta: np.ndarray
    covariance: np.ndarray
    cost: float
    misfit: float
    evaluations: int


def factors(
    images: np.ndarray, measured: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the best factor of each component and the energy of its image, (S,) each."""
    energy = weights @ np.abs(images) ** 2
    product = weights @ (images.conj() * measured)
    return np.divide(product, energy, out=np.zeros_like(product), where=energy > 0), energy


def granted_error(data: Measured) -> np.ndarray:
    """Return the error of each component by noise and floor, float64 (S,)."""
    power = np.mean(np.abs(data.images) ** 2, axis=0) - data.noise**2
    return np.sqrt(data.noise**2 + FLOOR**2 * np.maximum(power, data.noise**2))


def residuals(
    images: np.ndarray, data: Measured, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the residuals in units of the granted error, (P, S), and the factors, (S,)."""
    factor, _ = factors(images, data.images, weights)
    return (data.images - factor * images) / granted_error(data), factor


def fit(
    forward: Forward,
    family: Family,
    data: Measured,
    start: np.ndarray,
    *,
    free: np.ndarray | None = None,
    weights: np.ndarray | None = None,
    steps: int = 15,
    progress: Callable[[], object] | None = None,
) -> Fit:
    """Fit the unknowns of a family to data.

    Parameters
    ----------
    start
        float64 (U,).
    free
        Which unknowns are fitted, bool (U,); all if not given.
    weights
        Of the positions, float64 (P,).
    steps
        Steps that are tried at most.
    """
    unknowns = family.unknowns
    prior = np.array([u.start for u in unknowns])
    deviation = np.array([u.deviation for u in unknowns])
    lowest = np.array([u.lowest for u in unknowns])
    highest = np.array([u.highest for u in unknowns])
    free = np.ones(len(unknowns), dtype=bool) if free is None else free
    weights = np.ones(len(data.positions)) if weights is None else weights
    error = granted_error(data)

    def cost_of(residual, theta):
        return float(weights @ np.sum(np.abs(residual) ** 2, axis=1)) + float(
            np.sum(((theta - prior) / deviation)[free] ** 2)
        )

    # Directions need less accuracy than residuals: those of a point cost an eighth.
    point = forward.of_point()

    def evaluate(theta, model=forward, *, derivatives=False):
        # Far out, moments overflow. Such a trial has no finite cost, and the step is shortened.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            return model.images(family, theta, data.positions, data.components, derivatives)

    theta, damping, tried = start.copy(), 1e-3, 1
    residual, factor = residuals(evaluate(theta)[0], data, weights)
    # A start that was found at other positions may be out of reach here.
    for _ in range(HALVINGS):
        if np.isfinite(residual).all():
            break
        theta = (theta + prior) / 2
        residual, factor = residuals(evaluate(theta)[0], data, weights)
    else:
        raise InputError(
            "the fields of the header are too strong to be simulated, or values are not finite",
            field="acquisition",
            remedy="check drive field, gradient and field of view",
        )
    cost = cost_of(residual, theta)
    while True:
        images, slopes = evaluate(theta, point, derivatives=True)
        slopes = slopes[free]
        energy = weights @ np.abs(images) ** 2
        shared = np.einsum("p,ps,ups->us", weights, images.conj(), slopes)
        shared = np.divide(shared, energy, out=np.zeros_like(shared), where=energy > 0)
        slopes -= shared[:, None] * images
        slopes *= factor / error * np.sqrt(weights)[:, None]
        flat = slopes.reshape(len(slopes), -1)
        target = (np.sqrt(weights)[:, None] * residual).ravel()
        normal = (flat.conj() @ flat.T).real + np.diag(1 / deviation[free] ** 2)
        side = (flat.conj() @ target).real - (theta - prior)[free] / deviation[free] ** 2
        del slopes, flat
        fallen = 0.0
        while tried < steps:
            moved = theta.copy()
            damped = normal + damping * np.diag(np.diag(normal))
            moved[free] += np.linalg.solve(damped, side)
            moved = np.clip(moved, lowest, highest)
            trial, factor_there = residuals(evaluate(moved)[0], data, weights)
            tried += 1
            if progress:
                progress()
            new = cost_of(trial, moved)
            if new < cost:
                fallen = (cost - new) / cost
                theta, damping, cost = moved, damping / 5, new
                residual, factor = trial, factor_there
                break
            damping *= 8
            if damping > 1e4:
                break
        if fallen < CONVERGED or tried >= steps:
            break
    count = max(np.count_nonzero(weights) * len(error), 1)
    misfit = np.sqrt(float(weights @ np.sum(np.abs(residual) ** 2, axis=1)) / count)
    covariance = np.zeros((len(unknowns),) * 2)
    # Residuals are complex: the variance of each part is half of misfit^2.
    covariance[np.ix_(free, free)] = np.linalg.inv(normal) * max(misfit**2, 1e-4) / 2
    return Fit(theta, covariance, cost, float(misfit), tried)


def robust_weights(residual: np.ndarray) -> np.ndarray:
    """Return 0 for positions whose misfit is far out, 1 for others, float64 (P,).

    ``residual`` (P, S) is in units of the granted error.
    """
    # Not the median: on an axis of the scanner, half of the components vanish.
    per_position = np.quantile(np.abs(residual), 0.8, axis=1)
    usual = np.median(per_position)
    return np.where(per_position > OUTLIER * max(usual, 0.5), 0.0, 1.0)
