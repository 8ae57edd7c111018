"""Intervals of data: what is known of the points in them, and to which bins they matter.

The largest logit of an interval, its ends and the number of its points bound what it adds to a bin
from both sides. It matters to a bin if the upper bound comes within a margin of the best lower bound
there; all else is dropped. Bounds are relative to a point of the row's largest logit at the distance of the
nearest interval: however far all are, their differences are what decides.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Ints
from ...families import has_whole_slopes, log_formula_of, rise_of
from ...formula import INVERSE_BANDWIDTH, PERIOD, Variant, parameters_of
from ...numerics.arithmetic import LARGEST, LOG2_E
from ...numerics.chunks import CHUNK, LANES, room
from ...runtime.jit import Function, helper, lazily
from ...runtime.signatures import INTS, READ, READ1, READ_INTS, WRITE1, record
from ...simd.ahead import to_read
from ..sums.images import distance_between
from ..sums.loops import Compiled, compiled

_BUCKETS = 1024


class Finder(NamedTuple):
    """What finds the interval of a point."""

    middle: float  # of the bins
    period: float  # 0 on the line
    low: Floats  # (intervals,)
    high: Floats
    buckets: Floats  # their origin and scale (2,)
    first: Ints  # interval of each bucket, and the end


FINDER = record(Finder, types.float64, types.float64, WRITE1, WRITE1, WRITE1, INTS)


class Intervals(NamedTuple):
    """Disjoint intervals in ascending order."""

    low: Floats  # the lowest point (intervals,)
    high: Floats
    largest: Floats  # logit
    number: Ints  # of points

    def where(self, which: NDArray[np.bool_]) -> Intervals:
        """Return those of the intervals (intervals,) for which it is true."""
        return Intervals(self.low[which], self.high[which], self.largest[which], self.number[which])

    def finder(self, middle: float, period: float) -> Finder:
        """Return what finds the interval of a point."""
        start, stop = self.low[0], self.high[-1]
        scale = _BUCKETS / (stop - start)
        scale = scale if 0 < scale < np.inf else 0.0
        ends = start + np.arange(1, _BUCKETS) / scale if scale else np.full(_BUCKETS - 1, np.inf)
        inner = np.searchsorted(self.high, np.nextafter(ends, -np.inf) - np.abs(ends) * 1e-14)
        first = np.concatenate([[0], np.maximum(inner - 1, 0), [len(self.low)]])
        return Finder(middle, period, self.low, self.high, np.array([start, scale]), first.astype(np.int64))


@helper
def whole_part(place, last):
    """Return the whole part of a place, from 0 to `last`; 0 where distances overflowed."""
    return np.int64(place if place < last else last) if place > 0.0 else np.int64(0)


@helper
def find(xs, finder, v, owner):
    """For a chunk xs (n,) write to v, owner (ROOM,) where points are, and the interval of each, or -1.

    A chunk at a time, because passing arrays costs more than finding a point.
    """
    middle, period, low, high, buckets, first = finder
    last, most = low.shape[0] - 1, first.shape[0] - 2
    origin, scale, lowest, highest = buckets[0], buckets[1], low[0], high[low.shape[0] - 1]
    for j in range(xs.shape[0]):
        x = xs[j]
        # On a circle the angle at most half a turn from the middle.
        v[j] = x - period * np.floor((x - middle) / period + 0.5) if period > 0.0 else x
    if last == 0:
        for j in range(xs.shape[0]):
            owner[j] = np.int64(0) if (v[j] >= lowest) & (v[j] <= highest) else np.int64(-1)
        return
    for j in range(xs.shape[0]):
        at = v[j]
        owner[j] = -1
        if not (at >= lowest and at <= highest):
            continue
        bucket = whole_part((at - origin) * scale, most)
        i = first[bucket]
        end = min(last, first[min(bucket + 2, most + 1)] + 1)
        while end - i > 8:
            half = (i + end) >> 1
            if high[half] < at:
                i = half + 1
            else:
                end = half
        while high[i] < at:
            i += 1
        if low[i] <= at:
            owner[j] = i


@helper
def _number_pieces(zs, top, v, owner, low, scale, splits, starts, need, trash, row):
    """row_j = 4 times the piece of its interval that a point lies in, or `trash`; as in `summary`."""
    # zs (n,), v, owner and row (ROOM,), low and scale (intervals,)
    if low.shape[0] == 1:
        first, factor, last, least = low[0], scale[0], splits[0] - 1, need[0]
        for j in range(zs.shape[0]):
            piece = whole_part((v[j] - first) * factor, last)
            row[j] = 4 * (piece if (owner[j] >= 0) & (zs[j] - top >= least) else trash)
        return
    for j in range(zs.shape[0]):
        i = owner[j]
        if i < 0 or zs[j] - top < need[i]:
            row[j] = 4 * trash
        else:
            row[j] = 4 * (starts[i] + whole_part((v[j] - low[i]) * scale[i], splits[i] - 1))


def _make_summary() -> Function:
    def summary(x, z, top, finder, splits, starts, need, table):
        """Summarise the points x, z (n,) of intervals, cut into splits[i] pieces, numbered from starts[i].

        Rows of the table (4 pieces + 4,) hold the largest of -x, x and z of each piece, and how many points
        there were, and one more row for points elsewhere or with logits more than -need[i] below the top.
        splits and need (intervals,), starts (intervals + 1,).
        """
        v, owner, row = room(np.float64), room(np.int64), room(np.int64)
        trash = starts[starts.shape[0] - 1]
        scale = splits / np.maximum(finder.high - finder.low, 1e-300)
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            zs = z[start : start + n]
            find(x[start : start + n], finder, v, owner)
            _number_pieces(zs, top, v, owner, finder.low, scale, splits, starts, need, trash, row)
            for j in range(0, n, LANES):
                to_read(x, start + CHUNK + j)
                to_read(z, start + CHUNK + j)
            for j in range(n):
                at = row[j]
                table[at] = max(table[at], -v[j])
                table[at + 1] = max(table[at + 1], v[j])
                table[at + 2] = max(table[at + 2], zs[j])
                table[at + 3] += 1.0

    return summary


DATA = READ1, READ1, types.float64, FINDER  # x, z, top
summary = lazily(
    _make_summary, types.void(*DATA, READ_INTS, READ_INTS, READ1, WRITE1), "tail_intervals.summary"
)


class Tests(NamedTuple):
    """Compiled tests of intervals against bins."""

    best: Compiled
    matter: Compiled


class Limits(NamedTuple):
    """From when on an interval is dropped, and up to when it may be interpolated over."""

    margin: float  # in powers of two
    steepest: float  # exponent across half the interval
    widest: float  # half the interval, near a bin
    growth: float  # and for each unit of distance
    smooth: float  # 1 smooth, 0 smooth but at distance 0, -1 with reach


_LIMITS = record(Limits, *(types.float64,) * 5)


# Exponents below this at the far end of an interval with a bin inside round too coarsely to bound anything.
_COARSE = -(2.0**30)


@cache
def bound_helpers(variant: Variant) -> tuple[Function, Function]:
    """Return helpers: log2 of K/C less e at a nearer distance, and how far a bin is from an interval.

    That is the nearest and the farthest distance.
    """
    formula, rise = log_formula_of(variant.formula), rise_of(variant.formula)

    @helper
    def log2_ratio(near, far, p):
        _, f, _, _ = formula(far, p)
        e = rise(near, far, far - near, p) * LOG2_E
        return e + (np.log2(f) if f != 1.0 else 0.0) if f > 0.0 else -np.inf

    @helper
    def distances(c, low, high, period):
        if period == 0.0:
            nearest = max(low - c, c - high, 0.0)
            return distance_between(nearest), distance_between(max(abs(c - low), abs(c - high)))
        half = 0.5 * period
        above, below = c - low, c - high
        behind = above - period * np.floor(above / period)  # how far c lies ahead of low
        inside = behind <= high - low
        other = behind + half
        opposite = other - period * np.floor(other / period) <= high - low
        above = abs(above - period * np.floor(above / period + 0.5))
        below = abs(below - period * np.floor(below / period + 0.5))
        return 0.0 if inside else min(above, below), half if opposite else max(above, below)

    return log2_ratio, distances


@cache
def tests(variant: Variant) -> Tests:
    """Return the tests of a variant, each compiled when it is first asked for."""
    formula, whole = log_formula_of(variant.formula), has_whole_slopes(variant.formula)
    log2_ratio, distances = bound_helpers(variant)

    @helper
    def slope(d, p):
        """Return |d log K/dd| of the nearest image, infinite where K is 0."""
        _, f, f_d, _ = formula(d, p)
        return abs(f_d) * (1.0 if whole else p[INVERSE_BANDWIDTH]) / f if f > 0.0 else np.inf

    def make_best() -> Function:
        def best(centers, params, low, high, largest, nearest, lowest):
            """Write nearest (bins,), how far low, high (intervals,) are from centers (bins,) at least,

            and lowest (bins,), log2 of what the best, by largest (intervals,), adds at least; params
            (1, PARAMETERS).
            """
            p = parameters_of(params, 0)
            for m in range(centers.shape[0]):
                nearest[m], lowest[m] = LARGEST, -np.inf
                for i in range(low.shape[0]):
                    near, _ = distances(centers[m], low[i], high[i], p[PERIOD])
                    nearest[m] = min(nearest[m], near)
                for i in range(low.shape[0]):
                    _, far = distances(centers[m], low[i], high[i], p[PERIOD])
                    lowest[m] = max(lowest[m], largest[i] * LOG2_E + log2_ratio(nearest[m], far, p))

        return best

    def make_matter() -> Function:
        def matter(centers, params, low, high, largest, nearest, lowest, limits, need, resolved, bins):
            """For each interval write the logit from which its points matter to any bin (inf: none do),

            whether it may be interpolated over for those bins (1, else 0, and -1 where it has to be cut),
            and how many there are: need, resolved and bins (intervals,); others as in `best`.
            """
            p = parameters_of(params, 0)
            for i in range(low.shape[0]):
                weight = largest[i] * LOG2_E
                least, matters, good, cut = np.inf, 0, True, False
                half = 0.5 * (high[i] - low[i])
                for m in range(centers.shape[0]):
                    near, far = distances(centers[m], low[i], high[i], p[PERIOD])
                    above = log2_ratio(nearest[m], near, p)
                    if above == -np.inf or weight + above < lowest[m] - limits.margin:
                        continue
                    matters += 1
                    least = min(least, lowest[m] - limits.margin - above)
                    if half > 0.0:
                        cut = cut or (near == 0.0 and log2_ratio(0.0, far, p) < _COARSE)
                        good = good and (
                            (limits.smooth > 0.5 or (limits.smooth > -0.5 and near > 0.0))
                            and half <= max(limits.widest, limits.growth * near)
                            and half * max(slope(far, p), slope(near, p)) <= limits.steepest
                        )
                need[i] = least / LOG2_E
                resolved[i] = -1 if cut else (1 if good else 0)
                bins[i] = matters

        return matter

    most = types.void(READ1, READ, READ1, READ1, READ1, WRITE1, WRITE1)
    each = types.void(READ1, READ, *(READ1,) * 5, _LIMITS, WRITE1, INTS, INTS)
    return compiled(Tests, "tail_intervals", variant.key, (), (make_best, most), (make_matter, each))
