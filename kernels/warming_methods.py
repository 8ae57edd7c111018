"""What the methods beside `direct` may compile for a kernel."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .families import Variant, row_parameters
from .names import AUTO, CIRCLE_ONLY, COMPACT, JUMPS, KNOTS, ORDERS
from .numerics.matmul import product
from .strategies.cells.bin_sums import bin_loops
from .strategies.cells.middle import give, middle, weigh
from .strategies.cells.moments import point_passes
from .strategies.cells.sorted_points import sorted_passes, sorter
from .strategies.grid.grid_points import grid_passes
from .strategies.sums.partials import total
from .strategies.sums.places import EVEN, GROWING, touching
from .strategies.sums.places import KNOTS as ON_KNOTS
from .strategies.sums.reach import sampler
from .strategies.tails.certificate import certify
from .strategies.tails.intervals import summary, tests
from .strategies.tails.tail_sums import gather, node_loops, spread
from .strategies.window.near import near_loops
from .strategies.window.window import window_loops


def variants(kernel: str, domains: tuple[str, ...] = ("line", "circle")) -> list[Variant]:
    """Return the formulas that calls with a kernel may take."""
    found = [Variant(kernel)] if "line" in domains and kernel not in CIRCLE_ONLY else []
    if "circle" in domains:
        narrow, wide = (row_parameters(kernel, np.array([h]), 1.0).variant for h in (0.01, 1.0))
        found += [narrow] if narrow == wide else [narrow, wide]
    return found


def _kinds(kernel: str, circle: bool) -> tuple[str, ...]:
    if kernel == "cauchy":
        return (EVEN,) if circle else (GROWING,)
    return (EVEN, ON_KNOTS) if len(KNOTS[kernel]) > 1 else (EVEN,)


def fast_functions(
    kernel: str, domains: tuple[str, ...], method: str, only_z: bool, plans: bool
) -> list[Callable[[], Callable]]:
    """Return the functions, each compiled when called."""
    found: list[Callable[[], Callable]] = [summary, gather, spread, product, certify, total]
    for domain in domains:
        if domain == "line" and kernel in CIRCLE_ONLY:
            continue
        circle = domain == "circle"
        # Sums of a compact kernel on a circle are those on the line with copies of the points.
        summed = [Variant(kernel)] if kernel in COMPACT else variants(kernel, (domain,))
        found += [sampler(variant) for variant in summed]
        for variant in variants(kernel, (domain,)):
            found += [*tests(variant), *node_loops(variant)]
        jumps = JUMPS[kernel] <= (not only_z)
        if (method in (AUTO, "window") or (method == "cells" and jumps)) and kernel != "cauchy":
            for variant in summed:
                found += [*window_loops(variant, circle), *near_loops(variant, circle)]
        if method in (AUTO, "cells"):
            found += _cells(kernel, circle, summed, only_z, plans)
            found += [touching(circle)] if jumps else []
        if method == "grid":
            for order in ORDERS["grid"]:
                for whole in (False, True)[: 1 + circle]:
                    found += grid_passes(order, circle, whole)
    return found


def _cells(
    kernel: str, circle: bool, summed: list[Variant], only_z: bool, plans: bool
) -> list[Callable[[], Callable]]:
    found: list[Callable[[], Callable]] = []
    for variant in summed:
        loops = bin_loops(variant)
        found += [middle(variant), weigh, give]
        found += [loops.densities, loops.values] if only_z else loops
    for kind in _kinds(kernel, circle):
        for order in ORDERS["cells"]:
            found += point_passes(order, kind, circle)
            if plans:
                found += [*sorted_passes(order, False), *(sorted_passes(order, True) if circle else ())]
        if plans:
            found.append(sorter(kind, circle))
    return found
