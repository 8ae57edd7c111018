"""Vector instructions on arrays of compiled code, and transposition in registers."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from ..numerics.chunks import LANES, LINE
from ..runtime.jit import EXACT
from .indices import LONG, Indices

FACTOR = 4  # orders below it are multiplied with its multiples
_FLAGS = tuple(sorted(EXACT))
_DOUBLE, _INT = ir.DoubleType(), ir.IntType(32)
LONGS = ir.VectorType(LONG, LANES)
_LANE_NUMBERS = ir.Constant(LONGS, list(range(LANES)))
_DOUBLE_BYTES = 8


def powers_of_two(count: int) -> list[tuple[int, int]]:
    """Return firsts and sizes, powers of two up to LANES, that cover so many numbers."""
    cover, first = [], 0
    while first < count:
        size = min(LANES, 1 << ((count - first).bit_length() - 1))
        cover.append((first, size))
        first += size
    return cover


class Array(NamedTuple):
    """An array that compiled code has: its type, and what the builder knows it by."""

    kind: Any
    value: Any

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return int(self.kind.dtype.bitwidth) // 8


class Variable:
    """A vector that changes."""

    def __init__(self, builder: Any, value: Any) -> None:
        self._builder, self._place = builder, cgutils.alloca_once_value(builder, value)

    @property
    def value(self) -> Any:
        """What it is now."""
        return self._builder.load(self._place)

    @value.setter
    def value(self, value: Any) -> None:
        self._builder.store(value, self._place)


class VectorCode(Indices):
    """Vector instructions. A vector is of LANES float64, a short one of 2 or 4, and of 1 a number."""

    vector = ir.VectorType(_DOUBLE, LANES)

    def __init__(self, context: Any, builder: Any) -> None:
        self._context, self.builder = context, builder

    def variable(self, value: Any) -> Variable:
        """Return a variable with a first value, a vector or one number for all lanes."""
        return Variable(self.builder, self.all_lanes(value) if isinstance(value, float) else value)

    # Memory.

    def _attributes(self, array: Array) -> Any:
        return self._context.make_array(array.kind)(self._context, self.builder, array.value)

    def element(self, array: Array, index: Any) -> Any:
        """Return the address of an array's element."""
        return self.builder.gep(self._attributes(array).data, [self.index(index)])

    def length(self, array: Array) -> Any:
        """Return how many elements an array has."""
        return self._attributes(array).nitems

    def has_any(self, array: Array) -> Any:
        """Return whether an array has elements."""
        return self.builder.icmp_signed(">", self.length(array), self.index(0))

    def past(self, pointer: Any, count: int) -> Any:
        """Return the address so many numbers further."""
        return self.builder.gep(pointer, [self.index(count)])

    def rows(self, starts: Array, first: Any, table: Array) -> list[Any]:
        """Return the addresses of eight points' rows of a table, from where the rows start."""
        start = self.element(starts, first)
        return [self.element(table, self.builder.load(self.past(start, lane))) for lane in range(LANES)]

    def load(self, pointer: Any, size: int) -> Any:
        """Return numbers from an address on."""
        return self._load(pointer, _of_lanes(_DOUBLE, size), _DOUBLE_BYTES)

    def _load(self, pointer: Any, kind: Any, align: int) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, kind.as_pointer()), align=align)

    def store(self, value: Any, pointer: Any, align: int = _DOUBLE_BYTES) -> None:
        """Write a vector or a number."""
        self.builder.store(value, self.builder.bitcast(pointer, value.type.as_pointer()), align=align)

    def add_to(self, pointer: Any, value: Any) -> None:
        """Add a vector, or a number, to memory."""
        self.store(self.plus(self.load(pointer, _width(value)), value), pointer)

    def numbers(self, array: Array, index: Any, size: int = LANES) -> Any:
        """Return numbers from an array's element on, in float64 also where it is in float32."""
        wide, kind = _of_lanes(_DOUBLE, size), _of_lanes(_number_of(array), size)
        values = self._load(self.element(array, index), kind, array.itemsize)
        return values if kind == wide else self.builder.fpext(values, wide)

    def put(self, values: Any, array: Array, index: Any) -> None:
        """Write float64 numbers to an array, rounded where it is in float32."""
        kind = _of_lanes(_number_of(array), _width(values))
        values = values if kind == values.type else self.builder.fptrunc(values, kind)
        self.store(values, self.element(array, index), array.itemsize)

    def integers(self, array: Array, index: Any) -> Any:
        """Return eight integers from an array's element on."""
        return self._load(self.element(array, index), LONGS, _DOUBLE_BYTES)

    def entries(self, array: Array, index: Any) -> list[Any]:
        """Return eight unsigned integers of an array from an index on, as indices."""
        first = self.element(array, index)
        return [self.builder.zext(self.builder.load(self.past(first, lane)), LONG) for lane in range(LANES)]

    def collected(self, array: Array, indices: list[Any]) -> Any:
        """Return the numbers of an array at eight indices."""
        return self.joined([self.builder.load(self.element(array, index)) for index in indices])

    def spread(self, values: Any, array: Array, indices: list[Any], add: bool) -> None:
        """Write eight numbers to an array at eight indices, or add them one after another."""
        for lane, index in enumerate(indices):
            address, value = self.element(array, index), self._lanes(values, lane, 1)
            self.builder.store(self.plus(self.builder.load(address), value) if add else value, address)

    def numbers_of_a_line(self, array: Array) -> int:
        """Return how many numbers of an array a cache line holds."""
        return LINE // array.itemsize

    def fetch(self, array: Array, index: Any, write: bool = False) -> None:
        """Ask for the cache line of an array's element, which may lie past the array's end."""
        bytes_of = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [bytes_of, _INT, _INT, _INT])
        address = self.builder.bitcast(self.element(array, index), bytes_of)
        # To keep in all caches, and data.
        flags = (ir.Constant(_INT, flag) for flag in (int(write), 3, 1))
        self.builder.call(self._declared("llvm.prefetch.p0i8", kind), [address, *flags])

    def _declared(self, name: str, kind: Any) -> Any:
        return self.builder.module.globals.get(name) or ir.Function(self.builder.module, kind, name)

    # Arithmetic.

    def all_lanes(self, value: Any, size: int = LANES) -> Any:
        """Return a vector of one number, index or condition, a constant or computed."""
        if isinstance(value, float):
            return ir.Constant(ir.VectorType(_DOUBLE, size), [value] * size)
        if isinstance(value, int):
            return ir.Constant(ir.VectorType(LONG, size), [value] * size)
        nothing = ir.Constant(ir.VectorType(value.type, size), ir.Undefined)
        vector = self.builder.insert_element(nothing, value, ir.Constant(_INT, 0))
        return self.chosen(vector, vector, [0] * size)

    def times(self, x: Any, y: Any) -> Any:
        """Return x y."""
        return self.builder.fmul(x, y, flags=_FLAGS)

    def quotient(self, x: Any, y: Any) -> Any:
        """Return x / y."""
        return self.builder.fdiv(x, y, flags=_FLAGS)

    def plus(self, x: Any, y: Any) -> Any:
        """Return x + y."""
        return self.builder.fadd(x, y, flags=_FLAGS)

    def minus(self, x: Any, y: Any) -> Any:
        """Return x - y."""
        return self.builder.fsub(x, y, flags=_FLAGS)

    def negative(self, x: Any) -> Any:
        """Return -x."""
        return self.builder.fneg(x)

    def product_and_sum(self, x: Any, y: Any, z: Any) -> Any:
        """Return x y + z, rounded once where the machine has an instruction for it."""
        kind = ir.FunctionType(x.type, [x.type] * 3)
        return self.builder.call(self._declared(f"llvm.fmuladd.v{_width(x)}f64", kind), [x, y, z])

    def magnitude(self, x: Any) -> Any:
        """Return |x|."""
        bits = self.builder.and_(self.builder.bitcast(x, LONGS), self.all_lanes(0x7FFFFFFFFFFFFFFF))
        return self.builder.bitcast(bits, self.vector)

    def larger(self, x: Any, y: Any) -> Any:
        """Return the larger of x and y, or y where one is NaN."""
        return self.either(self.above(x, y), x, y)

    def number(self, i: Any) -> Any:
        """Return an index as a number."""
        return self.builder.sitofp(i, _DOUBLE)

    def total(self, values: list[Any]) -> Any:
        """Return the sum of 1, 2, 4 or 8 vectors or numbers."""
        while len(values) > 1:
            values = [self.plus(*values[i : i + 2]) for i in range(0, len(values), 2)]
        return values[0]

    def sum_of_lanes(self, x: Any) -> Any:
        """Return the sum of a vector's numbers."""
        return self._over_lanes(self.plus, x)

    def highest(self, x: Any) -> Any:
        """Return the largest of a vector's numbers, which are not NaN."""
        return self._over_lanes(self.larger, x)

    def _over_lanes(self, join: Callable[[Any, Any], Any], x: Any) -> Any:
        size = _width(x)
        while size > 1:
            size //= 2
            x = join(self._lanes(x, 0, size), self._lanes(x, size, size))
        return x

    # Conditions.

    def above(self, x: Any, y: Any) -> Any:
        """Return where x > y."""
        return self.builder.fcmp_ordered(">", x, y)

    def above_or_nan(self, x: Any, y: Any) -> Any:
        """Return where x > y or one of them is NaN."""
        return self.builder.fcmp_unordered(">", x, y)

    def either(self, condition: Any, x: Any, y: Any) -> Any:
        """Return x where a condition holds and y elsewhere."""
        return self.builder.select(condition, x, y)

    def or_all(self, condition: Any, everywhere: Any) -> Any:
        """Return where a condition holds, or all lanes if another does."""
        return self.builder.or_(condition, self.all_lanes(everywhere))

    def and_all(self, *conditions: Any) -> Any:
        """Return where all conditions hold."""
        return functools.reduce(self.builder.and_, conditions)

    def integers_from(self, first: Any, integers: Any) -> Any:
        """Return eight integers less an index."""
        return self.builder.sub(integers, self.all_lanes(first))

    def equal(self, integers: Any, index: Any) -> Any:
        """Return which of eight integers are an index."""
        return self.builder.icmp_signed("==", integers, self.all_lanes(index))

    def not_negative(self, integers: Any) -> Any:
        """Return which of eight integers are 0 or more."""
        return self.builder.icmp_signed(">=", integers, self.all_lanes(0))

    def within(self, integers: Any, first: Any, end: Any) -> Any:
        """Return which of eight integers are from `first` on, less than `end`."""
        above = self.integers_from(first, integers)
        return self.builder.icmp_unsigned("<", above, self.all_lanes(self.difference(end, first)))

    def all_equal(self, array: Array, index: Any) -> Any:
        """Return whether eight integers of an array are the same."""
        numbers = self.integers(array, index)
        same = self.builder.icmp_signed("==", numbers, self.chosen(numbers, numbers, [0] * LANES))
        mask = ir.IntType(LANES)
        return self.builder.icmp_unsigned("==", self.builder.bitcast(same, mask), ir.Constant(mask, 255))

    def lanes_from(self, i: Any, first: Any) -> Any:
        """Return which of eight numbers from `first` on have an index from i on."""
        return self.builder.icmp_signed(">=", _LANE_NUMBERS, self.all_lanes(self.difference(i, first)))

    def without(self, x: Any, i: Any, first: Any, value: float) -> Any:
        """Return eight numbers from `first` on, with another value for the one of index i, if it is one."""
        kept, lane = self.variable(x), self.difference(i, first)
        with self.builder.if_then(self.builder.icmp_unsigned("<", lane, self.index(LANES)), likely=False):
            kept.value = self.either(self.equal(_LANE_NUMBERS, lane), self.all_lanes(value), x)
        return kept.value

    def before_end(self, x: Any, first: Any, end: Any) -> Any:
        """Return x for the entries from `first` on, with zeros from `end` on."""
        kept = self.variable(x)
        with self.if_less(self.difference(end, first), self.index(LANES), likely=False):
            kept.value = self.either(self.lanes_from(end, first), self.all_lanes(0.0), x)
        return kept.value

    # Polynomials.

    def chebyshev(self, weights: Any, places: Any, order: int) -> list[Any]:
        """Return w T_k(v), k < order, for a vector of points."""
        terms, double = [weights, self.times(weights, places)], self.plus(places, places)
        while len(terms) < order:
            terms.append(self.minus(self.times(double, terms[-1]), terms[-2]))
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

    # Lanes.

    def transposed(self, terms: list[Any]) -> list[Any]:
        """Return one vector for each of eight points, from one for each of its 1, 2, 4 or 8 terms."""
        size = len(terms)
        mixed = self._exchanged(terms)
        return [self._lanes(mixed[lane % size], lane - lane % size, size) for lane in range(LANES)]

    def gathered(self, rows: list[Any]) -> list[Any]:
        """Return one vector for each term, from eight points' vectors of 1, 2, 4 or 8 terms."""
        size = _width(rows[0])
        return self._exchanged([self.joined(rows[lane::size]) for lane in range(size)])

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
        return self.builder.shuffle_vector(one, two, mask)

    def _lanes(self, vector: Any, first: int, size: int) -> Any:
        if size == LANES:
            return vector
        if size == 1:
            return self.builder.extract_element(vector, ir.Constant(_INT, first))
        return self.chosen(vector, vector, list(range(first, first + size)))

    def joined(self, values: list[Any]) -> Any:
        """Return one vector of several short ones, or of numbers."""
        if _width(values[0]) == 1:
            vector = ir.Constant(_of_lanes(_DOUBLE, len(values)), ir.Undefined)
            for lane, value in enumerate(values):
                vector = self.builder.insert_element(vector, value, ir.Constant(_INT, lane))
            return vector
        while len(values) > 1:
            both = list(range(2 * _width(values[0])))
            values = [self.chosen(values[i], values[i + 1], both) for i in range(0, len(values), 2)]
        return values[0]


def _of_lanes(number: Any, size: int) -> Any:
    return ir.VectorType(number, size) if size > 1 else number


def _number_of(array: Array) -> Any:
    return _DOUBLE if array.itemsize == _DOUBLE_BYTES else ir.FloatType()


def _width(value: Any) -> int:
    return value.type.count if isinstance(value.type, ir.VectorType) else 1
