"""What each point adds to its cell and takes from it: compiled passes for one order.

A cell of order P holds the moments sum_j w_j T_k(v_j), k < P, of its points, T_k the Chebyshev
polynomials, which do not amplify rounding errors; and what points take back is a polynomial in v.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from numba import types

from ...numerics.chunks import LANES
from ...runtime.jit import helper
from ...runtime.signatures import READ1, WRITE1
from ...simd.ahead import to_read, to_write
from ...simd.scatter import add_moments, add_polynomials
from ..sums.loops import Compiled, compiled
from ..sums.passes import DATA_OF_BLOCKS, DATA_OF_PARTIALS, SUMS_OF_BLOCKS, SUMS_OF_PARTIALS, adding, taking


class Passes(NamedTuple):
    """The compiled passes of one order: what points add to cells, and what they take."""

    moments: Compiled
    values: Compiled


@cache
def point_passes(order: int, kind: str, circle: bool) -> Passes:
    """Return the passes of one kind of cells, each compiled when it is first asked for."""
    moments = types.void(*DATA_OF_PARTIALS, *SUMS_OF_PARTIALS)
    values = types.void(*DATA_OF_BLOCKS, READ1, WRITE1, *SUMS_OF_BLOCKS)
    key = f"{order}.{kind}.{'circle' if circle else 'line'}"
    made = (_make_moments, moments), (_make_values, values)
    return compiled(Passes, "cell_points", key, (order, kind, circle), *made)


def _make_moments(order: int, kind: str, circle: bool) -> Callable:
    add_eight = add_moments(order)

    @helper
    def add(w, places, shift, rooms, n, data, after, sums):
        (_, cell, v), (x, z) = places, data
        for j in range(0, n, LANES):
            to_read(x, after + j)
            to_read(z, after + j)
            add_eight(w, v, cell, j, sums)

    add_partials = adding(kind, circle, order, add)

    def moments(x, z, ends, g, states, sums, counter, most):
        """sums (partials, cells * P) += w_j T_k(v_j) of up to `most` partials, as of `adding`."""
        add_partials(counter, most, states.shape[0], x, z, ends, g, states, sums)

    return moments


def _make_values(order: int, kind: str, circle: bool) -> Callable:
    add_eight = add_polynomials(order)

    @helper
    def take(sums, slopes, sloping, places, shift, rooms, n, data, after, coefficients):
        (_, cell, v), (x, z, by) = places, data
        for j in range(0, n, LANES):
            to_read(x, after + j)
            to_read(z, after + j)
            to_write(by, after + j)
            add_eight(coefficients, cell, v, j, sums)

    take_blocks = taking(kind, circle, order, take)

    def values(x, z, size, g, taking, coefficients, by, largest, counter, most):
        """by_i (n,) = w_i (share + sign sum_k coefficients[cell_i, k] v_i^k), as of `taking`."""
        blocks, by_x = -(-x.shape[0] // size), by[:0]
        take_blocks(counter, most, blocks, x, z, size, g, taking, by, by_x, largest, coefficients)

    return values
