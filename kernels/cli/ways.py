"""A case computed in one of its ways."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .. import Plan, loss_and_grad
from ..cases import Arguments, Way

__all__ = ["computation", "plan_of"]


def computation(
    arguments: Arguments, way: Way, n_threads: int | None = None
) -> Callable[..., tuple[Any, Any]]:
    """Return what computes loss and gradient, and may be given `out`; a plan is made at once."""
    if way.planned:
        return partial(plan_of(arguments, way, n_threads).loss_and_grad, arguments.z)
    x, z, a, b, options = arguments
    named = {"method": way.method, "order": way.order, "n_threads": n_threads}
    return partial(loss_and_grad, x, z, a, b, **options, **named)


def plan_of(arguments: Arguments, way: Way, n_threads: int | None = None) -> Plan:
    """Return a plan for a way, whether or not it is to be used."""
    x, _, a, b, options = arguments
    return Plan(x, a, b, **options, method=way.method, order=way.order, n_threads=n_threads)
