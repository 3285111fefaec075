"""Vector instructions for compiled loops whose parallelism the compiler does not find by itself.

Positions are handled eight at a time, as the lanes of vectors: neighboring numbers in memory belong
to neighboring positions. LLVM maps vectors of eight to what the processor has.
"""

from collections.abc import Callable, Sequence

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 8

INT64 = ir.IntType(64)
_DOUBLE, _INT32 = ir.DoubleType(), ir.IntType(32)


def part(builder: ir.IRBuilder, vector: ir.Value, places: Sequence[int]) -> ir.Value:
    """Return the chosen elements of a vector."""
    indices = ir.Constant(ir.VectorType(_INT32, len(places)), list(places))
    return builder.shuffle_vector(vector, vector, indices)


def spread(builder: ir.IRBuilder, scalar: ir.Value, size: int) -> ir.Value:
    """Return a vector of equal elements."""
    undefined = ir.Constant(ir.VectorType(scalar.type, size), ir.Undefined)
    return part(builder, builder.insert_element(undefined, scalar, _INT32(0)), [0] * size)


def multiply_add(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, c: ir.Value) -> ir.Value:
    """Return a * b + c, rounded once."""
    kind = ir.FunctionType(a.type, [a.type] * 3)
    name = f"llvm.fma.v{a.type.count}f64"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), [a, b, c])


def vector_pointer(builder: ir.IRBuilder, start: ir.Value, offset: ir.Value, size: int) -> ir.Value:
    """Return the address of a vector, ``offset`` numbers after ``start``."""
    kind = ir.VectorType(start.type.pointee, size)
    return builder.bitcast(builder.gep(start, [offset]), kind.as_pointer())


def copy_sign(builder: ir.IRBuilder, magnitude: ir.Value, sign: ir.Value) -> ir.Value:
    """Return vectors of the first's magnitude and the second's sign."""
    kind = ir.FunctionType(sign.type, [sign.type] * 2)
    name = f"llvm.copysign.v{sign.type.count}f64"
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, [magnitude, sign])


def absolute(builder: ir.IRBuilder, vector: ir.Value) -> ir.Value:
    """Return the magnitudes of a vector's elements."""
    return copy_sign(builder, vector, ir.Constant(vector.type, [0.0] * vector.type.count))


def dot(builder: ir.IRBuilder, a: Sequence[ir.Value], b: Sequence[ir.Value]) -> ir.Value:
    """Return the sum of products of vectors."""
    total = builder.fmul(a[0], b[0])
    for x, y in zip(a[1:], b[1:], strict=True):
        total = multiply_add(builder, x, y, total)
    return total


class Lanes:
    """Loads and stores of vectors in the flat arrays that an intrinsic is given."""

    def __init__(self, context, builder, signature, arguments) -> None:
        self.context, self.builder = context, builder
        self.signature, self.arguments = signature, arguments

    def data(self, number: int) -> ir.Value:
        """Return the address of the array that is argument ``number``."""
        array = self.context.make_array(self.signature.args[number])
        return array(self.context, self.builder, self.arguments[number]).data

    def load(self, number: int, place: ir.Value) -> ir.Value:
        """Return the vector at a place of an array."""
        pointer = vector_pointer(self.builder, self.data(number), place, LANES)
        return self.builder.load(pointer, align=8)

    def store(self, number: int, place: ir.Value, vector: ir.Value) -> None:
        """Write a vector to a place of an array."""
        pointer = vector_pointer(self.builder, self.data(number), place, LANES)
        self.builder.store(vector, pointer, align=8)

    def spread(self, scalar: ir.Value) -> ir.Value:
        """Return a vector of equal elements."""
        return spread(self.builder, scalar, LANES)


@intrinsic
def not_inlined(typing_context):
    """Keep the function that calls this from being inlined into others.

    Loops over vectors become slower inside a larger function.
    """

    def code(context, builder, signature, arguments):
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), code


def make_fiber_products(n_results: int) -> Callable:
    """Return a compiled function for ``n_results`` neighboring rows of a product of matrices.

    ``f(x, x_start, x_step, matrix, column, y, y_start, y_step)`` computes, for r < n_results and
    vectors of eight numbers at the given places of the flat arrays x and y, ::

        y[y_start + r y_step] = sum_k x[x_start + k x_step] matrix[k, column + r]
    """

    @intrinsic
    def fiber_products(typing_context, x, x_start, x_step, matrix, column, y, y_start, y_step):
        integer = types.int64
        signature = types.void(x, integer, integer, matrix, integer, y, integer, integer)

        def code(context, builder, signature, arguments):
            memory = Lanes(context, builder, signature, arguments)
            factors = context.make_array(signature.args[3])(context, builder, arguments[3])
            _, x_start, x_step, _, column, _, y_start, y_step = arguments
            n_terms, n_columns = cgutils.unpack_tuple(builder, factors.shape)
            vector = ir.VectorType(_DOUBLE, LANES)
            totals = []
            for _ in range(n_results):
                total = cgutils.alloca_once(builder, vector)
                builder.store(ir.Constant(vector, [0.0] * LANES), total)
                totals.append(total)
            with cgutils.for_range(builder, n_terms) as loop:
                value = memory.load(0, builder.add(x_start, builder.mul(loop.index, x_step)))
                row = builder.add(builder.mul(loop.index, n_columns), column)
                for r, total in enumerate(totals):
                    address = builder.gep(factors.data, [builder.add(row, INT64(r))])
                    factor = memory.spread(builder.load(address))
                    sum_so_far = builder.load(total)
                    builder.store(multiply_add(builder, value, factor, sum_so_far), total)
            for r, total in enumerate(totals):
                place = builder.add(y_start, builder.mul(INT64(r), y_step))
                memory.store(5, place, builder.load(total))
            return context.get_dummy_value()

        return signature, code

    return fiber_products


@intrinsic
def sums_and_differences(typing_context, x, near, far, y, plus, minus, width):
    """Write sums and differences of two runs of ``width`` numbers of x to two runs of y.

    ``width`` is a multiple of LANES; the runs start at the given places of the flat arrays.
    """
    integer = types.int64
    signature = types.void(x, integer, integer, y, integer, integer, integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, near, far, _, plus, minus, width = arguments
        with cgutils.for_range_slice(builder, INT64(0), width, INT64(LANES)) as (i, _):
            a = memory.load(0, builder.add(near, i))
            b = memory.load(0, builder.add(far, i))
            memory.store(3, builder.add(plus, i), builder.fadd(a, b))
            memory.store(3, builder.add(minus, i), builder.fsub(a, b))
        return context.get_dummy_value()

    return signature, code


@intrinsic
def copy_run(typing_context, x, start, y, place, width):
    """Copy ``width`` numbers, a multiple of LANES, from a place of x to one of y."""
    integer = types.int64
    signature = types.void(x, integer, y, integer, integer)

    def code(context, builder, signature, arguments):
        memory = Lanes(context, builder, signature, arguments)
        _, start, _, place, width = arguments
        with cgutils.for_range_slice(builder, INT64(0), width, INT64(LANES)) as (i, _):
            memory.store(2, builder.add(place, i), memory.load(0, builder.add(start, i)))
        return context.get_dummy_value()

    return signature, code
