"""Forward and adjoint of one row through its cells."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Written
from ...numerics.chebyshev import chebyshev
from ...runtime.units import Counter
from ...simd.scatter import tables
from ..row import Forward, Sums
from ..sums.blocks import OfLanes, RowData, lane_count
from ..sums.partials import Lanes
from ..sums.places import GROWING, OUTSIDE, touching
from ..tails.certificate import Certain, room_for
from .bin_sums import BinSums
from .layout import PER_EPS, CellPlan
from .middle import CellTables, give, middle, weigh
from .moments import point_passes

Floats = NDArray[np.float64]


class CellSums(Sums):
    """The sums of one row, whose x and bins are given and whose logits may change."""

    order: int

    def __init__(self, plan: CellPlan, first_bin: float, centers: Floats) -> None:
        self.plan, self.centers = plan, centers
        self.log_scale, self.order = float(plan.family.log_scale[0]), plan.order
        self.keeps = plan.eps * PER_EPS
        shape, levels = plan.geometry, plan.levels
        _, to_weights, to_powers = chebyshev(plan.order)
        from_moments = np.ascontiguousarray(to_weights.T)
        matrices = levels.up, levels.down, from_moments, to_weights, to_powers
        self._tables = CellTables(shape.cells, shape.kind == GROWING, *matrices)
        self._middle = middle(plan.family.variant)
        self._g = shape.array(first_bin)
        self._bins = BinSums(plan, first_bin, centers)
        self._passes = point_passes(plan.order, shape.kind, shape.circle)

    def workspace(self, row_points: int) -> int:
        """Return the bytes that a call takes beside its arguments and results."""
        size = (self.plan.geometry.cells + OUTSIDE) * self.order
        levels = self.plan.levels.cells * self.order
        return 8 * (size * lane_count(row_points, size) + 8 * levels + 8 * len(self.centers))

    def touched(self, row: RowData) -> bool:
        """Return whether a point lies on a boundary of cells, where it counts as on one side of it."""
        count, found = touching(self.plan.geometry.circle)(), np.zeros(-(-row.points // row.block_size), int)

        def block(index: int, piece: slice, x: Floats, z: Floats) -> None:
            found[index] = count(x, self._g)

        row.each_block(block)
        return bool(found.any())

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

    def _begin(self, row: RowData) -> tuple[Floats, float]:
        """Return the narrowest cells' moments and sum_j w_j."""
        moments = self.moments(row)
        # What the adjoint of this call is to see as well; others may be at work with the same cells.
        row.seen = self.plan.spec.copy() if self._tables.growing else self.plan.spec
        return moments

    def forward(self, row: RowData, derivatives: bool) -> Forward:
        """Return the sums over all points."""
        narrow, mass = self._begin(row)
        cells = self.plan.levels.cells
        masses, weights = np.empty(cells), np.empty((cells, self.order))
        weigh()(narrow, row.seen, *self._tables, masses, weights)
        density, error, widening = self._bins.forward(row, weights.ravel(), masses, mass, derivatives)
        return Forward(density, error, mass, widening)

    def certified(
        self, row: RowData, derivatives: bool, p: Floats, tolerance: float
    ) -> tuple[Forward, Certain]:
        """Return the sums, and which bins of masses p they are good enough for."""
        if derivatives or self._bins.shared:
            return super().certified(row, derivatives, p, tolerance)
        narrow, mass = self._begin(row)
        density, error, arrays, powers = np.empty(len(p)), np.empty(len(p)), room_for(len(p)), self._powers()
        shift, plan = self.log_scale - math.log(mass), self.plan
        about = (*self._bins.about(0, row.seen), plan.accuracy, plan.relative, plan.beyond * mass)
        loss, relative, weak_bins, doubt = self._middle()(
            narrow,
            *self._tables,
            *about,
            p,
            tolerance,
            shift,
            row.adjoint_follows,
            density,
            error,
            *arrays,
            powers,
        )
        row.given = arrays[1], powers, doubt
        return Forward(density, error, mass, None), Certain(*arrays, loss, relative, weak_bins)

    def _powers(self) -> Floats:
        size = (self.plan.geometry.cells + OUTSIDE) * self.order
        return tables(1, size)[0, :size].reshape(-1, self.order)

    def polynomials(self, row: RowData, weights: Floats, slopes: bool) -> tuple[Floats, float]:
        """Return what points take from cells, as powers (cells + OUTSIDE, P), and a bound on its error."""
        if row.given is not None and row.given[0] is weights and not slopes:
            _, powers, doubt = row.given
        else:
            values, doubts = self._bins.adjoint(row, weights, slopes)
            powers = self._powers()
            doubt = give()(values.reshape(-1, self.order), doubts, row.seen, *self._tables, powers)
        return powers, doubt + (self.plan.beyond * float(weights.sum()) if self.plan.beyond > 0 else 0.0)

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
