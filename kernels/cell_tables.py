"""Equal bins over cells whose width is a whole number of them: one table of K for many bins.

Bins at the same place of a cell are as far from the nodes around them as each other, so that the
kernel is evaluated once for all of them, and each bin is a product of that table with its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from numba import types
from numpy.typing import NDArray

from .arithmetic import SMALLEST, exp2
from .cell_bins import BinLoops
from .cell_levels import NEAR, chebyshev
from .cells import CellPlan
from .families import FORMULAS, IMAGES, PERIOD, Variant
from .jit import helper, lazily
from .pair_loops import READ, READ1, WRITE1, distance_of, parameters_of, shift_of
from .row_data import RowData

Floats = NDArray[np.float64]

# Tables are filled up to a multiple of what the compiler's loops take at a time.
FILLED = 32
_WORTH_SHARING = 2**16  # values of K, worth a second thread


@cache
def table_loops(variant: Variant) -> BinLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    common = (types.int64, types.int64, types.int64, types.int64, READ1, READ1, READ)
    signature = types.void(*common, READ1, WRITE1)

    def compiled(name: str, make: Callable, fields: tuple[bool, bool]) -> Callable[[], Callable]:
        return lazily(lambda: make(_filler(variant, *fields)), signature, f"cell_tables.{name}.{variant.key}")

    return BinLoops(
        compiled("densities", _make_forward, (False, False)),
        compiled("widenings", _make_forward, (True, False)),
        compiled("values", _make_adjoint, (False, False)),
        compiled("slopes", _make_adjoint, (False, True)),
    )


def _filler(variant: Variant, by_h: bool, by_d: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    @helper
    def fill(at, nodes, params, table):
        """table (n,) = K, dK/dh or dK/dd at the distances of a place from nodes (n,); 0 beyond them."""
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        table[:] = 0.0
        for image in range(count):
            shift = shift_of(image, period)
            for i in range(nodes.shape[0]):
                e, f, f_d, f_h = formula(distance(at, nodes[i], period, shift), p)
                if by_h or by_d:
                    reached = (e > SMALLEST) & (f > 0.0)
                    table[i] += exp2(e) * (f_h if by_h else f_d) if reached else 0.0
                else:
                    table[i] += exp2(e) * f

    return fill


# Both do bins `first`, `first` + stride, .. and so on up to `last`, at `places` (stride,) of a cell seen
# from the first of the `nodes` (n,) around it; bins move on by `order` nodes with every cell. Weights
# and values of nodes have FILLED more at their end.


def _make_forward(fill: Callable) -> Callable:
    def forward(first, last, stride, order, places, nodes, params, weights, density):
        """density (M,) = sum over nodes of weight K or dK/dh."""
        n = (nodes.shape[0] + FILLED - 1) // FILLED * FILLED
        table = np.empty(n)
        for r in range(first, last):
            fill(places[r], nodes, params, table)
            for m in range(r, density.shape[0], stride):
                # Unsigned, because what may be negative is no index of a vector register's load.
                start, total = np.uint64(m // stride * order), 0.0
                for i in range(n):
                    total += table[i] * weights[start + np.uint64(i)]
                density[m] = total

    return forward


def _make_adjoint(fill: Callable) -> Callable:
    def adjoint(first, last, stride, order, places, nodes, params, weights, values):
        """values (nodes,) += sum over bins of weight K or dK/dd, weights (M,)."""
        n = (nodes.shape[0] + FILLED - 1) // FILLED * FILLED
        table = np.empty(n)
        for r in range(first, last):
            fill(places[r], nodes, params, table)
            for m in range(r, weights.shape[0], stride):
                start, weight = np.uint64(m // stride * order), weights[m]
                for i in range(n):
                    values[start + np.uint64(i)] += weight * table[i]

    return adjoint


class BinTables:
    """What the bins of one row see of the nodes of its cells, and nodes of bins."""

    def __init__(self, plan: CellPlan, bins: int) -> None:
        shape, self._order, self._bins = plan.geometry, plan.order, bins
        self._family, self._stride = plan.family, plan.stride
        near = int(plan.spec[NEAR])
        self._accuracy = np.resize(plan.accuracy, 2 * near + 1)
        within = (chebyshev(plan.order)[0] + 1) / 2
        self._nodes = ((np.arange(2 * near + 1)[:, np.newaxis] + within) * shape.pitch).ravel()
        self._places = (near + (np.arange(plan.stride) + 0.5) / plan.stride) * shape.pitch
        self._loops = table_loops(plan.family.variant)
        self._columns = -(-bins // plan.stride)
        self._size = shape.cells * plan.order
        filled = -(-len(self._nodes) // FILLED) * FILLED
        products = plan.stride * (2 * len(self._nodes) + self._columns * filled // 8)
        count = max(1, min(8, plan.stride, products // _WORTH_SHARING))
        cuts = [i * plan.stride // count for i in range(count + 1)]
        self._parts = list(pairwise(cuts))

    def _about(self, part: int) -> tuple[Any, ...]:
        return (
            *self._parts[part],
            self._stride,
            self._order,
            self._places,
            self._nodes,
            self._family.parameters,
        )

    def forward(
        self, row: RowData, weights: Floats, masses: Floats, derivatives: bool
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return densities, bounds on their errors, and derivatives by h.

        From the nodes' weights and the cells' masses.
        """
        bins = self._bins
        density, widening = np.empty(bins), np.empty(bins) if derivatives else None
        filled = np.append(weights, np.zeros(FILLED))

        def some(part: int) -> None:
            self._loops.densities()(*self._about(part), filled, density)
            if widening is not None:
                self._loops.widenings()(*self._about(part), filled, widening)

        row.each(len(self._parts), some)
        error = np.repeat(np.correlate(masses, self._accuracy, "valid"), self._stride)[:bins]
        return density, error, widening

    def adjoint(self, row: RowData, weights: Floats, slopes: bool) -> tuple[Floats, Floats]:
        """Return what bins' weights give each node, and a bound on its error in each cell."""
        loop = self._loops.slopes() if slopes else self._loops.values()
        values = np.zeros((len(self._parts), self._size + FILLED))

        def some(part: int) -> None:
            loop(*self._about(part), weights, values[part])

        row.each(len(self._parts), some)
        by_column = np.add.reduceat(weights, np.arange(self._columns) * self._stride)
        return values.sum(axis=0)[: self._size], np.convolve(by_column, self._accuracy)
