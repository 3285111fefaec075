"""Frequency bins from the coefficients of a transform: each is a sum over some of them."""

from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from smrestore.physics.vectors import INT64, LANES, Lanes, multiply_add


class Folding(NamedTuple):
    """Which coefficients meet in each frequency bin, in compressed sparse rows.

    Attributes
    ----------
    start
        int64 (K + 1): entries ``start[k]`` to ``start[k + 1]`` belong to bin k.
    source
        Index into the flattened coefficients, int64.
    weight
        float64 (1, entries), or (2, entries) for real and imaginary part.
    """

    start: np.ndarray
    source: np.ndarray
    weight: np.ndarray


class Chosen(NamedTuple):
    """Components to be computed.

    Attributes
    ----------
    channel, frequency
        int64 (S,).
    factor
        On the sums with each part of the weights, (1 or 2, S).
    """

    channel: np.ndarray
    frequency: np.ndarray
    factor: np.ndarray


@intrinsic
def _add_up(typing_context, coefficients, offset, source, weight, first, last, total, place):
    """Add up entries ``first`` to ``last`` of a folding: weights times vectors of coefficients.

    Coefficient n is the vector at ``offset`` + n LANES; the sum is written at ``place``.
    """
    integer = types.int64
    signature = types.void(coefficients, integer, source, weight, integer, integer, total, integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, offset, _, _, first, last, _, place = arguments
        vector = ir.VectorType(ir.DoubleType(), LANES)
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES))
        with cgutils.for_range_slice(builder, first, last, INT64(1)) as (entry, _):
            number = builder.load(builder.gep(memory.data(2), [entry]))
            factor = memory.spread(builder.load(builder.gep(memory.data(3), [entry])))
            value = memory.load(0, builder.add(offset, builder.mul(number, INT64(LANES))))
            builder.store(multiply_add(builder, value, factor, builder.load(total)), total)
        memory.store(6, place, builder.load(total))
        return context.get_dummy_value()

    return signature, code


@numba.njit(cache=True, nogil=True)
def fold(coefficients, chosen, folding, places, values):
    """Add up the coefficients of chosen components and multiply them by their factors.

    ``coefficients`` float64 (C, N, LANES). Row ``places[p]`` of ``values`` (P, S) is filled for
    each position p.
    """
    n_parts = folding.weight.shape[0]
    flat, weights = coefficients.reshape(-1), folding.weight.reshape(-1)
    n_entries = folding.source.size
    totals = np.empty(n_parts * LANES)
    for s in range(chosen.channel.size):
        offset = chosen.channel[s] * coefficients.shape[1] * LANES
        k = chosen.frequency[s]
        first, last = folding.start[k], folding.start[k + 1]
        for part in range(n_parts):
            weight = weights[part * n_entries :]
            _add_up(flat, offset, folding.source, weight, first, last, totals, part * LANES)
        for p in range(places.size):
            value = totals[p] * chosen.factor[0, s]
            for part in range(1, n_parts):
                value += totals[part * LANES + p] * chosen.factor[part, s]
            values[places[p], s] = value
