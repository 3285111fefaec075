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
from numba.core import types
from numba.extending import intrinsic
from scipy.special import i0e, i1e

from smrestore.physics.moment import sufficient_quadrature
from smrestore.physics.scratch import scratch
from smrestore.physics.vectors import (
    INT64,
    LANES,
    Lanes,
    copy_sign,
    dot,
    multiply_add,
    part,
    spread,
    vector_pointer,
)

N_TERMS = 8
"""Coefficients in q and in w. :func:`_evaluate_cell` is made for an even number."""
CELL_RATIO = 0.19
"""Width of a cell over the distance of the nearest singularity."""
PLACES = 16
"""Places to look cells up, up to the distance of the nearest singularity from the origin."""
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
        Cell at each multiple of 1 / ``resolution``, uint16: small, to stay in the first cache.
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
        resolution = PLACES / distance
        edges = [0]
        while edges[-1] < end * resolution:
            edges.append(edges[-1] + int(CELL_RATIO * (PLACES + edges[-1])))
        edges = np.array(edges)
        lookup = np.repeat(np.arange(len(edges) - 1, dtype=np.uint16), np.diff(edges))
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
        float64 (pieces, cells, power of alpha, CELL_SIZE); cells in q, then w.
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
        drive_scale: np.ndarray | None = None,
    ) -> None:
        """Fill ``moment``; arguments as :func:`smrestore.physics.moment.moment_samples`.

        ``drive_scale`` is 1 if not given.
        """
        n_cells = self.coefficients.shape[1]
        cells = scratch("cells", n_cells * LANES * CELL_SIZE).reshape(-1, CELL_SIZE)
        _table_samples(
            self.coefficients,
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
            np.ones_like(static_field) if drive_scale is None else drive_scale,
            cells,
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
    shape = (n_pieces, -1, n_nodes, CELL_SIZE)
    return MomentTable(coefficients.reshape(shape), alpha_width, q_axis, w_axis)


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

    Horner's rule in u for all powers of v and both polynomials at once, then in v^2 and v for pairs
    and single powers of v.
    """
    signature = types.UniTuple(types.float64, 2)(rows, types.int64, types.float64, types.float64)
    lanes = 2 * N_TERMS

    def code(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        start = builder.mul(arguments[1], INT64(CELL_SIZE))

        def load(power):
            place = builder.add(start, INT64(power * lanes))
            return builder.load(vector_pointer(builder, array.data, place, lanes), align=8)

        u, v = arguments[2:]
        u_vector = spread(builder, u, lanes)
        total = load(N_TERMS - 1)
        for power in range(N_TERMS - 2, -1, -1):
            total = multiply_add(builder, total, u_vector, load(power))
        v_squared = spread(builder, builder.fmul(v, v), 4)
        pair = part(builder, total, range(lanes - 4, lanes))
        for first in range(lanes - 8, -1, -4):
            more = part(builder, total, range(first, first + 4))
            pair = multiply_add(builder, pair, v_squared, more)
        odd, even = part(builder, pair, (2, 3)), part(builder, pair, (0, 1))
        result = multiply_add(builder, odd, spread(builder, v, 2), even)
        moments = [builder.extract_element(result, ir.IntType(32)(o)) for o in (0, 1)]
        return context.make_tuple(builder, signature.return_type, moments)

    return signature, code


NODES = 16
"""Nodes that pass through the steps of the kernel together; they stay in the first cache."""
STEP = NODES * LANES
# Places of the steps' results in a flat array, in units of STEP.
PARALLEL, W, REST, U, V = 0, 1, 2, 5, 6
N_RESULTS = 7


@intrinsic
def _split_field(typing_context, positions, drive, node, n_nodes, results, place):
    """Split the field at a node along and across the easy axis, for all lanes.

    ``positions`` flat float64 (9, LANES): static field, easy axis, then scale of the drive field;
    ``drive`` flat (3, n_nodes). Writes xi_par, xi_perp^2 and the vector across at ``place`` of
    PARALLEL, W, REST.
    """
    integer = types.int64
    signature = types.void(positions, drive, integer, integer, results, integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, _, node, n_nodes, _, place = arguments
        field, axis = [], []
        for c in range(3):
            where = builder.add(node, builder.mul(n_nodes, INT64(c)))
            drive = builder.load(builder.gep(memory.data(1), [where]))
            static, scale = memory.load(0, INT64(c * LANES)), memory.load(0, INT64((c + 6) * LANES))
            field.append(multiply_add(builder, scale, memory.spread(drive), static))
            axis.append(memory.load(0, INT64((c + 3) * LANES)))
        along = dot(builder, field, axis)
        back = builder.fneg(along)
        rest = [multiply_add(builder, back, n, h) for n, h in zip(axis, field, strict=True)]
        for number, vector in (
            (PARALLEL, along),
            (W, dot(builder, rest, rest)),
            *((REST + c, vector) for c, vector in enumerate(rest)),
        ):
            memory.store(4, builder.add(place, INT64(number * STEP)), vector)
        return context.get_dummy_value()

    return signature, code


@intrinsic
def _join_moment(typing_context, positions, results, place, moment, node, n_nodes):
    """Write the moment at a node from its parts along (V of the tables) and across the easy axis.

    ``moment`` flat float64 (3, n_nodes, LANES).
    """
    integer = types.int64
    signature = types.void(positions, results, integer, moment, integer, integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, _, place, _, node, n_nodes = arguments

        def result(number):
            return memory.load(1, builder.add(place, INT64(number * STEP)))

        along = copy_sign(builder, result(U), result(PARALLEL))
        scale = result(V)
        for c in range(3):
            part = builder.fmul(scale, result(REST + c))
            part = multiply_add(builder, along, memory.load(0, INT64((c + 3) * LANES)), part)
            where = builder.add(node, builder.mul(n_nodes, INT64(c)))
            memory.store(3, builder.mul(where, INT64(LANES)), part)
        return context.get_dummy_value()

    return signature, code


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
    drive_scale,
    cells,
    moment,
):
    n_powers = coefficients.shape[2]
    n_across = w_middle.size
    # Each lane has its alpha; equal ones share their cells, as those of immobilized particles do.
    n_alphas = 0
    alphas = np.empty(LANES)
    slot = np.empty(LANES, dtype=np.int64)
    for lane in range(LANES):
        slot[lane] = n_alphas
        for other in range(n_alphas):
            if alphas[other] == alpha[lane]:
                slot[lane] = other
        if slot[lane] == n_alphas:
            alphas[n_alphas] = alpha[lane]
            n_alphas += 1
    pieces = np.empty(LANES, dtype=np.int64)
    for number in range(n_alphas):
        piece = min(int(alphas[number] / alpha_width), coefficients.shape[0] - 1)
        pieces[number] = piece
        alphas[number] = 2 * (alphas[number] / alpha_width - piece) - 1
    # Cells at these alphas are made when a sample first falls into them, for all alphas at once,
    # because their coefficients come from far memory.
    ready = np.zeros(coefficients.shape[1], dtype=np.bool_)
    positions = np.empty(9 * LANES)
    for c in range(3):
        for lane in range(LANES):
            positions[c * LANES + lane] = static_field[lane, c]
            positions[(c + 3) * LANES + lane] = easy_axis[lane, c]
            positions[(c + 6) * LANES + lane] = drive_scale[lane, c]
    n_nodes = drive_field.shape[1]
    drive, flat_moment = drive_field.reshape(-1), moment.reshape(-1)
    results = np.empty(N_RESULTS * STEP)
    parallel, w = results[PARALLEL * STEP :], results[W * STEP :]
    u, v = results[U * STEP :], results[V * STEP :]
    row = np.empty(STEP, dtype=np.int64)
    for first in range(0, n_nodes, NODES):
        size = min(NODES, n_nodes - first)
        for k in range(size):
            _split_field(positions, drive, first + k, n_nodes, results, k * LANES)
        for k in range(size * LANES):
            q, across = abs(parallel[k]), w[k]
            # Unsigned indices spare the compiled code the check for negative ones.
            a = np.int64(q_lookup[np.uint64(np.int64(q * q_resolution))])
            b = np.int64(w_lookup[np.uint64(np.int64(across * w_resolution))])
            u[k] = (q - q_middle[np.uint64(a)]) * q_scale[np.uint64(a)]
            v[k] = (across - w_middle[np.uint64(b)]) * w_scale[np.uint64(b)]
            cell = a * n_across + b
            row[k] = cell * n_alphas + slot[np.uint64(k % LANES)]
            if not ready[np.uint64(cell)]:
                ready[cell] = True
                for number in range(n_alphas):
                    source = coefficients[pieces[number], cell]
                    target = cells[cell * n_alphas + number]
                    if n_powers == 1:
                        target[:] = source[0]
                        continue
                    place = alphas[number]
                    for n in range(CELL_SIZE):
                        value = source[N_ALPHA_TERMS - 1, n]
                        for power in range(N_ALPHA_TERMS - 2, -1, -1):
                            value = value * place + source[power, n]
                        target[n] = value
        for k in range(size * LANES):
            u[k], v[k] = _evaluate_cell(cells, row[k], u[k], v[k])
        for k in range(size):
            _join_moment(positions, results, k * LANES, flat_moment, first + k, n_nodes)
