"""The mean moment by table: exact quadrature once, then polynomials of eight by eight coefficients.

The moment depends on the anisotropy alpha, the field along the easy axis and the field across it.
With q = |xi_par| and w = xi_perp^2, both m_par and m_perp / xi_perp are analytic in (alpha, q, w);
neither square root nor division is left in the inner loop, and xi_perp -> 0 is no special case.
Their nearest singularities lie at a distance of about pi/2 in q and pi^2 in w from the origin and
recede in proportion to the field, so cells in (q, w) grow with it: a few hundred cover all fields.
In alpha, where the singularities lie at a distance of about 5, pieces are of equal width.

Quadrature factorizes over a grid of nodes, exp(alpha u^2) exp(q u) I0(xi_perp sqrt(1 - u^2)), so a
table is three matrix products and costs milliseconds. Errors of a spectrum stay below 5e-9 of its
largest component over the parameters of table 1 of Tsanda et al. 2026.
"""

import functools
import math
from dataclasses import dataclass

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from scipy.special import i0e, i1e

from smrestore.physics.moment import sufficient_quadrature

N_TERMS = 8
"""Coefficients in q and in w. :func:`_evaluate_cell` is made for an even number."""
CELL_RATIO = 0.19
"""Width of a cell over the distance of the nearest singularity."""
N_ALPHA_TERMS = 6
"""Coefficients in alpha."""
ALPHA_WIDTH = 0.75
"""Width of a piece in alpha."""
CELL_SIZE = 2 * N_TERMS**2
"""Numbers in a cell: power of q, power of w, and which of the two moments, last fastest."""


@dataclass(frozen=True)
class Axis:
    """Cells along one variable.

    Attributes
    ----------
    middle, scale
        Middle of each cell and two over its width, float64 (n,).
    lookup
        Cell at each multiple of 1 / ``resolution``, int64.
    resolution
        Lookup places per unit.
    """

    middle: np.ndarray
    scale: np.ndarray
    lookup: np.ndarray
    resolution: float

    @classmethod
    def growing(cls, end: float, distance: float) -> "Axis":
        """Cover [0, end] with cells that grow from ``distance`` in proportion to it."""
        resolution = 40 / distance
        edges = [0]
        while edges[-1] < end * resolution:
            edges.append(edges[-1] + round(CELL_RATIO * (distance * resolution + edges[-1])))
        edges = np.array(edges)
        lookup = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        edges = edges / resolution
        return cls((edges[1:] + edges[:-1]) / 2, 2 / np.diff(edges), lookup, resolution)

    @property
    def end(self) -> float:
        """Largest value covered."""
        return len(self.lookup) / self.resolution

    def nodes(self) -> np.ndarray:
        """Return the Chebyshev nodes of all cells, float64 (n, N_TERMS)."""
        return self.middle[:, None] + _chebyshev(N_TERMS) / self.scale[:, None]


_chebyshev = np.polynomial.chebyshev.chebpts1


@functools.cache
def _to_powers(n: int) -> np.ndarray:
    """Return the matrix from values at n Chebyshev nodes to coefficients of powers."""
    return np.linalg.inv(np.vander(_chebyshev(n), increasing=True))


@dataclass(frozen=True)
class MomentTable:
    """The mean moment of one alpha, or of all up to a largest one.

    Attributes
    ----------
    coefficients
        float64 (pieces, cells in q, cells in w, power of alpha, CELL_SIZE).
    alpha_width
        Width of a piece in alpha; infinite for a table of one alpha.
    along, across
        Cells in q and in w.
    """

    coefficients: np.ndarray
    alpha_width: float
    along: Axis
    across: Axis

    def samples(
        self,
        alpha: np.ndarray,
        easy_axis: np.ndarray,
        static_field: np.ndarray,
        drive_field: np.ndarray,
        moment: np.ndarray,
    ) -> None:
        """Fill ``moment``; arguments as :func:`smrestore.physics.moment.moment_samples`."""
        _table_samples(
            self.coefficients.reshape(len(self.coefficients), -1, *self.coefficients.shape[3:]),
            self.alpha_width,
            self.along.middle,
            self.along.scale,
            self.along.lookup,
            self.along.resolution,
            self.across.middle,
            self.across.scale,
            self.across.lookup,
            self.across.resolution,
            alpha,
            easy_axis,
            static_field,
            drive_field,
            moment,
        )


def moment_table(alpha: np.ndarray, along: float, across: float) -> MomentTable:
    """Return a table for anisotropies ``alpha``, |xi_par| <= ``along`` and xi_perp <= ``across``.

    The range is rounded up to a few sizes, so that simulations share tables.
    """
    lowest, highest = float(np.min(alpha)), float(np.max(alpha))
    along, across = _rounded_up(along, 64.0), _rounded_up(across, 16.0)
    if lowest == highest:
        return _single_table(highest, along, across)
    # A value at the very end falls into the last piece.
    return _ranged_table(round(_rounded_up(highest, 14 * ALPHA_WIDTH) / ALPHA_WIDTH), along, across)


def _rounded_up(value: float, unit: float) -> float:
    """Return the smallest of unit, 2 unit, 4 unit, ... that is not below a value."""
    return unit * 2.0 ** max(0, math.ceil(math.log2(max(value, unit) / unit)))


@functools.lru_cache(maxsize=2)
def _single_table(alpha: float, along: float, across: float) -> MomentTable:
    return _build(np.array([[alpha]]), np.inf, along, across)


@functools.lru_cache(maxsize=4)
def _ranged_table(n_pieces: int, along: float, across: float) -> MomentTable:
    nodes = (np.arange(n_pieces)[:, None] + 0.5 + _chebyshev(N_ALPHA_TERMS) / 2) * ALPHA_WIDTH
    return _build(nodes, ALPHA_WIDTH, along, across)


def _build(alpha: np.ndarray, alpha_width: float, along: float, across: float) -> MomentTable:
    """Tabulate pieces with nodes ``alpha`` (pieces, nodes)."""
    q_axis, w_axis = Axis.growing(along, np.pi / 2), Axis.growing(across**2, np.pi**2)
    q, w = q_axis.nodes().ravel(), w_axis.nodes().ravel()
    reach = alpha.max() + math.hypot(q_axis.end, math.sqrt(w_axis.end))
    u, sin, weight = sufficient_quadrature(reach)
    up, down = np.exp(q[:, None] * (u - 1)), np.exp(-q[:, None] * (u + 1))
    perpendicular = np.sqrt(w)[:, None]
    x = perpendicular * sin
    decay = np.exp(perpendicular * (sin - 1))
    bessel0 = (i0e(x) * decay).T
    # I1(x) / x -> 1/2: the nodes of the cells are never 0, but they come close.
    bessel1 = (np.where(x > 1e-8, i1e(x) / np.maximum(x, 1e-8), 0.5) * sin**2 * decay).T
    n_pieces, n_nodes = alpha.shape
    cells = len(q_axis.middle), len(w_axis.middle)
    coefficients = np.empty((n_pieces, *cells, n_nodes, CELL_SIZE))
    moments = np.empty((3, n_nodes * len(q), len(w)))
    for piece in range(n_pieces):
        energy = weight * np.exp(alpha[piece, :, None, None] * (u**2 - 1))
        even = (energy * (up + down)).reshape(-1, len(u))
        odd = (energy * (up - down) * u).reshape(-1, len(u))
        np.matmul(even, bessel0, out=moments[0])
        np.matmul(odd, bessel0, out=moments[1])
        np.matmul(even, bessel1, out=moments[2])
        _fill_cells(
            moments.reshape(3, n_nodes, cells[0], N_TERMS, cells[1], N_TERMS),
            _to_powers(n_nodes),
            _to_powers(N_TERMS),
            coefficients[piece],
        )
    return MomentTable(coefficients, alpha_width, q_axis, w_axis)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _fill_cells(moments, to_alpha_powers, to_powers, coefficients):
    """Turn Z, Z m_par and Z m_perp / xi_perp at the nodes of all cells into coefficients."""
    n_alpha = to_alpha_powers.shape[0]
    values = np.empty((n_alpha, N_TERMS, N_TERMS, 2))
    in_w = np.empty_like(values)
    in_q = np.empty((n_alpha, CELL_SIZE))
    for a in range(coefficients.shape[0]):
        for b in range(coefficients.shape[1]):
            for x in range(n_alpha):
                for k in range(N_TERMS):
                    for m in range(N_TERMS):
                        scale = 1 / moments[0, x, a, k, b, m]
                        values[x, k, m, 0] = moments[1, x, a, k, b, m] * scale
                        values[x, k, m, 1] = moments[2, x, a, k, b, m] * scale
                    for j in range(N_TERMS):
                        for o in range(2):
                            in_w[x, k, j, o] = 0.0
                        for m in range(N_TERMS):
                            for o in range(2):
                                in_w[x, k, j, o] += to_powers[j, m] * values[x, k, m, o]
                rows = in_w[x].reshape(N_TERMS, 2 * N_TERMS)
                for i in range(N_TERMS):
                    row = in_q[x, i * 2 * N_TERMS : (i + 1) * 2 * N_TERMS]
                    row[:] = 0.0
                    for k in range(N_TERMS):
                        for j in range(2 * N_TERMS):
                            row[j] += to_powers[i, k] * rows[k, j]
            for power in range(n_alpha):
                target = coefficients[a, b, power]
                target[:] = 0.0
                for x in range(n_alpha):
                    for j in range(CELL_SIZE):
                        target[j] += to_alpha_powers[power, x] * in_q[x, j]


@intrinsic
def _evaluate_cell(typing_context, rows, row, u, v):
    """Return both polynomials sum_ij c[row, i, j, o] u^i v^j of a cell.

    The compiler does not find the parallelism across coefficients that lie next to each other, so
    the vector instructions are written down: Horner's rule in u for all powers of v and both
    polynomials at once, then in v^2 and v for pairs and single powers of v.
    """
    signature = types.UniTuple(types.float64, 2)(rows, types.int64, types.float64, types.float64)
    lanes = 2 * N_TERMS
    double, int32, int64 = ir.DoubleType(), ir.IntType(32), ir.IntType(64)

    def code(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        offset = builder.mul(arguments[1], ir.Constant(int64, CELL_SIZE))
        cell = builder.gep(array.data, [offset])

        def load(power):
            address = builder.gep(cell, [ir.Constant(int64, power * lanes)])
            vector = ir.VectorType(double, lanes)
            return builder.load(builder.bitcast(address, vector.as_pointer()), align=8)

        def part(vector, start, size):
            indices = ir.Constant(ir.VectorType(int32, size), list(range(start, start + size)))
            return builder.shuffle_vector(vector, vector, indices)

        def spread(scalar, size):
            undefined = ir.Constant(ir.VectorType(double, size), ir.Undefined)
            vector = builder.insert_element(undefined, scalar, ir.Constant(int32, 0))
            indices = ir.Constant(ir.VectorType(int32, size), [0] * size)
            return builder.shuffle_vector(vector, undefined, indices)

        def multiply_add(a, b, c):
            kind = ir.FunctionType(a.type, [a.type] * 3)
            name = f"llvm.fma.v{a.type.count}f64"
            function = cgutils.get_or_insert_function(builder.module, kind, name)
            return builder.call(function, [a, b, c])

        u, v = arguments[2:]
        u_vector = spread(u, lanes)
        powers_of_v = load(N_TERMS - 1)
        for power in range(N_TERMS - 2, -1, -1):
            powers_of_v = multiply_add(powers_of_v, u_vector, load(power))
        v_squared = spread(builder.fmul(v, v), 4)
        pair = part(powers_of_v, lanes - 4, 4)
        for start in range(lanes - 8, -1, -4):
            pair = multiply_add(pair, v_squared, part(powers_of_v, start, 4))
        result = multiply_add(part(pair, 2, 2), spread(v, 2), part(pair, 0, 2))
        moments = [builder.extract_element(result, ir.Constant(int32, o)) for o in (0, 1)]
        return context.make_tuple(builder, signature.return_type, moments)

    return signature, code


TILE = 4
"""Anisotropies that are handled together."""
CHUNK = 128
"""Samples that pass through the steps of the kernel together; they stay in the first cache."""


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _table_samples(
    coefficients,
    alpha_width,
    q_middle,
    q_scale,
    q_lookup,
    q_resolution,
    w_middle,
    w_scale,
    w_lookup,
    w_resolution,
    alpha,
    easy_axis,
    static_field,
    drive_field,
    moment,
):
    n_cells, n_powers = coefficients.shape[1:3]
    n_across = w_middle.size
    n_positions = static_field.shape[0]
    # Cells at the alphas of a tile of positions, made when a sample first falls into them: for all
    # alphas at once, because their coefficients come from far memory.
    rows = np.empty((n_cells * TILE, CELL_SIZE))
    ready = np.zeros(n_cells, dtype=np.int64)
    x = np.empty(TILE)
    generation = n_alphas = number = piece = 0
    parallel, rest = np.empty(CHUNK), np.empty((3, CHUNK))
    w = np.empty(CHUNK)
    u, v = np.empty(CHUNK), np.empty(CHUNK)
    row = np.empty(CHUNK, dtype=np.int64)
    for p in range(n_positions):
        # Positions of equal alpha follow each other, and share their cells.
        if p > 0 and alpha[p] != alpha[p - 1]:
            number += 1
        if number == n_alphas:
            piece = min(int(alpha[p] / alpha_width), coefficients.shape[0] - 1)
            generation += 1
            number = n_alphas = 0
            for other in range(p, n_positions):
                if other > p and alpha[other] == alpha[other - 1]:
                    continue
                place = 2 * (alpha[other] / alpha_width - piece) - 1
                if n_alphas == TILE or place < -1 or place > 1:
                    break
                x[n_alphas] = place
                n_alphas += 1
        nx, ny, nz = easy_axis[p]
        sx, sy, sz = static_field[p]
        for first in range(0, drive_field.shape[1], CHUNK):
            size = min(CHUNK, drive_field.shape[1] - first)
            for k in range(size):
                hx = sx + drive_field[0, first + k]
                hy = sy + drive_field[1, first + k]
                hz = sz + drive_field[2, first + k]
                along = hx * nx + hy * ny + hz * nz
                hx, hy, hz = hx - along * nx, hy - along * ny, hz - along * nz
                parallel[k], rest[0, k], rest[1, k], rest[2, k] = along, hx, hy, hz
                w[k] = hx * hx + hy * hy + hz * hz
            for k in range(size):
                q = abs(parallel[k])
                # Unsigned indices spare the compiled code the check for negative ones.
                a = q_lookup[np.uint64(np.int64(q * q_resolution))]
                b = w_lookup[np.uint64(np.int64(w[k] * w_resolution))]
                u[k] = (q - q_middle[np.uint64(a)]) * q_scale[np.uint64(a)]
                v[k] = (w[k] - w_middle[np.uint64(b)]) * w_scale[np.uint64(b)]
                c = a * n_across + b
                row[k] = c * TILE + number
                if ready[c] != generation:
                    ready[c] = generation
                    source = coefficients[piece, c]
                    if n_powers == 1:
                        rows[c * TILE] = source[0]
                        continue
                    for t in range(n_alphas):
                        place = x[t]
                        target = rows[c * TILE + t]
                        for n in range(CELL_SIZE):
                            value = source[N_ALPHA_TERMS - 1, n]
                            for power in range(N_ALPHA_TERMS - 2, -1, -1):
                                value = value * place + source[power, n]
                            target[n] = value
            for k in range(size):
                u[k], v[k] = _evaluate_cell(rows, row[k], u[k], v[k])
            for k in range(size):
                along, scale = np.copysign(u[k], parallel[k]), v[k]
                moment[p, 0, first + k] = along * nx + scale * rest[0, k]
                moment[p, 1, first + k] = along * ny + scale * rest[1, k]
                moment[p, 2, first + k] = along * nz + scale * rest[2, k]
