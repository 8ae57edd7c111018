"""The strategies beside `direct`, run on one row whatever `auto` would choose."""

from __future__ import annotations

from unittest import mock

import pytest

import kdexent
from kdexent.arguments.problem import Request, loss_problem
from kdexent.names import FACTS, ORDERS
from kdexent.strategies.auto import sums_for
from kdexent.strategies.evaluate_rows import row_shape
from kdexent.strategies.sums.blocks import RowData
from kdexent.strategies.tails import tail

FAST = [method for method in kdexent.METHODS if method not in ("auto", "direct")]
# Those that keep a tolerance: the error of a grid is that of its order.
KEEPING = tuple(method for method in kdexent.METHODS if method != "grid")
# Every method with every order, and without one where it chooses itself or has none.
WAYS = [(method, order) for method in FAST for order in (None, *ORDERS.get(method, ()))]


def skip_windows_of_all_points(kernel, method):
    """Skip a method that the kernel has none of."""
    if method == "window" and FACTS[kernel].heavy:
        pytest.skip(f"the {kernel} kernel has no reach: test_tolerance has that its windows are refused")


def by_tails():
    """Return a context in which bins that fast sums are not certain of never go to all pairs, however few."""
    return mock.patch.object(tail, "cost", lambda shape, bins: 0.0)


def make_sums(x, z, a, b, method, order=None, rtol=1e-9, derivatives=True, **options):
    """Return a row's sums and data, or None where the method says that it does not apply."""
    h, kernel = options.pop("bandwidth"), options.pop("kernel", "gaussian")
    bins, period = options.pop("bins", 256), options.pop("period", None)
    problem = loss_problem(x, z, a, b, h, kernel, bins, options.pop("rule", "midpoint"), None, period)
    shape, centers = row_shape(problem, 0, derivatives)
    try:
        sums = sums_for(shape, Request(method, order, rtol), centers)(rtol)
    except ValueError as error:
        assert str(error).startswith((f"method {method!r} needs", f"order {order}"))
        return None
    return sums, RowData(problem.x.values[0], problem.z.values[0], 1), centers
