"""Forward and adjoint of one row through cells into which its points have been sorted once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .cell_sums import CellSums
from .cells import CellPlan
from .pair_loops import LANES
from .row_data import RowData, Written, scratch
from .sorted_points import BLOCK, sorted_passes, sorter
from .tiles import contiguous

Floats = NDArray[np.float64]


class _Block(NamedTuple):
    points: slice
    places: NDArray[np.uint16]  # of entries, in the block
    v: Floats
    cells: NDArray[np.int64]  # of runs
    starts: NDArray[np.int64]


class SortedSums(CellSums):
    """The sums of one row whose points are sorted by cell."""

    def __init__(self, plan: CellPlan, centers: Floats, x: NDArray[Any], n_threads: int) -> None:
        super().__init__(plan, centers)
        copies = plan.geometry.copies
        self._sorted = sorted_passes(plan.order)
        size = max(1024, BLOCK // copies)
        pieces = [slice(start, min(start + size, len(x))) for start in range(0, len(x), size)]
        blocks: list[Any] = [None] * len(pieces)
        sort = sorter(plan.geometry.kind, plan.geometry.circle)()

        def one(index: int) -> None:
            piece = pieces[index]
            count = piece.stop - piece.start
            cells = min(plan.geometry.cells, count * copies)
            room = count * copies + LANES * cells
            places, v = np.empty(room, np.uint16), np.empty(room)
            run_cells, starts = np.empty(cells, np.int64), np.empty(cells + 1, np.int64)
            runs, entries = sort(contiguous(x[piece]), self._g, places, v, run_cells, starts)
            kept = (
                places[:entries].copy(),
                v[:entries].copy(),
                run_cells[:runs].copy(),
                starts[: runs + 1].copy(),
            )
            blocks[index] = _Block(piece, *kept)

        RowData(x, x, n_threads).each(len(pieces), one)
        self._blocks: list[_Block] = blocks

    @property
    def stored(self) -> int:
        """Return the bytes that the sorted points take."""
        return sum(part.nbytes for block in self._blocks for part in block[1:])

    def moments(self, row: RowData) -> tuple[Floats, float]:
        size = (self.plan.geometry.cells + 1) * self.order
        lanes = min(row.lanes(size), len(self._blocks))
        sums, mass = np.zeros((lanes, size)), np.zeros(lanes)
        add, copies = self._sorted.moments(), self.plan.geometry.copies

        def one(lane: int) -> None:
            for block in self._blocks[
                lane * len(self._blocks) // lanes : (lane + 1) * len(self._blocks) // lanes
            ]:
                z = contiguous(row.z[block.points])
                mass[lane] += add(z, row.top, copies, *block[1:], scratch(len(z) + 1), sums[lane])

        row.each(lanes, one)
        return sums.sum(axis=0).reshape(-1, self.order), float(mass.sum())

    def take(
        self, row: RowData, powers: Floats, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> float:
        give, copies, flat = self._sorted.values(), self.plan.geometry.copies, powers.ravel()
        slopes = self.polynomials(row, weights, True)[0].ravel() if "x" in out else None
        largest = np.zeros(len(self._blocks))

        def one(index: int) -> None:
            block = self._blocks[index]
            z = contiguous(row.z[block.points])
            by_z = Written(out.get("z"), block.points)
            both = scratch(2 * len(z) + 2)
            data = (z, row.top, copies, *block[1:], both[: len(z) + 1], both[len(z) + 1 :])
            largest[index] = give(*data, flat, share, -1.0, by_z.array)
            by_z.store()
            if slopes is not None:
                by_x = Written(out["x"], block.points)
                give(*data, slopes, 0.0, 1.0, by_x.array)
                by_x.store()

        row.each(len(self._blocks), one)
        return float(largest.max())
