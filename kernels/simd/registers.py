"""Sums over whole registers: of some ten of them a compiler leaves up to a third to single numbers.

Where no vector code is generated plain loops do the same.
"""

from numba import types

from ..numerics.chunks import LANES
from ..runtime.jit import loop
from .vector_math import generated


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
