"""Points sorted by cell inside blocks: passes in which a cell's numbers stay in registers.

A block's logits fit the L2 cache, so that 16-bit places in it are enough to bring them into the order
of the cells; every cell's run of points is filled up to whole vector registers with a place past the
block, whose weight is 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from .cell_geometry import COPIES, INVERSE_PITCH, PERIOD, TRASH, locator
from .cell_points import weights_of
from .jit import helper, lazily, loop
from .pair_loops import CHUNK, LANES, READ1, WRITE1, room

BLOCK = 2**15  # points, times copies

_PLACES = types.Array(types.uint16, 1, "C")
_READ_PLACES = types.Array(types.uint16, 1, "C", readonly=True)
_INTS = types.Array(types.int64, 1, "C")
_READ_INTS = types.Array(types.int64, 1, "C", readonly=True)


class SortedPasses(NamedTuple):
    """The compiled passes of one order."""

    moments: Callable[[], Callable]
    values: Callable[[], Callable]


@cache
def sorter(kind: str, circle: bool) -> Callable[[], Callable]:
    """Return the compiled function that sorts a block."""
    distances, locate = locator(kind, circle)

    def make() -> Callable:
        def sort(x, g, places, v, cells, starts):
            """Write places and v (entries,) by cell, the runs' cells and starts; return both numbers."""
            copies, turn, trash = int(g[COPIES]), g[PERIOD] * g[INVERSE_PITCH], np.int64(g[TRASH])
            u, vb, cb = room(np.float64), room(np.float64), room(np.int64)
            count = x.shape[0] * copies
            cell, at = np.empty(count, np.int64), np.empty(count)
            sizes = np.zeros(trash + 1, np.int64)
            filled = 0
            for start in range(0, x.shape[0], CHUNK):
                n = min(CHUNK, x.shape[0] - start)
                distances(x[start : start + n], n, g, u)
                for copy in range(copies):
                    locate(u, n, copy * turn, g, 1, cb, vb)
                    for j in range(n):
                        cell[filled + j], at[filled + j] = cb[j], vb[j]
                        sizes[cb[j]] += 1
                    filled += n
            runs, entries = 0, 0
            for c in range(trash):
                size = sizes[c]
                if size > 0:
                    cells[runs], starts[runs] = c, entries
                    sizes[c] = entries
                    filled_up = (size + LANES - 1) // LANES * LANES
                    for j in range(size, filled_up):
                        places[entries + j], v[entries + j] = x.shape[0], 0.0
                    entries += filled_up
                    runs += 1
            starts[runs] = entries
            filled = 0
            for start in range(0, x.shape[0], CHUNK):
                n = min(CHUNK, x.shape[0] - start)
                for _ in range(copies):
                    for j in range(n):
                        c = cell[filled + j]
                        if c < trash:
                            places[sizes[c]], v[sizes[c]] = start + j, at[filled + j]
                            sizes[c] += 1
                    filled += n
            return runs, entries

        return sort

    signature = types.UniTuple(types.int64, 2)(READ1, READ1, _PLACES, WRITE1, _INTS, _INTS)
    return lazily(make, signature, f"sorted_points.sort.{kind}.{'circle' if circle else 'line'}")


@cache
def sorted_passes(order: int) -> SortedPasses:
    """Return the passes, each compiled when it is first asked for."""
    data = (READ1, types.float64, types.int64, _READ_PLACES, READ1, _READ_INTS, _READ_INTS)
    return SortedPasses(
        lazily(
            lambda: _make_moments(order),
            types.float64(*data, WRITE1, WRITE1),
            f"sorted_points.moments.{order}",
        ),
        lazily(
            lambda: _make_values(order),
            types.float64(*data, WRITE1, WRITE1, READ1, types.float64, types.float64, WRITE1),
            f"sorted_points.values.{order}",
        ),
    )


@helper
def _block_weights(z, top, w):
    """Write exp(z_j - top), and 0 for the place past the block; return their sum."""
    total = 0.0
    for start in range(0, z.shape[0], CHUNK):
        n = min(CHUNK, z.shape[0] - start)
        total += weights_of(z[start : start + n], n, top, w[start : start + n])
    w[z.shape[0]] = 0.0
    return total


@loop
def _take(w, places, before, n):
    total = 0.0
    for j in range(n):
        before[j] = w[places[j]]
        total += before[j]
    return total


@loop
def _first_moment(before, v, term, n):
    total = 0.0
    for j in range(n):
        term[j] = before[j] * v[j]
        total += term[j]
    return total


@loop
def _two_moments(before, term, v, n):
    """Move w T_(k-2), w T_(k-1) on by two, and return the sums of both."""
    one, two = 0.0, 0.0
    for j in range(n):
        double = v[j] + v[j]
        a = double * term[j] - before[j]
        b = double * a - term[j]
        before[j], term[j] = a, b
        one += a
        two += b
    return one, two


def _make_moments(order: int) -> Callable:
    def moments(z, top, copies, places, v, cells, starts, w, sums):
        """sums (cells * P,) += w_j T_k(v_j) of a block; return sum_j w_j. w (n + 1,) is scratch."""
        before, term = room(np.float64), room(np.float64)
        mass = _block_weights(z, top, w)
        for run in range(cells.shape[0]):
            at = cells[run] * order
            for start in range(starts[run], starts[run + 1], CHUNK):
                n = min(CHUNK, starts[run + 1] - start)
                vs = v[start : start + n]
                sums[at] += _take(w, places[start : start + n], before, n)
                if order > 1:
                    sums[at + 1] += _first_moment(before, vs, term, n)
                for k in range(2, order, 2):
                    one, two = _two_moments(before, term, vs, n)
                    sums[at + k] += one
                    if k + 1 < order:
                        sums[at + k + 1] += two
        return mass

    return moments


def _make_values(order: int) -> Callable:
    @loop
    def polynomial(v, coefficients, values, n):
        for j in range(n):
            total = coefficients[order - 1]
            for k in range(order - 2, -1, -1):
                total = total * v[j] + coefficients[k]
            values[j] = total

    @loop
    def finish(w, sums, share, sign, by, n):
        largest = np.int64(0)
        for j in range(n):
            by[j] = w[j] * (share + sign * sums[j])
            largest = max(largest, np.float64(abs(by[j])).view(np.int64))
        return np.int64(largest).view(np.float64)

    def values(z, top, copies, places, v, cells, starts, w, sums, coefficients, share, sign, by):
        """by_i = w_i (share + sign sum_k coefficients[cell_i, k] v_i^k); return the largest |by_i|.

        w and sums (n + 1,) are scratch.
        """
        found = room(np.float64)
        _block_weights(z, top, w)
        sums[:] = 0.0
        for run in range(cells.shape[0]):
            at = cells[run] * order
            for start in range(starts[run], starts[run + 1], CHUNK):
                n = min(CHUNK, starts[run + 1] - start)
                polynomial(v[start : start + n], coefficients[at : at + order], found, n)
                if copies == 1:
                    for j in range(n):
                        sums[places[start + j]] = found[j]
                else:
                    for j in range(n):
                        sums[places[start + j]] += found[j]
        return finish(w, sums, share, sign, by, z.shape[0])

    return values
