"""Which method computes a row: the one named, or the one that is estimated to be the fastest.

The estimates are rates measured on two machines and kept as constants: choices between methods need them to
within a factor of two only, and the same call must give the same bits in every process.
"""

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments.arrays import Floats
from ..arguments.checks import unavailable
from ..arguments.problem import Request
from ..names import AUTO
from .cells.cells import LEAST_RTOL
from .direct.direct import OVERHEAD
from .methods import METHODS
from .row import SumsFor
from .sums.reach import RowShape


def sums_for(
    shape: RowShape,
    request: Request,
    centers: Floats,
    x: NDArray[Any] | None = None,
    n_threads: int = 1,
) -> SumsFor | None:
    """Return what makes the row's sums for a tolerance, or None where all pairs are to be summed.

    With the data points x (N,) given, they are prepared for many calls.
    """
    name, order = chosen(shape, request), request.order
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
def chosen(shape: RowShape, request: Request) -> str:
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
    best, least, beside = "", math.inf, 0.0
    for name, method in METHODS.items():  # all pairs come first
        if method.cost is None or reasons[name] is not None:
            continue
        cost = beside + method.cost(shape, request.rtol)
        if cost < least:
            best, least = name, cost
        if least < OVERHEAD:
            break
        beside = OVERHEAD
    return best
