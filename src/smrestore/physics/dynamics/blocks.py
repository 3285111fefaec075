"""Linear systems (s - A) x = b at eight positions, by elimination of blocks of equal m.

A couples only blocks of neighboring m. They are eliminated from the smallest, m = L, to m = 0. The
inverse of each block, after elimination of those before, is kept: ::

    W_m = s - A_{m,m} - A_{m,m+1} inverse(W_{m+1}) A_{m+1,m}.

Blocks have up to 2(L + 1 - m) unknowns, and so this takes L^4 / 2 multiplications in a plane, eight
times as many in space; a solution takes 2 L^3 / 3 and four times as many. Elimination without
exchange of rows is stable, because s - A has a positive definite symmetric part in the scalar
product that the density of equilibrium weights.
"""

import numba

from smrestore.physics.dynamics.lanes import add_scaled, couple, dot_run, scale_run
from smrestore.physics.vectors import LANES, not_inlined

BEFORE, OWN, AFTER = 0, 1, 2
"""Groups of couplings: with the block of m - 1, of m, and of m + 1."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _invert(matrix, begin, n, keep):
    """Invert the n by n vectors from ``begin`` on in place; ``keep`` holds two vectors."""
    not_inlined()
    for k in range(n):
        pivot = (begin + k * n + k) * LANES
        for lane in range(LANES):
            keep[lane] = 1 / matrix[pivot + lane]
            matrix[pivot + lane] = 1.0
        scale_run(keep, 0, matrix, begin + k * n, n)
        for i in range(n):
            if i != k:
                place = (begin + i * n + k) * LANES
                for lane in range(LANES):
                    keep[LANES + lane] = matrix[place + lane]
                    matrix[place + lane] = 0.0
                add_scaled(-1.0, keep, 1, matrix, begin + k * n, 1, matrix, begin + i * n, 1, n)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def factorize(links, degree, shift, fields, memory):
    """Prepare :func:`solve`.

    Parameters
    ----------
    links
        :class:`~smrestore.physics.dynamics.couplings.Couplings`.
    degree
        Largest degree now.
    shift
        s in 1/s.
    fields
        What couplings are multiplied by, flat (terms * LANES,) in 1/s.
    memory
        :class:`~smrestore.physics.dynamics.rosenbrock.Memory`.
    """
    not_inlined()
    inverse, product, ones = memory.inverse, memory.product, memory.ones
    for m in range(degree, -1, -1):
        n, begin = links.width[m] * (degree + 1 - m), links.inverse_start[m]
        inverse[begin * LANES : (begin + n * n) * LANES] = 0.0
        origin = links.start[m]
        for i in range(n):
            row = origin + i
            place = (begin + i * n + i) * LANES
            for lane in range(LANES):
                inverse[place + lane] = shift
            for e in range(links.first[OWN, row], links.last[OWN, row, degree]):
                at = begin + i * n + links.column[e] // LANES - origin
                add_scaled(
                    -links.coefficient[e],
                    fields,
                    links.term[e] // LANES,
                    ones,
                    0,
                    1,
                    inverse,
                    at,
                    1,
                    1,
                )
        if m < degree:
            n_after, begin_after = links.width[m + 1] * (degree - m), links.inverse_start[m + 1]
            origin_after = links.start[m + 1]
            product[: n * n_after * LANES] = 0.0
            for i in range(n):
                row = origin + i
                for e in range(links.first[AFTER, row], links.last[AFTER, row, degree]):
                    j = links.column[e] // LANES - origin_after
                    add_scaled(
                        links.coefficient[e],
                        fields,
                        links.term[e] // LANES,
                        inverse,
                        begin_after + j * n_after,
                        1,
                        product,
                        i * n_after,
                        1,
                        n_after,
                    )
            for j in range(n_after):
                row = origin_after + j
                for e in range(links.first[BEFORE, row], links.last[BEFORE, row, degree]):
                    i = links.column[e] // LANES - origin
                    add_scaled(
                        -links.coefficient[e],
                        fields,
                        links.term[e] // LANES,
                        product,
                        j,
                        n_after,
                        inverse,
                        begin + i,
                        n,
                        n,
                    )
        _invert(inverse, begin, n, memory.keep)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _apply(links, group, row, degree, fields, x, y, place):
    """y[place] += the coupled unknowns of a row, of one group."""
    couple(
        links.first[group, row],
        links.last[group, row, degree],
        links.coefficient,
        links.term,
        links.column,
        fields,
        x,
        y,
        place,
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def apply(links, degree, fields, x, y):
    """y += A x."""
    not_inlined()
    for m in range(degree + 1):
        for row in range(links.start[m], links.start[m] + links.width[m] * (degree + 1 - m)):
            for group in range(3):
                _apply(links, group, row, degree, fields, x, y, row)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def solve(links, degree, fields, memory, b, x):
    """Solve (s - A) x = b with the s and the fields that were factorized; b is overwritten."""
    not_inlined()
    inverse = memory.inverse
    for m in range(degree, -1, -1):
        n, begin, origin = links.width[m] * (degree + 1 - m), links.inverse_start[m], links.start[m]
        if m < degree:
            for i in range(n):
                _apply(links, AFTER, origin + i, degree, fields, x, b, origin + i)
        for i in range(n):
            dot_run(inverse, begin + i * n, b, origin, n, x, origin + i, False)
    for m in range(1, degree + 1):
        n, begin, origin = links.width[m] * (degree + 1 - m), links.inverse_start[m], links.start[m]
        b[origin * LANES : (origin + n) * LANES] = 0.0
        for i in range(n):
            _apply(links, BEFORE, origin + i, degree, fields, x, b, origin + i)
        for i in range(n):
            dot_run(inverse, begin + i * n, b, origin, n, x, origin + i, True)
