"""Bins and the nodes of cells: what a bin sees of the cells' weights, and what nodes get of bins'."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from .arithmetic import SMALLEST, exp2
from .cell_levels import CIRCULAR, MOST_RUNS, ORDER, cells_seen, node_positions, see_grown
from .cells import CellPlan
from .families import FORMULAS, IMAGES, PERIOD, Variant
from .jit import lazily
from .pair_loops import READ, READ1, WRITE1, distance_of, parameters_of, shift_of
from .row_data import RowData

Floats = NDArray[np.float64]

_WORTH_SHARING = 2**18  # pairs of nodes and bins, worth a second thread


class BinLoops(NamedTuple):
    """The compiled loops of one variant."""

    densities: Callable[[], Callable]
    widenings: Callable[[], Callable]
    values: Callable[[], Callable]
    slopes: Callable[[], Callable]


_SPEC = types.Array(types.int64, 1, "C", readonly=True)


@cache
def bin_loops(variant: Variant) -> BinLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    common = (READ1, READ1, _SPEC, READ1, READ)
    forward = types.void(*common, READ1, READ1, READ1, WRITE1, WRITE1)
    adjoint = types.void(*common, READ1, READ1, WRITE1, WRITE1)

    def compiled(name: str, make: Callable, signature: object) -> Callable[[], Callable]:
        derived = name in ("widenings", "slopes")
        return lazily(lambda: make(variant, derived), signature, f"cell_bins.{name}.{variant.key}")

    return BinLoops(
        compiled("densities", _make_forward, forward),
        compiled("widenings", _make_forward, forward),
        compiled("values", _make_adjoint, adjoint),
        compiled("slopes", _make_adjoint, adjoint),
    )


# Both take centers and places (M,), these in pitches from the origin, what bins see, the nodes'
# positions (nodes,) on the line, and the formula's parameters (1, PARAMETERS).


def _make_forward(variant: Variant, derived: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def forward(centers, places, spec, positions, params, weights, mass, accuracy, density, error):
        """density (M,) = sum over nodes of weight K or dK/dh; error (M,) = sum over cells of mass accuracy.

        weights (nodes,), mass (cells,), and accuracy by a cell's place among those around the bin's own.
        """
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        order, farthest = spec[ORDER], accuracy.shape[0] // 2
        runs = np.empty((MOST_RUNS, 2), np.int64)
        for m in range(centers.shape[0]):
            c, total, doubt = centers[m], 0.0, 0.0
            column = np.int64(np.floor(places[m]))
            for run in range(cells_seen(places[m], spec, runs)):
                first, last = runs[run, 0], runs[run, 1]
                # Unsigned, because what may be negative is no index of a vector register's load.
                begin, end = np.uint64(first * order), np.uint64(last * order)
                for image in range(count):
                    shift = shift_of(image, period)
                    for j in range(begin, end):
                        e, f, _, f_h = formula(distance(c, positions[j], period, shift), p)
                        if derived:
                            reached = (e > SMALLEST) & (f > 0.0)
                            total += weights[j] * (exp2(e) * f_h) if reached else 0.0
                        else:
                            total += weights[j] * exp2(e) * f
                begin, end = np.uint64(first), np.uint64(last)
                if farthest == 0:
                    for cell in range(begin, end):
                        doubt += mass[cell] * accuracy[0]
                else:
                    offset = np.uint64(first - column + farthest)
                    for i in range(end - begin):
                        doubt += mass[begin + i] * accuracy[offset + i]
            density[m], error[m] = total, doubt

    return forward


def _make_adjoint(variant: Variant, derived: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def adjoint(centers, places, spec, positions, params, weights, accuracy, values, doubts):
        """values (nodes,) += sum over bins of weight K or dK/dd, doubts (cells,) += of weight accuracy."""
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        order, farthest = spec[ORDER], accuracy.shape[0] // 2
        runs = np.empty((MOST_RUNS, 2), np.int64)
        for m in range(centers.shape[0]):
            c, weight = centers[m], weights[m]
            if weight == 0.0:
                continue
            column = np.int64(np.floor(places[m]))
            for run in range(cells_seen(places[m], spec, runs)):
                first, last = runs[run, 0], runs[run, 1]
                # Unsigned, because what may be negative is no index of a vector register's load.
                begin, end = np.uint64(first * order), np.uint64(last * order)
                for image in range(count):
                    shift = shift_of(image, period)
                    for j in range(begin, end):
                        e, f, f_d, _ = formula(distance(c, positions[j], period, shift), p)
                        if derived:
                            reached = (e > SMALLEST) & (f > 0.0)
                            values[j] += weight * (exp2(e) * f_d) if reached else 0.0
                        else:
                            values[j] += weight * exp2(e) * f
                begin, end = np.uint64(first), np.uint64(last)
                if farthest == 0:
                    for cell in range(begin, end):
                        doubts[cell] += weight * accuracy[0]
                else:
                    offset = np.uint64(first - column + farthest)
                    for i in range(end - begin):
                        doubts[begin + i] += weight * accuracy[offset + i]

    return adjoint


class EachBin:
    """What each bin of a row sees of the nodes of its cells, and nodes of bins."""

    def __init__(self, plan: CellPlan, centers: Floats) -> None:
        self._plan, self._centers = plan, centers
        shape = plan.geometry
        places = (centers - shape.origin) / shape.pitch
        if plan.spec[CIRCULAR]:
            turn = shape.period / shape.pitch
            places = places - turn * np.floor(places / turn)
        self._places = np.ascontiguousarray(places)
        self._positions = node_positions(shape, plan.levels.sizes, plan.levels.starts, plan.order)
        self._spec = plan.spec.copy()
        self._loops = bin_loops(plan.family.variant)
        bins = len(centers)
        pairs = bins * min(plan.levels.cells, 64) * plan.order
        count = max(1, min(8, bins // 16, pairs // _WORTH_SHARING))
        size = -(-bins // count)
        self._parts = [slice(first, min(first + size, bins)) for first in range(0, bins, size)]

    def _about(self, bins: slice) -> tuple[Any, ...]:
        parameters = self._plan.family.parameters
        return self._centers[bins], self._places[bins], self._spec, self._positions, parameters

    def forward(
        self, row: RowData, weights: Floats, masses: Floats, derivatives: bool
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return densities, bounds on their errors, and derivatives by h.

        From the nodes' weights and the cells' masses.
        """
        see_grown(self._spec, self._plan.geometry, masses)
        density, error = np.empty(len(self._centers)), np.empty(len(self._centers))
        widening = np.empty(len(self._centers)) if derivatives else None

        def some(part: int) -> None:
            bins = self._parts[part]
            head = (*self._about(bins), weights, masses, self._plan.accuracy)
            self._loops.densities()(*head, density[bins], error[bins])
            if widening is not None:
                self._loops.widenings()(*head, widening[bins], np.empty(bins.stop - bins.start))

        row.each(len(self._parts), some)
        return density, error, widening

    def adjoint(self, row: RowData, weights: Floats, slopes: bool) -> tuple[Floats, Floats]:
        """Return what bins' weights give each node, and a bound on its error in each cell."""
        loop = self._loops.slopes() if slopes else self._loops.values()
        cells = self._plan.levels.cells
        values = np.zeros((len(self._parts), cells * self._plan.order))
        doubts = np.zeros((len(self._parts), cells))

        def some(part: int) -> None:
            bins = self._parts[part]
            loop(*self._about(bins), weights[bins], self._plan.accuracy, values[part], doubts[part])

        row.each(len(self._parts), some)
        return values.sum(axis=0), doubts.sum(axis=0)
