"""Rows of a few terms side by side, a register each: a compiler would take them one by one.

Where no vector code is generated plain loops do the same.
"""

from numba import types

from ..numerics.chunks import unsigned
from ..runtime.jit import helper
from .vector_math import generated

TERMS = 4  # of a row: three and a 0


@helper
def _plain_terms(rows, i, second, third):
    rows[i, 0], rows[i, 1], rows[i, 2], rows[i, 3] = 1.0, second, third, 0.0


@generated(instead=_plain_terms)
def write_terms(code, rows, i, second, third):
    """Write 1, two numbers and 0 as row i (.., TERMS)."""
    one, nothing = (code.number(code.index(i)) for i in (1, 0))
    code.put(code.joined([one, second, third, nothing]), rows, code.product(i, TERMS))


@helper
def _plain_multiple(rows, i, factor, terms, j):
    for k in range(TERMS):
        rows[i, k] = factor * terms[j, k]


@generated(instead=_plain_multiple)
def write_row(code, rows, i, factor, terms, j):
    """Write a number times row j of terms as row i; both (.., TERMS)."""
    row = code.numbers(terms, code.product(j, TERMS), TERMS)
    code.put(code.times(code.all_lanes(factor, TERMS), row), rows, code.product(i, TERMS))


@helper
def _plain_add(rows, i, factor, terms, j):
    for k in range(TERMS):
        rows[i, k] += factor * terms[j, k]


@generated(instead=_plain_add)
def add_row(code, rows, i, factor, terms, j):
    """Add a number times row j of terms to row i; both (.., TERMS)."""
    row, at = code.numbers(terms, code.product(j, TERMS), TERMS), code.product(i, TERMS)
    added = code.product_and_sum(code.all_lanes(factor, TERMS), row, code.numbers(rows, at, TERMS))
    code.put(added, rows, at)


@helper
def _plain_sum(one, i, of_one, other, j, of_other, at):
    total = 0.0
    for k in range(TERMS):
        total += one[i, k] * of_one[at, k] + other[j, k] * of_other[at, k]
    return total


@generated(types.float64, instead=_plain_sum)
def sum_of_products(code, one, i, of_one, other, j, of_other, at):
    """Return the sum of row i of one times row `at` of its factors, and of row j likewise; (.., TERMS)."""
    rows = (one, i), (of_one, at), (other, j), (of_other, at)
    a, b, c, d = (code.numbers(array, code.product(row, TERMS), TERMS) for array, row in rows)
    return code.sum_of_lanes(code.product_and_sum(a, b, code.times(c, d)))


@helper
def run_of_term(begun, ended, here, beyond, first, last, step, k):
    """As `run`, of term k alone; arrays (.., at least k + 1)."""
    total = after = 0.0
    for i in range(abs(last - first) + 1):
        one, other = unsigned(first + i * step), unsigned(last - i * step)
        total += begun[one, k]
        here[one, k] = total
        more = ended[other, k]
        beyond[other, k] = after
        after += more


@helper
def _plain_run(begun, ended, here, beyond, first, last, step):
    for k in range(TERMS):
        run_of_term(begun, ended, here, beyond, first, last, step, k)


@generated(instead=_plain_run)
def run(code, begun, ended, here, beyond, first, last, step):
    """Write sums of rows from the first to the last, each with what it adds, and back, each without.

    step is 1 or -1; all (.., TERMS), and sums may replace what they are of.
    """
    nothing = code.all_lanes(0.0, TERMS)
    total, after = code.variable(nothing), code.variable(nothing)
    count = code.sum(code.product(code.difference(last, first), step), 1)
    with code.indices(0, count, 1) as i:
        moved = code.product(i, step)
        one = code.product(code.sum(first, moved), TERMS)
        other = code.product(code.difference(last, moved), TERMS)
        total.value = code.plus(total.value, code.numbers(begun, one, TERMS))
        code.put(total.value, here, one)
        more = code.numbers(ended, other, TERMS)
        code.put(after.value, beyond, other)
        after.value = code.plus(after.value, more)
