"""Steps in time: Rodas5P, an L-stable Rosenbrock method of order 5 with dense output of order 4.

G. Steinebach, BIT Numer. Math. 63 (2023) 27. A step takes one factorization and eight solutions of
linear systems, where other implicit methods of this order take several factorizations, and it keeps
its order where the stiff part of the equation changes with time. An embedded method of order 4
gives the error.

The largest degree of the harmonics follows the density: it grows while the moments of the two
highest degrees exceed a bound, and shrinks while those of the four highest are far below.
"""

from typing import NamedTuple

import numba
import numpy as np

from smrestore.physics.dynamics.blocks import apply, factorize, solve
from smrestore.physics.dynamics.couplings import TERMS, Couplings
from smrestore.physics.dynamics.lanes import largest_of
from smrestore.physics.scratch import aligned
from smrestore.physics.vectors import LANES

N_STAGES = 8
_GAMMA = 0.21193756319429014
_LAST = (
    -7.502846399306121,
    2.561846144803919,
    -11.627539656261098,
    -0.18268767659942256,
    0.030198172008377946,
)


def _lower(*rows: tuple[float, ...]) -> np.ndarray:
    matrix = np.zeros((N_STAGES, N_STAGES))
    for i, row in enumerate(rows, start=1):
        matrix[i, : len(row)] = row
    return matrix


_A = _lower(
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    _LAST,
    (*_LAST, 1.0),
    (*_LAST, 1.0, 1.0),
)
_C = _lower(
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (
        24.854864614690072,
        -3.0009227002832186,
        47.4931110020768,
        5.5814197821558125,
        -0.6610691825249471,
    ),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)
_TIMES = np.array(
    [0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1, 1, 1]
)
_SLOPES = np.array(
    [_GAMMA, -0.42387512638858027, -0.3384627126235924, 1.8046452872882734, 2.325825639765069]
    + 3 * [0.0]
)
_DENSE = np.array(
    [
        [
            25.948786856663858,
            -2.5579724845846235,
            10.433815404888879,
            -2.3679251022685204,
            0.524948541321073,
            1.1241088310450404,
            0.4272876194431874,
            -0.17202221070155493,
        ],
        [
            -9.91568850695171,
            -0.9689944594115154,
            3.0438037242978453,
            -24.495224566215796,
            20.176138334709044,
            15.98066361424651,
            -6.789040303419874,
            -6.710236069923372,
        ],
        [
            11.419903575922262,
            2.8879645146136994,
            72.92137995996029,
            80.12511834622643,
            -52.072871366152654,
            -59.78993625266729,
            -0.15582684282751913,
            4.883087185713722,
        ],
    ]
)

_ONE = np.ones(1)

DONE, DEGREE_TOO_LOW, STEP_TOO_SHORT = 0, 1, 2
"""What :func:`integrate` returns first."""
LOWEST_DEGREE = 4
_SHORTEST = 1e-13
"""Shortest step over the time that is integrated to: beyond it, times differ by their rounding."""


class Fields(NamedTuple):
    """What the field is at eight positions, as rates D xi in 1/s, in the frame of the easy axis.

    Attributes
    ----------
    constant
        D, D alpha_K and D xi of the static field along x, y, z, flat (terms * LANES,).
    drive
        The same of the drive field of each axis at its largest, (3, 3 * LANES).
    frequency
        Angular frequency of each axis in rad/s, (3,).
    phase
        Of each axis in rad, (3,).
    """

    constant: np.ndarray
    drive: np.ndarray
    frequency: np.ndarray
    phase: np.ndarray


class Memory(NamedTuple):
    """Working memory of a thread: flat float64 arrays that hold vectors of lanes."""

    inverse: np.ndarray
    product: np.ndarray
    keep: np.ndarray
    ones: np.ndarray
    fields: np.ndarray
    stage_fields: np.ndarray
    slopes: np.ndarray
    stage: np.ndarray
    right: np.ndarray
    time_slope: np.ndarray
    increments: np.ndarray
    new: np.ndarray
    largest: np.ndarray


def memory_size(links: Couplings) -> int:
    """Return the size of :class:`Memory` in bytes."""
    widest = int((links.width * (links.degree + 1 - np.arange(links.degree + 1))).max())
    vectors = int(links.inverse_start[-1]) + widest**2 + (N_STAGES + 4) * links.n_unknowns
    return 8 * LANES * vectors


def make_memory(links: Couplings) -> Memory:
    """Return working memory for the largest degree of these couplings."""
    n = links.n_unknowns * LANES
    widest = int((links.width * (links.degree + 1 - np.arange(links.degree + 1))).max())
    ones = aligned(LANES)
    ones[:] = 1.0
    return Memory(
        aligned(int(links.inverse_start[-1]) * LANES),
        aligned(widest**2 * LANES),
        aligned(2 * LANES),
        ones,
        *(aligned(len(TERMS) * LANES) for _ in range(3)),
        *(aligned(n) for _ in range(3)),
        aligned(N_STAGES * n).reshape(N_STAGES, n),
        aligned(n),
        aligned(LANES),
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _set_fields(fields, time, target, slope):
    """Fill the rates at a time, or with ``slope`` their derivatives."""
    for i in range(target.size):
        target[i] = 0.0 if slope else fields.constant[i]
    for axis in range(3):
        angle = fields.frequency[axis] * time + fields.phase[axis]
        factor = -fields.frequency[axis] * np.sin(angle) if slope else np.cos(angle)
        for i in range(3 * LANES):
            target[2 * LANES + i] += factor * fields.drive[axis, i]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _combine(links, degree, factor, base, scale, weights, increments, n, target):
    """target = factor base + scale sum_j weights[j] increments[j] for j < n."""
    for m in range(degree + 1):
        begin = links.start[m] * LANES
        size = links.width[m] * (degree + 1 - m) * LANES
        to, of = target[begin : begin + size], base[begin : begin + size]
        for i in range(size):
            to[i] = factor * of[i]
        for j in range(n):
            weight, increment = scale * weights[j], increments[j, begin : begin + size]
            if weight != 0:
                for i in range(size):
                    to[i] += weight * increment[i]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _largest(links, degree, lowest, values, target):
    """Return the largest magnitude of unknowns of the degrees ``lowest`` and above."""
    for lane in range(LANES):
        target[lane] = 0.0
    for m in range(degree + 1):
        skipped = max(lowest - m, 0)
        n = links.width[m] * (degree + 1 - m - skipped)
        largest_of(values, links.start[m] + links.width[m] * skipped, n, target, 0)
    result = 0.0
    for lane in range(LANES):
        if not target[lane] <= result:
            result = target[lane]
    return result


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _clear(links, degree, below, values):
    """Set unknowns of degrees above ``degree``, up to ``below``, to 0."""
    for m in range(below + 1):
        kept = max(degree + 1 - m, 0)
        begin = (links.start[m] + links.width[m] * kept) * LANES
        end = (links.start[m] + links.width[m] * (below + 1 - m)) * LANES
        values[begin:end] = 0.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def equilibrium(links, fields, time, degree, tail, memory, state):
    """Fill the state of equilibrium in the field at a time, and return its largest degree.

    The degree is the lowest from ``degree`` on at which the two highest degrees stay below
    ``tail``; -1 if the couplings have none.
    """
    top = len(links.width) - 1
    state[:] = 0.0
    _set_fields(fields, time, memory.fields, False)
    shift = 1e-20 * fields.constant[0]
    while True:
        factorize(links, degree, shift, memory.fields, memory)
        memory.right[:] = 0.0
        memory.right[:LANES] = shift
        solve(links, degree, memory.fields, memory, memory.right, state)
        if _largest(links, degree, degree - 1, state, memory.largest) <= tail:
            return degree
        if degree == top:
            return -1
        degree = min(degree + 2, top)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _record(links, begin, step, state, new, increments, interval, done, stop, moments):
    """Write the dipole moments at samples from ``done`` on within a step, and return the next.

    ``moments`` (3, V, LANES) are along x, y, z of the frame of the easy axis.
    """
    unknowns = (links.start[1] * LANES, (links.start[1] + 1) * LANES, LANES)
    factor = (-np.sqrt(2.0 / 3.0), -np.sqrt(2.0 / 3.0), 1 / np.sqrt(3.0))
    while done < stop and done * interval <= begin + step * (1 + 1e-12):
        x = (done * interval - begin) / step
        for axis in range(3):
            if axis == 1 and links.width[1] == 1:
                continue
            for lane in range(LANES):
                at = unknowns[axis] + lane
                shape0 = shape1 = shape2 = 0.0
                for j in range(N_STAGES):
                    shape0 += _DENSE[0, j] * increments[j, at]
                    shape1 += _DENSE[1, j] * increments[j, at]
                    shape2 += _DENSE[2, j] * increments[j, at]
                bend = shape0 + x * (shape1 + x * shape2)
                value = (1 - x) * state[at] + x * (new[at] + (1 - x) * bend)
                moments[axis, done, lane] = factor[axis] * value
        done += 1
    return done


@numba.njit(cache=True, nogil=True, error_model="numpy")
def integrate(
    links, fields, begin, end, step, degree, tolerance, tail, memory, state, interval, stop, moments
):
    """Go from one time to another, and record the moment at the samples between them.

    Parameters
    ----------
    links
        :class:`~smrestore.physics.dynamics.couplings.Couplings`.
    fields
        :class:`Fields`.
    begin, end
        Times in s.
    step
        First step in s.
    degree
        Largest degree at first.
    tolerance
        Bound of the error of a step, for the largest moment sqrt(4 pi) |E[Y_lm]|.
    tail
        Bound of the moments of the two highest degrees.
    memory
        :class:`Memory`.
    state
        Unknowns at ``begin``, which become those at ``end``, flat (N * LANES,).
    interval, stop
        Time between samples in s, and the number of the first sample that is not recorded.
    moments
        The moment at samples from ``begin`` on, float64 (3, V, LANES).

    Returns
    -------
    status, step, degree, n_steps
        DONE or what went wrong; the last step that was not cut short; the degree at the end; and
        how many steps were tried.
    """
    time, n_steps, top = begin, 0, len(links.width) - 1
    increments, right, new = memory.increments, memory.right, memory.new
    done = int(np.ceil(begin / interval - 1e-9))
    while time < end:
        if step < _SHORTEST * end:
            return STEP_TOO_SHORT, step, degree, n_steps
        last = time + step * (1 + 1e-9) >= end
        h = end - time if last else step
        n_steps += 1
        _set_fields(fields, time, memory.fields, False)
        _set_fields(fields, time, memory.slopes, True)
        factorize(links, degree, 1 / (_GAMMA * h), memory.fields, memory)
        memory.time_slope[:] = 0.0
        apply(links, degree, memory.slopes, state, memory.time_slope)
        for i in range(N_STAGES):
            _combine(links, degree, 1.0, state, 1.0, _A[i], increments, i, memory.stage)
            slope = memory.time_slope
            _combine(links, degree, h * _SLOPES[i], slope, 1 / h, _C[i], increments, i, right)
            _set_fields(fields, time + _TIMES[i] * h, memory.stage_fields, False)
            apply(links, degree, memory.stage_fields, memory.stage, right)
            solve(links, degree, memory.fields, memory, right, increments[i])
        last_increment = increments[N_STAGES - 1 :]
        _combine(links, degree, 1.0, memory.stage, 1.0, _ONE, last_increment, 1, new)
        error = _largest(links, degree, 0, increments[N_STAGES - 1], memory.largest)
        error = max(error / tolerance, 1e-6)
        if not error <= 1:
            step = h * max(0.2, 0.9 * error**-0.2) if error < np.inf else 0.1 * h
            continue
        highest = _largest(links, degree, degree - 1, new, memory.largest)
        if highest > tail and degree < top:
            _clear(links, degree, min(degree + 2, top), state)
            degree = min(degree + 2, top)
            continue
        if highest > tail:
            return DEGREE_TOO_LOW, step, degree, n_steps
        done = _record(links, time, h, state, new, increments, interval, done, stop, moments)
        _combine(links, degree, 1.0, new, 1.0, _ONE, increments, 0, state)
        time = end if last else time + h
        grown = h * min(4.0, 0.9 * error**-0.2)
        step = max(step, grown) if last else grown
        if degree > LOWEST_DEGREE and (
            _largest(links, degree, degree - 3, state, memory.largest) < 0.1 * tail
        ):
            _clear(links, degree - 1, degree, state)
            degree -= 1
    return DONE, step, degree, n_steps
