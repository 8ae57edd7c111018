"""What is measured: every strategy and order that applies, then both rules and several numbers of bins."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from ..arguments import checks
from ..arguments.bins import most_bins, require_room
from ..measure import timing
from ..measure.errors import loss_errors
from ..names import AUTO, KNOTS, ORDERS, RULES
from .choice import Choice, Measured
from .quadrature import converged_loss
from .trials import Bench
from .words import named

_FEWEST = 8
_DOUBLINGS = range(-3, 3)
# With more, Gauss's rule is exact to rounding, or kinks leave it no better than midpoints, mostly.
_MOST_GAUSS = 512
_AIM = 1e-14
_ROUNDING = 1e-13  # no error below it is one of quadrature
_SECONDS = 8.0
_SLOW = 10.0

Step = Callable[[str], None]


def candidates(methods: Sequence[str]) -> list[tuple[str, int | None]]:
    """Return each method with no order and with each of its orders."""
    return [(method, order) for method in methods for order in (None, *ORDERS.get(method, ()))]


def measure_strategies(bench: Bench, methods: Sequence[str], step: Step) -> tuple[list[Measured], list[str]]:
    """Return a row for each strategy that applies, and why others do not."""
    step("exact values")
    truth = bench.exact(*bench.bins)
    rows, chosen = list[Measured](), []
    refused: dict[tuple[str, int | None], str] = {}
    for method, order in candidates(methods):
        way = Measured(method, order, *bench.bins)
        step(named(way))
        try:
            row = bench.first_calls(way, truth)
            plan = bench.plan(way)
        except ValueError as error:
            refused[method, order] = str(error)
            continue
        if plan.method != method:
            chosen.append(f"Here {named(way)} takes {named(plan)}.")
        rows.append(row._replace(workspace_bytes=plan.workspace_bytes))
    applicable = {row.method for row in rows}
    return _timed(bench, rows, step), chosen + _reasons(refused, applicable)


def _timed(bench: Bench, rows: Sequence[Measured], step: Step) -> list[Measured]:
    """Return the rows, which say what one call took, with the times of calls taken in turns."""
    works = {row: partial(bench.call, row) for row in rows}
    known = {row: row.seconds for row in rows}
    timings = timing.alternate(works, timing.FULL, known, lambda: step("alternating calls"))
    return [row._replace(seconds=timings[row].median) for row in rows]


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
        of_orders = f" of order {numbers}" if method in applicable else ""
        notes.append(f"Left out: {method}{of_orders} ({reason}).")
    return notes


def bin_counts_of(bin_counts: Any, count: int) -> list[int]:
    """Return the numbers of bins to measure, `count` among them."""
    if bin_counts is None:
        given = [max(_FEWEST, round(count * 2.0**k)) for k in _DOUBLINGS]
        given = [number for number in given if number <= most_bins()]
    else:
        if checks.rectangular("bin_counts", bin_counts).ndim != 1:
            raise ValueError(f"bin_counts must be a sequence of integers, got {bin_counts!r}")
        given = [checks.integer("bin_counts", number) for number in bin_counts]
        for index, number in enumerate(given):
            if number < 1:
                raise ValueError(f"bin_counts must be at least 1, got bin_counts[{index}] = {number}")
            require_room(f"bin_counts[{index}]", number)
    return sorted({count, *given})


def bin_ways(bench: Bench, counts: Sequence[int]) -> list[tuple[int, str]]:
    """Return the bins and rules to measure beside those that were asked for."""
    return [
        (count, rule)
        for rule in RULES
        for count in counts
        if (count, rule) != bench.bins and (rule != "gauss" or count <= _MOST_GAUSS)
    ]


def measure_bins(bench: Bench, choice: Choice, others: list[tuple[int, str]], step: Step) -> Choice:
    """Measure the best of a choice at other bins too, and the quadrature error of all rows."""
    step("the converged integral")
    converged = converged_loss(bench.log_density, bench.intervals, _AIM, _SECONDS)
    if not np.isfinite(converged.losses).all():
        reason = "part of the target is out of every point's reach, its integral infinite"
        return Choice(choice, choice.asked, [*choice.notes, f"No quadrature errors: {reason}."])
    best = choice.front_runner
    losses = {bench.bins: bench.exact(*bench.bins, one_of_many=True).result[0]}
    measured, notes = list[Measured](), []
    for count, rule in others:
        step(f"{count} bins, {rule}")
        if best.seconds * count / best.bins > _SLOW:
            notes.append(f"Left out: {count} bins, {rule} (would take too long).")
            continue
        truth = bench.exact(count, rule, one_of_many=True)
        try:
            row = bench.first_calls(Measured(best.method, best.order, count, rule), truth)
        except ValueError:
            row = bench.first_calls(Measured(AUTO, None, count, rule), truth)
        losses[count, rule] = truth.result[0]
        measured.append(row)
    errors = {key: float(loss_errors(each, converged.losses).max()) for key, each in losses.items()}
    rows = [
        row._replace(quadrature_error=errors[row.bins, row.rule])
        for row in (*choice, *_timed(bench, measured, step))
    ]
    if converged.uncertainty > max(min(errors.values()), _ROUNDING) / 10:
        kinks = " (the kernel has kinks or jumps)" if KNOTS[bench.problem.kernel] else ""
        notes.append(
            f"The converged integral is known to {converged.uncertainty:.0e}{kinks}: "
            "a smaller quadrature error means no more than that."
        )
    integral = float(converged.losses[0]), converged.uncertainty
    return Choice(rows, choice.asked, [*choice.notes, *notes], *integral)
