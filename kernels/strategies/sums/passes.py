"""Passes over one row's points, a chunk at a time, in which every point has its cell: there and back.

What a point adds to the partial sums around its cell, and takes from there, is for a strategy to say.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Written, is_contiguous
from ...numerics.chunks import CHUNK, LANES, room
from ...runtime.jit import Function, helper
from ...runtime.signatures import COUNTER, READ1, READ_INTS, WRITE, WRITE1, record
from ...runtime.units import each_unit, new_counter
from .blocks import RowData, partial_count, partial_ends
from .partials import (
    MASS,
    Partials,
    finish,
    look,
    look_at_points,
    reference_of,
    rescale,
    start_partial,
    weights_of,
)
from .places import COPIES, PERIOD


class Taking(NamedTuple):
    """What turns sums and slopes into gradients: by_z = w (share + sign sums), by_x = w unit slopes."""

    top: float  # w_i = exp(z_i - top)
    share: float
    sign: float
    unit: float


_TAKING = record(Taking, *(types.float64,) * 4)
_UNITS = COUNTER, types.int64
DATA_OF_BLOCKS = READ1, READ1, types.int64, READ1, _TAKING  # x, z, size, g, taking


def forward_signature(*fixed: Any) -> Any:
    """Return the types of a pass that `adding` makes, with those of its `fixed`."""
    return types.void(READ1, READ1, READ_INTS, READ1, types.Tuple(fixed), WRITE, WRITE, *_UNITS)


def adjoint_signature(*fixed: Any) -> Any:
    """Return the types of a pass that `taking` makes, with those of its `fixed`."""
    return types.void(*DATA_OF_BLOCKS, types.Tuple(fixed), WRITE1, WRITE1, WRITE1, *_UNITS)


@helper
def _pad(d, w, n):
    """Fill d, w (ROOM,) up to whole vector registers with points of weight 0; return their number."""
    padded = (n + LANES - 1) // LANES * LANES
    for j in range(n, padded):
        d[j], w[j] = d[n - 1], 0.0
    return padded


def adding(locate: tuple[Function, Function], order: int, add: Function) -> Function:
    """Return a pass over partial sums, of points in cells as `locator` finds them.

    For every chunk of points and copy in it add(w, (d, cell, v), shift, rooms, n, (x, z), after, sums[l],
    *fixed) is called, with weights w; distances d + shift from the first bin, order times the cells, and
    places in these; arrays to work with, all (ROOM,); how many points; and from where on x and z
    are read next.
    """
    distances, cells = locate

    @helper
    def add_partial(partial, x, z, ends, g, states, sums, *fixed):
        """Add one partial's points, with arrays as in `forward`."""
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        rooms = room(np.float64), room(np.float64), room(np.float64)
        copies, turn = int(g[COPIES]), g[PERIOD]
        start_partial(sums[partial], states[partial])
        for start in range(ends[partial], ends[partial + 1], CHUNK):
            n = min(CHUNK, ends[partial + 1] - start)
            points, logits = x[start : start + n], z[start : start + n]
            look_at_points(points, states[partial])
            rescale(sums[partial], look(logits, states[partial]))
            states[partial, MASS] += weights_of(logits, n, reference_of(states[partial]), w)
            distances(points, n, g, d)
            padded = _pad(d, w, n)
            for copy in range(copies):
                cells(d, padded, copy * turn, g, order, cell, v)
                add(w, (d, cell, v), copy * turn, rooms, padded, (x, z), start + CHUNK, sums[partial], *fixed)

    add_partials = each_unit(add_partial)

    def forward(x, z, ends, g, fixed, states, sums, counter, most):
        """Add points ends[l] .. ends[l + 1] of x, z (n,) to sums[l] of up to `most` partials that are left.

        ends (partials + 1,), g (SIZE,) of `places`, states (partials, ..), sums (partials, size).
        """
        add_partials(counter, most, states.shape[0], x, z, ends, g, states, sums, *fixed)

    return forward


def taking(locate: tuple[Function, Function], order: int, take: Function) -> Function:
    """Return a pass over blocks of points.

    For every chunk and copy take(sums, slopes, sloping, (d, cell, v), shift, rooms, n, (x, z, by_z), after,
    *fixed) adds to sums and, unless by_x is empty, to slopes; the others are as in `adding`.
    """
    distances, cells = locate

    @helper
    def take_block(block, x, z, size, g, taking, by_z, by_x, largest, *fixed):
        """Do one block, with arrays as in `adjoint`."""
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

    take_blocks = each_unit(take_block)

    def adjoint(x, z, size, g, taking, fixed, by_z, by_x, largest, counter, most):
        """by_z (n,) and by_x, (n,) or empty, of sums and slopes as of `taking`, in blocks of `size` points.

        largest (blocks,) = the largest |by_z| of each, of up to `most` blocks left; x, z (n,), g (SIZE,).
        """
        blocks = -(-x.shape[0] // size)
        take_blocks(counter, most, blocks, x, z, size, g, taking, by_z, by_x, largest, *fixed)

    return adjoint


def sum_points(row: RowData, size: int, loop: Function, *fixed: Any, most: int = 0) -> Partials:
    """Return what points add up to (size,), in a loop over partials.

    With `most` the loop is one over the points of a block, at most so many.
    """
    partials = Partials(row, partial_count(row.points, size), size)

    def add(which: slice, data: Any, *units: Any) -> None:
        loop(*data, *fixed, partials.states[which], partials.sums[which], *units)

    count = partials.count
    if most:
        row.each_partial(count, lambda i, *data: add(slice(i, i + 1), data), most)
    elif is_contiguous(row.x) and is_contiguous(row.z):
        data = row.x, row.z, partial_ends(row.points, count)
        row.each_unit(count, lambda *units: add(slice(0, count), data, *units))
    else:

        def block(partial: int, x: Floats, z: Floats) -> None:
            add(slice(partial, partial + 1), (x, z, np.array([0, len(x)])), new_counter(), 1)

        row.each_partial(count, block)
    return partials


def give_points(
    row: RowData, by: list[NDArray[Any] | None], loop: Function, *fixed: Any, most: int = 0
) -> float:
    """Write what points get to by_z (N,) and, if there is one, by_x; return the largest |by_z|.

    In a loop over blocks, or with `most` over the points of one, at most so many.
    """
    size = min(row.block_size, most) if most else row.unit_size
    largest = np.zeros(-(-row.points // size))

    def give(piece: slice, x: Floats, z: Floats, *units: Any) -> None:
        written = [Written(array, piece) for array in by]
        by_z, by_x = written[0].array, written[1].array if len(by) > 1 else np.empty(0)
        loop(x, z, size, *fixed, by_z, by_x, largest[piece.start // size :], *units)
        for each in written:
            each.store()

    if most:
        row.each_block(lambda index, piece, x, z: give(piece, x, z), size)
    elif all(array is not None and is_contiguous(array) for array in (row.x, row.z, *by)):
        whole = slice(0, row.points)
        row.each_unit(len(largest), lambda *units: give(whole, row.x, row.z, *units))
    else:
        units = row.block_size // size
        row.each_block(lambda index, piece, x, z: give(piece, x, z, new_counter(), units))
    return float(np.maximum.reduce(largest))
