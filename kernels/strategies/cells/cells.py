"""The strategy `cells` as others see it."""

import math
from collections.abc import Callable
from typing import Any

from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...arguments.checks import unavailable
from ...families import summed_variants
from ...names import AUTO, FACTS, JUMPS, KNOTS, ORDERS
from ...runtime.jit import Function
from ..row import Sums
from ..sums.places import EVEN, GROWING, touching
from ..sums.places import KNOTS as ON_KNOTS
from ..sums.reach import RowShape
from .bin_sums import bin_loops
from .cell_sums import CellSums
from .layout import MOST_CELLS, PER_EPS, plan_cells
from .middle import give, middle, weigh
from .moments import point_passes
from .sorted_points import sorted_passes, sorter, sorts
from .sorted_sums import SortedSums

_LEAST = 5e-15  # interpolation errors that rounding allows
LEAST_RTOL = PER_EPS * _LEAST


def why_not(shape: RowShape) -> str | None:
    """Return why cells do not apply, or None."""
    if KNOTS[shape.kernel] and not shape.bins.spacing > 0 and shape.bins.number > 1:
        return f"needs equal bins for the knots of {shape.kernel!r}"
    return None


def cost(shape: RowShape, rtol: float) -> float:
    """Return the estimated time of a call in ns on one thread; infinite where no cells keep the tolerance."""
    plan = plan_cells(shape, None, _eps_for(rtol), False)
    return math.inf if plan is None else plan.cost


def sums(
    shape: RowShape,
    order: int | None,
    rtol: float,
    first_bin: float,
    centers: Floats,
    x: NDArray[Any] | None,
    n_threads: int,
) -> Sums:
    """Return a row's sums that keep a tolerance or, where none do, come closest; with x (N,), sorted once."""
    eps, plan = _eps_for(rtol), None
    while plan is None and eps < 0.1:
        plan = plan_cells(shape, order, eps, x is not None)
        eps *= 10
    if plan is None:
        unavailable("method", "cells", f"needs more than {MOST_CELLS} cells here", (AUTO, "direct", "window"))
    if x is None or not sorts(plan.geometry):
        return CellSums(plan, first_bin, centers)
    return SortedSums(plan, first_bin, centers, x, n_threads)


def functions(kernel: str, domain: str, only_z: bool, plans: bool) -> list[Callable[[], Function]]:
    """Return what calls may compile."""
    circle = domain == "circle"
    needed: list[Callable[[], Function]] = [touching(circle)] if JUMPS[kernel] <= (not only_z) else []
    for variant in summed_variants(kernel, domain):
        loops = bin_loops(variant)
        needed += [middle(variant), weigh, give]
        needed += [loops.densities, loops.values] if only_z else loops
    for kind in _kinds(kernel, circle):
        for order in ORDERS["cells"]:
            needed += point_passes(order, kind, circle)
            if plans:
                needed += [*sorted_passes(order, False), *(sorted_passes(order, True) if circle else ())]
        if plans:
            needed.append(sorter(kind, circle))
    return needed


def _kinds(kernel: str, circle: bool) -> tuple[str, ...]:
    if FACTS[kernel].heavy:
        return (EVEN,) if circle else (GROWING,)
    return (EVEN, ON_KNOTS) if len(KNOTS[kernel]) > 1 else (EVEN,)


def _eps_for(rtol: float) -> float:
    """Return the interpolation error to ask of cells for a tolerance."""
    return max(rtol / PER_EPS, _LEAST)
