"""Points sorted by cell inside blocks: passes in which a cell's numbers stay in registers.

A block's logits and gradient fit the L2 cache, so that reading and writing them in the order of the cells
is cheap, and 16 bits say which point an entry is.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Ints
from ...numerics.arithmetic import LOG2_E, exp2
from ...numerics.chunks import CHUNK, LANES, room
from ...runtime.jit import Function, helper, lazily, loop
from ...runtime.signatures import COUNTER, INTS, PLACES, READ1, READ_INTS, RUNS, WRITE, WRITE1, record
from ...runtime.units import each_unit
from ...simd.runs import add_run, take_run, together
from ..sums.loops import Loops
from ..sums.partials import MASS, REFERENCE, look, reference_of, rescale, start_partial
from ..sums.places import COPIES, PERIOD, TRASH, Geometry, locator

_LEAST, _MOST = 2**12, 2**14  # points of a block, times copies: the caches' sizes
_RUN = 64  # points that a run should have, where the caches leave room for them
# Cells of a plan that sorts: more would leave short runs.
_MOST_CELLS = 2**11
_MOST_COPIES = 2**5
assert _MOST <= 2**16


def sorts(shape: Geometry) -> bool:
    """Return whether points are worth sorting into such cells."""
    return shape.cells <= _MOST_CELLS and shape.copies <= _MOST_COPIES


def block_points(shape: Geometry) -> int:
    """Return how many points are sorted together."""
    size = _LEAST
    while size < min(_MOST, _RUN * shape.cells):
        size *= 2
    return size // shape.copies


class SortedPoints(NamedTuple):
    """Points by cell in every block; entries are whole vector registers for each run, one after another."""

    size: int  # points of a block
    copies: int
    inside: int  # cells; what is outside them all has numbers from here on
    points: NDArray[np.uint16]  # of every entry, in its block (entries,)
    v: Floats  # of every entry
    cells: Ints  # of every run
    runs: Ints  # every run's first entry, and the end of those that fill nothing up (runs, 2)
    firsts: Ints  # each block's first run, and the end (blocks + 1,)


_POINTS = record(SortedPoints, *(types.int64,) * 3, PLACES, WRITE1, INTS, RUNS, INTS)


@cache
def sorter(kind: str, circle: bool) -> Callable[[], Function]:
    """Return the compiled function that sorts a block."""
    distances, locate = locator(kind, circle)

    def make() -> Function:
        def sort(x, g, points, v, cells, runs):
            """Write points and v (entries,), or longer, the cells (runs,) of runs, and their ends (runs, 2).

            Of a block's x (n,), by g (SIZE,) of `places`. Points outside all cells are a run of the cell past
            the last. Return how many runs and entries there are.
            """
            copies, turn, trash = int(g[COPIES]), g[PERIOD], np.int64(g[TRASH])
            count = x.shape[0]
            d, vb, cb = room(np.float64), room(np.float64), room(np.int64)
            cell, at = np.empty(count * copies, np.int64), np.empty(count * copies)
            sizes = np.zeros(trash + 1, np.int64)
            for start in range(0, count, CHUNK):
                n = min(CHUNK, count - start)
                distances(x[start : start + n], n, g, d)
                for copy in range(copies):
                    locate(d, n, copy * turn, g, 1, cb, vb)
                    first = copy * count + start
                    for j in range(n):
                        c = min(cb[j], trash)
                        cell[first + j], at[first + j] = c, vb[j] if c < trash else 0.0
                        sizes[c] += 1
            entries, used = 0, 0
            for c in range(trash + 1):
                size = sizes[c]
                if size > 0:
                    cells[used] = c
                    runs[used, 0] = runs[used, 1] = sizes[c] = entries
                    entries += (size + LANES - 1) // LANES * LANES
                    used += 1
                else:
                    sizes[c] = -1
            for j in range(count * copies):
                c = cell[j]
                points[sizes[c]], v[sizes[c]] = j % count, at[j]
                sizes[c] += 1
            for run in range(used):
                end = sizes[cells[run]]
                runs[run, 1] = end
                first = runs[run, 0]
                for j in range(end, (end + LANES - 1) // LANES * LANES):
                    points[j], v[j] = points[first], v[first]
            return used, entries

        return sort

    signature = types.UniTuple(types.int64, 2)(READ1, READ1, PLACES, WRITE1, INTS, RUNS)
    return lazily(make, signature, f"sorted_points.sort.{kind}.{'circle' if circle else 'line'}")


@cache
def sorted_passes(order: int, copies: bool) -> Loops:
    """Return the passes for points that have copies or not, each compiled when it is first asked for."""
    units = COUNTER, types.int64
    moments = types.void(READ1, READ_INTS, _POINTS, WRITE, WRITE, WRITE1, WRITE1, *units)
    values = types.void(READ1, READ1, READ_INTS, types.float64, _POINTS, READ1, WRITE1, WRITE1, *units)
    key = f"{order}.copies" if copies else f"{order}"
    return Loops(
        lazily(lambda: _make_moments(order), moments, f"sorted_points.forward.{order}"),
        lazily(lambda: _make_values(order, copies), values, f"sorted_points.adjoint.{key}"),
    )


@helper
def _runs_of(by_cell, block, last, room):
    """Return a block's first run and the end, and how far beyond an entry's number to ask for data.

    That is `room` points on, in the next block, but not in that of another partial sum: another thread may be
    writing there.
    """
    first = by_cell.firsts[block]
    return first, by_cell.firsts[block + 1], (0 if last else room) - by_cell.runs[first, 0]


def _make_moments(order: int) -> Function:
    add, weigh, bring = add_run(order), add_run(1), together(order)

    @helper
    def add_block(z, by_cell, first, last, after, state, wide, kept):
        """Add a block with logits z (n,) to wide (size LANES,); state and kept as in `moments`."""
        rescale(wide, look(z, state))
        reference = reference_of(state)
        points, v, cells, runs = by_cell.points, by_cell.v, by_cell.cells, by_cell.runs
        for run in range(first, last):
            at, begin, end = cells[run] * order, runs[run, 0], runs[run, 1]
            if cells[run] < by_cell.inside:
                add(z, points, v, begin, end, reference, wide, at, kept, after)
            else:
                weigh(z, points, v, begin, end, reference, wide, at, kept, after)

    @loop
    def add_partial(partial, z, cuts, by_cell, states, sums, kept, references, wide):
        """Add a partial sum of `moments`, in wide (size LANES,); the others as there."""
        wide[:] = 0.0
        state, of_partial = states[partial], sums[partial]
        before = state[REFERENCE]
        for block in range(cuts[partial], cuts[partial + 1]):
            begin = (block - cuts[0]) * by_cell.size
            logits = z[begin : min(begin + by_cell.size, z.shape[0])]
            first, last, after = _runs_of(by_cell, block, block + 1 == cuts[partial + 1], logits.shape[0])
            add_block(logits, by_cell, first, last, after, state, wide, kept)
            references[block] = state[REFERENCE]
        start_partial(of_partial, state)
        if before > -np.inf:
            rescale(of_partial, exp2((before - state[REFERENCE]) * LOG2_E))
        mass = 0.0
        for at in range(0, of_partial.shape[0] - order + 1, order):
            bring(wide, of_partial, at)
            mass += of_partial[at]
        state[MASS] = mass / by_cell.copies

    add_partials = each_unit(add_partial)

    def moments(z, cuts, by_cell, states, sums, kept, references, counter, most):
        """sums (partials, size) += w_j T_k(v_j), up to `most` of them, with states (partials, ..).

        Partial sum l has blocks cuts[l] .. cuts[l + 1], cuts (partials + 1,), and z (n,) are those of all.
        Unless kept (entries,) is empty it gets the weights by entry, relative to references (blocks,).
        """
        wide = np.empty(sums.shape[1] * LANES)
        add_partials(counter, most, states.shape[0], z, cuts, by_cell, states, sums, kept, references, wide)

    return moments


def _make_values(order: int, copies: bool) -> Function:
    take, share_out = take_run(order, copies), take_run(1, copies)

    @helper
    def of_block(kept, by_cell, first, last, after, scale, coefficients, by):
        """Do a block of `values`, with by (n,) of its points; the others as there."""
        largest = 0.0
        if copies:
            by[:] = 0.0
        points, v, cells, runs = by_cell.points, by_cell.v, by_cell.cells, by_cell.runs
        for run in range(first, last):
            at, begin, end = cells[run] * order, runs[run, 0], runs[run, 1]
            if cells[run] < by_cell.inside:
                most = take(kept, points, v, begin, end, scale, coefficients, at, by, after)
            else:
                most = share_out(kept, points, v, begin, end, scale, coefficients, at, by, after)
            largest = max(largest, most)
        if copies:
            largest = 0.0
            for j in range(by.shape[0]):
                largest = max(largest, abs(by[j]))
        return largest

    @loop
    def take_span(span, kept, references, cuts, top, by_cell, coefficients, by, largest):
        """Do a unit of `values`, with arrays as there."""
        for block in range(cuts[span], cuts[span + 1]):
            begin = (block - cuts[0]) * by_cell.size
            of_points = by[begin : min(begin + by_cell.size, by.shape[0])]
            first, last, after = _runs_of(by_cell, block, block + 1 == cuts[span + 1], of_points.shape[0])
            scale = exp2((references[block] - top) * LOG2_E)
            most = of_block(kept, by_cell, first, last, after, scale, coefficients, of_points)
            largest[span] = max(largest[span], most)

    take_spans = each_unit(take_span)

    def values(kept, references, cuts, top, by_cell, coefficients, by, largest, counter, most):
        """by_i = w_i sum_k coefficients[cell_i, k] v_i^k, over all copies of i, in up to `most` units.

        w_i = exp(z_i - top) from kept (entries,) and references (blocks,) of `moments`; coefficients (size,).
        Blocks cuts[l] .. cuts[l + 1] are a unit, cuts (units + 1,), and by (n,) are those of all units;
        largest (units,) is at least |by_i| then.
        """
        spans = cuts.shape[0] - 1
        take_spans(counter, most, spans, kept, references, cuts, top, by_cell, coefficients, by, largest)

    return values
