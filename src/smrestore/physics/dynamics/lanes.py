"""Vector instructions on runs of unknowns, each a vector of eight positions.

Places in the flat arrays are given in vectors, lengths and steps too.
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from smrestore.physics.vectors import INT64, LANES, Lanes, absolute, multiply_add

_VECTOR = ir.VectorType(ir.DoubleType(), LANES)
_ZERO = ir.Constant(_VECTOR, [0.0] * LANES)
_integer = types.int64


def _numbers(builder: ir.IRBuilder, vectors: ir.Value) -> ir.Value:
    return builder.mul(vectors, INT64(LANES))


@intrinsic
def add_scaled(typing_context, factor, scale, place, x, x_start, x_step, y, y_start, y_step, n):
    """y[y_start + i y_step] += factor scale[place] x[x_start + i x_step] for i < n."""
    signature = types.void(
        types.float64, scale, _integer, x, _integer, _integer, y, _integer, _integer, _integer
    )

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        factor, _, place, _, x_start, x_step, _, y_start, y_step, n = arguments
        scaled = builder.fmul(memory.spread(factor), memory.load(1, _numbers(builder, place)))
        with cgutils.for_range(builder, n) as loop:
            at = builder.add(x_start, builder.mul(loop.index, x_step))
            value = memory.load(3, _numbers(builder, at))
            at = builder.add(y_start, builder.mul(loop.index, y_step))
            at = _numbers(builder, at)
            memory.store(6, at, multiply_add(builder, scaled, value, memory.load(6, at)))
        return context.get_dummy_value()

    return signature, code


@intrinsic
def scale_run(typing_context, scale, place, x, start, n):
    """x[start + i] *= scale[place] for i < n."""
    signature = types.void(scale, _integer, x, _integer, _integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, place, _, start, n = arguments
        scale = memory.load(0, _numbers(builder, place))
        with cgutils.for_range(builder, n) as loop:
            at = _numbers(builder, builder.add(start, loop.index))
            memory.store(2, at, builder.fmul(scale, memory.load(2, at)))
        return context.get_dummy_value()

    return signature, code


@intrinsic
def dot_run(typing_context, a, a_start, x, x_start, n, y, place, add):
    """y[place] = sum_i a[a_start + i] x[x_start + i] for i < n, plus y[place] if ``add``."""
    signature = types.void(a, _integer, x, _integer, _integer, y, _integer, types.boolean)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, a_start, _, x_start, n, _, place, add = arguments
        place = _numbers(builder, place)
        total = cgutils.alloca_once(builder, _VECTOR)
        builder.store(builder.select(add, memory.load(5, place), _ZERO), total)
        with cgutils.for_range(builder, n) as loop:
            a = memory.load(0, _numbers(builder, builder.add(a_start, loop.index)))
            x = memory.load(2, _numbers(builder, builder.add(x_start, loop.index)))
            builder.store(multiply_add(builder, a, x, builder.load(total)), total)
        memory.store(5, place, builder.load(total))
        return context.get_dummy_value()

    return signature, code


@intrinsic
def couple(typing_context, first, last, coefficient, term, column, fields, x, y, place):
    """y[place] += sum_e coefficient[e] fields[term[e]] x[column[e]] for first <= e < last.

    ``term`` and ``column`` are in numbers, not in vectors.
    """
    signature = types.void(_integer, _integer, coefficient, term, column, fields, x, y, _integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        first, last = arguments[:2]
        place = _numbers(builder, arguments[8])
        total = cgutils.alloca_once(builder, _VECTOR)
        builder.store(memory.load(7, place), total)
        with cgutils.for_range_slice(builder, first, last, INT64(1)) as (e, _):
            factor, term, column = (
                builder.load(builder.gep(memory.data(number), [e])) for number in (2, 3, 4)
            )
            scaled = builder.fmul(memory.spread(factor), memory.load(5, term))
            x = memory.load(6, column)
            builder.store(multiply_add(builder, scaled, x, builder.load(total)), total)
        memory.store(7, place, builder.load(total))
        return context.get_dummy_value()

    return signature, code


@intrinsic
def largest_of(typing_context, x, start, n, y, place):
    """y[place] = max(y[place], |x[start + i]| for i < n), lane by lane."""
    signature = types.void(x, _integer, _integer, y, _integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, start, n, _, place = arguments
        place = _numbers(builder, place)
        largest = cgutils.alloca_once(builder, _VECTOR)
        builder.store(memory.load(3, place), largest)
        with cgutils.for_range(builder, n) as loop:
            at = _numbers(builder, builder.add(start, loop.index))
            value = absolute(builder, memory.load(0, at))
            so_far = builder.load(largest)
            # Unordered: a value that is no number is larger than any.
            greater = builder.fcmp_unordered(">", value, so_far)
            builder.store(builder.select(greater, value, so_far), largest)
        memory.store(3, place, builder.load(largest))
        return context.get_dummy_value()

    return signature, code
