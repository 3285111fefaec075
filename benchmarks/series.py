"""The mean moment by a truncated series, as a yardstick for the speed of the library's evaluators.

The partition function of uniaxial particles (Kluth, Szwargulski and Knopp, New J. Phys. 21, 2019),

    Z = sum_k alpha^k 2^(k - 1/2) sqrt(pi) I_(k + 1/2)(x) / x^(k + 1/2) L_k^(-1/2)(-y^2 / (4 alpha))

with x = xi_perp, y = xi_par and generalized Laguerre polynomials L; moments are its logarithmic
derivatives. It holds for alpha > 0 and xi_perp > 0, as far as no term overflows.
"""

import numpy as np
from scipy.special import ive

ORDER = 120


def laguerre(order: int, parameter: float, z: np.ndarray) -> np.ndarray:
    """Return L_0 to L_order of the parameter at z, (order + 1, ...), by recurrence."""
    values = np.empty((order + 1, *z.shape))
    values[0] = 1
    values[1] = 1 + parameter - z
    for k in range(1, order):
        values[k + 1] = (
            (2 * k + 1 + parameter - z) * values[k] - (k + parameter) * values[k - 1]
        ) / (k + 1)
    return values


def series_moment(
    alpha: float, parallel: np.ndarray, perpendicular: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the moments along and across the easy axis, vectorized over fields (N,)."""
    k = np.arange(ORDER + 1)[:, None]
    z = -(parallel**2) / (4 * alpha)
    factor = np.sqrt(np.pi) * np.exp(
        k * np.log(alpha) + (k - 0.5) * np.log(2) - (k + 0.5) * np.log(perpendicular)
    )
    # Scaled Bessel functions: the exponential cancels in the quotients.
    bessel, next_bessel = ive(k + 0.5, perpendicular), ive(k + 1.5, perpendicular)
    polynomial = laguerre(ORDER, -0.5, z)
    derivative = np.zeros_like(polynomial)
    derivative[1:] = parallel / (2 * alpha) * laguerre(ORDER - 1, 0.5, z)
    partition = (factor * bessel * polynomial).sum(axis=0)
    along = (factor * bessel * derivative).sum(axis=0) / partition
    across = (factor * next_bessel * polynomial).sum(axis=0) / partition
    return along, across
