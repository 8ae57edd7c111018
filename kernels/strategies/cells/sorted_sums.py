"""Forward and adjoint of one row through cells into which its points have been sorted once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Written, contiguous, is_contiguous
from ...numerics.chunks import LANES
from ...runtime.units import Counter, new_counter
from ..sums.blocks import RowData, lane_count, lane_ends
from ..sums.partials import Lanes
from ..sums.places import OUTSIDE, Geometry
from .cell_sums import CellSums
from .layout import CellPlan
from .sorted_points import SortedPoints, block_points, sorted_passes, sorter

Floats = NDArray[np.float64]


_MOST_ROOMS = 4


class _Kept(NamedTuple):
    """A call's weights by entry, and what logits those of each block are relative to."""

    weights: Floats
    references: Floats


class SortedSums(CellSums):
    """The sums of one row whose points are sorted by cell."""

    def __init__(
        self, plan: CellPlan, first_bin: float, centers: Floats, x: NDArray[Any], n_threads: int
    ) -> None:
        super().__init__(plan, first_bin, centers)
        self._passes_by_cell = sorted_passes(plan.order, plan.geometry.copies > 1)
        self._points = _sort(plan.geometry, self._g, RowData(x, x, n_threads))
        self._rooms: list[_Kept] = []
        # Where lanes begin and end among the blocks: neighbours, for what one will need next is asked for.
        size = (plan.geometry.cells + OUTSIDE) * plan.order
        blocks = len(self._points.firsts) - 1
        lanes = min(lane_count(len(x), size), blocks)
        self._cuts = lane_ends(blocks, lanes, 1)

    @property
    def stored(self) -> int:
        """Return the bytes that the sorted points take, and room for a call's weights."""
        return sum(part.nbytes for part in self._points[3:]) + self._points.v.nbytes

    def _blocks_of(self, lane: int) -> Iterator[tuple[slice, NDArray[np.int64]]]:
        """Return the points of each of a lane's blocks, and where it begins and ends among all."""
        for block in range(self._cuts[lane], self._cuts[lane + 1]):
            span = slice(block * self._points.size, (block + 1) * self._points.size)
            yield span, np.array([block, block + 1])

    def _new_kept(self, entries: int) -> _Kept:
        return _Kept(np.empty(entries), np.empty(len(self._points.firsts) - 1))

    def moments(self, row: RowData) -> tuple[Floats, float]:
        lanes = Lanes(row, len(self._cuts) - 1, (self.plan.geometry.cells + OUTSIDE) * self.order)
        add = self._passes_by_cell.moments()
        if row.adjoint_follows:
            with suppress(IndexError):  # calls at once have a room each
                row.kept = self._rooms.pop()
            row.kept = row.kept or self._new_kept(len(self._points.v))
        kept = row.kept or self._new_kept(0)

        def one(lane: int) -> Iterator[None]:
            mine = lanes.states[lane : lane + 1], lanes.sums[lane : lane + 1]
            for span, ends in self._blocks_of(lane):
                add(contiguous(row.z[span]), ends, *self._points, *mine, *kept, new_counter(), 1)
                yield

        def some(counter: Counter, most: int) -> None:
            add(row.z, self._cuts, *self._points, lanes.states, lanes.sums, *kept, counter, most)

        if is_contiguous(row.z):
            row.each_unit(lanes.count, some)
        else:
            row.each(lanes.count, one)
        return self._total(lanes)

    def take(
        self, row: RowData, powers: Floats, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> float:
        largest = super().take(row, powers, weights, share, out)
        self._rooms.append(row.kept)
        del self._rooms[_MOST_ROOMS:]
        row.kept = None
        return largest

    def _take(
        self, row: RowData, powers: Floats, share: float, sign: float, out: NDArray[Any] | None
    ) -> float:
        give, top, lanes = self._passes_by_cell.values(), row.top, len(self._cuts) - 1
        largest = np.zeros(lanes)
        coefficients = sign * powers
        coefficients[:, 0] += share / self._points.copies
        about = *self._points, coefficients.ravel()

        def one(lane: int) -> Iterator[None]:
            for span, ends in self._blocks_of(lane):
                by = Written(out, slice(span.start, min(span.stop, row.points)))
                mine = np.empty(1)
                give(*row.kept, ends, top, *about, by.array, mine, new_counter(), 1)
                by.store()
                largest[lane] = max(largest[lane], mine[0])
                yield

        def some(counter: Counter, most: int) -> None:
            give(*row.kept, self._cuts, top, *about, out, largest, counter, most)

        if out is not None and is_contiguous(out):
            row.each_unit(lanes, some)
        else:
            row.each(lanes, one)
        return float(largest.max())


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
        mine, v = np.empty(points + LANES * most, np.uint16), np.empty(points + LANES * most)
        cells, runs = np.empty(most, np.int64), np.empty((most, 2), np.int64)
        used, entries = sort(contiguous(row.x[span]), g, mine, v, cells, runs)
        sorted_blocks[block] = (
            mine[:entries].copy(),
            v[:entries].copy(),
            cells[:used].copy(),
            runs[:used].copy(),
        )

    row.each(blocks, one)
    firsts = np.zeros((blocks + 1, 2), np.int64)
    firsts[1:] = np.cumsum([[len(v), len(cells)] for _, v, cells, _ in sorted_blocks], axis=0)
    points, v, cells, runs = map(np.concatenate, zip(*sorted_blocks, strict=True))
    runs += np.repeat(firsts[:-1, 0], np.diff(firsts[:, 1]))[:, np.newaxis]
    return SortedPoints(size, copies, shape.cells, points, v, cells, runs, firsts[:, 1].copy())
