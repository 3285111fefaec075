"""Mean magnetic moment of uniaxial particles in thermal equilibrium.

A particle with moment direction m, easy axis n and reduced field xi has the Boltzmann weight
exp(xi . m + alpha_K (n . m)^2) (Kluth, Szwargulski and Knopp, New J. Phys. 21, 2019). With xi split
along the easy axis (xi_parallel) and across it (xi_perpendicular >= 0), the azimuth integrates to a
modified Bessel function and one smooth integral over u = n . m in [-1, 1] is left::

    Z      = int exp(alpha u^2 + xi_par u) I0(xi_perp sqrt(1 - u^2)) du
    m_par  = int exp(alpha u^2 + xi_par u) I0(.) u du / Z
    m_perp = int exp(alpha u^2 + xi_par u) I1(.) sqrt(1 - u^2) du / Z

Gauss-Legendre quadrature with 48 nodes is exact to about 1e-14 for alpha + |xi| <= 121, and peaks
of the integrand narrow with the square root of that sum, so stronger fields get more nodes. The
nodes come in pairs +-u that share their Bessel functions.

This is the reference, and the source of the tables of :mod:`smrestore.physics.moment_table`, which
are some fifteen times faster.
"""

import functools
import math

import numba
import numpy as np
from scipy.special import i0e, i1e

N_NODES = 48
REACH = 121.0
"""Largest alpha + |xi| that 48 nodes are enough for."""


@functools.cache
def quadrature(n_nodes: int) -> np.ndarray:
    """Return the nodes u > 0 of Gauss-Legendre quadrature on [-1, 1] with an even number of nodes.

    Returns
    -------
    numpy.ndarray
        float64 (3, n_nodes / 2), read-only: u, sqrt(1 - u^2) and weight.
    """
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    half = nodes > 0
    result = np.stack([nodes[half], np.sqrt(1 - nodes[half] ** 2), weights[half]])
    result.flags.writeable = False
    return result


def sufficient_quadrature(reach: float) -> np.ndarray:
    """Return the :func:`quadrature` that is exact up to alpha + |xi| = ``reach``."""
    return quadrature(2 * math.ceil(N_NODES / 2 * math.sqrt(max(1.0, reach / REACH))))


# Compiled loops cannot call SciPy. Its scaled Bessel functions are tabulated instead: polynomials
# of degree 6 on pieces of width 1/8, exact to 3e-13, where xi usually lies; beyond, one Chebyshev
# series in t = (x - c) / (x + c), exact to 1e-13 for every x >= 0.
_DEGREE = 6
_PIECES_PER_UNIT = 8
_TABLE_END = 128.0
_SERIES_CENTER = 6.0
_SERIES_DEGREE = 34


def _tabulate(function) -> np.ndarray:
    """Return coefficients (piece, power) in the distance from the middle of a piece, in pieces."""
    n_pieces = int(_TABLE_END * _PIECES_PER_UNIT)
    nodes = np.polynomial.chebyshev.chebpts1(_DEGREE + 1) / 2
    x = (np.arange(n_pieces)[:, None] + 0.5 + nodes) / _PIECES_PER_UNIT
    return np.linalg.solve(np.vander(nodes, increasing=True), function(x).T).T


def _expand(function) -> np.ndarray:
    def scaled(t: np.ndarray) -> np.ndarray:
        x = _SERIES_CENTER * (1 + t) / (1 - t)
        return np.sqrt(1 + x) * function(x)

    return np.polynomial.chebyshev.chebinterpolate(scaled, _SERIES_DEGREE)


_TABLE = np.ascontiguousarray(np.stack([_tabulate(i0e), _tabulate(i1e)], axis=-1))
_SERIES = np.stack([_expand(i0e), _expand(i1e)], axis=-1)


@numba.njit(cache=True)
def _bessel_series(x):
    t = (x - _SERIES_CENTER) / (x + _SERIES_CENTER)
    a0 = a1 = b0 = b1 = 0.0
    for k in range(_SERIES_DEGREE, 0, -1):  # Clenshaw's recurrence
        a0, a1 = 2 * t * a0 - a1 + _SERIES[k, 0], a0
        b0, b1 = 2 * t * b0 - b1 + _SERIES[k, 1], b0
    factor = 1 / np.sqrt(1 + x)
    return factor * (t * a0 - a1 + _SERIES[0, 0]), factor * (t * b0 - b1 + _SERIES[0, 1])


@numba.njit(cache=True, inline="always")
def _scaled_bessel(x):
    """Return exp(-x) I0(x) and exp(-x) I1(x) for x >= 0."""
    if x >= _TABLE_END:
        return _bessel_series(x)
    piece = int(x * _PIECES_PER_UNIT)
    y = x * _PIECES_PER_UNIT - piece - 0.5
    row = _TABLE[piece]
    bessel0, bessel1 = row[_DEGREE, 0], row[_DEGREE, 1]
    for k in range(_DEGREE - 1, -1, -1):
        bessel0 = bessel0 * y + row[k, 0]
        bessel1 = bessel1 * y + row[k, 1]
    return bessel0, bessel1


@numba.njit(cache=True, fastmath={"contract"}, error_model="numpy")
def moment_kernel(alpha, xi_parallel, xi_perpendicular, nodes):
    """Return (m_parallel, m_perpendicular) of one particle; scalars, for compiled callers."""
    parallel = abs(xi_parallel)
    # No exponent exceeds this bound, and the largest falls short of it by at most alpha.
    bound = alpha + np.sqrt(parallel * parallel + xi_perpendicular * xi_perpendicular)
    z = along = across = 0.0
    for j in range(nodes.shape[1]):
        u, sin = nodes[0, j], nodes[1, j]
        x = xi_perpendicular * sin
        bessel0, bessel1 = _scaled_bessel(x)
        up = nodes[2, j] * np.exp(alpha * u * u + parallel * u + x - bound)
        down = up * np.exp(-2 * parallel * u)
        z += (up + down) * bessel0
        along += (up - down) * bessel0 * u
        across += (up + down) * bessel1 * sin
    return np.copysign(along / z, xi_parallel), across / z


@numba.njit(cache=True, parallel=True)
def _mean_moment(alpha, xi_parallel, xi_perpendicular, nodes, along, across):
    for i in numba.prange(alpha.size):
        along[i], across[i] = moment_kernel(alpha[i], xi_parallel[i], xi_perpendicular[i], nodes)


def mean_moment(
    alpha_k: np.ndarray, xi_parallel: np.ndarray, xi_perpendicular: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean moment along and across the easy axis, in units of the particle's moment.

    Parameters
    ----------
    alpha_k
        Anisotropy energy K V / (k_B T), dimensionless, >= 0; 0 gives the Langevin function.
    xi_parallel, xi_perpendicular
        Reduced field m_0 B / (k_B T) along the easy axis (any sign) and across it (>= 0).

    Returns
    -------
    parallel, perpendicular
        float64 arrays of the broadcast shape, between -1 and 1; the perpendicular part points along
        the perpendicular field. Accurate to 1e-12.
    """
    arrays = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (alpha_k, xi_parallel, xi_perpendicular))
    )
    flat = [np.ascontiguousarray(a).ravel() for a in arrays]
    along, across = np.empty(flat[0].size), np.empty(flat[0].size)
    reach = (flat[0] + np.hypot(flat[1], flat[2])).max(initial=0.0)
    _mean_moment(*flat, sufficient_quadrature(reach), along, across)
    return along.reshape(arrays[0].shape), across.reshape(arrays[0].shape)


@numba.njit(cache=True, nogil=True)
def moment_samples(alpha, easy_axis, static_field, drive_field, drive_scale, nodes, moment):
    """Fill ``moment`` with the mean moment at some positions and samples of the drive field.

    Parameters
    ----------
    alpha
        Anisotropy energy at each position, float64 (P,).
    easy_axis
        Unit vectors, float64 (P, 3).
    static_field, drive_field
        Reduced static field, float64 (P, 3), and reduced drive field, float64 (3, T).
    drive_scale
        Factor on the drive field at each position, float64 (P, 3).
    nodes
        Of :func:`sufficient_quadrature`.
    moment
        float64 (3, T, P), in units of the particle's moment.
    """
    for p in range(static_field.shape[0]):
        nx, ny, nz = easy_axis[p]
        for t in range(drive_field.shape[1]):
            x = static_field[p, 0] + drive_scale[p, 0] * drive_field[0, t]
            y = static_field[p, 1] + drive_scale[p, 1] * drive_field[1, t]
            z = static_field[p, 2] + drive_scale[p, 2] * drive_field[2, t]
            parallel = x * nx + y * ny + z * nz
            x, y, z = x - parallel * nx, y - parallel * ny, z - parallel * nz
            perpendicular = np.sqrt(x * x + y * y + z * z)
            along, across = moment_kernel(alpha[p], parallel, perpendicular, nodes)
            scale = across / perpendicular if perpendicular > 0 else 0.0
            moment[0, t, p] = along * nx + scale * x
            moment[1, t, p] = along * ny + scale * y
            moment[2, t, p] = along * nz + scale * z
