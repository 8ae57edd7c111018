"""Passes over one row's points, a chunk at a time, in which every point has its cell: there and back.

What a point adds to the partial sums around its cell, and takes from there, is for a strategy to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import types

from ...numerics.chunks import CHUNK, LANES, room
from ...runtime.jit import helper
from ...runtime.signatures import COUNTER, READ1, READ_INTS, WRITE, WRITE1, record
from ...runtime.units import each_unit
from .partials import finish, look, look_at_points, rescale, start_partial, weigh_seen, weights_of
from .places import COPIES, PERIOD, locator


class Taking(NamedTuple):
    """What turns sums and slopes into gradients: by_z = w (share + sign sums), by_x = w unit slopes."""

    top: float  # w_i = exp(z_i - top)
    share: float
    sign: float
    unit: float


_TAKING = record(Taking, *(types.float64,) * 4)
UNITS = COUNTER, types.int64
DATA_OF_PARTIALS = READ1, READ1, READ_INTS, READ1  # x, z, ends, g
SUMS_OF_PARTIALS = WRITE, WRITE, *UNITS  # states, sums, counter, most
DATA_OF_BLOCKS = READ1, READ1, types.int64, READ1, _TAKING  # x, z, size, g, taking
SUMS_OF_BLOCKS = WRITE1, *UNITS  # largest, counter, most


@helper
def _pad(d, w, n):
    """Fill up to whole vector registers with points of weight 0; return how many there are then."""
    padded = (n + LANES - 1) // LANES * LANES
    for j in range(n, padded):
        d[j], w[j] = d[n - 1], 0.0
    return padded


def adding(kind: str, circle: bool, order: int, add: Callable) -> Callable:
    """Return a helper for the partial sums that are left, of cells of the given kind.

    f(counter, most, partials, x, z, ends, g, states, sums, ...): sums[l] have the points ends[l] ..
    ends[l + 1] of x, z (n,). For every chunk of these and copy in it add(w, (d, cell, v), shift, rooms, n,
    (x, z), after, sums[l], ...) is called, with weights w; distances d + shift from the first bin, order
    times the cells, and places in these; arrays to work with, all of a chunk's size; how many points; and
    from where on x and z are read next.
    """
    distances, cells = locator(kind, circle)

    @helper
    def add_partial(partial, x, z, ends, g, states, sums, *fixed):
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        rooms = room(np.float64), room(np.float64), room(np.float64)
        copies, turn = int(g[COPIES]), g[PERIOD]
        start_partial(sums[partial], states[partial])
        for start in range(ends[partial], ends[partial + 1], CHUNK):
            n = min(CHUNK, ends[partial + 1] - start)
            points, logits = x[start : start + n], z[start : start + n]
            look_at_points(points, states[partial])
            rescale(sums[partial], look(logits, states[partial]))
            weigh_seen(logits, states[partial], w)
            distances(points, n, g, d)
            padded = _pad(d, w, n)
            for copy in range(copies):
                cells(d, padded, copy * turn, g, order, cell, v)
                add(w, (d, cell, v), copy * turn, rooms, padded, (x, z), start + CHUNK, sums[partial], *fixed)

    return each_unit(add_partial)


def taking(kind: str, circle: bool, order: int, take: Callable) -> Callable:
    """Return a helper for the blocks of points that are left.

    f(counter, most, blocks, x, z, size, g, taking, by_z, by_x, largest, ...): blocks have `size` points of x,
    z, by_z (n,) and by_x, which is (n,) or empty; largest (blocks,) = the largest |by_z| of each. For every
    chunk and copy take(sums, slopes, sloping, (d, cell, v), shift, rooms, n, (x, z, by_z), after, ...) adds
    to sums and, unless by_x is empty, to slopes; the others are as in `adding`.
    """
    distances, cells = locator(kind, circle)

    @helper
    def take_block(block, x, z, size, g, taking, by_z, by_x, largest, *fixed):
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        sums, slopes = room(np.float64), room(np.float64)
        rooms = room(np.float64), room(np.float64), room(np.float64)
        copies, turn = int(g[COPIES]), g[PERIOD]
        most, sloping = 0.0, by_x.shape[0] > 0
        end = min((block + 1) * size, x.shape[0])
        for start in range(block * size, end, CHUNK):
            n = min(CHUNK, end - start)
            weights_of(z[start : start + n], n, taking.top, w)
            distances(x[start : start + n], n, g, d)
            padded = _pad(d, w, n)
            for j in range(padded):
                sums[j] = 0.0
            if sloping:
                for j in range(padded):
                    slopes[j] = 0.0
            for copy in range(copies):
                cells(d, padded, copy * turn, g, order, cell, v)
                places, data = (d, cell, v), (x, z, by_z)
                take(sums, slopes, sloping, places, copy * turn, rooms, padded, data, start + CHUNK, *fixed)
            most = max(most, finish(w, sums, taking.share, taking.sign, by_z[start : start + n]))
            if sloping:
                finish(w, slopes, 0.0, taking.unit, by_x[start : start + n])
        largest[block] = most

    return each_unit(take_block)
