"""Forward and adjoint of one row through its cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cell_bins import BinSums
from .cell_geometry import OUTSIDE
from .cell_levels import chebyshev, distribute, merge
from .cell_points import point_passes
from .cells import PER_EPS, CellPlan
from .lanes import Lanes
from .products import times
from .row_data import OfLanes, RowData, Written, lane_count
from .rows import Forward
from .table_rows import tables
from .units import Counter

Floats = NDArray[np.float64]


class CellSums:
    """The sums of one row, whose x and bins are given and whose logits may change."""

    def __init__(self, plan: CellPlan, centers: Floats) -> None:
        self.plan, self.centers = plan, np.ascontiguousarray(centers)
        self.log_scale = float(plan.family.log_scale[0])
        shape = plan.geometry
        _, self._to_weights, self._to_powers = chebyshev(plan.order)
        self._from_moments = np.ascontiguousarray(self._to_weights.T)
        self._g = shape.array()
        self._bins = BinSums(plan, self.centers)
        self._passes = point_passes(plan.order, shape.kind, shape.circle)

    @property
    def order(self) -> int:
        return self.plan.order

    @property
    def keeps(self) -> float:
        """The tolerance that the cells can keep."""
        return self.plan.eps * PER_EPS

    def workspace(self, row_points: int) -> int:
        """Return the bytes that a call takes beside its arguments and results."""
        size = (self.plan.geometry.cells + OUTSIDE) * self.order
        levels = self.plan.levels.cells * self.order
        return 8 * (size * lane_count(row_points, size) + 8 * levels + 8 * len(self.centers))

    def moments(self, row: RowData) -> tuple[Floats, float]:
        """Return the moments of the narrowest cells (cells + OUTSIDE, P), and sum_j w_j."""
        size = (self.plan.geometry.cells + OUTSIDE) * self.order
        lanes, add = Lanes(row, row.lanes(size), size), self._passes.moments()

        def some(which: slice, data: OfLanes, *units: Any) -> None:
            add(*data, self._g, lanes.states[which], lanes.sums[which], *units)

        row.each_lanes(lanes.count, some)
        return self._total(lanes)

    def _total(self, lanes: Lanes) -> tuple[Floats, float]:
        sums, mass = lanes.total()
        return sums.reshape(-1, self.order), mass

    def forward(self, row: RowData, derivatives: bool) -> Forward:
        """Return the sums over all points."""
        narrow, mass = self.moments(row)
        return self.from_moments(row, narrow, mass, derivatives)

    def from_moments(self, row: RowData, narrow: Floats, mass: float, derivatives: bool) -> Forward:
        plan, order = self.plan, self.order
        moments = narrow[: plan.geometry.cells]
        if plan.levels.up:
            moments = np.concatenate([moments, np.zeros((plan.levels.cells - len(moments), order))])
            merge(plan.levels, order, moments)
        masses = np.ascontiguousarray(moments[:, 0])
        weights = times(moments, self._from_moments).ravel()
        density, error, widening = self._bins.forward(row, weights, masses, mass, derivatives)
        return Forward(density, error, mass, widening)

    def polynomials(self, row: RowData, weights: Floats, slopes: bool) -> tuple[Floats, float]:
        """Return what points take from cells, as powers (cells + OUTSIDE, P), and a bound on its error."""
        plan, order = self.plan, self.order
        values, doubt = self._bins.adjoint(row, weights, slopes)
        coefficients = times(values.reshape(-1, order), self._to_weights)
        distribute(plan.levels, order, coefficients)
        cells = plan.geometry.cells
        size = (cells + OUTSIDE) * order
        powers = tables(1, size)[0, :size].reshape(-1, order)
        times(coefficients[:cells], self._to_powers, powers[:cells])
        for level in reversed(range(1, len(plan.levels.sizes))):
            start, below = plan.levels.starts[level], plan.levels.starts[level - 1]
            size = plan.levels.sizes[level - 1]
            children = len(plan.levels.up[level - 1])
            doubt[below : below + size] += np.repeat(
                doubt[start : start + plan.levels.sizes[level]], children
            )[:size]
        beyond = plan.beyond * float(weights.sum()) if plan.beyond > 0 else 0.0
        return powers, float(doubt[:cells].max(initial=0.0)) + beyond

    def adjoint(
        self, row: RowData, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> tuple[float, float]:
        """Write the gradients by z and x; return the largest by z, and a bound on the error over w_i."""
        powers, doubt = self.polynomials(row, weights, False)
        return self.take(row, powers, weights, share, out), doubt

    def take(
        self, row: RowData, powers: Floats, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> float:
        largest = self._take(row, powers, share, -1.0, out.get("z"))
        if "x" in out:
            self._take(row, self.polynomials(row, weights, True)[0], 0.0, 1.0, out["x"])
        return largest

    def _take(
        self, row: RowData, powers: Floats, share: float, sign: float, out: NDArray[Any] | None
    ) -> float:
        values, flat, top, size = self._passes.values(), powers.ravel(), row.top, row.unit_size
        largest = np.zeros(-(-row.points // size))

        def some(piece: slice, x: Floats, z: Floats, counter: Counter, most: int) -> None:
            by, mine = Written(out, piece), largest[piece.start // size :]
            values(x, z, size, top, self._g, flat, share, sign, by.array, mine, counter, most)
            by.store()

        row.each_blocks(some, out)
        return float(largest.max())
