"""Cells merged four to one, level by level, and which cells of which level a bin sees.

Moments move up to wider cells and polynomials down to narrower ones by the same matrices, exactly.
A smooth kernel is seen through cells about as wide as they are far away. A kernel with knots is seen
through the widest cells that fit between two knots.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...arguments.arrays import Floats, Ints
from ...arguments.kept import kept
from ...numerics.chebyshev import chebyshev
from ...numerics.matmul import add_multiple
from ...runtime.jit import helper
from ..sums.places import GROWN, Geometry

MERGED = 4
_MOST = 14  # levels
# Entries of the array that tells compiled code what bins see.
LEVELS, PARTS, NEAR, CIRCULAR, KNOTTED, ORDER = range(6)
LOW_PITCH, LOW_PART, MIDDLE, HIGH_PITCH, HIGH_PART = range(6, 11)
RIGHT_START, RIGHT_STOP, LEFT_START, LEFT_STOP = range(11, 15)
_SIZES = 15  # cells of each level, then where its nodes start
_STARTS = _SIZES + _MOST
SPEC = _STARTS + _MOST
MOST_RUNS = 8 * _MOST + 8


class Levels(NamedTuple):
    """The cells of all levels, the narrowest first."""

    sizes: tuple[int, ...]  # cells of each level, without those that grow
    starts: tuple[int, ...]  # cells before each level's
    cells: int  # of all levels
    up: Floats  # (children of one parent of each level, P, P), a parent's T_k from T_l in each child
    down: Floats  # the same, transposed: T_l of each child from a parent's T_k


def make_levels(geometry: Geometry, order: int, count: int) -> Levels:
    """Return `count` levels, or as many as there are cells for."""
    sizes, starts, up = [geometry.columns * geometry.parts], [0], [np.empty((0, order, order))]
    cells = geometry.cells
    columns = geometry.columns
    for level in range(1, min(count, _MOST)):
        if columns <= MERGED:
            break
        columns = -(-columns // MERGED)
        breaks = geometry.breaks if level == 1 else (0.0,)
        up.append(_merging(breaks, order))
        starts.append(cells)
        sizes.append(columns)
        cells += columns
    matrices = np.concatenate(up)
    down = np.ascontiguousarray(matrices.transpose(0, 2, 1))
    return Levels(tuple(sizes), tuple(starts), cells, matrices, down)


@kept(8)
def node_positions(geometry: Geometry, sizes: tuple[int, ...], starts: tuple[int, ...], order: int) -> Floats:
    """Return how far from the first bin the nodes of all levels lie on the line, cell by cell."""
    nodes = chebyshev(order)[0]
    cells = geometry.cells if len(sizes) == 1 else starts[-1] + sizes[-1]
    positions = np.empty((cells, order))
    positions[: geometry.cells] = geometry.nodes(nodes)
    for level in range(1, len(sizes)):
        start, size = starts[level], sizes[level]
        places = np.arange(size)[:, np.newaxis] + (nodes + 1) / 2
        positions[start : start + size] = (places * MERGED**level - geometry.lead) * geometry.pitch
    return positions.ravel()


@lru_cache(maxsize=64)
def _merging(breaks: tuple[float, ...], order: int) -> Floats:
    """Return the matrices T_k(child's place in the parent) = sum_l up_kl T_l(place in the child)."""
    widths = np.diff([*breaks, 1.0])
    nodes, weights, _ = chebyshev(order)
    matrices = []
    for column in range(MERGED):
        for start, width in zip(breaks, widths, strict=True):
            place = (column + start + width * (nodes + 1) / 2) / MERGED * 2 - 1
            values = np.cos(np.arange(order)[:, np.newaxis] * np.arccos(np.clip(place, -1, 1)))
            matrices.append(values @ weights)
    return np.array(matrices)


# What follows up to the specification is for compiled code, and takes one, spec (SPEC,).


@helper
def _children(spec, level):
    return MERGED * (spec[PARTS] if level == 0 else np.int64(1))


@helper
def merge(spec, down, moments):
    """Fill in the moments (cells, P) of all levels but the narrowest; down (children, P, P) of `Levels`."""
    first = np.int64(0)
    for level in range(spec[LEVELS] - 1):
        children, size = _children(spec, level), spec[_SIZES + level]
        start, above = spec[_STARTS + level], spec[_STARTS + level + 1]
        for parent in range(spec[_SIZES + level + 1]):
            sums = moments[above + parent]
            sums[:] = 0.0
            for c in range(min(children, size - parent * children)):
                child = moments[start + parent * children + c]
                for l in range(spec[ORDER]):
                    add_multiple(sums, child[l], down[first + c, l])
        first += children


@helper
def distribute(spec, up, coefficients):
    """Add wider cells' polynomials, coefficients (cells, P), to the narrower ones'; up (children, P, P)."""
    first = np.int64(up.shape[0])
    for level in range(spec[LEVELS] - 2, -1, -1):
        children, size = _children(spec, level), spec[_SIZES + level]
        start, above = spec[_STARTS + level], spec[_STARTS + level + 1]
        first -= children
        for parent in range(spec[_SIZES + level + 1]):
            for c in range(min(children, size - parent * children)):
                child = coefficients[start + parent * children + c]
                for k in range(spec[ORDER]):
                    add_multiple(child, coefficients[above + parent, k], up[first + c, k])


@helper
def distribute_doubts(spec, doubts):
    """Add wider cells' bounds (cells,) to those of the narrower ones."""
    for level in range(spec[LEVELS] - 2, -1, -1):
        children, start, above = _children(spec, level), spec[_STARTS + level], spec[_STARTS + level + 1]
        for child in range(spec[_SIZES + level]):
            doubts[start + child] += doubts[above + child // children]


def specification(geometry: Geometry, levels: Levels, order: int, near: int, circular: bool) -> Ints:
    """Return what compiled code needs to find the cells that a bin sees; a kernel without knots."""
    spec = np.zeros(SPEC, np.int64)
    spec[LEVELS], spec[PARTS], spec[NEAR] = len(levels.sizes), geometry.parts, near
    spec[CIRCULAR], spec[ORDER] = circular, order
    spec[_SIZES : _SIZES + len(levels.sizes)] = levels.sizes
    spec[_STARTS : _STARTS + len(levels.starts)] = levels.starts
    return spec


def see_between_knots(spec: Ints, low: tuple[int, int], high: tuple[int, int], middle: bool) -> None:
    """State the first and last boundary that a bin sees, as pitches from it and part of the pitch."""
    spec[KNOTTED], spec[MIDDLE] = True, middle
    spec[LOW_PITCH], spec[LOW_PART] = low
    spec[HIGH_PITCH], spec[HIGH_PART] = high


# For compiled code again: spec (SPEC,), and runs (MOST_RUNS, 2), of which the first `count` are there.


@helper
def see_grown(spec, cells, masses):
    """State which of the growing cells hold points, the last 2 GROWN of the narrowest; by masses (cells,)."""
    for side in range(2):
        begin = cells - (2 - side) * GROWN
        first, last = begin + GROWN, begin
        for cell in range(begin, begin + GROWN):
            if masses[cell] != 0.0:
                first, last = min(first, np.int64(cell)), np.int64(cell + 1)
        held = last > first
        spec[RIGHT_START + 2 * side] = first if held else np.int64(0)
        spec[RIGHT_START + 2 * side + 1] = last if held else np.int64(0)


@helper
def _add(runs, count, first, last):
    """Append the cells [first, last) to runs (MOST_RUNS, 2) if there are any; return the number of runs."""
    if last > first:
        runs[count, 0], runs[count, 1] = first, last
        return count + 1
    return count


@helper
def _add_around(runs, count, start, size, first, last):
    """Append cells of a circular level, of which first and last may be a turn away."""
    last = min(last, first + size)
    if last <= first:
        return count
    first, length = first % size, last - first
    if first + length <= size:
        return _add(runs, count, start + first, start + first + length)
    count = _add(runs, count, start + first, start + size)
    return _add(runs, count, start, start + first + length - size)


@helper
def _see_smooth(place, spec, runs):
    """Cells within `near` of the bin, whole families of them, then the same of each wider level."""
    count, levels = 0, spec[LEVELS]
    near, circular = spec[NEAR], spec[CIRCULAR] == 1
    column = np.int64(np.floor(place))
    seen_low, seen_high = column, column  # seen already, in cells of this level; nothing yet
    for level in range(levels):
        size, start = spec[_SIZES + level], spec[_STARTS + level]
        low, high = column - near, column + near + 1
        if levels > 1:
            low, high = low // MERGED * MERGED, -(-high // MERGED) * MERGED
        everything = level > 0 and level == levels - 1
        if circular:
            if level == 0:
                seen_low = seen_high = low
            if everything or high - low >= size:
                count = _add_around(runs, count, start, size, seen_high, seen_low + size)
                break
            count = _add_around(runs, count, start, size, low, seen_low)
            count = _add_around(runs, count, start, size, seen_high, high)
        else:
            low = np.int64(0) if everything else max(low, np.int64(0))
            high = size if everything else min(high, size)
            if level == 0:
                seen_low = seen_high = low
            count = _add(runs, count, start + low, start + min(seen_low, high))
            count = _add(runs, count, start + max(seen_high, low), start + high)
        seen_low, seen_high = low // MERGED, -(-high // MERGED)
        column //= MERGED
    count = _add(runs, count, spec[RIGHT_START], spec[RIGHT_STOP])
    return _add(runs, count, spec[LEFT_START], spec[LEFT_STOP])


@helper
def _see_segment(first, last, spec, runs, count):
    """Append cells of the narrowest level [first, last), merged where whole parents fit."""
    children = spec[PARTS] * MERGED
    for level in range(spec[LEVELS]):
        start = spec[_STARTS + level]
        inner_first, inner_last = -(-first // children), last // children
        if level == spec[LEVELS] - 1 or inner_last <= inner_first:
            return _add(runs, count, start + first, start + last)
        count = _add(runs, count, start + first, start + inner_first * children)
        count = _add(runs, count, start + inner_last * children, start + last)
        first, last, children = inner_first, inner_last, np.int64(MERGED)
    return count


@helper
def _see_between_knots(place, spec, runs):
    parts, size = spec[PARTS], spec[_SIZES]
    pitch = np.int64(np.floor(place + 0.5))
    low = (pitch + spec[LOW_PITCH]) * parts + spec[LOW_PART]
    high = (pitch + spec[HIGH_PITCH]) * parts + spec[HIGH_PART]
    low, high = max(low, np.int64(0)), min(high, size)
    if spec[MIDDLE] == 0:
        return _see_segment(low, high, spec, runs, 0)
    middle = min(max(pitch * parts, low), high)
    return _see_segment(middle, high, spec, runs, _see_segment(low, middle, spec, runs, 0))


@helper
def cells_seen(place, spec, runs):
    """Write the runs of cells (first, last) that a bin sees, `place` pitches from the origin; count them."""
    return _see_between_knots(place, spec, runs) if spec[KNOTTED] == 1 else _see_smooth(place, spec, runs)


@helper
def cell_steps(spec, step, runs, count, steps):
    """Write to steps (MOST_RUNS,) by how many cells of its level a run moves when the bin does by `step`."""
    for run in range(count):
        steps[run] = step * spec[PARTS]
        for level in range(1, spec[LEVELS]):
            if runs[run, 0] >= spec[_STARTS + level]:
                steps[run] = step // MERGED**level
