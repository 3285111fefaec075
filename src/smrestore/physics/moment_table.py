"""The mean moment by table: exact quadrature once, then polynomials in small cells.

The moment depends on the anisotropy alpha, the field along the easy axis and the field across it.
With q = |xi_par| and w = xi_perp^2, both m_par and m_perp / xi_perp are analytic in (alpha, q, w);
neither square root nor division is left in the inner loop, and xi_perp -> 0 is no special case.
Their nearest singularities lie at a distance of about pi/2 in q and pi^2 in w from the origin and
recede in proportion to the field, so cells in (q, w) grow with it: a few hundred cover all fields.
In alpha, where the singularities lie at a distance of about 5, pieces are of equal width.

With x = SHIFT + q / UNIT, each octave of x holds four cells of equal width, so that the leading
bits of the floating-point number x are the number of the cell, and the others the place in it.

Quadrature factorizes over a grid of nodes, exp(alpha u^2) exp(q u) I0(xi_perp sqrt(1 - u^2)), so a
table is a few matrix products and costs milliseconds. Errors of a spectrum stay below 5e-9 of its
largest component over the parameters of table 1 of Tsanda et al. 2026.
"""

import functools
import math

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from scipy.special import i0e, i1e

from smrestore.physics.moment import sufficient_quadrature
from smrestore.physics.scratch import aligned
from smrestore.physics.vectors import (
    INT64,
    LANES,
    Lanes,
    absolute,
    copy_sign,
    dot,
    multiply_add,
    part,
    spread,
    vector_pointer,
)

SHIFT = 1.5
UNIT_ALONG, UNIT_ACROSS = 0.8, 5.0
"""Units of q and w that the sizes of cells follow from."""
CELL_BITS = 2
"""Leading bits of the mantissa that belong to the number of a cell."""
TERMS = (8, 8, 6, 6, 4, 4, 2, 2)
"""Coefficients in w for each power of q; pairs, as :func:`_evaluate_cell` wants them."""
N_NODES = len(TERMS)
"""Nodes of a cell in q and in w."""
CELL_SIZE = 2 * sum(TERMS)
"""Numbers in a cell: power of q, power of w, and which of the two moments, last fastest."""
N_ALPHA_TERMS = 6
"""Coefficients in alpha."""
ALPHA_WIDTH = 0.75
"""Width of a piece in alpha."""

_MANTISSA = 52
_FIRST_CELL = int(np.float64(SHIFT).view(np.int64)) >> (_MANTISSA - CELL_BITS)

_chebyshev = np.polynomial.chebyshev.chebpts1


def _cell_nodes(end: float, unit: float) -> np.ndarray:
    """Return the Chebyshev nodes of the cells that cover [0, ``end``], float64 (n, N_NODES)."""
    last = int(np.float64(SHIFT + end / unit).view(np.int64)) >> (_MANTISSA - CELL_BITS)
    bits = np.arange(_FIRST_CELL, last + 2) << (_MANTISSA - CELL_BITS)
    edges = (bits.view(np.float64) - SHIFT) * unit
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    return middle[:, None] + _chebyshev(N_NODES) * half[:, None]


@functools.cache
def _to_powers(n: int) -> np.ndarray:
    """Return the matrix from values at n Chebyshev nodes to coefficients of powers."""
    return np.linalg.inv(np.vander(_chebyshev(n), increasing=True))


@functools.cache
def _to_cell() -> np.ndarray:
    """Return the matrix from values at the nodes (q, w) of a cell to its coefficients.

    TERMS says where the Chebyshev series is cut off, and so which powers are left.
    """
    chebyshev = np.polynomial.chebyshev
    to_series = np.linalg.inv(chebyshev.chebvander(_chebyshev(N_NODES), N_NODES - 1))
    to_powers = np.zeros((N_NODES, N_NODES))
    for order in range(N_NODES):
        to_powers[: order + 1, order] = chebyshev.cheb2poly(np.eye(N_NODES)[order])[: order + 1]
    kept = np.arange(N_NODES) < np.array(TERMS)[:, None]
    series = np.einsum("ik,jl->klij", to_series, to_series) * kept
    powers = np.einsum("klij,ai,bj->klab", series, to_powers, to_powers)
    return powers[:, :, kept].reshape(N_NODES**2, -1)


def moment_table(alpha: np.ndarray, along: float, across: float) -> np.ndarray:
    """Return a table for anisotropies ``alpha``, |xi_par| <= ``along`` and xi_perp <= ``across``.

    The range is rounded up to a few sizes, so that simulations share tables.

    Returns
    -------
    numpy.ndarray
        float64 (piece in alpha, cell in q, cell in w, power of alpha, CELL_SIZE). A table of one
        alpha has one piece and one power.
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
def _single_table(alpha: float, along: float, across: float) -> np.ndarray:
    return _build(np.array([[alpha]]), along, across)


@functools.lru_cache(maxsize=4)
def _ranged_table(n_pieces: int, along: float, across: float) -> np.ndarray:
    nodes = (np.arange(n_pieces)[:, None] + 0.5 + _chebyshev(N_ALPHA_TERMS) / 2) * ALPHA_WIDTH
    return _build(nodes, along, across)


def _build(alpha: np.ndarray, along: float, across: float) -> np.ndarray:
    """Tabulate pieces with nodes ``alpha`` (pieces, nodes)."""
    q, w = _cell_nodes(along, UNIT_ALONG), _cell_nodes(across**2, UNIT_ACROSS)
    n_pieces, n_alphas = alpha.shape
    n_cells = len(q), len(w)
    q, w = q.ravel(), w.ravel()
    u, sin, weight = sufficient_quadrature(alpha.max() + math.hypot(q[-1], math.sqrt(w[-1])))
    up, down = np.exp(q[:, None] * (u - 1)), np.exp(-q[:, None] * (u + 1))
    perpendicular = np.sqrt(w)[:, None]
    x = perpendicular * sin
    decay = np.exp(perpendicular * (sin - 1))
    bessel0 = (i0e(x) * decay).T
    # I1(x) / x -> 1/2: the nodes of the cells are never 0, but they come close.
    bessel1 = (np.where(x > 1e-8, i1e(x) / np.maximum(x, 1e-8), 0.5) * sin**2 * decay).T
    shape = (n_pieces, *n_cells, n_alphas, CELL_SIZE)
    table = aligned(math.prod(shape)).reshape(shape)
    for piece in range(n_pieces):
        energy = weight * np.exp(alpha[piece, :, None, None] * (u**2 - 1))
        even = (energy * (up + down)).reshape(-1, len(u))
        odd = (energy * (up - down) * u).reshape(-1, len(u))
        scale = 1 / (even @ bessel0)
        moments = np.stack([odd @ bessel0 * scale, even @ bessel1 * scale])
        moments = moments.reshape(2, n_alphas, n_cells[0], N_NODES, n_cells[1], N_NODES)
        cells = moments.transpose(2, 4, 1, 0, 3, 5).reshape(-1, N_NODES**2) @ _to_cell()
        cells = cells.reshape(*n_cells, n_alphas, 2, -1).swapaxes(-1, -2)
        np.matmul(_to_powers(n_alphas), cells.reshape(*n_cells, n_alphas, -1), out=table[piece])
    return table


@intrinsic
def _evaluate_cell(typing_context, cells, row, u, v):
    """Return both polynomials sum_ij c[row, i, j, o] u^i v^j of a cell.

    Horner's rule in u for all powers of v and both polynomials at once, then in v^2 and v for pairs
    and single powers of v.
    """
    signature = types.UniTuple(types.float64, 2)(cells, types.int64, types.float64, types.float64)

    def code(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        start = builder.mul(arguments[1], INT64(CELL_SIZE))
        u, v = arguments[2:]
        u_vector, v_squared = spread(builder, u, 4), spread(builder, builder.fmul(v, v), 4)

        def load(power, pair):
            place = builder.add(start, INT64(2 * sum(TERMS[:power]) + 4 * pair))
            return builder.load(vector_pointer(builder, array.data, place, 4), align=8)

        totals = []
        for power in reversed(range(N_NODES)):
            totals = [
                multiply_add(builder, total, u_vector, load(power, pair))
                for pair, total in enumerate(totals)
            ]
            totals += [load(power, pair) for pair in range(len(totals), TERMS[power] // 2)]
        result = totals.pop()
        while totals:
            result = multiply_add(builder, result, v_squared, totals.pop())
        odd, even = part(builder, result, (2, 3)), part(builder, result, (0, 1))
        result = multiply_add(builder, odd, spread(builder, v, 2), even)
        moments = [builder.extract_element(result, ir.IntType(32)(o)) for o in (0, 1)]
        return context.make_tuple(builder, signature.return_type, moments)

    return signature, code


def _find_cells(builder, value, unit):
    """Return the cells that eight values of q or w fall into, and their places there in [-1, 1)."""
    doubles = value.type
    integers = ir.VectorType(INT64, doubles.count)

    def constant(kind, number):
        return ir.Constant(kind, [number] * doubles.count)

    x = multiply_add(builder, value, constant(doubles, 1 / unit), constant(doubles, SHIFT))
    bits = builder.bitcast(x, integers)
    cell = builder.lshr(bits, constant(integers, _MANTISSA - CELL_BITS))
    place = builder.shl(bits, constant(integers, CELL_BITS))
    place = builder.and_(place, constant(integers, (1 << _MANTISSA) - 1))
    # The bits of a number in [1, 2).
    place = builder.or_(place, constant(integers, int(np.float64(1).view(np.int64))))
    place = builder.bitcast(place, doubles)
    return cell, multiply_add(builder, place, constant(doubles, 2.0), constant(doubles, -3.0))


NODES = 16
"""Nodes that pass through the steps of the kernel together; they stay in the first cache."""
STEP = NODES * LANES
# Places of the steps' results in a flat array, in units of STEP.
PARALLEL, REST, U, V = 0, 1, 4, 5
N_RESULTS = 6


@intrinsic
def _split_field(typing_context, positions, drive, node, n_nodes, n_across, results, place, cells):
    """Split the field at a node along and across the easy axis, for all lanes.

    ``positions`` flat float64 (9, LANES): static field, easy axis, then scale of the drive field;
    ``drive`` flat (3, n_nodes); ``n_across`` cells in w. Writes xi_par and the vector across at
    ``place`` of PARALLEL and REST, the number of the cell to ``cells`` and the place in it to U, V.
    """
    integer = types.int64
    signature = types.void(positions, drive, integer, integer, integer, results, integer, cells)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, _, node, n_nodes, n_across, _, place, _ = arguments
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
        row, u = _find_cells(builder, absolute(builder, along), UNIT_ALONG)
        column, v = _find_cells(builder, dot(builder, rest, rest), UNIT_ACROSS)
        for number, vector in (
            (PARALLEL, along),
            *((REST + c, vector) for c, vector in enumerate(rest)),
            (U, u),
            (V, v),
        ):
            memory.store(5, builder.add(place, INT64(number * STEP)), vector)
        # Both factors are known to have 32 bits, for which there is a vector instruction.
        width = builder.zext(builder.trunc(n_across, ir.IntType(32)), INT64)
        row = builder.sub(row, spread(builder, INT64(_FIRST_CELL), LANES))
        cell = builder.add(builder.mul(row, spread(builder, width, LANES)), column)
        memory.store(7, place, builder.sub(cell, spread(builder, INT64(_FIRST_CELL), LANES)))
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
def table_samples(table, alpha, easy_axis, static_field, drive_field, drive_scale, cells, moment):
    """Fill ``moment`` with the mean moment at some positions and samples of the drive field.

    Parameters
    ----------
    table
        Of :func:`moment_table`.
    alpha, easy_axis, static_field, drive_field, drive_scale
        As :func:`smrestore.physics.moment.moment_samples`, with P <= LANES.
    cells
        Flat memory for LANES cells for each one of the table.
    moment
        float64 (3, T, LANES), in units of the particle's moment. Lanes without a position are
        filled with something finite.
    """
    n_across, n_powers = table.shape[2:4]
    coefficients = table.reshape(table.shape[0], -1, n_powers, CELL_SIZE)
    # Each lane has its alpha; equal ones share their cells, as those of immobilized particles do.
    n_positions, n_alphas = alpha.size, 0
    alphas = np.empty(LANES)
    slot = np.empty(LANES, dtype=np.int64)
    for lane in range(n_positions):
        slot[lane] = n_alphas
        for other in range(n_alphas):
            if alphas[other] == alpha[lane]:
                slot[lane] = other
        if slot[lane] == n_alphas:
            alphas[n_alphas] = alpha[lane]
            n_alphas += 1
    pieces = np.empty(n_alphas, dtype=np.int64)
    for number in range(n_alphas):
        piece = min(int(alphas[number] / ALPHA_WIDTH), coefficients.shape[0] - 1)
        pieces[number] = piece
        alphas[number] = 2 * (alphas[number] / ALPHA_WIDTH - piece) - 1
    # Cells at these alphas are made when a sample first falls into them, for all alphas at once,
    # because their coefficients come from far memory. The table of one alpha holds them already.
    ready = np.zeros(coefficients.shape[1], dtype=np.bool_)
    at_alphas = table.reshape(-1) if n_powers == 1 else cells
    positions = np.empty(9 * LANES)
    for c in range(3):
        for lane in range(LANES):
            p = min(lane, n_positions - 1)
            positions[c * LANES + lane] = static_field[p, c]
            positions[(c + 3) * LANES + lane] = easy_axis[p, c]
            positions[(c + 6) * LANES + lane] = drive_scale[p, c]
    n_nodes = drive_field.shape[1]
    drive, flat_moment = drive_field.reshape(-1), moment.reshape(-1)
    results = np.empty(N_RESULTS * STEP)
    u, v = results[U * STEP :], results[V * STEP :]
    cell_of = np.empty(STEP, dtype=np.int64)
    for first in range(0, n_nodes, NODES):
        size = min(NODES, n_nodes - first)
        for k in range(size):
            _split_field(
                positions, drive, first + k, n_nodes, n_across, results, k * LANES, cell_of
            )
        if n_powers > 1:
            for k in range(size * LANES):
                cell = cell_of[k]
                # Unsigned indices spare the compiled code the check for negative ones.
                if not ready[np.uint64(cell)]:
                    ready[cell] = True
                    for number in range(n_alphas):
                        _fix_alpha(
                            coefficients[pieces[number], cell],
                            alphas[number],
                            at_alphas[(cell * n_alphas + number) * CELL_SIZE :],
                        )
        for lane in range(n_positions):
            for k in range(np.uint64(lane), np.uint64(size * LANES), np.uint64(LANES)):
                row = cell_of[k] * n_alphas + slot[np.uint64(lane)]
                u[k], v[k] = _evaluate_cell(at_alphas, row, u[k], v[k])
        for k in range(size):
            _join_moment(positions, results, k * LANES, flat_moment, first + k, n_nodes)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def _fix_alpha(source, alpha, target):
    """Evaluate the polynomials in alpha of a cell, (N_ALPHA_TERMS, CELL_SIZE)."""
    for n in range(CELL_SIZE):
        value = source[N_ALPHA_TERMS - 1, n]
        for power in range(N_ALPHA_TERMS - 2, -1, -1):
            value = value * alpha + source[power, n]
        target[n] = value
