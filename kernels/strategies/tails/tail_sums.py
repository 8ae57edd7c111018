"""Sums over the points that matter to weak bins, in the logarithmic domain.

Intervals narrow enough for the bins that they matter to stand for their points by Chebyshev nodes
with weights of either sign; in the others every point is a node.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats, Ints
from ...families import exponent_of, log_formula_of
from ...formula import Variant
from ...numerics.arithmetic import LN_2, LOG2_E, SMALLEST, exp2, from_order_key, order_key
from ...numerics.chunks import CHUNK, room, sum_of, weight
from ...runtime.jit import Function, helper, lazily
from ...runtime.signatures import INTS, READ1, READ_INTS, WRITE, WRITE1, record
from ..sums.images import distance_between, distance_of, reader_of, shift_of
from ..sums.loops import Loops, compiled
from .intervals import DATA, bound_helpers, find

ORDER = 12


# Differences of logits are taken in helpers, which keep their order: loops may reorder sums.
@helper
def is_below(logit, top, need):
    """Return whether a logit is not within -need of the top."""
    return logit - top < need


@helper
def log_weight(e, logit, top):
    """Return the logarithm of 2^e exp(logit - top)."""
    return e * LN_2 + (logit - top)


@helper
def _place(v, low, high):
    """Return where v lies in [low, high], as a number in [-1, 1]."""
    half = 0.5 * (high - low)
    place = (v - low) / half - 1.0 if half > 0.0 else 0.0
    return (place if place < 1.0 else 1.0) if place > -1.0 else -1.0


def _make_gather() -> Function:
    def gather(x, z, top, finder, need, place, largest, moments, index, interval):
        """Add points of interval i to moments[place[i]] (cells * P,), or list them where place[i] < 0.

        Of points x, z (n,) whose logit is not below need, weights relative to largest; these and place are
        (intervals,). Return how many there are in index and interval (n,).
        """
        v, owner = room(np.float64), room(np.int64)
        listed = 0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            find(x[start : start + n], finder, v, owner)
            for j in range(n):
                i, logit = owner[j], z[start + j]
                if i < 0 or is_below(logit, top, need[i]):
                    continue
                if place[i] < 0:
                    index[listed], interval[listed] = start + j, i
                    listed += 1
                    continue
                t = _place(v[j], finder.low[i], finder.high[i])
                at = place[i] * ORDER
                before = weight(logit, largest[i])
                term = before * t
                moments[at] += before
                moments[at + 1] += term
                for k in range(2, ORDER):
                    before, term = term, 2.0 * t * term - before
                    moments[at + k] += term
        return listed

    return gather


gather = lazily(
    _make_gather, types.int64(*DATA, READ1, READ_INTS, READ1, WRITE1, INTS, INTS), "tail_sums.gather"
)


def _make_spread() -> Function:
    def spread(x, z, top, finder, need, place, largest, powers, by):
        """by_j (n,) += exp(z_j - largest[i]) sum_k powers[place[i], k] v_j^k where interval i has a place.

        powers (cells * P,); the others are as in `gather`.
        """
        v, owner = room(np.float64), room(np.int64)
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            find(x[start : start + n], finder, v, owner)
            for j in range(n):
                i, logit = owner[j], z[start + j]
                if i < 0 or is_below(logit, top, need[i]) or place[i] < 0:
                    continue
                t = _place(v[j], finder.low[i], finder.high[i])
                at = place[i] * ORDER
                total = powers[at + ORDER - 1]
                for k in range(ORDER - 2, -1, -1):
                    total = total * t + powers[at + k]
                by[start + j] += weight(logit, largest[i]) * total

    return spread


spread = lazily(_make_spread, types.void(*DATA, READ1, READ_INTS, READ1, READ1, WRITE1), "tail_sums.spread")


class WeakBins(NamedTuple):
    """Bins whose sums are taken over the intervals that matter to them."""

    params: Floats  # of the formula (1, PARAMETERS)
    centers: Floats  # (bins,)
    nearest: Floats  # distance of the nearest interval
    lowest: Floats  # log2 of what the best interval adds at least
    margin: float  # below it, in powers of two, intervals do not matter


class NodesOf(NamedTuple):
    """Intervals (intervals,), and where each one's nodes start."""

    low: Floats
    high: Floats
    largest: Floats  # logit, less the top
    starts: Ints  # (intervals + 1,)


class Nodes(NamedTuple):
    """The nodes of all intervals (nodes,)."""

    anchor: Floats
    offset: Floats  # from the anchor
    logit: Floats
    weight: Floats


@cache
def node_loops(variant: Variant) -> Loops:
    """Return the loops over bins, intervals that matter to them, and the nodes of these."""
    bins = record(WeakBins, WRITE, WRITE1, WRITE1, WRITE1, types.float64)
    intervals = record(NodesOf, WRITE1, WRITE1, WRITE1, INTS)
    fixed = bins, intervals, record(Nodes, WRITE1, WRITE1, WRITE1, WRITE1)
    forward = types.void(*fixed, types.float64, WRITE1, WRITE1, WRITE1, WRITE1)
    adjoint = types.void(*fixed, READ1, READ1, READ1, WRITE1, WRITE1, WRITE1)
    made = (_make_forward, forward), (_make_adjoint, adjoint)
    return compiled(Loops, "tail_sums", variant.key, (variant,), *made)


def _apart_of(variant: Variant) -> Function:
    """Return a helper for the distance of a bin from a node, which lies `offset` from an anchor."""
    distance, wraps = distance_of(variant), variant.circle and not variant.images

    @helper
    def apart(c, anchor, offset, near, period, shift):
        """Return the signed distance, its magnitude, and the latter less `near`, to its last digits."""
        from_anchor = distance(c, anchor, period, shift)
        d = from_anchor - offset
        if wraps:
            d = d - math.copysign(period, d) if abs(d) > 0.5 * period else d
        far = distance_between(d)
        more = (distance_between(from_anchor) - near) - (offset if from_anchor > 0.0 else -offset)
        # Else the bin, or its antipode, lies between the two.
        same = (from_anchor > 0.0) == (from_anchor - offset > 0.0) and (
            not wraps or abs(from_anchor - offset) <= 0.5 * period
        )
        return d, far, more if same else far - near

    return apart


def _make_forward(variant: Variant) -> Function:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    log2_ratio, distances = bound_helpers(variant)
    apart, read = _apart_of(variant), reader_of(variant)

    def forward(bins, intervals, nodes, top, at, high_logit, level, total):
        """For each of bins write the distance and the logit of the node that adds most, and with its e

        sum over nodes of weight exp(logit) K/C = total exp(level + top), all (bins,).
        """
        params, centers, nearest, lowest, margin = bins
        low, high, largest, starts = intervals
        anchor, offset, logit, weight = nodes
        p, period, images = read(params, 0)
        terms = np.empty(anchor.shape[0])
        matters = np.empty(low.shape[0], np.bool_)
        for m in range(centers.shape[0]):
            c, closest = centers[m], nearest[m]
            best, at[m], high_logit[m] = -np.inf, 0.0, -np.inf
            for i in range(low.shape[0]):
                near, _ = distances(c, low[i], high[i], period)
                matters[i] = largest[i] * LOG2_E + log2_ratio(closest, near, p) >= lowest[m] - margin
                if not matters[i]:
                    continue
                begin, n = np.uint64(starts[i]), np.uint64(starts[i + 1] - starts[i])
                for image in range(images):
                    shift = shift_of(image, period)
                    for j in range(n):
                        d, far, more = apart(c, anchor[begin + j], offset[begin + j], closest, period, shift)
                        _, f, _, _ = formula(d, p)
                        e = exponent(logit[begin + j], top, closest, far, more, p)
                        terms[j] = e if f > 0.0 else -np.inf
                    key = order_key(best)
                    for j in range(n):
                        key = max(key, order_key(terms[j]))
                    highest = from_order_key(key)
                    if not highest > best:
                        continue
                    best = highest
                    for j in range(n):
                        if terms[j] == best:
                            node = begin + j
                            _, at[m], _ = apart(c, anchor[node], offset[node], closest, period, shift)
                            high_logit[m] = logit[node]
                            break
            added, near, reference = 0.0, at[m], high_logit[m]
            if best > -np.inf:
                for i in range(low.shape[0]):
                    if not matters[i]:
                        continue
                    begin, n = np.uint64(starts[i]), np.uint64(starts[i + 1] - starts[i])
                    for image in range(images):
                        shift = shift_of(image, period)
                        for j in range(n):
                            d, far, more = apart(c, anchor[begin + j], offset[begin + j], near, period, shift)
                            _, f, _, _ = formula(d, p)
                            t = exponent(logit[begin + j], reference, near, far, more, p) * LOG2_E
                            terms[j] = weight[begin + j] * exp2(t) * f if f > 0.0 else 0.0
                        added += sum_of(terms, n)
            e, _, _, _ = formula(near, p)
            level[m], total[m] = log_weight(e, reference, top), added

    return forward


def _make_adjoint(variant: Variant) -> Function:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    log2_ratio, distances = bound_helpers(variant)
    apart, read = _apart_of(variant), reader_of(variant)

    def adjoint(bins, intervals, nodes, at, high_logit, share, by_z, by_x, by_h):
        """by_z, by_x (nodes,) += share times what `forward` sums and that of h dK/dd; by_h (1,) of h dK/dh.

        at, high_logit (bins,) of `forward`, and share (bins,).
        """
        params, centers, nearest, lowest, margin = bins
        low, high, largest, starts = intervals
        anchor, offset, logit, weight = nodes
        p, period, images = read(params, 0)
        widening = np.empty(anchor.shape[0])
        for m in range(centers.shape[0]):
            c, near, reference, factor = centers[m], at[m], high_logit[m], share[m]
            if factor == 0.0:
                continue
            for i in range(low.shape[0]):
                nearer, _ = distances(c, low[i], high[i], period)
                if not largest[i] * LOG2_E + log2_ratio(nearest[m], nearer, p) >= lowest[m] - margin:
                    continue
                begin, n = np.uint64(starts[i]), np.uint64(starts[i + 1] - starts[i])
                for image in range(images):
                    shift = shift_of(image, period)
                    for j in range(n):
                        d, far, more = apart(c, anchor[begin + j], offset[begin + j], near, period, shift)
                        _, f, f_d, f_h = formula(d, p)
                        t = exponent(logit[begin + j], reference, near, far, more, p) * LOG2_E
                        reached = (t > SMALLEST) & (f > 0.0)
                        k = factor * exp2(t)
                        by_z[begin + j] += k * f if reached else 0.0
                        by_x[begin + j] += k * f_d if reached else 0.0
                        widening[j] = weight[begin + j] * (k * f_h) if reached else 0.0
                    by_h[0] += sum_of(widening, n)

    return adjoint
