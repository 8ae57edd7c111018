"""Points sorted by cell inside blocks: passes in which a cell's numbers stay in registers.

A block's entries fit the L2 cache, so that 16-bit places among them are enough to bring weights into
the order of the cells, and values back; every cell's run of points is filled up to whole vector
registers with entries of weight 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from .cell_geometry import COPIES, INVERSE_PITCH, OUTSIDE, PERIOD, TRASH, Geometry, locator
from .cell_points import finish
from .jit import helper, lazily, loop
from .lanes import look, rescale, weigh_seen, weights_of
from .pair_loops import CHUNK, LANES, READ1, WRITE, WRITE1, room
from .shared_rows import add_run, polynomial_of_run

BLOCK = 2**14  # points, times copies
# Cells of a plan that sorts: more would leave short runs, and entries beyond 16 bits.
MOST_CELLS = 2**11
MOST_COPIES = 2**5
assert BLOCK + LANES * MOST_CELLS < 2**16

_PLACES = types.Array(types.uint16, 1, "C")
_READ_PLACES = types.Array(types.uint16, 1, "C", readonly=True)
_INTS = types.Array(types.int64, 1, "C")
_READ_INTS = types.Array(types.int64, 1, "C", readonly=True)
_READ_STARTS = types.Array(types.int64, 2, "C", readonly=True)


def sorts(shape: Geometry) -> bool:
    """Return whether points are worth sorting into such cells."""
    return shape.cells <= MOST_CELLS and shape.copies <= MOST_COPIES


class SortedPasses(NamedTuple):
    """The compiled passes of one order."""

    moments: Callable[[], Callable]
    values: Callable[[], Callable]


class SortedPoints(NamedTuple):
    """Points by cell in every block; entries are whole vector registers for each run, one after another."""

    size: int  # points of a block
    copies: int
    places: NDArray[np.uint16]  # the entry of every point in its block, copy by copy (copies * N,)
    v: NDArray[np.float64]  # of every entry
    cells: NDArray[np.int64]  # of every run
    starts: NDArray[np.int64]  # of every run among its block's entries, and each block's end
    firsts: NDArray[np.int64]  # each block's first entry and run, and the end (blocks + 1, 2)


@cache
def sorter(kind: str, circle: bool) -> Callable[[], Callable]:
    """Return the compiled function that sorts a block."""
    distances, locate = locator(kind, circle)

    def make() -> Callable:
        def sort(x, g, places, v, cells, starts):
            """Write the entry of every point (copies * n,), v by entry, the runs' cells and starts.

            Points outside all cells have the entry past the last. Return the number of runs and entries.
            """
            copies, turn, trash = int(g[COPIES]), g[PERIOD] * g[INVERSE_PITCH], np.int64(g[TRASH])
            points = x.shape[0]
            u, vb, cb = room(np.float64), room(np.float64), room(np.int64)
            cell, at = np.empty(points * copies, np.int64), np.empty(points * copies)
            sizes = np.zeros(trash + OUTSIDE, np.int64)
            for start in range(0, points, CHUNK):
                n = min(CHUNK, points - start)
                distances(x[start : start + n], n, g, u)
                for copy in range(copies):
                    locate(u, n, copy * turn, g, 1, cb, vb)
                    first = copy * points + start
                    for j in range(n):
                        cell[first + j], at[first + j] = cb[j], vb[j]
                        sizes[cb[j]] += 1
            runs, entries = 0, 0
            for c in range(trash):
                size = sizes[c]
                if size > 0:
                    cells[runs], starts[runs] = c, entries
                    sizes[c] = entries
                    filled_up = (size + LANES - 1) // LANES * LANES
                    for j in range(size, filled_up):
                        v[entries + j] = 0.0
                    entries += filled_up
                    runs += 1
            starts[runs] = entries
            for j in range(points * copies):
                c = cell[j]
                if c < trash:
                    places[j], v[sizes[c]] = sizes[c], at[j]
                    sizes[c] += 1
                else:
                    places[j] = entries
            return runs, entries

        return sort

    signature = types.UniTuple(types.int64, 2)(READ1, READ1, _PLACES, WRITE1, _INTS, _INTS)
    return lazily(make, signature, f"sorted_points.sort.{kind}.{'circle' if circle else 'line'}")


@cache
def sorted_passes(order: int) -> SortedPasses:
    """Return the passes, each compiled when it is first asked for."""
    points = (types.int64, types.int64, _READ_PLACES, READ1, _READ_INTS, _READ_INTS, _READ_STARTS, WRITE1)
    moments = types.void(READ1, types.int64, types.int64, _READ_INTS, *points, WRITE, WRITE)
    numbers = (READ1, types.float64, types.float64, WRITE1)
    values = types.float64(READ1, types.int64, types.int64, types.float64, *points, *numbers)
    return SortedPasses(
        lazily(lambda: _make_moments(order), moments, f"sorted_points.moments.{order}"),
        lazily(lambda: _make_values(order), values, f"sorted_points.values.{order}"),
    )


# Indices are unsigned in these loops, because a signed one is first looked at for being negative.


@helper
def _scatter(values, places, entries):
    for j in range(places.shape[0]):
        entries[np.uint64(places[j])] = values[j]


@loop
def _finish_gathered(w, entries, places, share, sign, by):
    """by_i = w_i (share + sign entries[place_i]); return the largest magnitude, as `finish` does."""
    key = np.int64(0)
    for j in range(by.shape[0]):
        value = w[j] * (share + sign * entries[np.uint64(places[j])])
        by[j] = value
        key = max(key, np.float64(abs(value)).view(np.int64))
    return np.int64(key).view(np.float64)


@helper
def _gather_copies(entries, places, copies, start, n, points, sums):
    """sums_j = what all copies of a chunk's points have among the entries."""
    for j in range(n):
        sums[j] = 0.0
    for copy in range(copies):
        first = np.uint64(copy * points + start)
        for j in range(n):
            sums[j] += entries[np.uint64(places[first + np.uint64(j)])]


# Points of both come as SortedPoints, and `entries` is scratch for those of one block.


@helper
def _block_of(block, points, size, copies, places, v, cells, starts, firsts, entries):
    """Return the places, v, cells, starts and scratch of a block of so many points."""
    at, entry, run = block * size * copies, firsts[block, 0], firsts[block, 1]
    last_entry, last_run = firsts[block + 1, 0], firsts[block + 1, 1]
    return (
        places[at : at + points * copies],
        v[entry:last_entry],
        cells[run:last_run],
        starts[run + block : last_run + block + 1],
        entries[: last_entry - entry + 1],
    )


def _make_moments(order: int) -> Callable:
    add = add_run(order)

    @helper
    def add_block(z, copies, places, v, cells, starts, entries, state, sums):
        w, points = room(np.float64), z.shape[0]
        entries[:] = 0.0
        for start in range(0, points, CHUNK):
            n = min(CHUNK, points - start)
            logits = z[start : start + n]
            factor = look(logits, state)
            rescale(sums, factor)
            rescale(entries, factor)
            weigh_seen(logits, state, w)
            for copy in range(copies):
                first = copy * points + start
                _scatter(w, places[first : first + n], entries)
        for run in range(cells.shape[0]):
            add(entries, v, starts[run], starts[run + 1], sums, cells[run] * order, z, points)

    def moments(z, first, last, cuts, size, copies, places, v, cells, starts, firsts, entries, states, sums):
        """sums (lanes, cells * P) += w_j T_k(v_j), in lanes `first` .. `last`.

        Lane l has the blocks cuts[l] .. cuts[l + 1]. z are those of the blocks from cuts[first] on, and
        states and sums those of these lanes.
        """
        for lane in range(first, last):
            for block in range(cuts[lane], cuts[lane + 1]):
                begin = (block - cuts[first]) * size
                end = min(begin + size, z.shape[0])
                about = _block_of(block, end - begin, size, copies, places, v, cells, starts, firsts, entries)
                add_block(z[begin:end], copies, *about, states[lane - first], sums[lane - first])

    return moments


def _make_values(order: int) -> Callable:
    polynomial = polynomial_of_run(order)

    @helper
    def of_block(z, top, copies, places, v, cells, starts, entries, coefficients, share, sign, by):
        points = z.shape[0]
        weights_of(z, points, top, by)
        for run in range(cells.shape[0]):
            at, begin, end = cells[run] * order, starts[run], starts[run + 1]
            polynomial(coefficients, at, v, begin, end, entries, z, points)
        entries[v.shape[0]] = 0.0
        if copies == 1:
            return _finish_gathered(by, entries, places, share, sign, by)
        sums, largest = room(np.float64), 0.0
        for start in range(0, points, CHUNK):
            n = min(CHUNK, points - start)
            out = by[start : start + n]
            _gather_copies(entries, places, copies, start, n, points, sums)
            largest = max(largest, finish(out, sums, share, sign, out))
        return largest

    def values(
        z,
        first,
        last,
        top,
        size,
        copies,
        places,
        v,
        cells,
        starts,
        firsts,
        entries,
        coefficients,
        share,
        sign,
        by,
    ):
        """by_i = w_i (share + sign sum_k coefficients[cell_i, k] v_i^k); return the largest |by_i|.

        z and `by` are those of blocks `first` .. `last`.
        """
        largest = 0.0
        for block in range(first, last):
            begin = (block - first) * size
            end = min(begin + size, z.shape[0])
            about = _block_of(block, end - begin, size, copies, places, v, cells, starts, firsts, entries)
            found = of_block(z[begin:end], top, copies, *about, coefficients, share, sign, by[begin:end])
            largest = max(largest, found)
        return largest

    return values
