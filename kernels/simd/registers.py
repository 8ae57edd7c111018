"""Sums over whole registers: of some ten of them a compiler leaves up to a third to single numbers.

Where no vector code is generated plain loops do the same.
"""

from numba import types

from ..numerics.arithmetic import log
from ..numerics.chunks import LANES
from ..runtime.jit import GENERATES, helper, loop
from .vector_math import generated

POWERS = 8  # of each factor in one pass


@loop
def _plain_dot(values, weights, n):
    total = 0.0
    for i in range(n):
        total += values[i] * weights[i]
    return total


@generated(types.float64, instead=_plain_dot)
def dot(code, values, weights, n):
    """Return sum_i values_i weights_i of n numbers, whole registers of them; both (n,) or longer."""
    total = code.variable(0.0)
    with code.indices(0, n, LANES) as i:
        total.value = code.product_and_sum(code.numbers(values, i), code.numbers(weights, i), total.value)
    return code.sum_of_lanes(total.value)


@loop
def _plain_add(sums, weight, values, n):
    for i in range(n):
        sums[i] += weight * values[i]


@generated(instead=_plain_add)
def add_multiple(code, sums, weight, values, n):
    """Add weight values_i to n sums, whole registers of them; both (n,) or longer."""
    factor = code.all_lanes(weight)
    with code.indices(0, n, LANES) as i:
        code.put(code.product_and_sum(factor, code.numbers(values, i), code.numbers(sums, i)), sums, i)


@loop
def _plain_power_sums(terms, factors, n, sums):
    for k in range(POWERS):
        total = 0.0
        for i in range(n):
            total += terms[i]
            terms[i] *= factors[i]
        sums[k] = total


@generated(instead=_plain_power_sums)
def power_sums(code, terms, factors, n, sums):
    """Write sum_i a_i t_i^k, k < POWERS, of terms a and factors t, and make a_i t_i^POWERS of the terms.

    Of n numbers, whole registers of them; sums (POWERS,).
    """
    totals = [code.variable(0.0) for _ in range(POWERS)]
    with code.indices(0, n, LANES) as i:
        term, factor = code.numbers(terms, i), code.numbers(factors, i)
        for total in totals:
            total.value = code.plus(total.value, term)
            term = code.times(term, factor)
        code.put(term, terms, i)
    for k, total in enumerate(totals):
        code.put(code.sum_of_lanes(total.value), sums, k)


@loop
def _plain_polynomials(values, factors, n, weights):
    for i in range(n):
        for k in range(POWERS - 1, -1, -1):
            values[i] = values[i] * factors[i] + weights[k]


@generated(instead=_plain_polynomials)
def polynomials(code, values, factors, n, weights):
    """Make v_i t_i^POWERS + sum_k weights_k t_i^k, k < POWERS, of n values v, whole registers of them."""
    terms = [code.all_lanes(code.load(code.element(weights, k), 1)) for k in range(POWERS)]
    with code.indices(0, n, LANES) as i:
        value, factor = code.numbers(values, i), code.numbers(factors, i)
        for term in reversed(terms):
            value = code.product_and_sum(value, factor, term)
        code.put(value, values, i)


@generated()
def _logs_in_registers(code, numbers, n, logs):
    """As `logs_of`, of a register's numbers at least: the last ends where they do, over the one before."""
    last = code.difference(n, LANES)
    with code.indices(0, n, LANES) as first:
        i = code.lesser(first, last)
        code.put(code.logs([code.numbers(numbers, i)])[0], logs, i)


@helper
def logs_of(numbers, n, logs):
    """Write the logarithms of n positive normal numbers to another array; both (n,) or longer."""
    if GENERATES and n >= LANES:
        _logs_in_registers(numbers, n, logs)
    else:
        for i in range(n):
            logs[i] = log(numbers[i])
