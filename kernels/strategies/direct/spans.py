"""Boxcar on equal bins: a point adds to a span of bins, those within h of it.

Bins are divided into blocks about as long as a span, so that this is the end of one block and the beginning
of the next: the point adds to the first bin of the one part and to the last bin of the other, and running
sums, up through a block and down through it, take that on to the rest. A point costs the same with any
number of bins; and nothing is lost, as it would be in differences, because all is only ever added. The
adjoint sums the weights of bins up and down through blocks, and takes two of these sums for each point.
"""

from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...formula import BANDWIDTH, PERIOD, Variant
from ...numerics.chunks import ROOM
from ...runtime.jit import helper, loop
from ..sums.images import distance_of
from .chunk_loops import Meeting, chunk_loops
from .pairs import WayLoops

# Of fewer bins all pairs cost no more.
_LEAST_BINS = 64
_TURNS = 3  # of a point at most a period from the middle that may reach bins


def applies(spacing: Floats, bandwidth: Floats, bins: int, period: float | None) -> NDArray[np.bool_]:
    """Return for which rows spans of equal bins, `spacing` apart, are worth it.

    On a circle there are to be bins between the two ends of the longest of them.
    """
    narrow = period is None or 2 * bandwidth + 4 * spacing < period
    return (bins >= _LEAST_BINS) & (spacing > 0) & narrow


# Block b has the bins start[b] .. start[b + 1] - 1, and block[m] is that of bin m; entries of arrays (M,) for
# blocks are the first ones. Spans (_TURNS ROOM,) are from bin first to bin last, of the points `owner`.
def _meeting(circle: bool) -> Meeting:
    distance = distance_of(Variant("", circle))

    @helper
    def arrays(bins):
        """Return blocks, sums of points and of bins' weights (M,), spans, and the bins' centers."""
        blocks = np.empty(bins, np.int64), np.empty(bins + 1, np.int64)
        sums = np.zeros(bins), np.zeros(bins), np.zeros(bins), np.zeros(bins)
        weights = np.empty(bins), np.empty(bins), np.empty(bins), np.empty(bins)
        size = _TURNS * ROOM
        spans = np.empty(size, np.int64), np.empty(size, np.int64), np.empty(size, np.int64)
        return blocks, sums, weights, spans, np.zeros(1, np.int64), np.empty(bins)

    @loop
    def of_bins(arrays, centers, p):
        """Return how many blocks there are."""
        (block, start), kept, bins = arrays[0], arrays[5], centers.shape[0]
        for m in range(bins):
            kept[m] = centers[m]
        spacing = (centers[bins - 1] - centers[0]) / (bins - 1)
        length = np.int64(max(1.0, min(2.0 * p[BANDWIDTH] / spacing, float(bins))))
        count = 0
        for m in range(0, bins, length):
            start[count] = m
            for i in range(m, min(m + length, bins)):
                block[i] = count
            count += 1
        start[count] = bins
        return (count,)

    @helper
    def near(centers, m, x, p):
        return abs(distance(centers[np.int64(m)], x, p[PERIOD], 0.0)) <= p[BANDWIDTH]

    @loop
    def of_points(arrays, row, x, n, p):
        (first, last, owner), count, centers = arrays[3], arrays[4], arrays[5]
        bins, h, period, spans = centers.shape[0], p[BANDWIDTH], p[PERIOD], 0
        low, high = centers[0], centers[bins - 1]
        per_spacing = (bins - 1) / (high - low)
        # Of a place among the bins, which may be rounded by so much.
        slack = 1e-15 * (bins + (abs(low) + abs(high) + h + period) * per_spacing)
        for turn in range(_TURNS if circle else 1):
            shift = 0.0 if turn == 0 else (period if turn == 1 else -period)
            for j in range(n):
                y = x[j] + shift
                rise, fall = (y - h - low) * per_spacing, (y + h - low) * per_spacing
                if rise > bins or fall < -1.0:
                    continue
                begin = max(np.ceil(rise - slack), 0.0)
                end = min(np.floor(fall + slack), bins - 1.0)
                # On the edge of the kernel distances decide.
                while begin <= end and begin < rise + slack and not near(centers, begin, x[j], p):
                    begin += 1.0
                while begin <= end and end > fall - slack and not near(centers, end, x[j], p):
                    end -= 1.0
                if begin <= end:
                    first[spans], last[spans], owner[spans] = np.int64(begin), np.int64(end), j
                    spans += 1
        count[0] = spans

    @loop
    def add(arrays, row, x, weights, n, p):
        (block, start), (up, down, alone, whole), (first, last, owner) = arrays[0], arrays[1], arrays[3]
        for s in range(arrays[4][0]):
            w, begin, end = weights[owner[s]], first[s], last[s]
            one, other = block[begin], block[end]
            if one < other:
                up[begin] += w
                down[end] += w
                for b in range(one + 1, other):
                    whole[b] += w
            elif begin == start[one]:
                down[end] += w
            elif end == start[one + 1] - 1:
                up[begin] += w
            else:
                for m in range(begin, end + 1):
                    alone[m] += w

    @loop
    def densities(arrays, row, density):
        (_, start), (up, down, alone, whole) = arrays[0], arrays[1]
        for b in range(row[0]):
            begin, end = start[b], start[b + 1]
            rising, falling = 0.0, 0.0
            for i in range(end - begin):
                m, k = begin + i, end - 1 - i
                rising += up[m]
                falling += down[k]
                density[m] += rising + (alone[m] + whole[b])
                density[k] += falling
            whole[b] = 0.0
        for m in range(density.shape[0]):
            up[m], down[m], alone[m] = 0.0, 0.0, 0.0

    @loop
    def give(arrays, row, weights):
        (_, start), (rising, falling, alone, whole) = arrays[0], arrays[2]
        for m in range(weights.shape[0]):
            alone[m] = weights[m]
        for b in range(row[0]):
            begin, end = start[b], start[b + 1]
            up, down = 0.0, 0.0
            for i in range(end - begin):
                up += weights[begin + i]
                down += weights[end - 1 - i]
                rising[begin + i], falling[end - 1 - i] = up, down
            whole[b] = up

    @loop
    def take(arrays, row, x, n, p, values):
        (block, start), (rising, falling, alone, whole), (first, last, owner) = (
            arrays[0],
            arrays[2],
            arrays[3],
        )
        for j in range(n):
            values[j] = 0.0
        for s in range(arrays[4][0]):
            begin, end, total = first[s], last[s], 0.0
            one, other = block[begin], block[end]
            if one < other:
                total = falling[begin] + rising[end]
                for b in range(one + 1, other):
                    total += whole[b]
            elif begin == start[one]:
                total = rising[end]
            elif end == start[one + 1] - 1:
                total = falling[begin]
            else:
                for m in range(begin, end + 1):
                    total += alone[m]
            values[owner[s]] += total

    return Meeting(arrays, of_bins, of_points, add, densities, give, take)


@cache
def span_loops(circle: bool) -> WayLoops:
    """Return the loops on the line or the circle, each compiled when it is first asked for."""
    return chunk_loops("spans", "circle" if circle else "line", partial(_meeting, circle))
