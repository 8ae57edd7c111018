"""Which method computes a row: the one named, or the one that is estimated to be the fastest.

The estimates are rates measured on two machines and kept here as constants: choices between methods
need them to within a factor of two only, and the same call must give the same bits in every process.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments.checks import unavailable
from ..arguments.problem import Request
from ..families import IMAGES, row_parameters
from ..names import AUTO, METHODS
from ..runtime.undisturbed import load
from .cells.cell_sums import CellSums
from .cells.layout import MOST_CELLS, PER_EPS, CellPlan, plan_cells
from .cells.layout import why_not as why_not_cells
from .cells.sorted_points import sorts
from .cells.sorted_sums import SortedSums
from .direct.shortcuts import NONE, best_way
from .row import Sums
from .sums.reach import Bins, reach_of
from .window.window import WindowSums, plan_window
from .window.window import why_not as why_not_window

Floats = NDArray[np.float64]

_LEAST = 5e-15  # interpolation errors that rounding allows
# What a call costs beside its passes over points and pairs, ns.
_OVERHEAD = 80_000.0
# ns a pair on one thread, with forward and adjoint; about those of two machines.
_PAIR, _PAIR_IN_RUNS = 1.0, 0.22
_TAIL_PAIR = 4.0
_POINT_IN_RUNS = 4.0  # ns a point, beside its pairs


class RowShape(NamedTuple):
    """What the choice of a method depends on."""

    kernel: str
    h: float
    period: float | None
    bins: Bins
    points: int
    derivatives: bool


def eps_for(rtol: float) -> float:
    """Return the interpolation error to ask of cells for a tolerance."""
    return max(rtol / PER_EPS, _LEAST)


class SumsFor:
    """Makes a row's sums for a tolerance, and keeps them."""

    def __init__(self, make: Callable[[float], Sums], outright: bool) -> None:
        self._make, self.outright = make, outright
        self._made: dict[float, Sums] = {}
        self.grown: Callable[[], None] | None = None  # is told when there are more

    def __call__(self, rtol: float) -> Sums:
        if rtol not in self._made:
            self._made[rtol] = self._make(rtol)
            if self.grown is not None:
                self.grown()
        return self._made[rtol]

    @property
    def stored(self) -> int:
        """Return the bytes kept for the data points."""
        return sum(getattr(sums, "stored", 0) for sums in self._made.values())


def sums_for(
    shape: RowShape, request: Request, centers: Floats, x: NDArray[Any] | None = None, n_threads: int = 1
) -> SumsFor | None:
    """Return what makes the row's sums for a tolerance, or None where all pairs are to be summed.

    With the data points x given, they are sorted for many calls.
    """
    first_bin = float(centers.min())
    centers = np.ascontiguousarray(centers - first_bin)
    name = chosen(shape, request)
    if name == "direct":
        return None
    if name == "cells":

        def cells(rtol: float) -> Sums:
            plan = _plan_cells(shape, request.order, rtol, x is not None)
            if x is None or not sorts(plan.geometry):
                return CellSums(plan, first_bin, centers)
            return SortedSums(plan, first_bin, centers, x, n_threads)

        return SumsFor(cells, request.order is not None)
    if name == "window":
        about = (shape.kernel, shape.h, shape.period, shape.bins)
        return SumsFor(lambda rtol: WindowSums(plan_window(*about, rtol), first_bin, centers), False)
    grids = load(".strategies.grid.grid")  # the only user of FFTs
    grid = grids.plan_grid(shape.kernel, shape.h, shape.period, shape.bins, shape.points, request.order)
    return SumsFor(lambda rtol: grids.GridSums(grid, first_bin, centers), True)


def _plan_cells(shape: RowShape, order: int | None, rtol: float, keep: bool) -> CellPlan:
    """Return cells that keep a tolerance or, where none can, those that come closest."""
    eps = eps_for(rtol)
    while eps < 0.1:
        plan = plan_cells(
            shape.kernel, shape.h, shape.period, shape.bins, shape.points, order, eps, shape.derivatives, keep
        )
        if plan is not None:
            return plan
        eps *= 10
    return unavailable(
        "method", "cells", f"needs more than {MOST_CELLS} cells here", ("auto", "direct", "window")
    )


@lru_cache(maxsize=1024)
def chosen(shape: RowShape, request: Request) -> str:
    """Return the name of the method for a row; ValueError where the one named does not apply."""
    equal = shape.bins.spacing > 0
    reasons = {
        "cells": why_not_cells(shape.kernel, equal, shape.bins.number),
        "window": why_not_window(shape.kernel),
    }
    if request.method != AUTO:
        reason = reasons.get(request.method)
        if reason is not None:
            others = [name for name in METHODS if reasons.get(name) is None]
            unavailable("method", request.method, reason, others)
    if request.method == "grid" or request.order is not None:
        return request.method
    if request.rtol < PER_EPS * _LEAST:
        return "direct"
    if request.method != AUTO:
        return request.method
    costs = {"direct": direct_cost(shape)}
    if costs["direct"] < _OVERHEAD:
        return "direct"
    arguments = (shape.kernel, shape.h, shape.period, shape.bins)
    beside = _OVERHEAD + _tail_cost(shape, request.rtol)
    if reasons["cells"] is None:
        plan = plan_cells(*arguments, shape.points, None, eps_for(request.rtol), shape.derivatives)
        if plan is not None:
            costs["cells"] = beside + plan.cost
    if reasons["window"] is None:
        costs["window"] = beside + plan_window(*arguments, request.rtol).cost(shape.points)
    return min(costs, key=costs.__getitem__)


def _tail_cost(shape: RowShape, rtol: float) -> float:
    """Return an estimate of the time for bins that few points are near to, in ns on one thread.

    As if points were spread over the interval: where they are dense there are no such bins.
    """
    family = row_parameters(shape.kernel, np.array([shape.h]), shape.period)
    span = max(shape.bins.span, shape.h)
    near = shape.points * min(1.0, 2 * reach_of(shape.kernel, family, shape.h, shape.period, rtol) / span)
    return math.exp(-near) * shape.bins.number * shape.points * _TAIL_PAIR


def direct_cost(shape: RowShape) -> float:
    """Return an estimate of the time of all pairs, in ns on one thread."""
    h = np.array([shape.h])
    family = row_parameters(shape.kernel, h, shape.period)
    pairs = shape.points * shape.bins.number * max(1.0, float(family.parameters[0, IMAGES]))
    spacing = np.array([shape.bins.spacing])
    runs = shape.bins.spacing > 0 and not shape.derivatives
    way = best_way(shape.kernel, h, shape.period, spacing, shape.bins.number, False)[0] if runs else NONE
    return pairs * _PAIR if way == NONE else pairs * _PAIR_IN_RUNS + shape.points * _POINT_IN_RUNS
