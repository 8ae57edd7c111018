"""The strategy `direct`: every pair of bin and point, or what comes to the same to rounding."""

import math
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import FLOAT32, FLOAT64, Floats
from ...arguments.kept import Store
from ...arguments.problem import Problem
from ...families import FAMILIES, FORMULAS, row_parameters, takes_series, variants
from ...formula import IMAGES, Variant
from ...names import CIRCLE_ONLY, COMPACT, FACTS
from ...numerics.arithmetic import either
from ...numerics.bessel import scaled_bessel_of_each
from ...numerics.chunks import CHUNK
from ...runtime.jit import Function, elementwise
from ...wrapped import fourier_parameters, is_wide
from ..sums.reach import RowShape
from ..sums.scan import SCANS
from ..tails.certificate import finish
from . import gaussian_runs, products, reached, runs_in_reach, scans, spans
from .neighbours import reach_of
from .pairs import LINEAR_FLOOR, Way, all_pairs, pair_loops, words_of_both
from .products import FLOOR_OF_EXPONENTIALS, FLOOR_OF_SINES, product_loops
from .tiles import Strategy

# ns on one thread, of forward and adjoint: a pair of kernels with an exponential or not; in runs a pair, and
# a point beside its pairs; and by sums over the bins a point, and a bin.
_PAIR, _PLAIN_PAIR, _PAIR_IN_RUNS, _POINT_IN_RUNS, _POINT_BY_SUMS, _BIN = 2.2, 0.7, 0.25, 26.0, 16.0, 4.0
# A pair in reach, of kernels with an exponential or not, and the factor where both halves compute it.
_PAIR_IN_REACH, _PLAIN_IN_REACH, _TWICE, _POINT_IN_REACH = 1.25, 0.55, 1.8, 20.0
# What other methods cost a call beside their passes over points and pairs, ns.
OVERHEAD = 340_000.0
# Ways through the sums.
NONE, DOUBLE, SINGLE, REACHED, RUNS_IN_REACH = range(5)
WAYS = 5


# Of frames that calls in a loop repeat.
_strategies, _costs = Store(256), Store(256)


class Sizes(NamedTuple):
    """What rows of a problem have in common, beside a kernel and a period."""

    points: int
    bins: int
    equal: bool  # bins
    single: bool  # data are in float32


def direct(problem: Problem) -> list[tuple[NDArray[np.intp] | None, Problem, Strategy]]:
    """Return the strategy for each set of rows (None: all rows) that take the same way through the sums."""
    key = problem.frame, problem.points, problem.dtype
    if problem.frame is not None and (kept := _strategies.get(key)) is not None:
        return [(None, problem, kept)]
    h, spacing = problem.bandwidth.values, problem.spacing(0, problem.rows)
    sizes = Sizes(problem.points, problem.bins, problem.equal_bins, problem.dtype == FLOAT32)
    if h.shape[0] == 1 and spacing.shape[0] == 1:
        strategy = _one_strategy(problem.kernel, float(h[0]), problem.period, float(spacing[0]), sizes)
        if problem.frame is not None:
            _strategies.put(key, strategy)
        return [(None, problem, strategy)]
    h = problem.bandwidth.block(0, problem.rows)
    ways = best_way(problem.kernel, h, problem.period, spacing, sizes)
    ways = np.broadcast_to(ways, problem.rows)
    # Rows whose kernel is a series take another formula as well.
    kinds = ways + WAYS * takes_series(problem.kernel, h, problem.period)
    if (kinds == kinds[:1]).all():
        kinds = kinds[:1]
    sets = []
    for kind in np.unique(kinds):
        rows = None if len(kinds) == 1 else np.flatnonzero(kinds == kind)
        of_set = problem if rows is None else problem.take(rows)
        bandwidth = of_set.bandwidth.block(0, of_set.rows)
        strategy = _strategy(of_set.kernel, bandwidth, of_set.period, int(kind) % WAYS, problem.points)
        sets.append((rows, of_set, strategy))
    return sets


@lru_cache(maxsize=256)
def _one_strategy(kernel: str, h: float, period: float | None, spacing: float, sizes: Sizes) -> Strategy:
    """Return the strategy for rows that share bandwidth and bins."""
    bandwidth = np.array([h])
    way = best_way(kernel, bandwidth, period, np.array([spacing]), sizes)[0]
    return _strategy(kernel, bandwidth, period, way, sizes.points)


def _strategy(kernel: str, bandwidth: Floats, period: float | None, way: int, points: int) -> Strategy:
    family = row_parameters(kernel, bandwidth.max(keepdims=True), period)
    short = None if way == NONE else shortcut(family.variant, way, points)
    return Strategy(
        family if len(bandwidth) == 1 else None, short or all_pairs(family.variant), family.variant
    )


def best_way(kernel: str, h: Floats, period: float | None, spacing: Floats, sizes: Sizes) -> NDArray[np.intp]:
    """Return each row's way; `spacing` is that of equal bins, and all that others span."""
    ways = rule_of_ways(kernel, period is not None)(
        h, math.inf if period is None else period, spacing, *sizes
    )
    return np.broadcast_to(ways, np.broadcast_shapes(h.shape, spacing.shape))


@cache
def rule_of_ways(kernel: str, circle: bool) -> Function:
    """Return f(h, period, spacing, *sizes): each row's way, or in compiled code a row's.

    The period is infinite on the line.
    """
    family, beside = FAMILIES[kernel], kernel in CIRCLE_ONLY  # whose shortcut saves little
    formula, series = family.without_images(1.0 if circle else None), circle and family.transform is not None
    runs, in_spans = family.formula.runs, family.formula.spans is not None
    scanned = formula is not None and formula.scans
    of_exponentials = formula is not None and formula.of_exponentials is not None
    of_sines = circle and formula is not None and formula.of_half_sine is not None
    in_reach, in_runs = reached.rule(kernel, circle), runs_in_reach.rule(kernel, circle)

    @elementwise
    def best(h, period, spacing, points, bins, equal, single):
        near, width, way = bins if equal else 1, spacing * (bins - 1) if equal else spacing, NONE
        if runs:
            longer = single & gaussian_runs.applies(spacing, h, near, True)
            taken = gaussian_runs.applies(spacing, h, near, False)
            way = either(taken, either(longer, SINGLE, DOUBLE), NONE)
        elif in_spans:
            way = either(spans.applies(spacing, h, near, period), DOUBLE, NONE)
        elif scanned:
            way = either(scans.applies(spacing, near), DOUBLE, NONE)
        elif of_exponentials:
            way = either(products.shares_exponentials(spacing, h, near), DOUBLE, NONE)
        elif of_sines:
            way = either(products.shares_sines(spacing, h, period), DOUBLE, NONE)
        taken = ((way == NONE) | beside) & in_reach(h, period, width, points, bins)
        way = either(taken, REACHED, way)
        if runs and equal:
            taken = in_runs(h, period, spacing, points, bins)
            if points > CHUNK and not circle:  # whose points are sorted twice
                taken = taken & (way != DOUBLE) & (way != SINGLE)
            way = either(taken, RUNS_IN_REACH, way)
        return either(series & is_wide(h, period), DOUBLE, way)

    return best


def shortcut(variant: Variant, way: int, points: int = 1) -> Way | None:
    """Return the shortcut of rows that go the given way, if there is any."""
    formula, single = FORMULAS[variant.formula], way == SINGLE
    dtype: np.dtype[Any] = FLOAT64
    words: Callable[[int, int], int]
    if way == REACHED:
        if not reached.takes(variant.formula):
            return None
        pairs, words = reached.PAIRS_PER_BLOCK, reached.words
        return Way(reached.reached_loops(variant), LINEAR_FLOOR, FLOAT64, pairs, words)
    if way == RUNS_IN_REACH:
        if not formula.runs:
            return None
        pairs, words = runs_in_reach.PAIRS_PER_BLOCK, runs_in_reach.words
        return Way(runs_in_reach.runs_in_reach_loops(variant), gaussian_runs.FLOOR, FLOAT64, pairs, words)
    if formula.runs:
        loops, pairs, floor = gaussian_runs.run_loops(variant.circle, single), 2**21, gaussian_runs.FLOOR
        words = words_of_both(gaussian_runs.words)
        if single:
            floor, dtype = gaussian_runs.FLOOR_PER_POINT_SINGLE * points, FLOAT32
    elif formula.scans:
        loops, pairs, floor, words = scans.scan_loops(variant.circle), 0, LINEAR_FLOOR, scans.words
    elif formula.spans:
        loops, pairs, floor, words = spans.span_loops(variant), 0, LINEAR_FLOOR, spans.words
    elif formula.of_half_sine is not None:
        loops, pairs, floor = product_loops(variant.formula), 2**19, FLOOR_OF_SINES
        words = words_of_both(products.words)
    elif formula.of_exponentials is not None and not variant.images:
        loops, pairs, floor = product_loops(variant.formula), 2**20, FLOOR_OF_EXPONENTIALS
        words = words_of_both(products.words)
    else:
        return None
    return Way(loops, floor, dtype, pairs, words)


def cost(shape: RowShape, rtol: float = 0.0) -> float:
    """Return an estimate of the time of all pairs, in ns on one thread."""
    spacing = 0.0 if shape.derivatives else shape.bins.spacing
    return _cost(shape.kernel, shape.h, shape.period, spacing, shape.points, shape.bins.number)


def cost_of_first(problem: Problem) -> float:
    """Return the same of a problem's first row, without derivatives."""
    key = problem.frame, problem.points
    kept: float | None = None if problem.frame is None else _costs.get(key)
    if kept is not None:
        return kept
    h, equal = float(problem.bandwidth.block(0, 1)[0]), problem.equal_bins and problem.bins > 1
    spacing = float(problem.spacing(0, 1)[0]) if equal else 0.0
    of_row = _cost(problem.kernel, h, problem.period, spacing, problem.points, problem.bins)
    if problem.frame is not None:
        _costs.put(key, of_row)
    return of_row


def _cost(kernel: str, h: float, period: float | None, spacing: float, points: int, bins: int) -> float:
    of_pair, of_point, of_bin = _rates(kernel, h, period, spacing, Sizes(points, bins, spacing > 0, False))
    return points * (of_point + bins * of_pair) + bins * of_bin


@lru_cache(maxsize=256)
def _rates(
    kernel: str, h: float, period: float | None, spacing: float, sizes: Sizes
) -> tuple[float, float, float]:
    """Return estimates of the time of a pair, and of a point and a bin beside their pairs."""
    width = np.array([h])
    images = max(1.0, float(row_parameters(kernel, width, period).parameters[0, IMAGES]))
    way = best_way(kernel, width, period, np.array([spacing]), sizes)[0] if spacing > 0 else NONE
    if way == REACHED:
        of_pair = _PLAIN_IN_REACH if kernel in COMPACT else _PAIR_IN_REACH
        again = _TWICE if sizes.points > CHUNK else 1.0
        in_reach = min(1.0, 2.0 * reach_of(kernel) * h / (spacing * sizes.bins))
        return of_pair * again * in_reach, _POINT_IN_REACH, _BIN
    if way == RUNS_IN_REACH:
        return _PAIR_IN_RUNS, _POINT_IN_RUNS, _BIN
    if way != NONE and (FAMILIES[kernel].formula.scans or FAMILIES[kernel].formula.spans):
        return 0.0, _POINT_BY_SUMS, _BIN
    if way != NONE and kernel not in CIRCLE_ONLY:  # whose shortcut saves little
        return images * _PAIR_IN_RUNS, _POINT_IN_RUNS, 0.0
    return images * (_PLAIN_PAIR if kernel in COMPACT or FACTS[kernel].heavy else _PAIR), 0.0, 0.0


def functions(kernel: str, domain: str, only_z: bool, plans: bool) -> list[Callable[[], Function]]:
    """Return what calls may compile."""
    needed: list[Callable[[], Function]] = [*SCANS.values(), finish]
    for variant in variants(kernel, domain):
        loops = pair_loops(variant)
        needed += [loop for name, loop in loops._asdict().items() if not (only_z and name == "full_adjoint")]
        ways = (shortcut(variant, way) for way in range(1, WAYS))
        needed += dict.fromkeys(loop for way in ways if way is not None for loop in way.loops)
    if kernel in CIRCLE_ONLY:
        needed.append(scaled_bessel_of_each)
    if domain == "circle" and (transform := FAMILIES[kernel].transform) is not None:
        needed.append(fourier_parameters(kernel, transform))
    return needed
