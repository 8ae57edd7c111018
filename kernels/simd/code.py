"""Vector instructions on the arrays that an intrinsic of Numba takes, and transposition in registers."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ..numerics.chunks import LANES
from ..runtime.jit import EXACT
from .indices import Indices

FACTOR = 4  # orders below it are multiplied with its multiples
_FLAGS = tuple(sorted(EXACT))
_DOUBLE, _INT, _LONG = ir.DoubleType(), ir.IntType(32), ir.IntType(64)
_DOUBLE_BYTES, _LINE_BYTES = 8, 64


def powers_of_two(count: int) -> list[tuple[int, int]]:
    """Return firsts and sizes, powers of two up to LANES, that cover so many numbers."""
    parts, first = [], 0
    while first < count:
        size = min(LANES, 1 << ((count - first).bit_length() - 1))
        parts.append((first, size))
        first += size
    return parts


class VectorCode(Indices):
    """Vector instructions on the arrays that an intrinsic takes."""

    vector = ir.VectorType(_DOUBLE, LANES)
    _nothing = ir.Constant(vector, ir.Undefined)

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self._context, self._builder = context, builder
        self._types, self._arguments = signature.args, arguments

    def element(self, argument: int, index: Any) -> Any:
        """Return the address of an array's element."""
        array = self._context.make_array(self._types[argument])
        start = array(self._context, self._builder, self._arguments[argument]).data
        return self._builder.gep(start, [index])

    def length(self, argument: int) -> Any:
        """Return how many elements an array has."""
        array = self._context.make_array(self._types[argument])
        return array(self._context, self._builder, self._arguments[argument]).nitems

    def past(self, pointer: Any, count: int) -> Any:
        """Return the address so many numbers further."""
        return self._builder.gep(pointer, [ir.Constant(_LONG, count)])

    def rows(self, at: int, first: Any, table: int) -> list[Any]:
        """Return the addresses of eight points' rows."""
        index = self.element(at, first)
        return [self.element(table, self._builder.load(self.past(index, lane))) for lane in range(LANES)]

    def load(self, pointer: Any, size: int) -> Any:
        """Return numbers from an address on: a vector, or one."""
        if size == 1:
            return self._builder.load(pointer)
        kind = ir.VectorType(_DOUBLE, size).as_pointer()
        return self._builder.load(self._builder.bitcast(pointer, kind), align=8)

    def store(self, value: Any, pointer: Any) -> None:
        """Write a vector or a number."""
        target = self._builder.bitcast(pointer, value.type.as_pointer())
        self._builder.store(value, target, align=8)

    def numbers(self, argument: int, index: Any, size: int) -> Any:
        """Return numbers from an array's element on, in float64 also where it is in float32."""
        address, kind = self._place_of(argument, index, size)
        values = self._builder.load(address, align=self._bytes_of(argument))
        wide = ir.VectorType(_DOUBLE, size) if size > 1 else _DOUBLE
        return values if kind == wide else self._builder.fpext(values, wide)

    def put_numbers(self, values: Any, argument: int, index: Any) -> None:
        """Write float64 numbers to an array, rounded where it is in float32."""
        address, kind = self._place_of(argument, index, self._width(values))
        values = values if kind == values.type else self._builder.fptrunc(values, kind)
        self._builder.store(values, address, align=self._bytes_of(argument))

    def _place_of(self, argument: int, index: Any, size: int) -> tuple[Any, Any]:
        """Return an address of so many of an array's elements, and their type."""
        number = _DOUBLE if self._bytes_of(argument) == _DOUBLE_BYTES else ir.FloatType()
        kind = ir.VectorType(number, size) if size > 1 else number
        return self._builder.bitcast(self.element(argument, index), kind.as_pointer()), kind

    def _bytes_of(self, argument: int) -> int:
        return self._types[argument].dtype.bitwidth // 8

    def lanes_from(self, i: Any, first: Any) -> Any:
        """Return which of eight numbers from `first` on have an index from i on."""
        longs = ir.VectorType(_LONG, LANES)
        left = self._all_indices(self._builder.sub(i, first))
        return self._builder.icmp_signed(">=", ir.Constant(longs, list(range(LANES))), left)

    def numbers_of_a_line(self, argument: int) -> int:
        """Return how many numbers of an array a cache line holds."""
        return _LINE_BYTES // self._bytes_of(argument)

    def integers(self, argument: int, index: Any) -> Any:
        """Return eight integers from an array's element on."""
        kind = ir.VectorType(_LONG, LANES)
        address = self._builder.bitcast(self.element(argument, index), kind.as_pointer())
        return self._builder.load(address, align=8)

    @contextmanager
    def if_any(self, argument: int) -> Iterator[None]:
        """Do something if an array has elements."""
        some = self._builder.icmp_signed(">", self.length(argument), self.integer(0))
        with self._builder.if_then(some, likely=True):
            yield

    def fetch(self, argument: int, index: Any, write: bool = False) -> None:
        """Ask for the cache line of an array's element, which may lie past the array's end."""
        bytes_of = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [bytes_of, _INT, _INT, _INT])
        function = self._declared("llvm.prefetch.p0i8", kind)
        address = self._builder.bitcast(self.element(argument, index), bytes_of)
        # To keep in all caches, and data.
        self._builder.call(function, [address, *(ir.Constant(_INT, flag) for flag in (int(write), 3, 1))])

    def _declared(self, name: str, kind: Any) -> Any:
        return self._builder.module.globals.get(name) or ir.Function(self._builder.module, kind, name)

    def without(self, x: Any, i: Any, first: Any, value: float) -> Any:
        """Return eight numbers from `first` on, with another value for the one of index i, if it is one."""
        kept, lane = cgutils.alloca_once_value(self._builder, x), self._builder.sub(i, first)
        within = self._builder.icmp_unsigned("<", lane, self.integer(LANES))
        with self._builder.if_then(within, likely=False):
            longs = ir.VectorType(_LONG, LANES)
            here = self.equal(ir.Constant(longs, list(range(LANES))), lane)
            self._builder.store(self.either(here, self.all_lanes(value), x), kept)
        return self._builder.load(kept)

    def all_lanes(self, value: Any) -> Any:
        """Return a vector of one number, a constant or computed."""
        if isinstance(value, float):
            return ir.Constant(self.vector, [value] * LANES)
        vector = self._builder.insert_element(self._nothing, value, ir.Constant(_INT, 0))
        return self.chosen(vector, vector, [0] * LANES)

    def times(self, x: Any, y: Any) -> Any:
        """Return x y."""
        return self._builder.fmul(x, y, _FLAGS)

    def quotient(self, x: Any, y: Any) -> Any:
        """Return x / y."""
        return self._builder.fdiv(x, y, _FLAGS)

    def plus(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return self._builder.fadd(x, y, _FLAGS)

    def total(self, values: list[Any]) -> Any:
        """Return the sum of 1, 2, 4 or 8 vectors or numbers."""
        while len(values) > 1:
            values = [self.plus(*values[i : i + 2]) for i in range(0, len(values), 2)]
        return values[0]

    def add_to(self, pointer: Any, value: Any, size: int) -> None:
        """Add a vector, or a number, to memory."""
        self.store(self.plus(self.load(pointer, size), value), pointer)

    def all_equal(self, argument: int, index: Any) -> Any:
        """Return whether eight integers of an array are the same."""
        numbers = self.integers(argument, index)
        same = self._builder.icmp_signed("==", numbers, self.chosen(numbers, numbers, [0] * LANES))
        mask = ir.IntType(LANES)
        return self._builder.icmp_unsigned("==", self._builder.bitcast(same, mask), ir.Constant(mask, 255))

    def entries(self, argument: int, index: Any) -> list[Any]:
        """Return eight unsigned integers of an array from an index on."""
        first = self.element(argument, index)
        return [
            self._builder.zext(self._builder.load(self.past(first, lane)), _LONG) for lane in range(LANES)
        ]

    def collected(self, argument: int, indices: list[Any]) -> Any:
        """Return the numbers of an array at eight indices."""
        return self._joined([self._builder.load(self.element(argument, index)) for index in indices])

    def spread(self, values: Any, argument: int, indices: list[Any], add: bool) -> None:
        """Write eight numbers to an array at eight indices, or add them one after another."""
        for lane, index in enumerate(indices):
            address, value = self.element(argument, index), self._part(values, lane, 1)
            self._builder.store(self.plus(self._builder.load(address), value) if add else value, address)

    def product_and_sum(self, x: Any, y: Any, z: Any) -> Any:
        """Return x y + z, rounded once where the machine has an instruction for it."""
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        return self._builder.call(self._declared(f"llvm.fmuladd.v{LANES}f64", kind), [x, y, z])

    def sum_of_lanes(self, x: Any) -> Any:
        """Return the sum of a vector's numbers."""
        size = LANES
        while size > 1:
            size //= 2
            x = self.plus(self._part(x, 0, size), self._part(x, size, size))
        return x

    def before_end(self, x: Any, first: Any, end: Any) -> Any:
        """Return x for the entries from `first` on, with zeros from `end` on."""
        kept = cgutils.alloca_once_value(self._builder, x)
        left = self._builder.sub(end, first)
        with self._builder.if_then(self._builder.icmp_signed("<", left, self.integer(LANES)), likely=False):
            longs = ir.VectorType(_LONG, LANES)
            within = self._builder.icmp_signed(
                "<", ir.Constant(longs, list(range(LANES))), self._all_indices(left)
            )
            self._builder.store(self._builder.select(within, x, self.all_lanes(0.0)), kept)
        return self._builder.load(kept)

    def magnitude(self, x: Any) -> Any:
        """Return |x|."""
        longs = ir.VectorType(_LONG, LANES)
        bits = self._builder.and_(
            self._builder.bitcast(x, longs), ir.Constant(longs, [0x7FFFFFFFFFFFFFFF] * LANES)
        )
        return self._builder.bitcast(bits, self.vector)

    def highest(self, x: Any) -> Any:
        """Return the largest of a vector's numbers, which are not NaN."""
        size = LANES
        while size > 1:
            size //= 2
            x = self.larger(self._part(x, 0, size), self._part(x, size, size))
        return x

    def minus(self, x: Any, y: Any) -> Any:
        """Return x - y."""
        return self._builder.fsub(x, y, _FLAGS)

    def above(self, x: Any, y: Any) -> Any:
        """Return where x > y."""
        return self._builder.fcmp_ordered(">", x, y)

    def above_or_nan(self, x: Any, y: Any) -> Any:
        """Return where x > y or one of them is NaN."""
        return self._builder.fcmp_unordered(">", x, y)

    def negative(self, x: Any) -> Any:
        """Return -x."""
        return self._builder.fneg(x)

    def larger(self, x: Any, y: Any) -> Any:
        """Return the larger of x and y, or y where one is NaN."""
        return self.either(self.above(x, y), x, y)

    def not_negative(self, integers: Any) -> Any:
        """Return which of eight integers are 0 or more."""
        return self._builder.icmp_signed(">=", integers, ir.Constant(integers.type, [0] * LANES))

    def within(self, integers: Any, first: Any, end: Any) -> Any:
        """Return which of eight integers are from `first` on, less than `end`."""
        above = self.integers_from(first, integers)
        return self._builder.icmp_unsigned("<", above, self._all_indices(self._builder.sub(end, first)))

    def number(self, i: Any) -> Any:
        """Return an index as a number."""
        return self._builder.sitofp(i, _DOUBLE)

    def argument(self, i: int) -> Any:
        """Return an argument of the intrinsic."""
        return self._arguments[i]

    def integers_from(self, first: Any, integers: Any) -> Any:
        """Return eight integers less an index."""
        return self._builder.sub(integers, self._all_indices(first))

    def equal(self, integers: Any, index: Any) -> Any:
        """Return which of eight integers are an index."""
        return self._builder.icmp_signed("==", integers, self._all_indices(index))

    def _all_indices(self, index: Any) -> Any:
        nothing = ir.Constant(ir.VectorType(_LONG, LANES), ir.Undefined)
        one = self._builder.insert_element(nothing, index, ir.Constant(_INT, 0))
        return self.chosen(one, one, [0] * LANES)

    def or_all(self, condition: Any, all_of_them: Any) -> Any:
        """Return where a condition holds, or everywhere if another does."""
        kind = ir.VectorType(ir.IntType(1), LANES)
        one = self._builder.insert_element(ir.Constant(kind, ir.Undefined), all_of_them, ir.Constant(_INT, 0))
        return self._builder.or_(condition, self.chosen(one, one, [0] * LANES))

    def and_all(self, *conditions: Any) -> Any:
        """Return where all conditions hold."""
        return functools.reduce(self._builder.and_, conditions)

    def either(self, condition: Any, x: Any, y: Any) -> Any:
        """Return x where a condition holds and y elsewhere."""
        return self._builder.select(condition, x, y)

    def chebyshev(self, weights: Any, places: Any, order: int) -> list[Any]:
        """Return w T_k(v), k < order, for a vector of points."""
        terms, double = [weights, self.times(weights, places)], self.plus(places, places)
        while len(terms) < order:
            terms.append(self._builder.fsub(self.times(double, terms[-1]), terms[-2], _FLAGS))
        return terms[:order]

    def chebyshev_factors(self, weights: Any, places: Any, order: int) -> tuple[list[Any], list[Any]]:
        """Return w T_k(v), k < FACTOR, and T_k(v) of its multiples k < order, [1] first.

        Sums of their products are nearly those of w T_k, in a shorter chain of dependent operations.
        """
        one, double = self.all_lanes(1.0), self.plus(places, places)
        second = self.minus(self.times(double, places), one)
        third = self.minus(self.times(double, second), places)
        low = [weights, *(self.times(weights, term) for term in (places, second, third))]
        high = [one, self.minus(self.times(self.plus(second, second), second), one)]
        while len(high) * FACTOR < order:
            a, b = (len(high) + 1) // 2, len(high) // 2
            high.append(self.minus(self.times(self.plus(high[a], high[a]), high[b]), high[a - b]))
        return low, high

    def chebyshev_sums(self, products: list[Any]) -> list[Any]:
        """Return sums of w T_k from those of products: 2 T_m T_i = T_(m + i) + T_(m - i)."""
        sums: list[Any] = []
        for k, product in enumerate(products):
            i = k % FACTOR
            plain = k < FACTOR or i == 0
            sums.append(product if plain else self.minus(self.plus(product, product), sums[k - 2 * i]))
        return sums

    def polynomials(self, coefficients: list[Any], places: list[Any]) -> list[Any]:
        """Return sum_k coefficient_k v^k for vectors of points, side by side."""
        totals = [coefficients[-1]] * len(places)
        for coefficient in reversed(coefficients[:-1]):
            products = [self.times(total, v) for total, v in zip(totals, places, strict=True)]
            totals = [self.plus(product, coefficient) for product in products]
        return totals

    def transposed(self, terms: list[Any]) -> list[Any]:
        """Return one vector for each of eight points, from one for each of its 1, 2, 4 or 8 terms."""
        size = len(terms)
        mixed = self._exchanged(terms)
        rows = []
        for lane in range(LANES):
            first = lane - lane % size
            rows.append(self._part(mixed[lane % size], first, size))
        return rows

    def gathered(self, rows: list[Any]) -> list[Any]:
        """Return one vector for each term, from eight points' vectors of 1, 2, 4 or 8 terms."""
        size = self._width(rows[0])
        mixed = [self._joined(rows[lane::size]) for lane in range(size)]
        return self._exchanged(mixed)

    def _exchanged(self, vectors: list[Any]) -> list[Any]:
        """Exchange the low bits of a lane's number with those of the vector's."""
        vectors, bit = list(vectors), 1
        while bit < len(vectors):
            low = [lane if not lane & bit else LANES + lane - bit for lane in range(LANES)]
            high = [lane + bit if not lane & bit else LANES + lane for lane in range(LANES)]
            for i in range(len(vectors)):
                if not i & bit:
                    one, two = vectors[i], vectors[i + bit]
                    vectors[i], vectors[i + bit] = self.chosen(one, two, low), self.chosen(one, two, high)
            bit *= 2
        return vectors

    def chosen(self, one: Any, two: Any, lanes: list[int]) -> Any:
        """Return lanes of two vectors, those of the second numbered on from the first's."""
        mask = ir.Constant(ir.VectorType(_INT, len(lanes)), [ir.Constant(_INT, lane) for lane in lanes])
        return self._builder.shuffle_vector(one, two, mask)

    def _part(self, vector: Any, first: int, size: int) -> Any:
        if size == LANES:
            return vector
        if size == 1:
            return self._builder.extract_element(vector, ir.Constant(_INT, first))
        return self.chosen(vector, vector, list(range(first, first + size)))

    def _joined(self, parts: list[Any]) -> Any:
        if self._width(parts[0]) == 1:
            vector = self._nothing
            for lane, part in enumerate(parts):
                vector = self._builder.insert_element(vector, part, ir.Constant(_INT, lane))
            return vector
        while len(parts) > 1:
            both = list(range(2 * self._width(parts[0])))
            parts = [self.chosen(parts[i], parts[i + 1], both) for i in range(0, len(parts), 2)]
        return parts[0]

    @staticmethod
    def _width(value: Any) -> int:
        return value.type.count if isinstance(value.type, ir.VectorType) else 1
