"""What each point adds to the grid points around it and takes from them: compiled passes for one order."""

import math
from functools import cache
from typing import Any

import numpy as np

from ...runtime.jit import Function, helper
from ...runtime.signatures import READ1
from ..sums.loops import Loops, compiled
from ..sums.passes import adding, adjoint_signature, forward_signature, taking
from ..sums.places import COLUMNS, EVEN, INVERSE_PITCH, LEAD, TRASH, locator

_SHIFT = 4503599627370496.0  # 2^52: leaves an integer in the low bits
_LOW_BITS = np.int64(0xFFFFFFFF)


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


@cache
def grid_passes(order: int, circle: bool, whole: bool) -> Loops:
    """Return the passes, each compiled when it is first asked for.

    Slots (n + 2 order,) are the grid with room for the points around its last one, and then for points off
    the grid. A point's first slot is at or left of it by the same count for all. On a `circle` points are
    taken to one turn from the origin, and the grid may be the `whole` of it.
    """
    key = f"{order}.{'whole' if whole else 'circle' if circle else 'line'}"
    made = (_make_masses, forward_signature()), (_make_values, adjoint_signature(READ1, READ1))
    return compiled(Loops, "grid_points", key, (order, circle, whole), *made)


def _slot_locator(circle: bool, whole: bool, nearest: bool) -> tuple[Function, Function]:
    """Return two helpers as of `locator`, arrays too, for points' first slots and places from there."""
    distances, _ = locator(EVEN, circle)

    @helper
    def slots(d, n, shift, g, order, slot, u):
        """slot_j (ROOM,) = the first slot of what lies d_j from the first bin, u_j = its place from there."""
        lead, inverse_spacing, points, outside = g[LEAD], g[INVERSE_PITCH], g[COLUMNS], np.int64(g[TRASH])
        for j in range(n):
            # Rounding may leave the turn; a circle has no outside. A comparison with NaN is false.
            at = d[j] * inverse_spacing + lead
            if whole:
                inside = True
                at = min(at if at >= 0.0 else 0.0, points)
            else:
                inside = (at >= 0.0) & (at <= points)
                at = at if inside else 0.0
            floor = math.floor(at + 0.5 if nearest else at)
            index = np.float64(floor + _SHIFT).view(np.int64) & _LOW_BITS
            slot[j] = index if inside else outside
            u[j] = at - floor

    return distances, slots


@cache
def _sharing(order: int) -> Function:
    cubic_of = helper(cubic)

    @helper
    def share(u, n, rooms):
        """Return the weights of the slots around points at u (ROOM,), which gets the last of four."""
        s0, s1, s2 = rooms
        if order == 2:
            for j in range(n):
                s0[j], s1[j] = 1.0 - u[j], u[j]
        if order == 4:
            for j in range(n):
                s0[j], s1[j], s2[j], u[j] = cubic_of(u[j])
        return s0, s1, s2, u

    return share


def _make_masses(order: int, circle: bool, whole: bool) -> Function:
    share = _sharing(order)

    @helper
    def add(w, places, shift, rooms, n, data, after, sums):
        """sums (slots,) += w_j shares."""
        _, slot, u = places
        s0, s1, s2, s3 = share(u, n, rooms)
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

    return adding(_slot_locator(circle, whole, order == 1), 1, add)


def _make_values(order: int, circle: bool, whole: bool) -> Function:
    share = _sharing(order)

    @helper
    def gather(values, n, slot, around, sums):
        """sums_j (ROOM,) = sum_k values[slot_j + k] shares_jk, values (slots,)."""
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

    @helper
    def take(sums, slopes, sloping, places, shift, rooms, n, data, after, at_slots, slopes_at_slots):
        """Write sums and slopes (ROOM,) from at_slots and slopes_at_slots (slots,)."""
        _, slot, u = places
        around = share(u, n, rooms)
        gather(at_slots, n, slot, around, sums)
        if sloping:
            gather(slopes_at_slots, n, slot, around, slopes)

    return taking(_slot_locator(circle, whole, order == 1), 1, take)
