"""What each point adds to its cell and takes from it: compiled passes for one order.

A cell of order P holds the moments sum_j w_j T_k(v_j), k < P, of its points, T_k the Chebyshev
polynomials, which do not amplify rounding errors; and what points take back is a polynomial in v.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from .arithmetic import LOG2_E, exp2
from .cell_geometry import COPIES, INVERSE_PITCH, PERIOD, locator
from .jit import helper, lazily, loop
from .pair_loops import CHUNK, READ1, WRITE1, room


class PointPasses(NamedTuple):
    """The compiled passes of one order and kind of cells."""

    moments: Callable[[], Callable]
    values: Callable[[], Callable]


@loop
def weights_of(zs, n, top, w):
    """Write w_j = exp(z_j - top) and return their sum."""
    total = 0.0
    for j in range(n):
        w[j] = exp2((zs[j] - top) * LOG2_E)
        total += w[j]
    return total


@cache
def point_passes(order: int, kind: str, circle: bool) -> PointPasses:
    """Return the passes, each compiled when it is first asked for."""
    key = f"{order}.{kind}.{'circle' if circle else 'line'}"

    def compiled(name: str, make: Callable, signature: object) -> Callable[[], Callable]:
        return lazily(lambda: make(order, kind, circle), signature, f"cell_points.{name}.{key}")

    data = (READ1, READ1, types.float64, READ1)
    return PointPasses(
        compiled("moments", _make_moments, types.float64(*data, WRITE1)),
        compiled("values", _make_values, types.float64(*data, READ1, types.float64, types.float64, WRITE1)),
    )


def _make_moments(order: int, kind: str, circle: bool) -> Callable:
    distances, cells = locator(kind, circle)

    def moments(x, z, top, g, sums):
        """sums (cells * P,) += w_j T_k(v_j), w_j = exp(z_j - top); return sum_j w_j."""
        u, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        copies, turn = int(g[COPIES]), g[PERIOD] * g[INVERSE_PITCH]
        total = 0.0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            total += weights_of(z[start : start + n], n, top, w)
            distances(x[start : start + n], n, g, u)
            for copy in range(copies):
                cells(u, n, copy * turn, g, order, cell, v)
                for j in range(n):
                    # Unsigned, because a signed index is first looked at for being negative.
                    at, before, double = np.uint64(cell[j]), w[j], 2.0 * v[j]
                    term = before * v[j]
                    sums[at] += before
                    if order > 1:
                        sums[at + np.uint64(1)] += term
                    for k in range(2, order):
                        before, term = term, double * term - before
                        sums[at + np.uint64(k)] += term
        return total

    return moments


@helper
def _polynomial(coefficients, at, order, v):
    """Return sum_k coefficients[at + k] v^k."""
    total = coefficients[at + np.uint64(order - 1)]
    for k in range(order - 2, -1, -1):
        total = total * v + coefficients[at + np.uint64(k)]
    return total


def _make_values(order: int, kind: str, circle: bool) -> Callable:
    distances, cells = locator(kind, circle)

    def values(x, z, top, g, coefficients, share, sign, by):
        """by_i = w_i (share + sign sum_k coefficients[cell_i, k] v_i^k); return the largest |by_i|."""
        u, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        sums = room(np.float64)
        copies, turn = int(g[COPIES]), g[PERIOD] * g[INVERSE_PITCH]
        largest = 0.0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            weights_of(z[start : start + n], n, top, w)
            distances(x[start : start + n], n, g, u)
            for j in range(n):
                sums[j] = 0.0
            for copy in range(copies):
                cells(u, n, copy * turn, g, order, cell, v)
                for j in range(n):
                    sums[j] += _polynomial(coefficients, np.uint64(cell[j]), order, v[j])
            out = by[start : start + n]
            for j in range(n):
                out[j] = w[j] * (share + sign * sums[j])
            largest = max(largest, _largest(out, n))
        return largest

    return values


@loop
def _largest(values, n):
    """Return the largest magnitude, compared as integers, which vectorises."""
    key = np.int64(0)
    for j in range(n):
        key = max(key, np.float64(abs(values[j])).view(np.int64))
    return np.int64(key).view(np.float64)
