"""Forward and adjoint of one row through its cells."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .cell_bins import bin_loops
from .cell_levels import CIRCULAR, chebyshev, distribute, merge, node_positions, see_grown, times
from .cell_points import point_passes
from .cells import PER_EPS, CellPlan
from .row_data import RowData, Written, lane_count
from .rows import Forward

Floats = NDArray[np.float64]

_PAIRS_TO_SHARE = 2**18  # of nodes and bins, worth a second thread


class CellSums:
    """The sums of one row, whose x and bins are given and whose logits may change."""

    def __init__(self, plan: CellPlan, centers: Floats) -> None:
        self.plan, self.centers = plan, np.ascontiguousarray(centers)
        self.log_scale = float(plan.family.log_scale[0])
        shape = plan.geometry
        places = (centers - shape.origin) / shape.pitch
        if plan.spec[CIRCULAR]:
            turn = shape.period / shape.pitch
            places = places - turn * np.floor(places / turn)
        self._places = np.ascontiguousarray(places)
        _, self._to_weights, self._to_powers = chebyshev(plan.order)
        self._positions = node_positions(shape, plan.levels.sizes, plan.levels.starts, plan.order)
        self._spec = plan.spec.copy()
        self._g = shape.array()
        self._passes = point_passes(plan.order, shape.kind, shape.circle)
        self._loops = bin_loops(plan.family.variant)

    @property
    def order(self) -> int:
        return self.plan.order

    @property
    def keeps(self) -> float:
        """The tolerance that the cells can keep."""
        return self.plan.eps * PER_EPS

    def workspace(self, row_points: int) -> int:
        """Return the bytes that a call takes beside its arguments and results."""
        size = (self.plan.geometry.cells + 1) * self.order
        levels = self.plan.levels.cells * self.order
        return 8 * (size * lane_count(row_points, size) + 8 * levels + 8 * len(self.centers))

    def moments(self, row: RowData) -> tuple[Floats, float]:
        """Return the moments of the narrowest cells (cells + 1, P), and sum_j w_j."""
        size = (self.plan.geometry.cells + 1) * self.order
        lanes = row.lanes(size)
        sums, mass = np.zeros((lanes, size)), np.zeros(lanes)
        add = self._passes.moments()

        def block(lane: int, x: Floats, z: Floats) -> None:
            mass[lane] += add(x, z, row.top, self._g, sums[lane])

        row.each_lane(lanes, block)
        return sums.sum(axis=0).reshape(-1, self.order), float(mass.sum())

    def forward(self, row: RowData, derivatives: bool) -> Forward:
        """Return the sums over all points."""
        narrow, mass = self.moments(row)
        return self.from_moments(row, narrow, mass, derivatives)

    def from_moments(self, row: RowData, narrow: Floats, mass: float, derivatives: bool) -> Forward:
        plan, order = self.plan, self.order
        moments = np.zeros((plan.levels.cells, order))
        moments[: plan.geometry.cells] = narrow[:-1]
        merge(plan.levels, order, moments)
        masses = np.ascontiguousarray(moments[:, 0])
        see_grown(self._spec, plan.geometry, masses)
        weights = times(moments, self._to_weights.T).ravel()
        density, error = np.empty(len(self.centers)), np.empty(len(self.centers))
        widening = np.empty(len(self.centers)) if derivatives else None
        parts = self._bin_parts()

        def some(index: int) -> None:
            bins = parts[index]
            head = (
                self.centers[bins],
                self._places[bins],
                self._spec,
                self._positions,
                plan.family.parameters,
                weights,
                masses,
                plan.accuracy,
            )
            self._loops.densities()(*head, density[bins], error[bins])
            if widening is not None:
                self._loops.widenings()(*head, widening[bins], np.empty(bins.stop - bins.start))

        row.each(len(parts), some)
        error += plan.relative * np.abs(density) + plan.beyond * mass
        return Forward(density, error, mass, widening)

    def _bin_parts(self) -> list[slice]:
        bins = len(self.centers)
        pairs = bins * min(self.plan.levels.cells, 64) * self.order
        count = max(1, min(8, bins // 16, pairs // _PAIRS_TO_SHARE))
        size = -(-bins // count)
        return [slice(first, min(first + size, bins)) for first in range(0, bins, size)]

    def polynomials(self, row: RowData, weights: Floats, slopes: bool) -> tuple[Floats, float]:
        """Return what points take from each cell, as powers (cells + 1, P), and a bound on its error."""
        plan, order = self.plan, self.order
        loop = self._loops.slopes() if slopes else self._loops.values()
        parts = self._bin_parts()
        values = np.zeros((len(parts), plan.levels.cells * order))
        doubts = np.zeros((len(parts), plan.levels.cells))

        def some(index: int) -> None:
            bins = parts[index]
            loop(
                self.centers[bins],
                self._places[bins],
                self._spec,
                self._positions,
                plan.family.parameters,
                weights[bins],
                plan.accuracy,
                values[index],
                doubts[index],
            )

        row.each(len(parts), some)
        coefficients = times(values.sum(axis=0).reshape(-1, order), self._to_weights)
        distribute(plan.levels, order, coefficients)
        cells = plan.geometry.cells
        powers = np.zeros((cells + 1, order))
        powers[:cells] = times(coefficients[:cells], self._to_powers)
        doubt = doubts.sum(axis=0)
        for level in reversed(range(1, len(plan.levels.sizes))):
            start, below = plan.levels.starts[level], plan.levels.starts[level - 1]
            size = plan.levels.sizes[level - 1]
            children = len(plan.levels.up[level - 1])
            doubt[below : below + size] += np.repeat(
                doubt[start : start + plan.levels.sizes[level]], children
            )[:size]
        return powers, float(doubt[:cells].max(initial=0.0)) + plan.beyond * float(weights.sum())

    def adjoint(
        self, row: RowData, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> tuple[float, float]:
        """Write the gradients by z and x; return the largest by z, and a bound on the error over w_i."""
        powers, doubt = self.polynomials(row, weights, False)
        return self.take(row, powers, weights, share, out), doubt

    def take(
        self, row: RowData, powers: Floats, weights: Floats, share: float, out: dict[str, NDArray[Any]]
    ) -> float:
        values, flat = self._passes.values(), powers.ravel()
        slopes = self.polynomials(row, weights, True)[0].ravel() if "x" in out else None
        largest: dict[int, float] = {}

        def block(index: int, piece: slice, x: Floats, z: Floats) -> None:
            by_z = Written(out.get("z"), piece)
            largest[index] = values(x, z, row.top, self._g, flat, share, -1.0, by_z.array)
            by_z.store()
            if slopes is not None:
                by_x = Written(out["x"], piece)
                values(x, z, row.top, self._g, slopes, 0.0, 1.0, by_x.array)
                by_x.store()

        row.each_block(block)
        return max(largest.values())
