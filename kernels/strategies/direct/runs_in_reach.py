"""The gaussian on equal bins, at two exponentials for each point of a chunk that is in reach of a run.

From the first bin c of a run to that k spacings delta further, with v = (x - c)/h and s = delta/h,

    exp(-((c + k delta - x)/h)^2 / 2) = exp(-v^2/2) t^k exp(-(k s)^2/2),   t = exp(v s),

so the forward sums are power sums in t, and the adjoint is a polynomial in t. Both factors of a point are
kept from one to the other where a row is one chunk. A run with a bin of so little weight that it would notice
what lies beyond reach is computed with all points after all, as in `reached`.
"""

from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ...formula import INVERSE_BANDWIDTH, PERIOD, Variant
from ...numerics.arithmetic import LOG2_E, exp2
from ...numerics.chunks import ROOM, copy, integers_of, numbers_of, rows_of, sum_of, words_of
from ...runtime.jit import Function, elementwise, helper, loop
from ...simd.exponentials import powers_of_2_in_place
from ...simd.registers import POWERS, polynomials, power_sums
from .chunk_loops import Meeting, chunk_loops, words_of_chunks
from .neighbours import LEAST_PART, most_bins, neighbours, reach_of, words_of_points
from .pairs import WayLoops

# Bandwidths that a run spans at most: a point whose first factor underflows, 37 from its first bin, is then
# nothing beside FLOOR at its last one.
_SPAN = 11.2
_FAR = 40.0  # bandwidths that stand for any larger distance
_NARROWEST = 1e-290  # of bandwidths whose inverse, times distances of some hundred of them, is a float
_STEPS = 4  # of a run, at most
_LEAST_BINS = 16
PAIRS_PER_BLOCK = 2**20


def rule(kernel: str, circle: bool) -> Function:
    """Return f(h, period, spacing, points, bins): whether points in reach of runs are told from others."""
    # On a circle, so that a run and what reaches it from both sides do not go all round.
    reach = _SPAN + 2.0 * reach_of(kernel) if circle else 0.0

    @elementwise
    def applies(h, period, spacing, points, bins):
        few = (_LEAST_BINS <= bins <= most_bins(points)) & (h > _NARROWEST)
        # Of two runs each sees most points, which need no order then. A circle's would have to be brought to
        # one place, which this does along with the order.
        length = POWERS * np.minimum(_STEPS, np.floor(_SPAN * h / (POWERS * spacing)))
        return few & (reach * h < period) & (circle | (bins > 2 * length)) & (POWERS * spacing <= _SPAN * h)

    return applies


class _Arrays(NamedTuple):
    points: Any  # of `neighbours`
    firsts: Any  # (runs,): centers
    ends: Any  # (2, runs): points in reach, from and to, whole registers of them
    peaks: Any  # (runs, 2 ROOM): exp(-v^2/2) of points in reach
    factors: Any  # (runs, 2 ROOM): t
    scale: Any  # (_STEPS POWERS,): exp(-(k s)^2/2)
    terms: Any  # (2 ROOM,)
    of_powers: Any  # (POWERS,)
    sums: Any  # (M,): of a chunk
    totals: Any  # (M,)
    weights: Any  # (M,)


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of loops is."""
    runs = -(-bins // POWERS)
    of_runs = runs, 2 * runs, runs * 2 * ROOM, runs * 2 * ROOM
    others = words_of(*of_runs, _STEPS * POWERS, 2 * ROOM, POWERS, bins, bins, bins)
    return words_of_points(bins) + others + words_of_chunks(bins)


def _meeting(variant: Variant) -> Meeting:
    circle, near = variant.circle, neighbours(variant.formula, variant.circle)
    turns = 2 if circle else 1

    @helper
    def arrays(bins, memory):
        runs = (bins + POWERS - 1) // POWERS
        made = _Arrays(
            near.points(bins, memory),
            numbers_of(memory, runs),
            integers_of(memory, 2 * runs).reshape((2, runs)),
            rows_of(memory, runs, 2 * ROOM),
            rows_of(memory, runs, 2 * ROOM),
            numbers_of(memory, _STEPS * POWERS),
            numbers_of(memory, 2 * ROOM),
            numbers_of(memory, POWERS),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
        )
        made.totals[:] = 0.0
        return made

    @loop
    def of_bins(arrays, centers, p):
        """Return what `neighbours` needs, the spacing in bandwidths, and how many bins a run has."""
        bins, scale = centers.shape[0], arrays.scale
        s = (centers[bins - 1] - centers[0]) / (bins - 1) * p[INVERSE_BANDWIDTH]
        length = POWERS * max(1, int(min(_SPAN / (POWERS * s), 1.0 * _STEPS)))
        for k in range(length):
            scale[k] = exp2((-0.5 * LOG2_E) * (k * s) ** 2)
        for run in range((bins + length - 1) // length):
            arrays.firsts[run] = centers[run * length]
        return near.of_bins(arrays.points, centers, p), s, length

    @loop
    def factors_of(arrays, row, run, n, p):
        """Write both factors of the points in reach of a run, or of all n; on a circle their nearest images.

        Of all images, those on the other side follow the nearest ones.
        """
        (_, s, length), c, inverse_h, period = row, arrays.firsts[run], p[INVERSE_BANDWIDTH], p[PERIOD]
        begin, end = arrays.ends[0, run], arrays.ends[1, run]
        places, count = arrays.points.place[begin:end], end - begin
        peaks, factors = arrays.peaks[run], arrays.factors[run]
        for i in range(count):
            factors[i] = places[i] - c
        if circle:
            half, to_middle = 0.5 * period, 0.5 * (length - 1) * s / inverse_h
            for i in range(count):
                d = factors[i] - to_middle
                factors[i] -= period if d > half else (-period if d < -half else 0.0)
            for i in range(n, count):
                factors[i] -= period if factors[i] > to_middle else -period
        for i in range(count):
            v = factors[i] * inverse_h
            peaks[i] = (-0.5 * LOG2_E) * (v * v)
            factors[i] = min(max(v, -_FAR), _FAR) * (s * LOG2_E)
        powers_of_2_in_place(peaks, count)
        powers_of_2_in_place(factors, count)

    @loop
    def with_all(arrays, row, run, n, p):
        arrays.ends[0, run], arrays.ends[1, run] = 0, turns * n
        factors_of(arrays, row, run, n, p)

    @loop
    def of_points(arrays, row, x, n, p):
        (of_cells, _, length), bins = row, arrays.sums.shape[0]
        near.sort(arrays.points, of_cells, x, n, p)
        for run in range((bins + length - 1) // length):
            last = min((run + 1) * length, bins) - 1
            begin, end = near.between(arrays.points, run * length, last, n)
            arrays.ends[0, run], arrays.ends[1, run] = begin, end
            factors_of(arrays, row, run, n, p)

    @loop
    def sums_of(arrays, run, first, last):
        """Write the sums of a run's bins, from `first` to before `last`, and return the least."""
        begin, end = arrays.ends[0, run], arrays.ends[1, run]
        carried, count = arrays.points.carried[begin:end], end - begin
        peaks, factors, terms, of_powers = (
            arrays.peaks[run],
            arrays.factors[run],
            arrays.terms,
            arrays.of_powers,
        )
        for i in range(count):
            terms[i] = peaks[i] * carried[i]
        least = np.inf
        for m in range(first, last, POWERS):
            power_sums(terms, factors, count, of_powers)
            for k in range(min(POWERS, last - m)):
                arrays.sums[m + k] = of_powers[k] * arrays.scale[m - first + k]
                least = min(least, arrays.sums[m + k])
        return least

    @loop
    def add(arrays, row, weights, n, p):
        (_, _, length), bins, points = row, arrays.sums.shape[0], arrays.points
        near.carry(points, weights, n)
        enough = LEAST_PART * sum_of(weights, n)
        for run in range((bins + length - 1) // length):
            first, last = run * length, min((run + 1) * length, bins)
            least, count = sums_of(arrays, run, first, last), arrays.ends[1, run] - arrays.ends[0, run]
            if not least >= enough and count < turns * n:
                with_all(arrays, row, run, n, p)
                sums_of(arrays, run, first, last)
        for m in range(bins):
            arrays.totals[m] += arrays.sums[m]

    @loop
    def densities(arrays, row, density):
        for m in range(density.shape[0]):
            density[m] += arrays.totals[m]
        arrays.totals[:] = 0.0

    @loop
    def give(arrays, row, weights):
        copy(weights, arrays.weights)

    @loop
    def take(arrays, row, n, p, share, values):
        (_, _, length), bins, sums = row, arrays.sums.shape[0], arrays.points.carried
        terms, of_powers = arrays.terms, arrays.of_powers
        sums[: turns * n] = 0.0
        for run in range((bins + length - 1) // length):
            first, last = run * length, min((run + 1) * length, bins)
            begin, end, largest = arrays.ends[0, run], arrays.ends[1, run], 0.0
            for m in range(first, last):
                largest = max(largest, arrays.weights[m])
            if largest * LEAST_PART > share and end - begin < turns * n:
                with_all(arrays, row, run, n, p)
                begin, end = 0, turns * n
            of_run, count = sums[begin:end], end - begin
            peaks, factors = arrays.peaks[run], arrays.factors[run]
            terms[:count] = 0.0
            for m in range((last - 1 - first) // POWERS * POWERS + first, first - 1, -POWERS):
                for k in range(POWERS):
                    of_powers[k] = (
                        arrays.weights[m + k] * arrays.scale[m - first + k] if m + k < last else 0.0
                    )
                polynomials(terms, factors, count, of_powers)
            for i in range(count):
                of_run[i] += peaks[i] * terms[i]
        near.collect(arrays.points, n, values)

    return Meeting(arrays, of_bins, of_points, add, densities, give, take)


@cache
def runs_in_reach_loops(variant: Variant) -> WayLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    return chunk_loops("runs_in_reach", variant.key, partial(_meeting, variant))
