"""Model and measurement: the posterior mean of both, with its variance.

A true component is a s + e: its image in the model, and a misfit e. The misfit is smooth in space:
a Gaussian process with covariance rho^2 E kappa(r - r'), where E is the mean square of a s over the
measured positions and rho the relative misfit. The measured component has white noise of variance N
besides, and drift, d^2 N kappa. All of them are diagonal in one basis
(:mod:`smrestore.fitting.basis`).

Courses that all components share (:mod:`smrestore.fitting.drift`) are noise as well, at least of
the strength that they have where the model sees nothing, and of what a component shows along them
if its misfit does not explain that.

rho and d of a component are the likeliest, with a prior around what all components tell
(:mod:`smrestore.fitting.misfit`): its own residual tells the sum of misfit and drift, not which of
the two it is. Nothing is assumed about where positions are: they may be a part of the voxels, or
others than the wanted ones.
"""

import numpy as np

from smrestore.fitting.basis import MISFITS, Basis, product
from smrestore.fitting.misfit import with_class

FACTORS = np.array([1.0, 0.5, 0.6, 0.75, 1.35, 1.7, 2.0])
"""Times d that the drift of a component may be."""
DRIFT_WIDTH = 0.2
"""Standard deviation of their logarithm."""


def combine(
    measured: np.ndarray,
    model_at_measured: np.ndarray,
    model_at_wanted: np.ndarray,
    noise: np.ndarray,
    usual: np.ndarray,
    basis: Basis,
    drift: float,
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
    usual
        Relative misfit that is expected of each, above 0, float64 (K,).
    drift
        d that is expected of all.
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
    rotated = product(basis.project, measured - model_at_measured)
    power = basis.power(rotated)
    noise = basis.noise(power, noise, weight)
    energy = np.mean(np.abs(model_at_measured) ** 2, axis=0)
    tiny = np.finfo(float).tiny
    noise, energy = np.maximum(noise, tiny), np.maximum(energy, tiny)
    strength = basis.strength[:, None]
    variance, drifts = _likeliest(basis, power, energy, noise, usual, drift)
    spread = strength * (variance + drifts**2 * noise) + noise
    shared = basis.drift_strength(rotated, variance, noise) if len(basis.drift) else np.empty(0)
    scaled, unknown = basis.over_variance(rotated, spread, shared)
    gain = variance / spread
    mean = model_at_wanted + product(basis.across, variance * scaled)
    weighted = basis.mean_square
    expected = np.where(np.greater(believed, 0), np.square(believed) * energy, variance)
    # Of a linear estimate with this gain, whatever the variance of the misfit is.
    wrong = expected * (1 - 2 * weighted @ gain)
    wrong += weighted @ (gain**2 * (spread + strength * (expected - variance)))
    wrong += variance**2 * (weighted @ unknown)
    return mean, np.sqrt(np.maximum(wrong, 0))


def _likeliest(
    basis: Basis,
    power: np.ndarray,
    energy: np.ndarray,
    noise: np.ndarray,
    usual: np.ndarray,
    drift: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the variance of the misfit and d of each component, float64 (K,) each."""
    factors = FACTORS if drift else FACTORS[:1]
    doubt = 0.5 * (np.log(factors) / DRIFT_WIDTH) ** 2
    nodes = basis.nodes
    shared = nodes.weights @ power
    likelihood = np.stack(
        [
            with_class(nodes.by_shares(shared, energy, noise, factor * drift), usual)
            for factor in factors
        ]
    )
    likelihood -= doubt[:, None, None]
    best = np.argmax(likelihood.max(axis=2), axis=0)
    rho = MISFITS[np.argmax(likelihood[best, np.arange(len(best))], axis=1)]
    return rho**2 * energy, factors[best] * drift
