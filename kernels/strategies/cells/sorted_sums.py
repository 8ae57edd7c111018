"""Forward and adjoint of one row through cells into which its points have been sorted once."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Gradients, Ints, Written, contiguous, is_contiguous
from ...numerics.chunks import LANES
from ...runtime.units import new_counter
from ..row import Forward
from ..sums.blocks import RowData, partial_count, partial_ends
from ..sums.partials import Partials
from ..sums.places import Geometry
from .cell_sums import CellSums, Kept
from .layout import CellPlan
from .sorted_points import SortedPoints, block_points, sorted_passes, sorter

_MOST_ROOMS = 4


class Entries(NamedTuple):
    """A call's weights by entry, and what logits those of each block are relative to."""

    weights: Floats  # (entries,)
    references: Floats  # (blocks,)


class SortedSums(CellSums):
    """The sums of one row whose points are sorted by cell."""

    def __init__(
        self, plan: CellPlan, first_bin: float, centers: Floats, x: NDArray[Any], n_threads: int
    ) -> None:
        super().__init__(plan, first_bin, centers)
        self._passes_by_cell = sorted_passes(plan.order, plan.geometry.copies > 1)
        self._points = _sort(plan.geometry, self._g, RowData(x, x, n_threads))
        self._rooms: list[Entries] = []
        # Where partials begin and end among the blocks: neighbours, for what one will need next is asked for.
        blocks = len(self._points.firsts) - 1
        partials = min(partial_count(len(x), plan.numbers), blocks)
        self._cuts = partial_ends(blocks, partials, 1)

    @property
    def stored(self) -> int:
        """Return the bytes that the sorted points take, and room for a call's weights."""
        return sum(array.nbytes for array in self._points[3:]) + self._points.v.nbytes

    def _each(self, row: RowData, whole: bool, work: Callable[..., None]) -> None:
        """Call work(partials, points, ends, counter, most) for all partial sums, or not `whole` for blocks.

        With the slices of the partial sums and the points, and where blocks of each begin and end.
        """
        count, size = len(self._cuts) - 1, self._points.size

        def blocks(i: int) -> Iterator[None]:
            for block in range(self._cuts[i], self._cuts[i + 1]):
                span = slice(block * size, min((block + 1) * size, row.points))
                work(slice(i, i + 1), span, np.array([block, block + 1]), new_counter(), 1)
                yield

        if whole:
            everything = slice(0, count), slice(0, row.points), self._cuts
            row.each_unit(count, lambda *units: work(*everything, *units))
        else:
            row.each(count, blocks)

    def _room(self, keep: bool) -> Entries:
        """Return room for a call's weights; calls at once have one each."""
        if keep:
            with suppress(IndexError):
                return self._rooms.pop()
        return Entries(np.empty(len(self._points.v) if keep else 0), np.empty(len(self._points.firsts) - 1))

    def moments(self, row: RowData, keep: bool) -> tuple[Partials, Entries]:
        partials = Partials(row, len(self._cuts) - 1, self.plan.numbers)
        add, kept = self._passes_by_cell.forward(), self._room(keep)

        def add_partials(which: slice, span: slice, ends: Ints, *units: Any) -> None:
            sums = partials.states[which], partials.sums[which]
            add(contiguous(row.z[span]), ends, self._points, *sums, *kept, *units)

        self._each(row, is_contiguous(row.z), add_partials)
        return partials, kept

    def adjoint(
        self, row: RowData, forward: Forward, weights: Floats, share: float, out: Gradients
    ) -> tuple[float, float]:
        result = super().adjoint(row, forward, weights, share, out)
        self._rooms.append(forward.kept.entries)
        del self._rooms[_MOST_ROOMS:]
        return result

    def _take(
        self, row: RowData, kept: Kept, powers: Floats, share: float, sign: float, out: NDArray[Any] | None
    ) -> float:
        give, largest = self._passes_by_cell.adjoint(), np.zeros(len(self._cuts) - 1)
        coefficients = sign * powers
        coefficients[:, 0] += share / self._points.copies
        polynomials = row.top, self._points, coefficients.ravel()

        def take(which: slice, span: slice, ends: Ints, *units: Any) -> None:
            by = Written(out, span)
            give(*kept.entries, ends, *polynomials, by.array, largest[which], *units)
            by.store()

        self._each(row, out is not None and is_contiguous(out), take)
        return float(np.maximum.reduce(largest))


def _sort(shape: Geometry, g: Floats, row: RowData) -> SortedPoints:
    """Sort the x of a row."""
    copies, sort = shape.copies, sorter(shape.kind, shape.circle)()
    size = block_points(shape)
    blocks = -(-row.points // size)
    sorted_blocks: list[Any] = [None] * blocks

    def one(block: int) -> None:
        span = slice(block * size, min((block + 1) * size, row.points))
        points = (span.stop - span.start) * copies
        most = min(shape.cells + 1, points)
        index, v = np.empty(points + LANES * most, np.uint16), np.empty(points + LANES * most)
        cells, runs = np.empty(most, np.int64), np.empty((most, 2), np.int64)
        used, entries = sort(contiguous(row.x[span]), g, index, v, cells, runs)
        shortened = index[:entries], v[:entries], cells[:used], runs[:used]
        sorted_blocks[block] = [array.copy() for array in shortened]

    row.each(blocks, one)
    firsts = np.zeros((blocks + 1, 2), np.int64)
    firsts[1:] = np.cumsum([[len(v), len(cells)] for _, v, cells, _ in sorted_blocks], axis=0)
    points, v, cells, runs = map(np.concatenate, zip(*sorted_blocks, strict=True))
    runs += np.repeat(firsts[:-1, 0], np.diff(firsts[:, 1]))[:, np.newaxis]
    return SortedPoints(size, copies, shape.cells, points, v, cells, runs, firsts[:, 1].copy())
