"""Points of a row sorted into cells, so that those in reach of some bins follow each other."""

import math
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from ...families import FAMILIES, FORMULAS
from ...formula import INVERSE_BANDWIDTH, INVERSE_PERIOD, PERIOD
from ...numerics.arithmetic import LARGEST
from ...numerics.chunks import CHUNK, LANES, ROOM, copy, integers_of, numbers_of, places_of, words_of
from ...runtime.jit import Function, elementwise, helper, loop

_CELLS = 64
_SMALL = 1e-22  # of its peak: a kernel beyond its reach
_ROUNDING = 1e-14  # of lengths that a reach is made of
# Bins of less density, as part of all weights, might notice what is beyond reach; others to 1e-16.
LEAST_PART = 1e-6


@elementwise
def most_bins(points: int) -> int:
    """Return of how many bins rows of so many points tell those in reach: what is kept stays in the caches.

    Rows of more than a chunk, for which it is made twice, gain nothing from more.
    """
    return 1024 if points <= CHUNK else 256


def reach_of(name: str) -> float:
    """Return how many bandwidths a formula reaches."""
    return FAMILIES[name].decay.reach(_SMALL)


class Points(NamedTuple):
    """A chunk's points by cells; on a circle they follow once more, for those in reach to be one range."""

    place: Any  # (2 ROOM,)
    carried: Any  # (2 ROOM,): their weights, or sums
    owner: Any  # (ROOM,): which of the chunk they are
    cell: Any  # (ROOM,): that of each as they come
    starts: Any  # (2 _CELLS + 1,): where cells begin
    cells: Any  # (2, M): the first and last in reach of a bin


def words_of_points(bins: int) -> int:
    """Return of how many numbers memory is that points are taken from."""
    return words_of(2 * ROOM, 2 * ROOM, ROOM, _CELLS + 1, 2 * bins)


class Neighbours(NamedTuple):
    """What sorts points, and finds those in reach: compiled functions of points, as `Points` has them."""

    points: Function  # bins, memory: new ones
    of_bins: Function  # points, centers (M,), p: where cells begin, how many to a unit of length, the middle
    sort: Function  # points, row, x (ROOM,), n, p: `row` is what of_bins returned
    between: Function  # points, two bins, n: from and to of those in reach of these and all between
    carry: Function  # points, weights (ROOM,), n: make these what the points carry
    collect: Function  # points, n, values (ROOM,): write each point's sum


@cache
def neighbours(name: str, circle: bool) -> Neighbours:
    """Return what finds the points in reach of a formula."""
    reach, by_sines = reach_of(name), FORMULAS[name].of_half_sine is not None

    @helper
    def points(bins, memory):
        return Points(
            numbers_of(memory, 2 * ROOM),
            numbers_of(memory, 2 * ROOM),
            places_of(memory, ROOM),
            places_of(memory, ROOM),
            places_of(memory, 2 * _CELLS + 1),
            integers_of(memory, 2 * bins).reshape((2, bins)),
        )

    @loop
    def of_bins(points, centers, p):
        cells = points.cells
        low, high, bins = centers[0], centers[0], centers.shape[0]
        for m in range(bins):
            low, high = min(low, centers[m]), max(high, centers[m])
        far = reach / p[INVERSE_BANDWIDTH]
        if by_sines:
            far = p[PERIOD] / math.pi * math.asin(min(math.pi * far * p[INVERSE_PERIOD], 1.0))
        far += _ROUNDING * (far + abs(low) + abs(high) + p[PERIOD])
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
        return first, per_cell, 0.5 * (low + high)

    @loop
    def sort(points, row, x, n, p):
        place, _, owner, cell, starts, _ = points
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
        if circle:
            for k in range(1, _CELLS + 1):
                starts[_CELLS + k] = starts[k] + np.uint32(n)
            copy(place[:n], place[n:])

    @loop
    def between(points, first, last, n):
        """Return whole registers of points, at most n."""
        starts, cells = points.starts, points.cells
        one, other = cells[0, first], cells[1, last]
        if circle and other < one:
            other += _CELLS
        if other - one >= _CELLS:
            return 0, n
        begin = int(starts[one]) // LANES * LANES
        end = (int(starts[other + 1]) + (LANES - 1)) // LANES * LANES
        return (0, n) if end - begin > n else (begin, end)

    @loop
    def carry(points, weights, n):
        carried, owner = points.carried, points.owner
        for s in range(n):
            carried[s] = weights[owner[s]]
        if circle:
            copy(carried[:n], carried[n:])

    @loop
    def collect(points, n, values):
        sums, owner = points.carried, points.owner
        for s in range(n):
            values[owner[s]] = sums[s] + sums[n + s] if circle else sums[s]

    return Neighbours(points, of_bins, sort, between, carry, collect)
