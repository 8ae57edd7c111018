"""Forward and adjoint of one row through cells into which its points have been sorted once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cell_geometry import OUTSIDE, Geometry
from .cell_sums import CellSums
from .cells import CellPlan
from .lanes import Lanes
from .pair_loops import LANES
from .row_data import RowData, Written, scratch
from .sorted_points import BLOCK, SortedPoints, sorted_passes, sorter
from .tiles import contiguous, is_contiguous

Floats = NDArray[np.float64]


_MOST_LANES, _MOST_BLOCKS = 8, 64  # done at once


class SortedSums(CellSums):
    """The sums of one row whose points are sorted by cell."""

    def __init__(self, plan: CellPlan, centers: Floats, x: NDArray[Any], n_threads: int) -> None:
        super().__init__(plan, centers)
        self._passes_by_cell = sorted_passes(plan.order)
        self._points = _sort(plan.geometry, self._g, RowData(x, x, n_threads))
        self._blocks = len(self._points.firsts) - 1
        self._room = int(np.diff(self._points.firsts[:, 0]).max()) + 1

    @property
    def stored(self) -> int:
        """Return the bytes that the sorted points take."""
        return sum(part.nbytes for part in self._points[2:])

    def _span(self, first: int, last: int) -> slice:
        return slice(first * self._points.size, last * self._points.size)

    def moments(self, row: RowData) -> tuple[Floats, float]:
        size = (self.plan.geometry.cells + OUTSIDE) * self.order
        lanes = Lanes(row, min(row.lanes(size), self._blocks), size)
        cuts = np.arange(lanes.count + 1) * self._blocks // lanes.count
        add = self._passes_by_cell.moments()

        def some(first: int, last: int, cuts: NDArray[np.int64], lane: int) -> None:
            z = contiguous(row.z[self._span(cuts[first], cuts[last])])
            mine = slice(lane, lane + last - first)
            entries = scratch(self._room)
            add(z, first, last, cuts, *self._points, entries, lanes.states[mine], lanes.sums[mine])

        def each(first: int, last: int) -> None:
            if is_contiguous(row.z):
                some(first, last, cuts, first)
                return
            for lane in range(first, last):
                for block in range(cuts[lane], cuts[lane + 1]):
                    some(0, 1, np.array([block, block + 1]), lane)

        row.each_range(lanes.count, each, _MOST_LANES)
        return self._total(lanes)

    def take(
        self, row: RowData, powers: Floats, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> float:
        give, flat, top = self._passes_by_cell.values(), powers.ravel(), row.top
        slopes = self.polynomials(row, weights, True)[0].ravel() if "x" in out else None
        largest = np.zeros(self._blocks)

        def some(first: int, last: int) -> None:
            span = self._span(first, last)
            data = contiguous(row.z[span]), first, last, top, *self._points, scratch(self._room)
            by_z = Written(out.get("z"), span)
            largest[first] = give(*data, flat, share, -1.0, by_z.array)
            by_z.store()
            if slopes is not None:
                by_x = Written(out["x"], span)
                give(*data, slopes, 0.0, 1.0, by_x.array)
                by_x.store()

        whole = is_contiguous(row.z) and all(is_contiguous(array) for array in out.values())
        row.each_range(self._blocks, some, _MOST_BLOCKS if whole else 1)
        return float(largest.max())


def _sort(shape: Geometry, g: Floats, row: RowData) -> SortedPoints:
    """Sort the x of a row."""
    copies, sort = shape.copies, sorter(shape.kind, shape.circle)()
    size = BLOCK // copies
    blocks = -(-row.points // size)
    sorted_blocks: list[Any] = [None] * blocks
    places = np.empty(row.points * copies, np.uint16)

    def one(block: int) -> None:
        span = slice(block * size, min((block + 1) * size, row.points))
        points = (span.stop - span.start) * copies
        most = min(shape.cells, points)
        v = np.empty(points + LANES * most)
        cells, starts = np.empty(most, np.int64), np.empty(most + 1, np.int64)
        mine = places[span.start * copies : span.stop * copies]
        runs, entries = sort(contiguous(row.x[span]), g, mine, v, cells, starts)
        sorted_blocks[block] = v[:entries].copy(), cells[:runs].copy(), starts[: runs + 1].copy()

    row.each(blocks, one)
    firsts = np.zeros((blocks + 1, 2), np.int64)
    firsts[1:] = np.cumsum([[len(v), len(cells)] for v, cells, _ in sorted_blocks], axis=0)
    v, cells, starts = map(np.concatenate, zip(*sorted_blocks, strict=True))
    return SortedPoints(size, copies, places, v, cells, starts, firsts)
