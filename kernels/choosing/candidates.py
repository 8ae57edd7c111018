"""Every strategy and order that applies, measured at the bins that were asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from ..measure import timing
from ..names import ORDERS
from .choice import Measured
from .trials import Bench, Way
from .words import named

Step = Callable[[str], None]


def candidates(methods: Sequence[str]) -> list[tuple[str, int | None]]:
    """Return each method with no order and with each of its orders."""
    return [(method, order) for method in methods for order in (None, *ORDERS.get(method, ()))]


def measure_strategies(bench: Bench, methods: Sequence[str], step: Step) -> tuple[list[Measured], list[str]]:
    """Return a row for each strategy that applies, and why others do not."""
    step("exact values")
    truth = bench.exact(bench.bins, bench.rule)
    trials: list[tuple[Way, Measured]] = []
    chosen = []
    refused: dict[tuple[str, int | None], str] = {}
    for method, order in candidates(methods):
        way = Way(method, order, bench.bins, bench.rule)
        step(named(way))
        try:
            row = bench.first_calls(way, truth)
            plan = bench.plan(way)
        except ValueError as error:
            refused[method, order] = str(error)
            continue
        if plan.method != method:
            chosen.append(f"Here {named(way)} takes {named(plan)}.")
        trials.append((way, row._replace(workspace_bytes=plan.workspace_bytes)))
    applicable = {row.method for _, row in trials}
    return timed(bench, trials, step), chosen + _reasons(refused, applicable)


def timed(bench: Bench, trials: Sequence[tuple[Way, Measured]], step: Step) -> list[Measured]:
    """Return the rows, which say what one call took, with the times of calls taken in turns."""
    works = {index: partial(bench.call, way) for index, (way, _) in enumerate(trials)}
    known = {index: row.seconds for index, (_, row) in enumerate(trials)}
    timings = timing.alternate(works, timing.FULL, known, lambda: step("alternating calls"))
    return [row._replace(seconds=timings[index].median) for index, (_, row) in enumerate(trials)]


def _reasons(refused: dict[tuple[str, int | None], str], applicable: set[str]) -> list[str]:
    """Return why methods do not apply, once for each method and reason."""
    orders: dict[tuple[str, str], list[int | None]] = {}
    for (method, order), reason in refused.items():
        # A method that only wants its order named has been measured with each.
        if order is not None or method not in applicable:
            orders.setdefault((method, reason), []).append(order)
    notes = []
    for (method, reason), missing in orders.items():
        numbers = ", ".join(str(order) for order in missing if order is not None)
        some = f" of order {numbers}" if method in applicable else ""
        notes.append(f"Left out: {method}{some} ({reason}).")
    return notes
