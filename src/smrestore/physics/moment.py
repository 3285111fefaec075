"""Mean magnetic moment of uniaxial particles in thermal equilibrium.

A particle with moment direction m, easy axis n and reduced field xi has the Boltzmann weight
exp(xi . m + alpha_K (n . m)^2) (Kluth, Szwargulski and Knopp, New J. Phys. 21, 2019). With xi split
along the easy axis (xi_parallel) and across it (xi_perpendicular >= 0), the azimuth integrates to a
modified Bessel function and one smooth integral over u = n . m in [-1, 1] is left::

    Z      = int exp(alpha u^2 + xi_par u) I0(xi_perp sqrt(1 - u^2)) du
    m_par  = int exp(alpha u^2 + xi_par u) I0(.) u du / Z
    m_perp = int exp(alpha u^2 + xi_par u) I1(.) sqrt(1 - u^2) du / Z

Gauss-Legendre quadrature with 48 nodes is exact to about 1e-14 for alpha <= 21 and |xi| <= 100. The
nodes come in pairs +-u that share their Bessel functions.
"""

import numba
import numpy as np
from scipy.special import i0e, i1e

N_NODES = 48

_nodes, _weights = np.polynomial.legendre.leggauss(N_NODES)
_U = np.ascontiguousarray(_nodes[N_NODES // 2 :])
_SIN = np.sqrt(1 - _U**2)
_WEIGHT = np.ascontiguousarray(_weights[N_NODES // 2 :])


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
def moment_kernel(alpha, xi_parallel, xi_perpendicular):
    """Return (m_parallel, m_perpendicular) of one particle; scalars, for compiled callers."""
    parallel = abs(xi_parallel)
    # No exponent exceeds this bound, and the largest falls short of it by at most alpha.
    bound = alpha + np.sqrt(parallel * parallel + xi_perpendicular * xi_perpendicular)
    z = along = across = 0.0
    for j in range(_U.size):
        u, sin = _U[j], _SIN[j]
        x = xi_perpendicular * sin
        bessel0, bessel1 = _scaled_bessel(x)
        up = _WEIGHT[j] * np.exp(alpha * u * u + parallel * u + x - bound)
        down = up * np.exp(-2 * parallel * u)
        z += (up + down) * bessel0
        along += (up - down) * bessel0 * u
        across += (up + down) * bessel1 * sin
    return np.copysign(along / z, xi_parallel), across / z


@numba.njit(cache=True, parallel=True)
def _mean_moment(alpha, xi_parallel, xi_perpendicular, along, across):
    for i in numba.prange(alpha.size):
        along[i], across[i] = moment_kernel(alpha[i], xi_parallel[i], xi_perpendicular[i])


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
        the perpendicular field. Accurate to 1e-9 for alpha_k <= 21 and |xi| <= 100.
    """
    arrays = np.broadcast_arrays(
        *(np.asarray(a, dtype=np.float64) for a in (alpha_k, xi_parallel, xi_perpendicular))
    )
    flat = [np.ascontiguousarray(a).ravel() for a in arrays]
    along, across = np.empty(flat[0].size), np.empty(flat[0].size)
    _mean_moment(*flat, along, across)
    return along.reshape(arrays[0].shape), across.reshape(arrays[0].shape)


@numba.njit(cache=True, parallel=True)
def moment_samples(alpha, easy_axis, static_field, drive_field):
    """Return the mean moment over positions and time, float64 (P, 3, T) in units of the moment.

    Parameters
    ----------
    alpha
        Anisotropy energy at each position, float64 (P,).
    easy_axis
        Unit vectors, float64 (P, 3).
    static_field, drive_field
        Reduced selection field, float64 (P, 3), and reduced drive field, float64 (3, T).
    """
    n_positions, n_times = static_field.shape[0], drive_field.shape[1]
    moment = np.empty((n_positions, 3, n_times))
    for p in numba.prange(n_positions):
        nx, ny, nz = easy_axis[p]
        for t in range(n_times):
            x = static_field[p, 0] + drive_field[0, t]
            y = static_field[p, 1] + drive_field[1, t]
            z = static_field[p, 2] + drive_field[2, t]
            parallel = x * nx + y * ny + z * nz
            x, y, z = x - parallel * nx, y - parallel * ny, z - parallel * nz
            perpendicular = np.sqrt(x * x + y * y + z * z)
            along, across = moment_kernel(alpha[p], parallel, perpendicular)
            scale = across / perpendicular if perpendicular > 0 else 0.0
            moment[p, 0, t] = along * nx + scale * x
            moment[p, 1, t] = along * ny + scale * y
            moment[p, 2, t] = along * nz + scale * z
    return moment


_LAST_TERM = 1382 / 638512875


@numba.njit(cache=True, parallel=True)
def langevin_samples(static_field, drive_field):
    """Return :func:`moment_samples` of particles without anisotropy: (coth(xi) - 1/xi) xi/|xi|."""
    n_positions, n_times = static_field.shape[0], drive_field.shape[1]
    moment = np.empty((n_positions, 3, n_times))
    for p in numba.prange(n_positions):
        for t in range(n_times):
            x = static_field[p, 0] + drive_field[0, t]
            y = static_field[p, 1] + drive_field[1, t]
            z = static_field[p, 2] + drive_field[2, t]
            squared = x * x + y * y + z * z
            if squared < 1e-2:
                # Taylor series: the closed form cancels here. The next term is below 1e-16.
                ratio = 1 / 3 - squared * (
                    1 / 45
                    - squared
                    * (
                        2 / 945
                        - squared * (1 / 4725 - squared * (2 / 93555 - squared * _LAST_TERM))
                    )
                )
            else:
                size = np.sqrt(squared)
                ratio = (1 / np.tanh(size) - 1 / size) / size
            moment[p, 0, t] = ratio * x
            moment[p, 1, t] = ratio * y
            moment[p, 2, t] = ratio * z
    return moment
