"""Pairs of bins and the points of a chunk that are in reach of them.

What points add to the bins in reach is kept for the adjoint where a row is one chunk. Beyond its reach a
kernel is 0, or so small that a bin of any weight does not notice. For a bin of less, its pairs with all
points are computed after all: in the adjoint, for one whose p/q is beyond 1/LEAST_PART of the share.
"""

import math
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ...families import FORMULAS
from ...formula import IMAGES, PERIOD, Variant
from ...names import CIRCLE_ONLY, COMPACT
from ...numerics.chunks import (
    ROOM,
    chunk_of,
    copy,
    flags_of,
    integers_of,
    numbers_of,
    rows_of,
    sum_of,
    words_of,
)
from ...runtime.jit import Function, elementwise, helper, loop
from ...simd.exponentials import powers_of_2_in_place
from ...simd.registers import add_multiple, dot
from ..sums.images import distance_of, shift_of
from .chunk_loops import Meeting, chunk_loops, words_of_chunks
from .neighbours import LEAST_PART, most_bins, neighbours, reach_of, words_of_points
from .pairs import WayLoops
from .products import SPAN, half_angles, sine_of_difference

# Of fewer bins all pairs cost no more, those of polynomials on the line least of all.
_LEAST_BINS, _LEAST_OF_POLYNOMIALS = 16, 64
PAIRS_PER_BLOCK = 2**20


def takes(name: str) -> bool:
    """Return whether a formula falls off fast enough, and without an exponential beside that of its pair."""
    return name in COMPACT or FORMULAS[name].power


def rule(kernel: str, circle: bool) -> Function:
    """Return f(h, period, width, points, bins): whether points in reach of a bin are told from others.

    Bins span a width.
    """
    least = _LEAST_OF_POLYNOMIALS if kernel in COMPACT and not circle else _LEAST_BINS
    # On a circle, less than half of it, also for a kernel of the chord.
    taken, reach = takes(kernel), math.pi * reach_of(kernel) if circle else 0.0
    # Angles from the middle of the bins round like distances.
    widest = 2.0 * SPAN if kernel in CIRCLE_ONLY else math.inf

    @elementwise
    def applies(h, period, width, points, bins):
        few = taken and least <= bins <= most_bins(points)
        return few & (reach * h < period) & (width <= widest * h)

    return applies


class _Arrays(NamedTuple):
    points: Any  # of `neighbours`
    angles: Any  # (2, 2 ROOM): sine and cosine of points, as these are sorted
    bins: Any  # (3, M): center, sine and cosine
    ends: Any  # (2, M): points in reach, from and to, whole registers of them
    sums: Any  # (M,)
    weights: Any  # (M,)
    whole: Any  # (M,): whether all points are in pairs
    pairs: Any  # (M, ROOM): what each point in reach adds
    of_image: Any  # (ROOM,)


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of loops is."""
    of_bins = 3 * bins, 2 * bins, bins, bins, bins, bins * ROOM
    return words_of_points(bins) + words_of(4 * ROOM, *of_bins, ROOM) + words_of_chunks(bins)


def _meeting(variant: Variant) -> Meeting:
    name, circle, compact = variant.formula, variant.circle, variant.formula in COMPACT
    formula, distance, near = FORMULAS[name], distance_of(variant), neighbours(name, circle)
    value, by_sines = formula.value, formula.of_half_sine is not None
    turns = 2 if circle else 1

    @helper
    def arrays(bins, memory):
        made = _Arrays(
            near.points(bins, memory),
            rows_of(memory, 2, 2 * ROOM),
            rows_of(memory, 3, bins),
            integers_of(memory, 2 * bins).reshape((2, bins)),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            flags_of(memory, bins),
            rows_of(memory, bins, ROOM),
            chunk_of(memory),
        )
        made.sums[:] = 0.0
        return made

    @loop
    def of_bins(arrays, centers, p):
        bins, row = arrays.bins, near.of_bins(arrays.points, centers, p)
        copy(centers, bins[0])
        if by_sines:
            half_angles(bins[0], centers.shape[0], row[2], p, bins[1], bins[2])
        return row

    if by_sines:
        of_sine: Function = formula.of_half_sine or value

        @loop
        def exponents(arrays, m, begin, end, shift, p, kept):
            bins, sines, cosines = arrays.bins, arrays.angles[0, begin:end], arrays.angles[1, begin:end]
            sine_of_bin, cosine_of_bin = bins[1, m], bins[2, m]
            for i in range(end - begin):
                s = sine_of_difference(sine_of_bin, cosine_of_bin, sines[i], cosines[i])
                kept[i], _ = of_sine(s, p)

    else:

        @loop
        def exponents(arrays, m, begin, end, shift, p, kept):
            c, places = arrays.bins[0, m], arrays.points.place[begin:end]
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
        images = np.int64(p[IMAGES]) if variant.images else 1
        kept, of_image = arrays.pairs[m], arrays.of_image
        arrays.ends[0, m], arrays.ends[1, m], arrays.whole[m] = 0, n, True
        kept[:n] = 0.0
        for image in range(images):
            pair(arrays, m, 0, n, shift_of(image, p[PERIOD]), p, of_image)
            for s in range(n):
                kept[s] += of_image[s]

    @loop
    def of_points(arrays, row, x, n, p):
        points, angles, ends = arrays.points, arrays.angles, arrays.ends
        near.sort(points, row, x, n, p)
        if by_sines:
            half_angles(points.place, n, row[2], p, angles[0], angles[1])
            if circle:
                copy(angles[0, :n], angles[0, n:])
                copy(angles[1, :n], angles[1, n:])
        for m in range(ends.shape[1]):
            begin, end = near.between(points, m, m, n)
            ends[0, m], ends[1, m], arrays.whole[m] = begin, end, False
            pair(arrays, m, begin, end, 0.0, p, arrays.pairs[m])

    @loop
    def add(arrays, row, weights, n, p):
        sums, ends, kept, carried = arrays.sums, arrays.ends, arrays.pairs, arrays.points.carried
        near.carry(arrays.points, weights, n)
        least = LEAST_PART * sum_of(weights, n)
        for m in range(sums.shape[0]):
            of_bin = dot(kept[m], carried[ends[0, m] :], ends[1, m] - ends[0, m])
            if not compact and not of_bin >= least and not arrays.whole[m]:
                pair_with_all(arrays, m, n, p)
                of_bin = dot(kept[m], carried, n)
            sums[m] += of_bin

    @loop
    def densities(arrays, row, density):
        for m in range(density.shape[0]):
            density[m] += arrays.sums[m]
        arrays.sums[:] = 0.0

    @loop
    def give(arrays, row, weights):
        copy(weights, arrays.weights)

    @loop
    def take(arrays, row, n, p, share, values):
        sums, ends, weights, kept = arrays.points.carried, arrays.ends, arrays.weights, arrays.pairs
        sums[: turns * n] = 0.0
        for m in range(weights.shape[0]):
            if not compact and weights[m] * LEAST_PART > share and not arrays.whole[m]:
                pair_with_all(arrays, m, n, p)
            add_multiple(sums[ends[0, m] :], weights[m], kept[m], ends[1, m] - ends[0, m])
        near.collect(arrays.points, n, values)

    return Meeting(arrays, of_bins, of_points, add, densities, give, take)


@cache
def reached_loops(variant: Variant) -> WayLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    return chunk_loops("reached", variant.key, partial(_meeting, variant))
