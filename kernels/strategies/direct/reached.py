"""Pairs of bins and the points in reach of them, in rows of a few hundred points: each computed once.

Points are sorted into cells, so that those in reach of a bin follow each other; what they add to the bin is
kept for the adjoint. Beyond its reach a kernel is 0, or so small that a bin of any weight does not notice.
For a bin of less, its pairs with all points are computed after all.
"""

import math
from collections.abc import Callable
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...families import FAMILIES, FORMULAS
from ...formula import IMAGES, INVERSE_BANDWIDTH, INVERSE_PERIOD, PERIOD, Variant
from ...names import CIRCLE_ONLY, COMPACT
from ...numerics.arithmetic import LARGEST
from ...numerics.chunks import CHUNK, LANES, ROOM, aligned, room, sum_of
from ...runtime.jit import helper, loop
from ...simd.exponentials import powers_of_2_in_place
from ...simd.registers import add_multiple, dot
from ..sums.images import distance_of, shift_of
from .chunk_loops import Meeting, chunk_loops
from .pairs import WayLoops, pair_loops
from .products import SPAN, half_angles, sine_of_difference

# Of fewer bins all pairs cost no more, those of polynomials on the line least of all; of more, what is kept
# would leave the caches.
_LEAST_BINS, _LEAST_OF_POLYNOMIALS, _MOST_BINS = 16, 64, 1024
_CELLS = 64
PAIRS_PER_BLOCK, BYTES_PER_BIN = 2**20, 8 * ROOM
_SMALL = 1e-22  # of its peak: a kernel beyond its reach
# Bins of less density, as part of all weights, might notice.
_LEAST_PART = 1e-6


def _reach(name: str) -> float:
    return FAMILIES[name].decay.reach(_SMALL)


def takes(name: str) -> bool:
    """Return whether a formula falls off fast enough, and without an exponential beside that of its pair."""
    return name in COMPACT or FORMULAS[name].power


def applies(
    kernel: str, bandwidth: Floats, period: float | None, width: Floats, bins: int, points: int
) -> NDArray[np.bool_]:
    """Return for which rows, whose bins span a width, points in reach of a bin are told from others."""
    least = _LEAST_OF_POLYNOMIALS if kernel in COMPACT and period is None else _LEAST_BINS
    short = takes(kernel) and least <= bins <= _MOST_BINS and points <= CHUNK
    # On a circle, less than half of it, also for a kernel of the chord.
    narrow = period is None or math.pi * _reach(kernel) * bandwidth < period
    # Angles from the middle of the bins round like distances.
    near = kernel not in CIRCLE_ONLY or width <= 2 * SPAN * bandwidth
    return np.asarray(short & narrow & near)


# Sorted points (2 ROOM,): on a circle they follow once more, for the range in reach of a bin to be one. Of
# bins (M,): the cells in reach, first and last, and then the points, from and to; whole registers of them.
def _meeting(variant: Variant) -> Meeting:
    name, circle, compact = variant.formula, variant.circle, variant.formula in COMPACT
    formula, distance = FORMULAS[name], distance_of(variant)
    value, reach, by_sines = formula.value, _reach(name), formula.of_half_sine is not None
    turns = 2 if circle else 1

    @helper
    def arrays(bins):
        """Return points (2 ROOM,): place, sine, cosine, and weights or sums; their owners, cells, and starts.

        Ranges of cells and points (2, M); bins (3, M): center, sine, cosine; their sums and weights (M,); and
        pairs (M, ROOM).
        """
        points = (
            aligned(2 * ROOM, np.float64),
            aligned(2 * ROOM, np.float64),
            aligned(2 * ROOM, np.float64),
            aligned(2 * ROOM, np.float64),
        )
        order = np.empty(ROOM, np.uint32), np.empty(ROOM, np.uint32), np.empty(2 * _CELLS + 1, np.uint32)
        ranges = np.empty((2, bins), np.int64), np.empty((2, bins), np.int64)
        return (
            points,
            order,
            ranges,
            np.empty((3, bins)),
            np.zeros(bins),
            np.empty(bins),
            aligned(bins * ROOM, np.float64).reshape((bins, ROOM)),
        )

    @loop
    def of_bins(arrays, centers, p):
        """Return where cells begin, how many there are to a unit of length, and the middle of the bins."""
        cells, bins_at = arrays[2][0], arrays[3]
        low, high, bins = centers[0], centers[0], centers.shape[0]
        for m in range(bins):
            bins_at[0, m] = centers[m]
            low, high = min(low, centers[m]), max(high, centers[m])
        far = reach / p[INVERSE_BANDWIDTH]
        if by_sines:
            far = p[PERIOD] / math.pi * math.asin(min(math.pi * far * p[INVERSE_PERIOD], 1.0))
        far += 1e-14 * (far + abs(low) + abs(high) + p[PERIOD])  # which may round
        if circle:
            first, per_cell = 0.5 * (low + high) - 0.5 * p[PERIOD], _CELLS * p[INVERSE_PERIOD]
        else:
            first, per_cell = low - far, _CELLS / (high - low + 2.0 * far)
        # All points in one cell where the circle has none beyond reach, or lengths have no inverse.
        everywhere = (circle and not 2.0 * far < p[PERIOD] * (1.0 - 2.0 / _CELLS)) or not per_cell < LARGEST
        if everywhere:
            first, per_cell = 0.0, 0.0
        for m in range(bins):
            begin = np.floor((centers[m] - far - first) * per_cell)
            end = np.floor((centers[m] + far - first) * per_cell)
            if everywhere:
                begin, end = 0.0, 0.0
            elif not circle:
                begin, end = max(begin, 0.0), min(end, _CELLS - 1.0)
            elif begin < 0.0:
                begin, end = begin + _CELLS, end + _CELLS
            cells[0, m], cells[1, m] = np.int64(begin), np.int64(end)
        if by_sines:
            half_angles(bins_at[0], bins, 0.5 * (low + high), p, bins_at[1], bins_at[2])
        return first, per_cell, 0.5 * (low + high)

    @loop
    def sort(arrays, row, x, n, p):
        (place, sine, cosine, _), (owner, cell, starts) = arrays[0], arrays[1]
        first, per_cell, middle = row
        half = 0.5 * p[PERIOD]
        for j in range(n):
            y = x[j] - first
            if circle:  # distances are taken from x itself: what is moved is rounded
                y -= p[PERIOD] if x[j] - middle > half else (-p[PERIOD] if x[j] - middle < -half else 0.0)
            cell[j] = np.uint32(np.int32(min(max(y * per_cell, 0.0), _CELLS - 1.0)))
        starts[:] = 0
        for j in range(n):
            starts[cell[j]] += np.uint32(1)
        total = np.uint32(0)
        for k in range(_CELLS):
            total += starts[k]
            starts[k] = total
        for j in range(n - 1, -1, -1):
            k = cell[j]
            starts[k] -= np.uint32(1)
            place[starts[k]], owner[starts[k]] = x[j], j
        starts[_CELLS] = n
        if by_sines:
            half_angles(place, n, middle, p, sine, cosine)
        if circle:
            for k in range(1, _CELLS + 1):
                starts[_CELLS + k] = starts[k] + np.uint32(n)
            place[n : 2 * n] = place[:n]
            if by_sines:
                sine[n : 2 * n], cosine[n : 2 * n] = sine[:n], cosine[:n]

    if by_sines:
        of_sine: Callable = formula.of_half_sine or value

        @loop
        def exponents(arrays, m, begin, end, shift, p, kept):
            (_, sine, cosine, _), bins = arrays[0], arrays[3]
            sine_of_bin, cosine_of_bin = bins[1, m], bins[2, m]
            sines, cosines = sine[begin:end], cosine[begin:end]
            for i in range(end - begin):
                s = sine_of_difference(sine_of_bin, cosine_of_bin, sines[i], cosines[i])
                kept[i], _ = of_sine(s, p)

    else:

        @loop
        def exponents(arrays, m, begin, end, shift, p, kept):
            c, places = arrays[3][0, m], arrays[0][0][begin:end]
            for i in range(end - begin):
                e, f, _, _ = value(distance(c, places[i], p[PERIOD], shift), p)
                kept[i] = e if formula.power else f  # of a compact kernel e is 0

    @loop
    def pair(arrays, m, begin, end, shift, p, kept):
        """Write what points from `begin` to `end` add to bin m, of one image, to kept (ROOM,)."""
        exponents(arrays, m, begin, end, shift, p, kept)
        if formula.power:
            powers_of_2_in_place(kept, end - begin)

    @loop
    def pair_with_all(arrays, m, n, p):
        """Write what all n points, and their images, add to bin m."""
        images, kept, of_image = np.int64(p[IMAGES]) if variant.images else 1, arrays[6][m], room(np.float64)
        ends = arrays[2][1]
        ends[0, m], ends[1, m] = 0, n
        kept[:n] = 0.0
        for image in range(images):
            pair(arrays, m, 0, n, shift_of(image, p[PERIOD]), p, of_image)
            for s in range(n):
                kept[s] += of_image[s]

    @loop
    def of_points(arrays, row, x, n, p):
        sort(arrays, row, x, n, p)
        starts, (cells, ends) = arrays[1][2], arrays[2]
        for m in range(cells.shape[1]):
            begin = int(starts[cells[0, m]]) // LANES * LANES
            end = (int(starts[cells[1, m] + 1]) + (LANES - 1)) // LANES * LANES
            if end - begin > n:
                begin, end = 0, n
            ends[0, m], ends[1, m] = begin, end
            pair(arrays, m, begin, end, 0.0, p, arrays[6][m])

    @loop
    def add(arrays, weights, n, p):
        sorted_weights, owner, ends, sums, kept = (
            arrays[0][3],
            arrays[1][0],
            arrays[2][1],
            arrays[4],
            arrays[6],
        )
        for s in range(n):
            sorted_weights[s] = weights[owner[s]]
        if circle:
            sorted_weights[n : 2 * n] = sorted_weights[:n]
        least = 0.0 if compact else _LEAST_PART * sum_of(weights, n)
        for m in range(sums.shape[0]):
            of_bin = dot(kept[m], sorted_weights[ends[0, m] :], ends[1, m] - ends[0, m])
            if not of_bin >= least:
                pair_with_all(arrays, m, n, p)
                of_bin = dot(kept[m], sorted_weights, n)
            sums[m] += of_bin

    @loop
    def densities(arrays, row, density):
        sums = arrays[4]
        density += sums
        sums[:] = 0.0

    @loop
    def give(arrays, row, weights):
        arrays[5][:] = weights

    @loop
    def take(arrays, n, values):
        sums, owner, ends, weights, kept = arrays[0][3], arrays[1][0], arrays[2][1], arrays[5], arrays[6]
        sums[: turns * n] = 0.0
        for m in range(weights.shape[0]):
            add_multiple(sums[ends[0, m] :], weights[m], kept[m], ends[1, m] - ends[0, m])
        for s in range(n):
            values[owner[s]] = sums[s] + sums[n + s] if circle else sums[s]

    return Meeting(arrays, of_bins, of_points, add, densities, give, take)


@cache
def _loops(variant: Variant) -> WayLoops:
    return chunk_loops("reached", variant.key, partial(_meeting, variant))


def reached_loops(variant: Variant) -> WayLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    # Which pairs were computed after all is known between the halves alone.
    return _loops(variant)._replace(adjoint=pair_loops(variant).adjoint)
