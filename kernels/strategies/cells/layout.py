"""The strategy `cells`: points add moments to cells, bins see a few nodes of each cell.

After Fong and Darve, "The black-box fast multipole method" (2009), on one dimension, with the cells'
boundaries on the knots of those kernels that have any, between which they are polynomials.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...arguments.arrays import Floats, Ints
from ...arguments.kept import kept
from ...families import row_parameters
from ...formula import RowParameters
from ...names import CIRCLE_ONLY, COMPACT, FACTS, KNOTS, ORDERS
from ...numerics.arithmetic import LARGEST
from ..sums import places as geometry
from ..sums.places import OUTSIDE, Geometry, ceiling
from ..sums.reach import ROUNDING, RowShape, kernel_values, reach_of, value_beyond
from .accuracy import Accuracy, error_table, knotted_error, smooth_accuracy
from .levels import MERGED, Levels, make_levels, see_between_knots, specification
from .sorted_points import block_points, sorts

MOST_CELLS = 2**17
# Numbers in all cells where the order is given: they stay in the caches, and the error is what it is.
_MOST_NUMBERS = 2**15
# A tolerance is kept by interpolation errors, relative to the peak, smaller by this factor.
PER_EPS = 40.0
_MANY_LEVELS = 14
# Bandwidths from a bin's reach to half a turn with which other images do not matter beside the nearest.
_FAR_IMAGES = 20.0
# Cells of fewer bins are not narrowed to a whole number of them.
_LEAST_STRIDE = 4
PRODUCT = 0.15  # cost of a product with a table, of a value of K


class CellPlan(NamedTuple):
    """Cells for rows that share bandwidth and bins."""

    order: int
    family: RowParameters
    geometry: Geometry
    levels: Levels
    spec: Ints
    accuracy: Floats  # error of K/C for cells around a bin's own, or one number for all
    beyond: float  # K/C of the points that a bin does not see is at most this
    relative: float  # error of K/C relative to it, where it is bounded so
    seen: float  # cells that a bin sees, about
    # Every `stride` equal bins see the same nodes `step` pitches further; 0 where they do not.
    stride: int
    step: int
    eps: float  # largest error of K/C, relative to its peak
    cost: float = 0.0  # estimated, ns on one thread

    @property
    def numbers(self) -> int:
        """Return how many moments the narrowest cells have, and those for points outside."""
        return (self.geometry.cells + OUTSIDE) * self.order


@kept(128)
def plan_cells(row: RowShape, order: int | None, eps: float, keep: bool) -> CellPlan | None:
    """Return the cheapest cells whose errors are eps of the peak, or None where there are none.

    The cheapest for a single call, or with `keep` for points that are sorted by cell.
    """
    kernel = row.kernel
    family = row_parameters(kernel, np.array([row.h]), None if kernel in COMPACT else row.period)
    build = _knotted if KNOTS[kernel] else _smooth
    limited, plans = order is not None and not KNOTS[kernel], []
    for candidate in ORDERS["cells"] if order is None else (order,):
        plan = build(row, family, candidate, eps)
        if plan is None or (limited and plan.geometry.cells * candidate > _MOST_NUMBERS):
            continue
        plans.append(plan._replace(cost=_cost(plan, row, keep)))
    return min(plans, key=lambda plan: plan.cost, default=None)


def _smooth(row: RowShape, family: RowParameters, order: int, eps: float) -> CellPlan | None:
    kernel, h, period, bins, _, derivatives = row
    heavy = FACTS[kernel].heavy
    small = eps * min(1.0, h / max(bins.span, h) / 8)
    reach = reach_of(row, family, small)
    known = _accuracy(row, family, order, eps, reach)
    if known is None:
        return None
    width, low, high = known.width, -reach, bins.span + reach
    if period is not None and reach + 2 * width > period / 2:
        reach = math.inf  # what a bin sees would be more than half a turn away
    levels, circular, columns_near, stride = 1, False, known.near, 0
    if period is None and heavy:
        shape = geometry.growing(max(bins.span, width), width)
        levels = _MANY_LEVELS
    elif math.isinf(reach):
        assert period is not None
        circular = True
        if not period / width <= MOST_CELLS:
            return None
        if heavy:
            levels = math.ceil(math.log(max(1.0, period / width / (4 * known.near)), MERGED)) + 1
        shape = geometry.around(bins.span, period, width, MERGED ** (levels - 1))
        if levels == 1:
            columns_near = shape.columns
    else:
        stride = math.floor(width / bins.spacing) if 0 < _LEAST_STRIDE * bins.spacing <= width else 0
        if stride:
            columns_near = ceiling(reach / (stride * bins.spacing))
            shape = geometry.on_bins(bins.spacing, bins.number, stride, columns_near)
        else:
            shape = geometry.even(low, high, width)
            columns_near = ceiling(reach / shape.pitch)
        shape = geometry.on_domain(shape, period)
    if shape.cells > MOST_CELLS:
        return None
    merged = make_levels(shape, order, levels)
    if len(merged.sizes) == 1 and not circular and heavy:
        columns_near = shape.columns
    spec = specification(shape, merged, order, columns_near, circular)
    if FACTS[kernel].steady:
        accuracy = np.full(1, ROUNDING)
    elif circular:
        table = error_table(family, h, order, shape.pitch, shape.columns, derivatives)
        accuracy = np.full(1, table.max())
    else:
        table = error_table(family, h, order, shape.pitch, columns_near, derivatives)
        accuracy = np.concatenate([table[:0:-1], table])
    beyond = value_beyond(family, reach, h, derivatives)
    seen = min(shape.cells, (2 * columns_near + 1) + 3 * (columns_near + MERGED) * (len(merged.sizes) - 1))
    relative = eps if FACTS[kernel].steady else 0.0
    return CellPlan(order, family, shape, merged, spec, accuracy, beyond, relative, seen, stride, 1, eps)


def _cost(plan: CellPlan, row: RowShape, keep: bool) -> float:
    """Return an estimate of the time of forward and adjoint in ns on one thread, from measured rates."""
    order, shape, points, bins = plan.order, plan.geometry, row.points, row.bins.number
    # Values of K that are computed, and products with them in their time.
    pairs = plan.seen * order * (min(plan.stride or bins, bins) + PRODUCT * bins)
    around = pairs + 20.0 * shape.cells * order
    if keep and sorts(shape):
        block = block_points(shape)
        # The larger a block, the less of it stays in the first cache.
        each = 0.95 + 0.03 * order + 0.25 * math.log2(block * shape.copies / 2**12)
        return points * (0.9 + shape.copies * each) + 20 * (shape.cells * points / block) + around
    # The further a table of cells exceeds the first cache, the slower.
    spread = 1 + 0.15 * max(0.0, math.log2(shape.cells * order / 2**12))
    return points * (1.2 + shape.copies * spread * (2.5 + 0.05 * order)) + around


@lru_cache(maxsize=256)
def _line_accuracy(kernel: str, order: int, eps: float, derivatives: bool) -> Accuracy | None:
    family = row_parameters(kernel, np.ones(1), None)
    return smooth_accuracy(kernel, family, 1.0, math.inf, order, eps, derivatives)


def _accuracy(row: RowShape, family: RowParameters, order: int, eps: float, reach: float) -> Accuracy | None:
    kernel, h, period, _, _, derivatives = row
    if kernel not in CIRCLE_ONLY and (family.variant.images or not family.variant.circle):
        known = _line_accuracy(kernel, order, eps, derivatives)
        return None if known is None else known._replace(width=known.width * h)
    assert period is not None
    return smooth_accuracy(kernel, family, h, min(reach, period / 2), order, eps, derivatives)


def _knotted(row: RowShape, family: RowParameters, order: int, eps: float) -> CellPlan | None:
    kernel, h, period, bins, _, derivatives = row
    pitch = bins.spacing if bins.spacing > 0 else h
    if kernel in COMPACT:
        reach = h
        widest = _widest_between_knots(kernel, order, eps, derivatives) * h
        knots: tuple[float, ...] = tuple(knot * h for knot in KNOTS[kernel])
    else:
        small = eps * min(1.0, h / max(bins.span, h) / 8)
        reach = reach_of(row, family, small)
        known = _line_accuracy(kernel, order, eps, derivatives)
        if known is None:
            return None
        widest, knots = known.width * h, (0.0,)
        if period is not None:
            widest = min(widest, period / 4)
            if reach + 2 * widest > period / 2:
                reach = math.inf
        if period is not None and reach + _FAR_IMAGES * h < period / 2:
            family = row_parameters(kernel, np.array([h]), None)
    if widest == 0:
        return None
    pitch /= max(1, ceiling(pitch / widest * (1 - 1e-12)))
    whole = math.isinf(reach)
    if whole:
        assert period is not None
        middle = 0.5 * bins.span
        shape = geometry.on_knots(middle - period / 2, middle + period / 2, pitch, knots)
        shape = shape._replace(circle=True, period=period)
    else:
        shape = geometry.on_knots(-reach, bins.span + reach, pitch, knots)
        shape = geometry.on_domain(shape, period)
    if shape.cells > MOST_CELLS:
        return None
    levels = _MANY_LEVELS
    if math.isfinite(widest):
        levels = 1 + math.floor(math.log(min(max(1.0, widest / pitch), LARGEST), MERGED) + 1e-9)
    merged = make_levels(shape, order, levels)
    spec = specification(shape, merged, order, 0, False)
    wider = len(merged.sizes) - 1
    columns_of_widest = MERGED**wider
    if kernel in COMPACT:
        low, high = _boundary(shape, -h / pitch), _boundary(shape, h / pitch)
        error = knotted_error(kernel, order, min(2.0, pitch * columns_of_widest / h), derivatives)
        peak = float(kernel_values(family, np.zeros(1))[0, 0])
        accuracy, beyond, relative = np.full(1, error * peak), 0.0, 0.0
    else:
        columns = shape.columns if whole else ceiling(reach / pitch)
        low, high = (-columns, 0), (columns, 0)
        accuracy, relative = np.full(1, ROUNDING), eps
        beyond = value_beyond(family, reach, h, derivatives)
    see_between_knots(spec, low, high, 0 in KNOTS[kernel])
    across = (high[0] - low[0]) * shape.parts
    top = across / (shape.parts * columns_of_widest) if wider else across
    seen = min(across, 4 * (MERGED - 1) * (shape.parts + wider) + top)
    # Wider cells hold another part of those that a bin sees until it has moved by a whole one of them.
    stride = 0 if whole else columns_of_widest
    step = stride * max(1, round(bins.spacing / pitch))
    return CellPlan(order, family, shape, merged, spec, accuracy, beyond, relative, seen, stride, step, eps)


@lru_cache(maxsize=256)
def _widest_between_knots(kernel: str, order: int, eps: float, derivatives: bool) -> float:
    """Return the widest cell between knots, in bandwidths: infinite where the order makes it exact."""
    if order > FACTS[kernel].degree:
        return math.inf
    low, high = 2.0**-12, 2.0
    if knotted_error(kernel, order, low, derivatives) > eps:
        return 0.0
    for _ in range(14):
        middle = math.sqrt(low * high)
        keeps = knotted_error(kernel, order, middle, derivatives) <= eps
        low, high = (middle, high) if keeps else (low, middle)
    return low


def _boundary(shape: Geometry, pitches: float) -> tuple[int, int]:
    """Return the boundary so many pitches from a bin as whole pitches and part of the next."""
    whole = -ceiling(-pitches)
    if pitches - whole > 1 - 4e-16 * max(1.0, abs(pitches)):
        whole += 1
    index = int(np.argmin(np.abs(np.array(shape.breaks) - (pitches - whole))))
    return whole, index
