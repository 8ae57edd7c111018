"""Every strategy and order that applies, measured at the bins that were asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from ..measure.choice_errors import Truth
from ..measure.timing import medians
from ..names import ORDERS
from .choice import Measured
from .trials import Bench, Way
from .words import named

__all__ = ["candidates", "measure_strategies", "timed", "untimed"]

Step = Callable[[str], None]


def candidates(methods: Sequence[str]) -> list[tuple[str, int | None]]:
    """Return each method with no order and with each of its orders."""
    return [(method, order) for method in methods for order in (None, *ORDERS.get(method, ()))]


def measure_strategies(bench: Bench, methods: Sequence[str], step: Step) -> tuple[list[Measured], list[str]]:
    """Return a row for each strategy that applies, and why others do not."""
    bins, count, rule = bench.bins, bench.count, bench.rule
    step("exact values")
    truth = bench.exact(bins, count, rule)
    ways, rows, once, chosen = [], [], [], []
    refused: dict[tuple[str, int | None], str] = {}
    for method, order in candidates(methods):
        way = Way(method, order, bins, rule)
        step(named(method, order))
        try:
            row, taken = untimed(bench, way, count, truth)
            plan = bench.plan(way)
        except ValueError as error:
            refused[method, order] = str(error)
            continue
        if plan.method != method:
            chosen.append(f"Here {named(method, order)} takes {named(plan.method, plan.order)}.")
        ways.append(way)
        rows.append(row._replace(workspace_bytes=plan.workspace_bytes))
        once.append(taken)
    return timed(bench, ways, rows, once, step), chosen + _reasons(refused, rows)


def untimed(bench: Bench, way: Way, count: int, truth: Truth) -> tuple[Measured, float]:
    """Return a row without its time, and the time of one call."""
    errors, taken = bench.first_calls(way, count, truth)
    nan = math.nan
    return Measured(
        way.method, way.order, count, way.rule, nan, errors.loss, errors.gradient, nan, None, errors.within
    ), taken


def timed(
    bench: Bench, ways: list[Way], rows: list[Measured], once: list[float], step: Step
) -> list[Measured]:
    """Return the rows with their times, taken in turns."""
    works = [partial(bench.call, way) for way in ways]
    times = medians(works, once, lambda: step("alternating calls"))
    return [row._replace(seconds=seconds) for row, seconds in zip(rows, times, strict=True)]


def _reasons(refused: dict[tuple[str, int | None], str], rows: list[Measured]) -> list[str]:
    """Return why methods do not apply, once for each method and reason."""
    applicable = {row.method for row in rows}
    orders: dict[tuple[str, str], list[int | None]] = {}
    for (method, order), reason in refused.items():
        # A method that only wants its order named has been measured with each.
        if order is not None or method not in applicable:
            orders.setdefault((method, reason), []).append(order)
    notes = []
    for (method, reason), those in orders.items():
        named = ", ".join(str(order) for order in those if order is not None)
        some = f" of order {named}" if method in applicable else ""
        notes.append(f"Left out: {method}{some} ({reason}).")
    return notes
