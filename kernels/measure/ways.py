"""A case computed in one of its ways, and what that comes down to."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from .. import Plan, loss_and_grad
from ..arguments.problem import Request, loss_problem
from ..strategies.auto import chosen, sums_for
from ..strategies.evaluate_rows import row_shape
from .cases import DIRECT, Arguments, Way

__all__ = ["RTOL", "Taken", "computation", "plan_of", "sums_of", "taken"]

RTOL = 1e-9  # the default of `kdexent.loss`


class Taken(NamedTuple):
    """What a way comes down to for a case; of several rows, for the first."""

    method: str
    order: int | None
    workspace_bytes: int
    stored_bytes: int  # by a plan


def computation(
    arguments: Arguments, way: Way, n_threads: int | None = None
) -> Callable[..., tuple[Any, Any]]:
    """Return what computes loss and gradient, and may be given `out`; a plan is made at once."""
    if way.planned:
        return partial(plan_of(arguments, way, n_threads).loss_and_grad, arguments.z)
    x, z, a, b, options = arguments
    named: dict[str, Any] = {"method": way.method, "order": way.order, "n_threads": n_threads}
    return partial(loss_and_grad, x, z, a, b, **options, **named)


def plan_of(arguments: Arguments, way: Way, n_threads: int | None = None) -> Plan:
    """Return a plan for a way, whether or not it is to be used."""
    x, _, a, b, options = arguments
    return Plan(x, a, b, **options, method=way.method, order=way.order, n_threads=n_threads)


def taken(arguments: Arguments, way: Way) -> Taken:
    """Return the method and order that a way takes, and the memory."""
    if way.planned:
        plan = plan_of(arguments, way)
        return Taken(plan.method, plan.order, plan.workspace_bytes, plan.stored_bytes)
    # A single call need not take the order that is the best for many.
    method, sums = sums_of(arguments, way)
    if sums is None:
        return Taken(method, None, plan_of(arguments, DIRECT).workspace_bytes, 0)
    return Taken(method, sums.order, sums.workspace(arguments.x.shape[-1]), 0)


def sums_of(arguments: Arguments, way: Way) -> tuple[str, Any]:
    """Return the method of a single call and its sums, None where it takes all pairs."""
    x, z, a, b, options = arguments
    kernel, period = options.get("kernel", "gaussian"), options.get("period")
    described = options["bandwidth"], kernel, options["bins"], "midpoint", None, period
    shape, centers = row_shape(loss_problem(x, z, a, b, *described), 0, False)
    request = Request(way.method, way.order, RTOL)
    found = sums_for(shape, request, centers)
    return chosen(shape, request), None if found is None else found(RTOL)
