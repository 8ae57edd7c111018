"""Forward and adjoint of one row through its cells."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Gradients, Ints
from ...numerics.chebyshev import chebyshev
from ...simd.scatter import tables
from ..row import Asked, Forward, Sums
from ..sums.blocks import RowData, partial_count
from ..sums.partials import Partials
from ..sums.passes import Taking, give_points, sum_points
from ..sums.places import GROWING, touching
from ..tails.certificate import Certain, certain_of, room_for
from .bin_sums import BinSums
from .layout import PER_EPS, CellPlan
from .middle import CellTables, give, middle, weigh
from .moments import point_passes


class Kept(NamedTuple):
    """What a forward pass leaves to the adjoint one."""

    spec: Ints  # what bins see
    entries: Any  # the weights of sorted points
    powers: Floats | None = None  # what `certified`'s weights give points (cells + OUTSIDE, P), where known
    doubt: float = 0.0  # a bound on its error


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

    def workspace(self, points: int) -> int:
        size, levels = self.plan.numbers, self.plan.levels.cells * self.order
        return 8 * (size * partial_count(points, size) + 8 * levels + 8 * len(self.centers))

    def touched(self, row: RowData) -> bool:
        """Return whether a point lies on a boundary of cells, where it counts as on one side of it."""
        count, beside = touching(self.plan.geometry.circle)(), np.zeros(-(-row.points // row.block_size), int)

        def block(index: int, piece: slice, x: Floats, z: Floats) -> None:
            beside[index] = count(x, self._g)

        row.each_block(block)
        return bool(beside.any())

    def moments(self, row: RowData, keep: bool) -> tuple[Partials, Any]:
        """Return partial sums of the narrowest cells' moments, with `keep` weights too."""
        return sum_points(row, self.plan.numbers, self._passes.forward(), self._g, ()), None

    def _begin(self, row: RowData, keep: bool) -> tuple[Floats, Floats, float, Kept]:
        """Return the nodes' weights (nodes,), the cells' masses (cells,), sum_j w_j, and what is kept."""
        partials, entries = self.moments(row, keep)
        # Others may be at work with the same cells, and see other ones of those that grow.
        spec = self.plan.spec.copy() if self._tables.growing else self.plan.spec
        cells = self.plan.levels.cells
        masses, weights = np.empty(cells), np.empty((cells, self.order))
        totals = weigh()(partials.states, partials.sums, spec, self._tables, masses, weights)
        return weights.ravel(), masses, partials.note(*totals), Kept(spec, entries)

    def forward(self, row: RowData, asked: Asked) -> Forward:
        weights, masses, mass, kept = self._begin(row, asked.adjoint)
        seen = kept.spec, weights, masses, self.plan.beyond * mass
        density, error, widening = self._bins.forward(row, *seen, asked.derivatives)
        return Forward(density, error, mass, widening, kept)

    def certified(self, row: RowData, asked: Asked, p: Floats, tolerance: float) -> tuple[Forward, Certain]:
        if asked.derivatives or self._bins.shared:
            return super().certified(row, asked, p, tolerance)
        weights, masses, mass, kept = self._begin(row, asked.adjoint)
        density, error, arrays = np.empty(len(p)), np.empty(len(p)), room_for(len(p))
        given, doubts = np.zeros(len(weights) if asked.adjoint else 0), np.zeros(len(masses))
        seen = self._bins.group(0, kept.spec), weights, masses, self.plan.beyond * mass
        limits = p, tolerance, self.log_scale - math.log(mass)
        results = self._middle()(*seen, *limits, density, error, arrays, given, doubts)
        if asked.adjoint:
            powers = self._powers()
            doubt = give()(given.reshape(-1, self.order), doubts, kept.spec, self._tables, powers)
            kept = Kept(kept.spec, kept.entries, powers, doubt)
        return Forward(density, error, mass, None, kept), certain_of(p, *arrays, results)

    def _powers(self) -> Floats:
        size = self.plan.numbers
        return tables(1, size)[0, :size].reshape(-1, self.order)

    def _polynomials(self, row: RowData, spec: Ints, weights: Floats, slopes: bool) -> tuple[Floats, float]:
        """Return what points take from cells, as powers (cells + OUTSIDE, P), and a bound on its error."""
        values, doubts = self._bins.adjoint(row, spec, weights, slopes)
        powers = self._powers()
        return powers, give()(values.reshape(-1, self.order), doubts, spec, self._tables, powers)

    def adjoint(
        self, row: RowData, forward: Forward, weights: Floats, share: float, out: Gradients
    ) -> tuple[float, float]:
        kept: Kept = forward.kept
        powers, doubt = kept.powers, kept.doubt
        if powers is None:
            powers, doubt = self._polynomials(row, kept.spec, weights, False)
        largest = self._take(row, kept, powers, share, -1.0, out.get("z"))
        if "x" in out:
            slopes, _ = self._polynomials(row, kept.spec, weights, True)
            self._take(row, kept, slopes, 0.0, 1.0, out["x"])
        return largest, doubt + (self.plan.beyond * float(weights.sum()) if self.plan.beyond > 0 else 0.0)

    def _take(
        self, row: RowData, kept: Kept, powers: Floats, share: float, sign: float, out: NDArray[Any] | None
    ) -> float:
        polynomials = self._g, Taking(row.top, share, sign, 0.0), (powers.ravel(),)
        return give_points(row, [out], self._passes.adjoint(), *polynomials)
