"""Boxcar, triangular, epanechnikov and cosine on equal bins: a point adds to spans of bins.

Of the bins of a span, those within h of the point or half of these, K is a sum of products,

    K(c - x) = sum_k f_k(c - b) g_k(x - b),   k < 3,

with any b near both. Bins are divided into blocks as long as a span, and b is the middle of a block; a span
then ends one block and begins the next. The point adds its terms to the first bin of the one part and to the
bin after the other; running sums, up through a block and down through it, take them on to the rest. So a
point costs the same with any number of bins. The adjoint sums the weights of bins, times f, up and down
through blocks, and takes two of these sums for each span.

Boxcar, whose only term is 1, loses nothing, as all is only ever added. The others' terms cancel where all
points in reach of a bin are near the edge of it: such bins count as weak.
"""

from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...families import FORMULAS
from ...formula import BANDWIDTH, FARTHEST, INVERSE_BANDWIDTH, PERIOD, Variant
from ...numerics.arithmetic import LARGEST
from ...numerics.chunks import (
    ROOM,
    integers_of,
    near_half,
    numbers_of,
    places_of,
    rows_of,
    words_of,
)
from ...runtime.jit import Function, elementwise, helper, loop
from ...simd.terms import TERMS, add_row, run, run_of_term, sum_of_products, write_row, write_terms
from ..sums.images import distance_of
from .chunk_loops import Meeting, chunk_loops, words_of_chunks
from .pairs import WayLoops

# Of fewer bins, or bins in reach, all pairs cost no more.
_LEAST_BINS, _LEAST_IN_REACH = 64, 8
_TURNS = 3  # of a point at most half a period from the middle that may reach bins
# Of the weight in reach of a bin: densities below are known to fewer than 13 digits or so, and count as this.
_LEAST_PART, _WEAK = 1e-3, -1e300


@elementwise
def applies(spacing: Floats, bandwidth: Floats, bins: int, period: float) -> NDArray[np.bool_]:
    """Return for which rows spans of equal bins, `spacing` apart, are worth it.

    On a circle there are to be bins between the two ends of the longest of them; the line has no period.
    """
    narrow = 2 * bandwidth + 4 * spacing < period
    wide = 2 * bandwidth >= _LEAST_IN_REACH * spacing
    return (bins >= _LEAST_BINS) & (spacing > 0) & wide & narrow


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of loops is, whatever the kernel."""
    slots, size = 2 * bins + 4, _TURNS * ROOM
    of_slots, of_bins = [slots, slots, *[TERMS * slots] * 5], [bins, TERMS * bins, bins]
    of_spans = 2 * size, 2 * size, *[2 * TERMS * size] * 2, 3 * size
    return words_of(*of_slots, *of_bins, size, size, 2, *of_spans) + words_of_chunks(bins)


@helper
def _write_one(rows, i, factor, terms, j):
    rows[i, 0] = factor


@helper
def _add_one(rows, i, factor, terms, j):
    rows[i, 0] += factor


@helper
def _sum_of_one(one, i, of_one, other, j, of_other, at):
    return one[i, 0] + other[j, 0]


@helper
def _run_one(begun, ended, here, beyond, first, last, step):
    run_of_term(begun, ended, here, beyond, first, last, step, 0)


# What is done with rows of terms: of the only one, a 1, and of several side by side.
_OF_ONE = _write_one, _add_one, _sum_of_one, _run_one
_OF_MANY = write_row, add_row, sum_of_products, run


# Slot m + 1 is that of bin m, and bins go on past the last one as far as spans do; slot 0 adds nothing. Where
# a span begins, in slots, its terms go up; where the bins after it begin they go down. Of rows of bins (M,):
#   slots    middle of the slot's block, where the next block begins                                 (slots,)
#   sums     of points, up and down, and of bins' weights, and these times factors            (slots, terms)
#   bins     centers (M,), factors (M, terms), and sums of spans within a block (M,)
#   copies   of points: where they are, whose, and how many; how many spans within a block there are
#   spans    where they begin and end (sides copies,); the points' terms up and down   (sides copies, terms)
#   within   first bin and the bin after the last, and whose, of spans within a block           (3, a chunk)
def _meeting(name: str, circle: bool) -> Meeting:
    formula = FORMULAS[name].spans
    assert formula is not None
    factors_of_bin, sides, exact = formula.factors, formula.sides, formula.terms is None
    terms_of_point: Function = formula.terms or factors_of_bin
    terms, size = 1 if exact else TERMS, (_TURNS if circle else 1) * ROOM
    spans_of_all = len(sides) * size
    write_product, add_product, taken, sum_up = _OF_ONE if exact else _OF_MANY
    distance = distance_of(Variant("", circle))

    @helper
    def arrays(bins, memory):
        slots = 2 * bins + 4
        of_slots = numbers_of(memory, slots), places_of(memory, slots)
        of_points = rows_of(memory, slots, terms), rows_of(memory, slots, terms)
        up, down, products = (
            rows_of(memory, slots, terms),
            rows_of(memory, slots, terms),
            rows_of(memory, slots, terms),
        )
        of_bins = numbers_of(memory, bins), rows_of(memory, bins, terms), numbers_of(memory, bins)
        copies = numbers_of(memory, size), places_of(memory, size), integers_of(memory, 2)
        places = places_of(memory, spans_of_all), places_of(memory, spans_of_all)
        with_terms = 0 if exact else spans_of_all
        of_spans = rows_of(memory, with_terms, terms), rows_of(memory, with_terms, terms)
        within = integers_of(memory, 3 * size).reshape((3, size))
        of_slots[0][:], of_slots[1][:], copies[2][:], of_bins[2][:] = 0.0, 0, 0, 0.0
        for of_terms in (*of_points, up, down, products, of_bins[1]):
            of_terms[:] = 0.0
        return of_slots, of_points, (up, down, products), of_bins, copies, places, of_spans, within

    @loop
    def of_bins(arrays, centers, p):
        """Return how many bins a block has, and a span at least and at most."""
        (middle, following), (up, down, _), (places, factors, _) = arrays[0], arrays[2], arrays[3]
        up[:], down[:] = 0.0, 0.0
        bins, h, inverse_h = centers.shape[0], p[BANDWIDTH], p[INVERSE_BANDWIDTH]
        low, high = centers[0], centers[bins - 1]
        spacing = (high - low) / (bins - 1)
        whole = np.floor((h if len(sides) > 1 else 2.0 * h) / spacing * (1.0 + 1e-14))
        length = np.int64(min(whole, float(bins))) + 1
        end = bins + length + 2
        for start in range(1, end, length):
            for slot in range(start, min(start + length, end)):
                middle[slot] = low + (start + 0.5 * length - 1.5) * spacing
                following[slot] = start + length
        for m in range(bins):
            places[m] = centers[m]
            of_bin = factors_of_bin((centers[m] - middle[m + 1]) * inverse_h)
            for k in range(len(of_bin)):
                factors[m, k] = of_bin[k]
        return length, min(whole, float(bins)), whole + 1.0 if whole < bins else LARGEST

    @loop
    def copy_points(copies, centers, x, n, p):
        """Return how many copies of points x (ROOM,), which are moved near the bins, reach these."""
        place, owner, _ = copies
        low, high, h, period = centers[0], centers[centers.shape[0] - 1], p[BANDWIDTH], p[PERIOD]
        near_half(x, n, 0.5 * (low + high), period)
        for j in range(n):
            place[j], owner[j] = x[j], j
        count, beyond = n, h + (high - low) / (centers.shape[0] - 1)
        for turn in (-period, period):
            reach = 0
            for j in range(n):
                reach += (x[j] + turn >= low - beyond) & (x[j] + turn <= high + beyond)
            if reach == 0:
                continue
            for j in range(n):
                place[count], owner[count] = x[j] + turn, j
                count += (place[count] >= low - beyond) & (place[count] <= high + beyond)
        return count

    @helper
    def near(centers, m, x, p):
        """Return whether a bin is in reach of a copy, not of another of the same point."""
        own = not circle or abs(centers[m] - x) <= 0.5 * p[PERIOD]
        return own and abs(distance(centers[m], x, p[PERIOD], 0.0)) <= p[BANDWIDTH]

    @loop
    def decide(arrays, length, slack, per_spacing, p):
        """Let distances decide which bins are in reach of points that have some on the edge of it."""
        (_, following), centers, copies = arrays[0], arrays[3][0], arrays[4]
        (place, _, count), (up_at, down_at), within = copies, arrays[5], arrays[7]
        bins, h, low = centers.shape[0], p[BANDWIDTH], centers[0]
        for s in range(count[0]):
            rise, fall = (place[s] - h - low) * per_spacing, (place[s] + h - low) * per_spacing
            if rise > bins or fall < -1.0 or not (is_near(rise, slack) or is_near(fall, slack)):
                continue
            begin = int(max(np.ceil(rise - slack), 0.0))
            end = int(min(np.floor(fall + slack), bins - 1.0))
            while begin <= end and not near(centers, begin, place[s], p):
                begin += 1
            while begin <= end and not near(centers, end, place[s], p):
                end -= 1
            up, down = begin + 1, end + 2
            if end == bins - 1:
                down = max(down, following[up])
            if up >= down:
                up, down = 0, 1
            elif down < following[up]:
                if begin % length > 0:
                    within[0, count[1]], within[1, count[1]], within[2, count[1]] = begin, end + 1, s
                    count[1] += 1
                    down = 1
                up = 0
            up_at[s], down_at[s] = up, down

    @helper
    def is_near(place, slack):
        """Return whether a place among the bins is that of one but for rounding."""
        return abs(place - np.rint(place)) <= slack

    @loop
    def of_points(arrays, row, x, n, p):
        (middle, following), centers, copies = arrays[0], arrays[3][0], arrays[4]
        (place, _, count), (up_at, down_at), (of_up, of_down) = copies, arrays[5], arrays[6]
        length, least, most = row
        bins, h, low, period = centers.shape[0], p[BANDWIDTH], centers[0], p[PERIOD]
        high = centers[bins - 1]
        per_spacing, inverse_h = (bins - 1) / (high - low), p[INVERSE_BANDWIDTH]
        if circle:
            number = copy_points(copies, centers, x, n, p)
        else:
            number = n
            for j in range(n):
                place[j] = x[j]
        count[0], count[1] = number, 0
        for i in range(len(sides)):
            first, side = i * size, sides[i]
            below, above = (0.0 if side > 0.0 else h), (0.0 if side < 0.0 else h)
            for s in range(number):
                begin = np.ceil((place[s] - below - low) * per_spacing)
                end = (place[s] + above - low) * per_spacing
                end = np.floor(end) + 1.0 if exact else np.ceil(end)
                if side < 0.0:  # a point's two spans meet in one place
                    begin = min(max(begin, end - most), end - least)
                else:
                    end = min(max(end, begin + least), begin + most)
                end = max(min(end, bins + (length if begin >= 0.0 else 0.0)), 0.0)
                begin = min(max(begin, -1.0), float(bins))
                up_at[first + s] = np.uint32(np.int32(begin + 1.0))
                down_at[first + s] = np.uint32(np.int32(end + 1.0))
            for s in range(first, first + number):
                up_at[s] = up_at[s] if down_at[s] >= following[up_at[s]] else np.uint32(0)
            if not exact:
                for s in range(first, first + number):
                    y = place[s - first]
                    v = min(max((y - middle[up_at[s]]) * inverse_h, -FARTHEST), FARTHEST)
                    write_terms(of_up, s, *terms_of_point(v, side))
                    v = min(max((y - middle[down_at[s]]) * inverse_h, -FARTHEST), FARTHEST)
                    write_terms(of_down, s, *terms_of_point(v, side))
        if exact:
            # Of a place among the bins, which may be rounded by so much.
            slack, on_edge = 1e-15 * (bins + (abs(low) + abs(high) + h + period) * per_spacing), 0
            for s in range(number):
                on_edge += is_near((place[s] - h - low) * per_spacing, slack)
                on_edge += is_near((place[s] + h - low) * per_spacing, slack)
            if on_edge > 0:
                decide(arrays, length, slack, per_spacing, p)

    @loop
    def add(arrays, row, weights, n, p):
        (up, down), (_, _, alone), (_, owner, count) = arrays[1], arrays[3], arrays[4]
        (up_at, down_at), (of_up, of_down), within = arrays[5], arrays[6], arrays[7]
        for i in range(len(sides)):
            first = i * size
            for s in range(count[0]):
                w = weights[owner[s] if circle else s]
                add_product(up, np.int64(up_at[first + s]), w, of_up, first + s)
                add_product(down, np.int64(down_at[first + s]), w, of_down, first + s)
        for s in range(count[1]):
            w = weights[owner[within[2, s]] if circle else within[2, s]]
            for m in range(within[0, s], within[1, s]):
                alone[m] += w

    @loop
    def densities(arrays, row, density):
        (up, down), (_, factors, alone), length = arrays[1], arrays[3], row[0]
        bins = density.shape[0]
        for start in range(1, bins + 1, length):
            sum_up(up, down, up, down, start, start + length - 1, 1)
        for m in range(bins):
            reached = up[m + 1, 0] + down[m + 1, 0]
            if exact:
                density[m] += reached + alone[m]
                continue
            total = taken(up, m + 1, factors, down, m + 1, factors, m)
            density[m] += total if total >= _LEAST_PART * reached else _WEAK
        alone[:] = 0.0
        up[: bins + length + 2], down[: bins + length + 2] = 0.0, 0.0

    @loop
    def give(arrays, row, weights):
        (up, down, products), (_, factors, _), length = arrays[2], arrays[3], row[0]
        bins = weights.shape[0]
        for m in range(bins):
            write_product(products, m + 1, weights[m], factors, m)
        for start in range(1, bins + 1, length):
            sum_up(products, products, up, down, start + length - 1, start, -1)

    @loop
    def take(arrays, row, n, p, share, values):
        (up, down, products), (_, owner, count) = arrays[2], arrays[4]
        (up_at, down_at), (of_up, of_down), within = arrays[5], arrays[6], arrays[7]
        for j in range(n):
            values[j] = 0.0
        for i in range(len(sides)):
            first = i * size
            for s in range(count[0]):
                begin, end = np.int64(up_at[first + s]), np.int64(down_at[first + s])
                values[owner[s] if circle else s] += taken(up, begin, of_up, down, end, of_down, first + s)
        for s in range(count[1]):
            j = within[2, s]
            for m in range(within[0, s], within[1, s]):
                values[owner[j] if circle else j] += products[m + 1, 0]

    return Meeting(arrays, of_bins, of_points, add, densities, give, take)


@cache
def span_loops(variant: Variant) -> WayLoops:
    """Return the loops of a kernel on the line or the circle, each compiled when it is first asked for."""
    circle, name = variant.circle, variant.formula
    return chunk_loops("spans", f"{name}.{'circle' if circle else 'line'}", partial(_meeting, name, circle))
