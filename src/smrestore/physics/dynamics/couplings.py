"""The Fokker-Planck equation as equations of the moments of spherical harmonics.

With y_lm = sqrt(4 pi) E[Y_lm(m)] and the easy axis along z, the equation in
:mod:`smrestore.physics.dynamics.rotation` becomes linear ::

    dy/dt = D [ Lap + alpha_K (G_zz + (2 i / a) Z M) + sum_i xi_i (G_i + (i / a) L_i) ] y.

Here Lap = -l(l + 1), M = m, X, Y, Z multiply by the components of the direction, L_i are the
components of angular momentum, and ::

    G_i = (X_i Lap - Lap X_i + 2 X_i) / 2,    G_zz = (Z^2 Lap - Lap Z^2 - 2 + 6 Z^2) / 2

follow from grad f . grad Y = (Lap(f Y) - f Lap Y - Y Lap f) / 2 with f = x_i and z^2. These are the
equations of Coffey, Kalmykov and Waldron, The Langevin Equation (2nd ed. 2004), with the products
of spherical harmonics not yet written out.

The moments of -m are those of m, y_{l,-m} = (-1)^m conj(y_lm), so real and imaginary parts of
m >= 0 are the unknowns. They are ordered in blocks of equal m, of which only neighbors are coupled.
If the field stays in a plane with the easy axis, and nothing precesses, all moments are real once
the plane is that of x and z.
"""

import functools
from typing import NamedTuple

import numpy as np
from scipy import sparse

from smrestore.physics.vectors import LANES

TERMS = ("diffusion", "anisotropy", "field x", "field y", "field z")
"""What a coupling is multiplied by: D, D alpha_K, D xi_x, D xi_y, D xi_z."""


class Couplings(NamedTuple):
    """Couplings of unknowns up to some largest degree, and where unknowns are.

    Unknowns of block m start at ``start[m]`` and have ascending degree, real part first. Hence
    those of a lower largest degree are the first of each block. Numbers that address vectors of
    lanes are multiples of LANES.

    Attributes
    ----------
    width
        Unknowns of each degree in a block, 1 or 2, int64 (L + 1,).
    start
        Number of the first unknown of each block, and of all unknowns, int64 (L + 2,).
    inverse_start
        Place of the inverse of each block in memory, and the size of all, in vectors, int64
        (L + 2,).
    first
        First coupling of each unknown with those of the block before (m - 1), of its own block and
        of the block after, int64 (3, N).
    last
        The end of these, if degrees end at some largest one, int64 (3, N, L + 1).
    column, term
        What each coupling multiplies, and by what, int64 (E,), multiples of LANES.
    coefficient
        float64 (E,).
    """

    width: np.ndarray
    start: np.ndarray
    inverse_start: np.ndarray
    first: np.ndarray
    last: np.ndarray
    column: np.ndarray
    term: np.ndarray
    coefficient: np.ndarray

    @property
    def degree(self) -> int:
        """The largest degree L."""
        return len(self.width) - 1

    @property
    def n_unknowns(self) -> int:
        """Number of unknowns N."""
        return int(self.start[-1])


def _numbers(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Return l and m of all harmonics up to a degree; (l, m) is number l^2 + l + m."""
    number = np.arange((degree + 1) ** 2)
    ell = np.sqrt(number + 0.5).astype(np.int64)
    return ell, number - ell * ell - ell


def _directions(degree: int) -> dict[str, sparse.csr_array]:
    """Return the matrices that multiply harmonics by x + i y, x - i y and z.

    The rows of the highest degree are incomplete.
    """
    ell, m = _numbers(degree)
    size = len(ell)

    def matrix(*parts: tuple[np.ndarray, int, int]) -> sparse.csr_array:
        total = sparse.csr_array((size, size))
        for value, dl, dm in parts:
            to_l, to_m = ell + dl, m + dm
            there = (to_l >= 0) & (to_l <= degree) & (abs(to_m) <= to_l)
            column = (to_l * to_l + to_l + to_m)[there]
            rows = np.flatnonzero(there)
            total = total + sparse.csr_array((value[there], (rows, column)), shape=(size, size))
        return total

    above, below = (2 * ell + 1) * (2 * ell + 3.0), np.maximum((2 * ell - 1) * (2 * ell + 1.0), 1)

    def up(m: np.ndarray) -> np.ndarray:
        return np.sqrt((ell + m + 1) * (ell + m + 2) / above)

    def down(m: np.ndarray) -> np.ndarray:
        return np.sqrt(np.maximum((ell - m) * (ell - m - 1), 0) / below)

    return {
        "+": matrix((-up(m), 1, 1), (down(m), -1, 1)),
        "-": matrix((up(-m), 1, -1), (-down(-m), -1, -1)),
        "z": matrix(
            (np.sqrt(((ell + 1) ** 2 - m**2) / above), 1, 0),
            (np.sqrt(np.maximum(ell**2 - m**2, 0) / below), -1, 0),
        ),
        "L+": matrix((np.sqrt(np.maximum((ell - m) * (ell + m + 1.0), 0)), 0, 1)),
        "L-": matrix((np.sqrt(np.maximum((ell + m) * (ell - m + 1.0), 0)), 0, -1)),
    }


def complex_terms(degree: int, precession: float) -> list[sparse.csr_array]:
    """Return the matrices of :data:`TERMS` on all y_lm.

    Parameters
    ----------
    degree
        Largest degree L.
    precession
        1 / a, or 0 without precession.

    Returns
    -------
    list of scipy.sparse.csr_array
        complex128 ((L + 1)^2, (L + 1)^2); (l, m) is number l^2 + l + m.
    """
    ell, m = _numbers(degree + 2)
    by = _directions(degree + 2)
    x, y, z = (by["+"] + by["-"]) / 2, (by["+"] - by["-"]) / 2j, by["z"]
    turn_x, turn_y = (by["L+"] + by["L-"]) / 2, (by["L+"] - by["L-"]) / 2j
    laplace, turn_z = sparse.diags_array(-ell * (ell + 1.0)), sparse.diags_array(m * 1.0)
    square, one = z @ z, sparse.eye_array(len(ell))
    terms = [
        laplace,
        (square @ laplace - laplace @ square - 2 * one + 6 * square) / 2
        + 2j * precession * (turn_z @ z),
    ]
    for along, turn in ((x, turn_x), (y, turn_y), (z, turn_z)):
        terms.append((along @ laplace - laplace @ along + 2 * along) / 2 + 1j * precession * turn)
    size = (degree + 1) ** 2
    return [sparse.csr_array(term)[:size, :size] for term in terms]


@functools.lru_cache(maxsize=32)
def couplings(degree: int, plane: bool, precession: float = 0.0) -> Couplings:
    """Return the couplings of the unknowns.

    Parameters
    ----------
    degree
        Largest degree L.
    plane
        Whether all moments are real.
    precession
        1 / a, or 0 without precession.
    """
    orders = np.arange(degree + 1)
    width = np.where((orders == 0) | plane, 1, 2)
    sizes = width * (degree + 1 - orders)
    start = np.concatenate([[0], np.cumsum(sizes)])
    inverse_start = np.concatenate([[0], np.cumsum(sizes**2)])

    # Couplings of real and imaginary parts, with columns of negative m moved to positive ones.
    ell, m = _numbers(degree)
    row, column, term, value = [], [], [], []
    for number, matrix in enumerate(complex_terms(degree, precession)):
        entries = matrix.tocoo()
        keep = (m[entries.row] >= 0) & (entries.data != 0)
        r, c, v = entries.row[keep], entries.col[keep], entries.data[keep]
        flip = m[c] < 0
        sign = np.where(flip, (-1.0) ** m[c], 1.0)
        for to_imaginary in (0, 1):
            for of_imaginary in (0, 1):
                factor = v.imag if to_imaginary != of_imaginary else v.real
                factor = factor * sign
                if of_imaginary:
                    factor = np.where(flip, -factor, factor)
                    factor = factor if to_imaginary else -factor
                width_r, width_c = width[m[r]], width[abs(m[c])]
                there = (factor != 0) & (to_imaginary < width_r) & (of_imaginary < width_c)
                row.append((start[m[r]] + width_r * (ell[r] - m[r]) + to_imaginary)[there])
                at = start[abs(m[c])] + width_c * (ell[c] - abs(m[c])) + of_imaginary
                column.append(at[there])
                term.append(np.full(np.count_nonzero(there), number))
                value.append(factor[there])
    row, column, term, value = (np.concatenate(a) for a in (row, column, term, value))

    block = np.repeat(orders, sizes)
    unknown_degree = block + (np.arange(start[-1]) - start[block]) // width[block]
    group = block[column] - block[row] + 1
    # Equal unknowns and terms (m = 1 and -1 in rows of m = 0) are joined.
    order = np.lexsort((term, column, unknown_degree[column], row, group))
    row, column, term, value, group = (a[order] for a in (row, column, term, value, group))
    same = (np.diff(row) == 0) & (np.diff(column) == 0) & (np.diff(term) == 0)
    number = np.concatenate([[0], np.cumsum(~same)])
    head = np.flatnonzero(np.concatenate([[True], ~same]))
    value = np.bincount(number, value)
    row, column, term, group = row[head], column[head], term[head], group[head]

    size = start[-1]
    key = group * size + row
    first = np.searchsorted(key, np.arange(3 * size)).reshape(3, size)
    by_degree = key * (degree + 1) + unknown_degree[column]
    ends = np.arange(3 * size * (degree + 1))
    last = np.searchsorted(by_degree, ends, side="right").reshape(3, size, degree + 1)
    return Couplings(width, start, inverse_start, first, last, column * LANES, term * LANES, value)
