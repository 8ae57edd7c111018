"""What each point adds to the grid points around it and takes from them: compiled passes for one order."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from ...numerics.chunks import CHUNK, room
from ...runtime.jit import helper
from ...runtime.signatures import READ1, WRITE1
from ..sums.loops import Compiled, compiled
from ..sums.partials import finish, look, look_at_points, rescale, start_partial, weigh_seen, weights_of
from ..sums.places import EVEN, FIRST_BIN, INVERSE_PITCH, LEAD, PERIOD, SIZE, TURNS, locator

# Entries of the array that compiled code takes, beside those of `cell_geometry`.
_POINTS, _OUTSIDE = SIZE, SIZE + 1
_SHIFT = 4503599627370496.0  # 2^52: leaves an integer in the low bits
_LOW_BITS = np.int64(0xFFFFFFFF)


def placing(first_bin: float, before: int, spacing: float, points: int, period: float, outside: int) -> Any:
    """Return what compiled code needs to place points: `outside` is the slot of those off the grid."""
    g = np.zeros(SIZE + 2)
    g[FIRST_BIN], g[LEAD], g[INVERSE_PITCH], g[_POINTS] = first_bin, before, 1 / spacing, points
    g[_OUTSIDE], g[PERIOD], g[TURNS] = outside, period, spacing / period if period > 0 else 0.0
    return g


def cubic(f: Any) -> tuple[Any, Any, Any, Any]:
    """Return Lagrange's weights of the grid points at -1, 0, 1, 2 for a point at f in [0, 1]."""
    g = 1.0 - f
    outer, inner = f * g * (-1.0 / 6.0), (1.0 + f) * (1.0 + g) * 0.5
    return outer * (1.0 + g), inner * g, inner * f, outer * (1.0 + f)


def shares(order: int, f: Any) -> tuple[Any, ...]:
    """Return the weights of the `order` grid points around a point at f."""
    if order == 1:
        return (1.0 + 0.0 * f,)
    return (1.0 - f, f) if order == 2 else cubic(f)


class GridPasses(NamedTuple):
    """The compiled passes of one order.

    Slots (n + 2 order,) are the grid with room for the points around its last one, and then for
    points off the grid. A point's first slot is at or left of it by the same count for all.
    """

    masses: Compiled
    values: Compiled


@cache
def grid_passes(order: int, circle: bool, whole: bool) -> GridPasses:
    """Return the passes, each compiled when it is first asked for.

    On a `circle` points are taken to one turn from the origin, and the grid may be the `whole` of it.
    """
    key = f"{order}.{'whole' if whole else 'circle' if circle else 'line'}"
    masses = types.void(READ1, READ1, READ1, WRITE1, WRITE1)
    values = types.float64(READ1, READ1, types.float64, READ1, READ1, READ1, types.float64, WRITE1, WRITE1)
    made = (_make_masses, masses), (_make_values, values)
    return compiled(GridPasses, "grid_points", key, (order, circle, whole), *made)


@cache
def _stencil(order: int, circle: bool, whole: bool) -> Callable:
    distances, _ = locator(EVEN, circle)
    cubic_of = helper(cubic)

    @helper
    def stencil(xs, n, g, u, slot, around):
        """slot_j = the first slot of a point xs_j (n,), `around` its weights from there on; u is room."""
        s0, s1, s2, s3 = around
        points, outside = g[_POINTS], np.int64(g[_OUTSIDE])
        lead, inverse_spacing = g[LEAD], g[INVERSE_PITCH]
        distances(xs, n, g, u)
        for j in range(n):
            # Rounding may leave the turn; a circle has no outside. A comparison with NaN is false.
            at = u[j] * inverse_spacing + lead
            if whole:
                inside = True
                at = min(at if at >= 0.0 else 0.0, points)
            else:
                inside = (at >= 0.0) & (at <= points)
                at = at if inside else 0.0
            floor = math.floor(at + 0.5 if order == 1 else at)
            index = np.float64(floor + _SHIFT).view(np.int64) & _LOW_BITS
            slot[j] = index if inside else outside
            u[j] = at - floor
        if order == 2:
            for j in range(n):
                s0[j], s1[j] = 1.0 - u[j], u[j]
        if order == 4:
            for j in range(n):
                s0[j], s1[j], s2[j], s3[j] = cubic_of(u[j])

    return stencil


def _make_masses(order: int, circle: bool, whole: bool) -> Callable:
    stencil = _stencil(order, circle, whole)

    def masses(x, z, g, state, sums):
        """sums (slots,) += w_j shares of points x, z (n,), w_j = exp(z_j - top); `state` is a partial's."""
        u, w, slot = room(np.float64), room(np.float64), room(np.int64)
        around = room(np.float64), room(np.float64), room(np.float64), room(np.float64)
        s0, s1, s2, s3 = around
        start_partial(sums, state)
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            points, logits = x[start : start + n], z[start : start + n]
            look_at_points(points, state)
            rescale(sums, look(logits, state))
            weigh_seen(logits, state, w)
            stencil(points, n, g, u, slot, around)
            for j in range(n):
                at = slot[j]
                if order == 1:
                    sums[at] += w[j]
                else:
                    sums[at] += w[j] * s0[j]
                    sums[at + 1] += w[j] * s1[j]
                if order == 4:
                    sums[at + 2] += w[j] * s2[j]
                    sums[at + 3] += w[j] * s3[j]

    return masses


@cache
def _gather(order: int) -> Callable:
    @helper
    def gather(values, n, slot, around, sums):
        """sums_j (n,) = sum_k values[slot_j + k] shares_jk, values (slots,)."""
        s0, s1, s2, s3 = around
        for j in range(n):
            at = slot[j]
            if order == 1:
                sums[j] = values[at]
            elif order == 2:
                sums[j] = values[at] * s0[j] + values[at + 1] * s1[j]
            else:
                near = values[at + 1] * s1[j] + values[at + 2] * s2[j]
                sums[j] = values[at] * s0[j] + values[at + 3] * s3[j] + near

    return gather


def _make_values(order: int, circle: bool, whole: bool) -> Callable:
    stencil, gather = _stencil(order, circle, whole), _gather(order)

    def values(x, z, top, g, at_slots, slopes_at_slots, share, by_z, by_x):
        """by_z_i = w_i (share - sum_k at_slots[slot_i + k] shares_ik); return the largest |by_z_i|.

        Of points x, z, by_z (n,) and slots (slots,). Unless by_x (n,) is empty, by_x_i = w_i sum_k
        slopes_at_slots[slot_i + k] shares_ik.
        """
        u, w, slot = room(np.float64), room(np.float64), room(np.int64)
        around = room(np.float64), room(np.float64), room(np.float64), room(np.float64)
        largest = 0.0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            weights_of(z[start : start + n], n, top, w)
            stencil(x[start : start + n], n, g, u, slot, around)
            gather(at_slots, n, slot, around, u)
            largest = max(largest, finish(w, u, share, -1.0, by_z[start : start + n]))
            if by_x.shape[0] > 0:
                gather(slopes_at_slots, n, slot, around, u)
                finish(w, u, 0.0, 1.0, by_x[start : start + n])
        return largest

    return values
