"""Sums over whole registers: where a loop of some ten of them would leave a third to single numbers.

Where no vector code is generated plain loops do the same.
"""

from numba import types

from ..runtime.jit import loop
from .vector_math import generated

_TOGETHER = 4


@loop
def _plain_product(values, weights, n):
    total = 0.0
    for i in range(n):
        total += values[i] * weights[i]
    return total


@generated(types.float64, instead=_plain_product)
def product(code, values, weights, n):
    """Return sum_i values_i weights_i of n numbers, whole registers of them; both (n,) or longer."""
    totals = [code.variable(0.0) for _ in range(_TOGETHER)]

    def block(registers, first):
        for k in range(registers):
            i = code.entry(first, k)
            pair = code.numbers(values, i), code.numbers(weights, i)
            totals[k].value = code.product_and_sum(*pair, totals[k].value)

    code.blocks(code.registers(n), _TOGETHER, block)
    return code.sum_of_lanes(code.total([total.value for total in totals]))


@loop
def _plain_add(sums, weight, values, n):
    for i in range(n):
        sums[i] += weight * values[i]


@generated(instead=_plain_add)
def add_times(code, sums, weight, values, n):
    """Add weight values_i to n sums, whole registers of them; both (n,) or longer."""
    factor = code.all_lanes(weight)

    def block(registers, first):
        for k in range(registers):
            i = code.entry(first, k)
            code.put(code.product_and_sum(factor, code.numbers(values, i), code.numbers(sums, i)), sums, i)

    code.blocks(code.registers(n), _TOGETHER, block)
