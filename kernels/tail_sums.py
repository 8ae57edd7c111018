"""Sums over the points that matter to weak bins, in the logarithmic domain.

Intervals narrow enough for the bins that they matter to stand for their points by Chebyshev nodes
with weights of either sign; in the others every point is a node.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from .arithmetic import LOG2_E, SMALLEST, exp2, from_order_key, order_key, rounded_sum
from .families import FORMULAS, IMAGES, PERIOD, Variant
from .jit import helper, lazily
from .pair_loops import (
    CHUNK,
    READ,
    READ1,
    READ_INTS,
    WRITE1,
    distance_of,
    parameters_of,
    room,
    shift_of,
    sum_of,
)
from .tail_intervals import INTS, WHERE, bound_helpers, find

ORDER = 12

_DATA = (READ1, READ1, types.float64, types.float64)


@helper
def _place(v, low, high):
    """Return where v lies in [low, high], as a number in [-1, 1]."""
    half = 0.5 * (high - low)
    place = (v - low) / half - 1.0 if half > 0.0 else 0.0
    return (place if place < 1.0 else 1.0) if place > -1.0 else -1.0


def _make_gather() -> Callable:
    def gather(
        x, z, middle, period, low, high, buckets, first, need, place, largest, moments, index, interval
    ):
        """Add points of interval i to moments[place[i]], or list them where place[i] < 0; return how many."""
        v, owner = room(np.float64), room(np.int64)
        listed = 0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            find(x[start : start + n], middle, period, low, high, buckets, first, v, owner)
            for j in range(n):
                i, logit = owner[j], z[start + j]
                if i < 0 or logit < need[i]:
                    continue
                if place[i] < 0:
                    index[listed], interval[listed] = start + j, i
                    listed += 1
                    continue
                t = _place(v[j], low[i], high[i])
                at = place[i] * ORDER
                before = exp2((logit - largest[i]) * LOG2_E)
                term = before * t
                moments[at] += before
                moments[at + 1] += term
                for k in range(2, ORDER):
                    before, term = term, 2.0 * t * term - before
                    moments[at + k] += term
        return listed

    return gather


gather = lazily(
    _make_gather,
    types.int64(*_DATA, *WHERE, READ1, READ_INTS, READ1, WRITE1, INTS, INTS),
    "tail_sums.gather",
)


def _make_spread() -> Callable:
    def spread(x, z, middle, period, low, high, buckets, first, need, place, largest, powers, by):
        """by_j += exp(z_j - largest[i]) sum_k powers[place[i], k] v_j^k where interval i has a place."""
        v, owner = room(np.float64), room(np.int64)
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            find(x[start : start + n], middle, period, low, high, buckets, first, v, owner)
            for j in range(n):
                i, logit = owner[j], z[start + j]
                if i < 0 or logit < need[i] or place[i] < 0:
                    continue
                t = _place(v[j], low[i], high[i])
                at = place[i] * ORDER
                total = powers[at + ORDER - 1]
                for k in range(ORDER - 2, -1, -1):
                    total = total * t + powers[at + k]
                by[start + j] += exp2((logit - largest[i]) * LOG2_E) * total

    return spread


spread = lazily(
    _make_spread,
    types.void(*_DATA, *WHERE, READ1, READ_INTS, READ1, READ1, WRITE1),
    "tail_sums.spread",
)


class NodeLoops(NamedTuple):
    """Compiled loops over bins, intervals that matter to them, and the nodes of these."""

    forward: Callable[[], Callable]
    adjoint: Callable[[], Callable]


@cache
def node_loops(variant: Variant) -> NodeLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    nodes = (READ1, READ, READ1, READ1, READ1, READ1, types.float64, READ_INTS, READ1, READ1, READ1)
    return NodeLoops(
        lazily(
            lambda: _make_forward(variant),
            types.void(*nodes, WRITE1, WRITE1),
            f"tail_sums.forward.{variant.key}",
        ),
        lazily(
            lambda: _make_adjoint(variant),
            types.void(*nodes, READ1, READ1, WRITE1, WRITE1, WRITE1),
            f"tail_sums.adjoint.{variant.key}",
        ),
    )


# Both take bins and parameters, the intervals' low, high and largest (intervals,), the best lower bound
# of each bin and the margin, and where each interval's nodes start; the nodes' positions, exponents
# and weights (nodes,).


@helper
def _longest(starts):
    """Return the number of nodes of the interval that has most."""
    longest = 0
    for i in range(starts.shape[0] - 1):
        longest = max(longest, starts[i + 1] - starts[i])
    return longest


def _make_forward(variant: Variant) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images
    log2_kernel, distances = bound_helpers(variant)

    def forward(
        centers, params, low, high, largest, lowest, margin, starts, at, exponent, weight, peak, total
    ):
        """sum over nodes of weight 2^exponent K/C = total 2^peak for each bin."""
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        terms = np.empty(_longest(starts))
        for m in range(centers.shape[0]):
            c = centers[m]
            top, added = -np.inf, 0.0
            for i in range(low.shape[0]):
                near, _ = distances(c, low[i], high[i], period)
                if not largest[i] * LOG2_E + log2_kernel(near, p) >= lowest[m] - margin:
                    continue
                for image in range(count):
                    shift = shift_of(image, period)
                    begin, n = np.uint64(starts[i]), np.uint64(starts[i + 1] - starts[i])
                    for j in range(n):
                        e, f, _, _ = formula(distance(c, at[begin + j], period, shift), p)
                        terms[j] = rounded_sum(exponent[begin + j], e) if f > 0.0 else -np.inf
                    key = order_key(top)
                    for j in range(n):
                        key = max(key, order_key(terms[j]))
                    highest = from_order_key(key)
                    if highest == -np.inf:
                        continue
                    added *= exp2(top - highest)
                    top = highest
                    for j in range(n):
                        _, f, _, _ = formula(distance(c, at[begin + j], period, shift), p)
                        added += weight[begin + j] * exp2(terms[j] - top) * f
            peak[m], total[m] = top, added

    return forward


def _make_adjoint(variant: Variant) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images
    log2_kernel, distances = bound_helpers(variant)

    def adjoint(
        centers,
        params,
        low,
        high,
        largest,
        lowest,
        margin,
        starts,
        at,
        exponent,
        weight,
        share,
        peak,
        by_z,
        by_x,
        by_h,
    ):
        """by_z, by_x (nodes,) += sum over bins of share 2^(exponent - peak) K/C, dK/dd / C; by_h of both."""
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        widening = np.empty(_longest(starts))
        for m in range(centers.shape[0]):
            c, mine, highest = centers[m], share[m], peak[m]
            if mine == 0.0:
                continue
            for i in range(low.shape[0]):
                near, _ = distances(c, low[i], high[i], period)
                if not largest[i] * LOG2_E + log2_kernel(near, p) >= lowest[m] - margin:
                    continue
                for image in range(count):
                    shift = shift_of(image, period)
                    begin, n = np.uint64(starts[i]), np.uint64(starts[i + 1] - starts[i])
                    for j in range(n):
                        e, f, f_d, f_h = formula(distance(c, at[begin + j], period, shift), p)
                        t = rounded_sum(rounded_sum(exponent[begin + j], e), -highest)
                        reached = (t > SMALLEST) & (f > 0.0)
                        k = mine * exp2(t)
                        by_z[begin + j] += k * f if reached else 0.0
                        by_x[begin + j] += k * f_d if reached else 0.0
                        widening[j] = weight[begin + j] * (k * f_h) if reached else 0.0
                    by_h[0] += sum_of(widening, n)

    return adjoint
