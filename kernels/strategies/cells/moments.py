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

from ...numerics.chunks import CHUNK, LANES, room
from ...runtime.jit import helper, lazily
from ...runtime.signatures import COUNTER, READ1, READ_INTS, WRITE, WRITE1
from ...runtime.units import take_unit, unit_done, wait_for_others
from ...simd.ahead import to_read, to_write
from ...simd.scatter import add_moments, add_polynomials
from ..sums.partials import finish, look, look_at_points, rescale, start_lane, weigh_seen, weights_of
from ..sums.places import COPIES, PERIOD, locator


class PointPasses(NamedTuple):
    """The compiled passes of one order and kind of cells."""

    moments: Callable[[], Callable]
    values: Callable[[], Callable]


@cache
def point_passes(order: int, kind: str, circle: bool) -> PointPasses:
    """Return the passes, each compiled when it is first asked for."""
    key = f"{order}.{kind}.{'circle' if circle else 'line'}"

    def compiled(name: str, make: Callable, signature: object) -> Callable[[], Callable]:
        return lazily(lambda: make(order, kind, circle), signature, f"cell_points.{name}.{key}")

    data, units = (READ1, READ1), (COUNTER, types.int64)
    values = (
        *data,
        types.int64,
        types.float64,
        READ1,
        READ1,
        types.float64,
        types.float64,
        WRITE1,
        WRITE1,
        *units,
    )
    return PointPasses(
        compiled("moments", _make_moments, types.void(*data, READ_INTS, READ1, WRITE, WRITE, *units)),
        compiled("values", _make_values, types.void(*values)),
    )


def _make_moments(order: int, kind: str, circle: bool) -> Callable:
    distances, cells = locator(kind, circle)
    add = add_moments(order)

    @helper
    def add_lane(x, z, g, state, sums):
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        copies, turn = int(g[COPIES]), g[PERIOD]
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            points = x[start : start + n]
            look_at_points(points, state)
            logits = z[start : start + n]
            rescale(sums, look(logits, state))
            weigh_seen(logits, state, w)
            distances(points, n, g, d)
            padded = _pad(d, w, n)
            for copy in range(copies):
                cells(d, padded, copy * turn, g, order, cell, v)
                for j in range(0, padded, LANES):
                    to_read(x, start + CHUNK + j)
                    to_read(z, start + CHUNK + j)
                    add(w, v, cell, j, sums)

    def moments(x, z, ends, g, states, sums, counter, most):
        """sums (lanes, cells * P) += w_j T_k(v_j) of up to `most` lanes: points ends[l] .. ends[l + 1]."""
        lanes = states.shape[0]
        for _ in range(most):
            lane = take_unit(counter)
            if lane >= lanes:
                return wait_for_others(counter, lanes)
            begin, end = ends[lane], ends[lane + 1]
            start_lane(sums[lane], states[lane])
            add_lane(x[begin:end], z[begin:end], g, states[lane], sums[lane])
            unit_done(counter)

    return moments


def _make_values(order: int, kind: str, circle: bool) -> Callable:
    distances, cells = locator(kind, circle)
    add = add_polynomials(order)

    @helper
    def of_block(x, z, top, g, coefficients, share, sign, by):
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        sums = room(np.float64)
        copies, turn = int(g[COPIES]), g[PERIOD]
        largest = 0.0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            weights_of(z[start : start + n], n, top, w)
            distances(x[start : start + n], n, g, d)
            padded = _pad(d, w, n)
            for j in range(padded):
                sums[j] = 0.0
            for copy in range(copies):
                cells(d, padded, copy * turn, g, order, cell, v)
                for j in range(0, padded, LANES):
                    to_read(x, start + CHUNK + j)
                    to_read(z, start + CHUNK + j)
                    to_write(by, start + CHUNK + j)
                    add(coefficients, cell, v, j, sums)
            largest = max(largest, finish(w, sums, share, sign, by[start : start + n]))
        return largest

    def values(x, z, size, top, g, coefficients, share, sign, by, largest, counter, most):
        """by_i = w_i (share + sign sum_k coefficients[cell_i, k] v_i^k).

        In up to `most` blocks of `size` points; largest (blocks,) = the largest |by_i| of each.
        """
        blocks = -(-x.shape[0] // size)
        for _ in range(most):
            block = take_unit(counter)
            if block >= blocks:
                return wait_for_others(counter, blocks)
            begin, end = block * size, min((block + 1) * size, x.shape[0])
            about = top, g, coefficients, share, sign, by[begin:end]
            largest[block] = of_block(x[begin:end], z[begin:end], *about)
            unit_done(counter)

    return values


@helper
def _pad(d, w, n):
    """Fill up to whole vector registers with points of weight 0; return how many there are then."""
    padded = (n + LANES - 1) // LANES * LANES
    for j in range(n, padded):
        d[j], w[j] = d[n - 1], 0.0
    return padded
