"""Which method computes a row: the one named, or the one that is estimated to be the fastest.

The estimates are rates measured on two machines and kept as constants: choices between methods need them to
within a factor of two only, and the same call must give the same bits in every process. What bins far from
all points cost is estimated by a look at some points.
"""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from ..arguments.arrays import Floats
from ..arguments.checks import unavailable
from ..arguments.problem import Request
from ..families import row_parameters
from ..names import AUTO, COMPACT
from ..runtime.jit import helper, lazily
from ..runtime.signatures import READ1, WRITE1
from .cells.cells import LEAST_RTOL
from .direct.direct import OVERHEAD
from .methods import METHODS
from .row import SumsFor
from .sums.reach import Bins, RowShape, reach_of

# What far bins cost, ns: fast sums once, for each, and for each and point, or less where kernels end; and all
# pairs for each and point.
_FAR, _FAR_BIN, _FAR_PAIR = 1e6, 1e4, 0.5
_EMPTY, _EMPTY_BIN = 6e5, 4e3
_FARTHER_PAIR, _EMPTY_PAIR = 20.0, 2.0
_LOOKED_AT, _BINS_LOOKED_AT, _NEIGHBOURS = 128, 32, 4
_PARTS = 16
# K over its peak where points no longer make fast sums certain, and where they are lost in all pairs.
_SMALL, _LOST = 1e-4, 1e-120


class Gaps(NamedTuple):
    """How many of the bins, in sixteenths of all, are far from all points."""

    far: int = 0  # so that fast sums are not certain
    farther: int = 0  # so that a sum over all pairs would be 0


NO_GAPS = Gaps()


def gaps_of(shape: RowShape, request: Request, centers: Floats, x: NDArray[Any]) -> Gaps:
    """Return how many of the bins (M,) are far from the points (N,), by some of both; none if no matter."""
    if request.method != AUTO or request.rtol < LEAST_RTOL:
        return NO_GAPS
    small, lost = _reaches(shape.kernel, shape.h, shape.period)
    if math.isinf(small):
        return NO_GAPS
    points = x[:: -(-len(x) // _LOOKED_AT)].astype(np.float64)
    if shape.period is not None:
        points %= shape.period
    points.sort()
    return Gaps(*count_far()(points, centers, shape.period or 0.0, small, lost))


@helper
def _at(points, index, period):
    """Return the point (n,) of any index: all around a circle, or the last one on either end of a line."""
    count = points.shape[0]
    if period > 0.0:
        return points[index % count] + period * (index // count)
    return points[min(max(index, 0), count - 1)]


def _make_count_far() -> Callable:
    def count_far(points, centers, period, small, lost):
        """Return how many sixteenths of some centers (M,) are further from sorted points (n,) than these.

        Counted is the way to the next point, less what this is apart from its fourth neighbour.
        """
        count, step = points.shape[0], -(-centers.shape[0] // _BINS_LOOKED_AT)
        far, farther, looked_at = 0, 0, 0
        for m in range(0, centers.shape[0], step):
            c = centers[m] - period * math.floor(centers[m] / period) if period > 0.0 else centers[m]
            low, high = 0, count
            while low < high:
                middle = (low + high) // 2
                if points[middle] < c:
                    low = middle + 1
                else:
                    high = middle
            left, right = np.inf, np.inf
            if low > 0 or period > 0.0:
                left = c - 2.0 * _at(points, low - 1, period) + _at(points, low - 1 - _NEIGHBOURS, period)
            if low < count or period > 0.0:
                right = 2.0 * _at(points, low, period) - c - _at(points, low + _NEIGHBOURS, period)
            far += min(left, right) > small
            farther += min(left, right) > lost
            looked_at += 1
        return (_PARTS * far) // looked_at, (_PARTS * farther) // looked_at

    return count_far


count_far = lazily(
    _make_count_far,
    types.UniTuple(types.int64, 2)(WRITE1, READ1, *(types.float64,) * 3),
    "auto.count_far",
)


@lru_cache(maxsize=256)
def _reaches(kernel: str, h: float, period: float | None) -> tuple[float, float]:
    """Return from which distance on K is small, and lost."""
    family = row_parameters(kernel, np.array([h]), period)
    shape = RowShape(kernel, h, period, Bins(0.0, 0.0, 1), 1, False)
    return reach_of(shape, family, _SMALL), reach_of(shape, family, _LOST)


def sums_for(
    shape: RowShape,
    request: Request,
    centers: Floats,
    gaps: Gaps = NO_GAPS,
    x: NDArray[Any] | None = None,
    n_threads: int = 1,
) -> SumsFor | None:
    """Return what makes the row's sums for a tolerance, or None where all pairs are to be summed.

    With the data points x (N,) given, they are prepared for many calls.
    """
    name, order = chosen(shape, request, gaps), request.order
    method = METHODS[name]
    make = method.sums
    if make is None:
        return None
    first_bin = float(centers.min())
    from_first = np.ascontiguousarray(centers - first_bin)
    return SumsFor(
        name,
        lambda rtol: make(shape, order, rtol, first_bin, from_first, x, n_threads),
        order is not None or method.cost is None,
    )


@lru_cache(maxsize=1024)
def chosen(shape: RowShape, request: Request, gaps: Gaps = NO_GAPS) -> str:
    """Return the name of the method for a row; ValueError where the one named does not apply."""
    reasons = {name: method.why_not(shape) for name, method in METHODS.items()}
    if request.method != AUTO:
        reason = reasons[request.method]
        if reason is not None:
            others = [AUTO, *(name for name in METHODS if reasons[name] is None)]
            unavailable("method", request.method, reason, others)
        if request.order is not None or METHODS[request.method].cost is None:
            return request.method
    if request.rtol < LEAST_RTOL:
        return "direct"
    if request.method != AUTO:
        return request.method
    of_direct, of_others = _costs_of_gaps(shape, gaps)
    best, least, beside = "", math.inf, of_direct
    for name, method in METHODS.items():  # all pairs come first
        if method.cost is None or reasons[name] is not None:
            continue
        cost = beside + method.cost(shape, request.rtol)
        if cost < least:
            best, least = name, cost
        if least < OVERHEAD:
            break
        beside = OVERHEAD + of_others
    return best


def _costs_of_gaps(shape: RowShape, gaps: Gaps) -> tuple[float, float]:
    """Return estimates of the time that far bins cost all pairs and fast sums, in ns on one thread."""
    far, farther = (shape.bins.number * part / _PARTS for part in gaps)
    if shape.kernel in COMPACT:
        return farther * shape.points * _EMPTY_PAIR, (_EMPTY + far * _EMPTY_BIN) * (far > 0)
    each = _FAR_BIN + _FAR_PAIR * shape.points
    return farther * shape.points * _FARTHER_PAIR, (_FAR + far * each) * (far > 0)
