"""Eight points at a time, each with a row of a table of its own: added to, or read as a polynomial.

A compiler turns neither into vector instructions, because the rows lie apart in memory. Here the terms
of eight points are computed side by side and then transposed in registers, so that every row is read
and written as a whole. Where no vector code is generated plain loops do the same.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from ..numerics.chunks import LANES, LINE
from ..runtime.jit import Function, helper
from .code import powers_of_two
from .vector_math import generated


def tables(count: int, size: int, make: Function = np.zeros) -> NDArray[np.float64]:
    """Return an array (count, at least size) that `make` makes, each row of which starts at a cache line."""
    numbers = LINE // 8
    width = -(-size // numbers) * numbers
    array: NDArray[np.float64] = make(count * width + numbers)
    skip = -array.ctypes.data % LINE // 8
    return array[skip : skip + count * width].reshape(count, width)


@cache
def add_moments(order: int) -> Function:
    """Return a function for compiled code that adds to the rows of eight points.

    f(w, v, at, first, table), w, v, at (n,), table (size,): for the points i from `first` on,
    table[at_i + k] += w_i T_k(v_i), k < order, T_k the Chebyshev polynomials.
    """

    @helper
    def plain(w, v, at, first, table):
        for i in range(first, first + LANES):
            before, term = w[i] * v[i], w[i]
            for k in range(order):
                table[at[i] + k] += term
                before, term = term, 2.0 * v[i] * term - before

    @generated(instead=plain)
    def add(code, w, v, at, first, table):
        terms = code.chebyshev(code.numbers(w, first), code.numbers(v, first), order)
        groups = [(k, code.transposed(terms[k : k + size])) for k, size in powers_of_two(order)]
        rows = code.rows(at, first, table)
        # Where data are sorted or tied, a row would wait for the last point's sum each time.
        with code.builder.if_else(code.all_equal(at, first)) as (together, apart):
            with together:
                for k, added in groups:
                    code.add_to(code.past(rows[0], k), code.total(added))
            with apart:
                for lane, row in enumerate(rows):
                    for k, added in groups:
                        code.add_to(code.past(row, k), added[lane])

    return add


@cache
def add_polynomials(order: int) -> Function:
    """Return a function for compiled code that evaluates eight points' polynomials.

    f(table, at, v, first, sums), table (size,), at, v, sums (n,): for the points i from `first` on,
    sums_i += sum_k table[at_i + k] v_i^k, k < order.
    """

    @helper
    def plain(table, at, v, first, sums):
        for i in range(first, first + LANES):
            total = 0.0
            for k in range(order - 1, -1, -1):
                total = total * v[i] + table[at[i] + k]
            sums[i] += total

    @generated(instead=plain)
    def add(code, table, at, v, first, sums):
        places, rows, coefficients = code.numbers(v, first), code.rows(at, first, table), []
        for k, size in powers_of_two(order):
            coefficients += code.gathered([code.load(code.past(row, k), size) for row in rows])
        value = code.polynomials(coefficients, [places])[0]
        code.put(code.plus(code.numbers(sums, first), value), sums, first)

    return add
