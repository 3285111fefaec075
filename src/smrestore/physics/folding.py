"""Frequency bins from the coefficients of a transform: each is a sum over some of them."""

from typing import NamedTuple

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from smrestore.physics.vectors import (
    INT64,
    LANES,
    Lanes,
    multiply_add,
    not_inlined,
    sums_and_differences,
)

BUFFERED = 128
"""Components of a position that are written at a time, because single ones are slow to write."""


class Folding(NamedTuple):
    """Which coefficients meet in each frequency bin, in compressed sparse rows.

    Coefficients of a bin are in classes, one for each image of a position: the signs of class c in
    image e differ from those at the position by (-1)^(number of bits set in both c and e).

    Attributes
    ----------
    start
        int64 (K E + 1): entries ``start[k E + c]`` to ``start[k E + c + 1]`` are class c of bin k.
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
    sign
        Of the components in the images of a position, float64 (S, E).
    """

    channel: np.ndarray
    frequency: np.ndarray
    factor: np.ndarray
    sign: np.ndarray


@intrinsic
def _add_up(typing_context, coefficients, offset, source, weight, part, first, last, total, place):
    """Add up entries ``first`` to ``last`` of a folding: weights times vectors of coefficients.

    Coefficient n is the vector at ``offset`` + n LANES, its weight follows ``part`` others; the sum
    is written at ``place``.
    """
    integer = types.int64
    signature = types.void(
        coefficients, integer, source, weight, integer, integer, integer, total, integer
    )

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, offset, _, _, part, first, last, _, place = arguments
        vector = ir.VectorType(ir.DoubleType(), LANES)
        total = cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES))
        with cgutils.for_range_slice(builder, first, last, INT64(1)) as (entry, _):
            number = builder.load(builder.gep(memory.data(2), [entry]))
            place_of_weight = builder.add(part, entry)
            factor = memory.spread(builder.load(builder.gep(memory.data(3), [place_of_weight])))
            value = memory.load(0, builder.add(offset, builder.mul(number, INT64(LANES))))
            builder.store(multiply_add(builder, value, factor, builder.load(total)), total)
        memory.store(7, place, builder.load(total))
        return context.get_dummy_value()

    return signature, code


@numba.njit(cache=True, nogil=True)
def _combine(totals, first, n_images):
    """Replace vectors from ``first`` on, one for each class, by sums with the signs of each image.

    That is a Walsh-Hadamard transform of (E, LANES).
    """
    half = 1
    while half < n_images:
        for image in range(n_images):
            if image & half == 0:
                near = first + image * LANES
                far = near + half * LANES
                sums_and_differences(totals, near, far, totals, near, far, LANES)
        half *= 2


@numba.njit(cache=True, nogil=True)
def _wanted(rows):
    """Return where the positions that are asked for lie in (E, LANES), and their rows, int64."""
    n_images = rows.shape[1]
    lane, row = np.empty(rows.size, np.int64), np.empty(rows.size, np.int64)
    count = 0
    for e in range(n_images):
        for p in range(len(rows)):
            if rows[p, e] >= 0:
                lane[count], row[count] = e * LANES + p, rows[p, e]
                count += 1
    return lane[:count], row[:count]


@numba.njit(cache=True, nogil=True)
def fold(coefficients, chosen, folding, rows, values):
    """Add up the coefficients of chosen components and multiply them by their factors.

    ``coefficients`` float64 (C, N, LANES). Row ``rows[p, e]`` of ``values`` (rows, S) is filled for
    image e of position p, if it is not negative.
    """
    not_inlined()
    n_parts, n_images = folding.weight.shape[0], chosen.sign.shape[1]
    flat, weights = coefficients.reshape(-1), folding.weight.reshape(-1)
    n_entries, part_size = folding.source.size, n_images * LANES
    totals = np.empty(n_parts * part_size)
    lane, row = _wanted(rows)
    buffer = np.empty((lane.size, BUFFERED), values.dtype)
    n_components = chosen.channel.size
    for s in range(n_components):
        offset = chosen.channel[s] * coefficients.shape[1] * LANES
        start = chosen.frequency[s] * n_images
        for part in range(n_parts):
            for c in range(n_images):
                _add_up(
                    flat,
                    offset,
                    folding.source,
                    weights,
                    part * n_entries,
                    folding.start[start + c],
                    folding.start[start + c + 1],
                    totals,
                    part * part_size + c * LANES,
                )
            _combine(totals, part * part_size, n_images)
        place = s % BUFFERED
        for i in range(lane.size):
            value = totals[lane[i]] * chosen.factor[0, s]
            for part in range(1, n_parts):
                value += totals[part * part_size + lane[i]] * chosen.factor[part, s]
            buffer[i, place] = value * chosen.sign[s, lane[i] // LANES]
        if place == BUFFERED - 1 or s == n_components - 1:
            for i in range(lane.size):
                for j in range(place + 1):
                    values[row[i], s - place + j] = buffer[i, j]
