"""What is measured: what numbers of bins are worth, and then every way at those to take, in one race."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..arguments import checks
from ..arguments.bins import most_bins, require_room
from ..measure import numbers
from ..measure.errors import loss_errors
from ..measure.races.change import Verdict
from ..measure.timing import Timings
from ..names import AUTO, KNOTS, METHODS, ORDERS, RULES
from .choice import Choice, Measured, PlanCosts
from .quadrature import Converged, converged_loss
from .trials import Bench
from .words import PLAN, named, quadrature

_FEWEST = 8
_DOUBLINGS = range(-3, 3)
# With more, Gauss's rule is exact to rounding, or kinks leave it no better than midpoints, mostly.
_MOST_GAUSS = 512
_AIM = 1e-14
_ROUNDING = 1e-13  # no error below it is one of quadrature
# Of the budget: for the integral, for bins, and what is left then for the race; a call too long for it.
_INTEGRAL_PART, _BINS_PART, _RACE_PART, _CALL_PART = 0.25, 0.3, 0.4, 0.04
_WARMING = 160  # positions, which many points take the fast way for
_HOPELESS = 3.0  # times as long as the fastest

Step = Callable[[str], None]


def candidates(methods: Sequence[str] | None) -> list[tuple[str, int | None]]:
    """Return the methods that keep a tolerance for any logits, or those named with each of their orders."""
    if methods is None:
        return [(method, None) for method in METHODS if method != "grid"]
    return [(method, order) for method in methods for order in (None, *ORDERS.get(method, ()))]


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


def bin_ways(bench: Bench, counts: Sequence[int]) -> list[Measured]:
    """Return the bins and rules to measure: those asked for alone where others have another meaning."""
    asked = Measured(AUTO, None, bench.asked.bin_count, bench.asked.rule)
    if not bench.asked.has_quadrature:
        return [asked]
    return [
        Measured(AUTO, None, count, rule)
        for rule in RULES
        for count in counts
        if (count, rule) == asked.at or rule != "gauss" or count <= _MOST_GAUSS
    ]


class Quadratures(NamedTuple):
    """What numbers of bins are worth: their errors against the converged integral."""

    rows: list[Measured]
    converged: Converged
    notes: list[str]


def measure_bins(bench: Bench, ways: list[Measured], step: Step) -> Quadratures:
    """Return the errors of bins against the converged integral; no rows where there are none."""
    if not bench.asked.has_quadrature:
        return _without("they are those of a uniform target on a number of bins")
    step("the converged integral")
    purse = bench.purse
    seconds = _INTEGRAL_PART * purse.budget
    # Compiles, which would take time from the integral.
    purse.pay(partial(bench.log_density, np.linspace(0, 1, _WARMING)))
    converged = purse.pay(partial(converged_loss, bench.log_density, bench.intervals, _AIM, seconds))[-1]
    if not np.isfinite(converged.losses).all():
        return _without("part of the target is out of every point's reach, its integral infinite")
    rows, notes = list[Measured](), list[str]()
    dearest, left_out = 0.0, []
    asked = bench.asked.bin_count, bench.asked.rule
    for way in sorted(ways, key=lambda way: ((way.bins, way.rule) != asked, way.bins)):
        step(quadrature(way.bins, way.rule))
        before = purse.spent
        if 2 * dearest > purse.left - (1 - _INTEGRAL_PART - _BINS_PART) * purse.budget:
            left_out.append(quadrature(way.bins, way.rule))
            continue
        losses = bench.exact_losses(way.bins, way.rule)
        rows.append(way._replace(quadrature_error=float(loss_errors(losses, converged.losses).max())))
        dearest = max(dearest, purse.spent - before)
    if left_out:
        notes.append(f"Left out for want of time: the errors of the integral at {', '.join(left_out)}.")
    smallest = min((row.quadrature_error for row in rows), default=math.nan)
    if converged.uncertainty > max(smallest, _ROUNDING) / 10:
        kinks = " (the kernel has kinks or jumps)" if KNOTS[bench.problem.kernel] else ""
        notes.append(
            f"The converged integral is known to {converged.uncertainty:.0e}{kinks}: "
            "a smaller quadrature error means no more than that."
        )
    return Quadratures(rows, converged, notes)


def _without(reason: str) -> Quadratures:
    return Quadratures([], Converged(np.array([math.nan]), math.nan), [f"No quadrature errors: {reason}."])


def choose_bins(bench: Bench, found: Quadratures, step: Step) -> tuple[tuple[int, str], list[Measured]]:
    """Return the bins and the rule to take, and all rows: of those that are good enough with their times.

    The cheapest are taken, or the closest if none is good enough.
    """
    asked = bench.asked.bin_count, bench.asked.rule
    if not found.rows:
        return asked, []
    good = [row for row in found.rows if bench.asked.reached(row, found.converged.uncertainty)]
    if not good:
        closest = min(found.rows, key=lambda row: (row.quadrature_error, row.bins))
        return closest.at, found.rows
    # More bins of a rule take no less time; what was asked for is worth a comparison.
    fewest = {row.rule: row for row in sorted(good, key=lambda row: -row.bins)}
    rivals = dict.fromkeys([*fewest.values(), *(row for row in good if row.at == asked)])
    raced = _race(bench, [*rivals], {}, _RACE_PART, step)
    fastest = min(raced, key=lambda row: row.seconds)
    best = min((row for row in raced if row is fastest or row.ties(fastest)), key=lambda row: row.bins)
    return best.at, [next((new for new in raced if new.at == row.at), row) for row in found.rows]


def _race(
    bench: Bench, rows: list[Measured], others: dict[Measured, Callable[[], Any]], kept: float, step: Step
) -> list[Measured]:
    """Return rows with the times that calls took in turns; `others` are computed in other ways.

    A part of the budget is `kept` for what follows.
    """
    works = {row: others.get(row, partial(bench.call, row)) for row in rows}
    known = {
        row: row.seconds if row.seconds > 0 else bench.purse.pay_again(work)[0] for row, work in works.items()
    }
    step("alternating calls")
    timings: dict[Measured, Timings] = bench.race(works, known, kept)
    return [row._replace(seconds=timings[row].median, samples=timings[row].seconds) for row in rows]


def measure_ways(
    bench: Bench, methods: Sequence[str] | None, bins: tuple[int, str], step: Step
) -> tuple[list[Measured], list[str], PlanCosts | None]:
    """Return a row for each way worth a race, why others are not there, and what a plan costs."""
    step("exact values")
    truth = bench.exact(*bins)
    notes: list[str] = []
    rows, refused = list[Measured](), dict[tuple[str, int | None], str]()
    for method, order in candidates(methods):
        way = Measured(method, order, *bins)
        step(named(way))
        fastest = min((row.seconds for row in rows if row.within_rtol), default=math.inf)
        try:
            estimate = bench.estimate(way)
            if estimate > max(2 * _HOPELESS * fastest, _CALL_PART * bench.purse.budget) and rows:
                notes.append(f"Dropped early: {named(way)} (some {numbers.seconds(estimate)} a call).")
                continue
            rows.append(bench.first_calls(way, truth))
        except ValueError as error:
            refused[method, order] = str(error)
    notes += _reasons(refused, {row.method for row in rows})
    if not rows:
        raise ValueError("methods must name at least one that applies here: " + " ".join(notes))
    fastest = min([row.seconds for row in rows if row.within_rtol], default=math.inf)
    kept = [row for row in rows if row.seconds <= _HOPELESS * fastest or row.method == AUTO]
    slow = [f"{named(row)} ({numbers.seconds(row.seconds)} a call)" for row in rows if row not in kept]
    if slow:
        notes.append(f"Dropped early: {', '.join(slow)}.")
    others, plan = dict[Measured, Callable[[], Any]](), None
    if bench.asked.steps is not None:
        step(PLAN)
        way = Measured(AUTO, None, *bins)
        seconds, plan = bench.purse.pay_again(partial(bench.plan, way))
        kept.append(bench.first_step(way._replace(method=PLAN), plan, truth))
        others[kept[-1]] = partial(bench.step, plan)
    raced = _race(bench, kept, others, 0.0, step)
    costs = None
    if plan is not None:
        one_shot = next((row for row in raced if row.method == AUTO), raced[0])
        gain = one_shot.seconds - raced[-1].seconds
        faster = raced[-1].compared(one_shot).verdict() is Verdict.FASTER
        pays_from = math.ceil(seconds / gain) if faster else math.inf
        costs = PlanCosts(seconds, plan.stored_bytes, pays_from)
    return raced, notes, costs


def _reasons(refused: dict[tuple[str, int | None], str], applicable: set[str]) -> list[str]:
    """Return why methods do not apply, once for each method and reason."""
    orders: dict[tuple[str, str], list[int | None]] = {}
    for (method, order), reason in refused.items():
        # A method that only wants its order named has been measured with each.
        if order is not None or method not in applicable:
            orders.setdefault((method, reason), []).append(order)
    notes = []
    for (method, reason), missing in orders.items():
        given = ", ".join(str(order) for order in missing if order is not None)
        of_orders = f" of order {given}" if method in applicable else ""
        notes.append(f"Left out: {method}{of_orders} ({reason}).")
    return notes


def measure(
    bench: Bench,
    methods: Sequence[str] | None,
    ways: list[Measured],
    step: Step,
    compiling: Callable[[], float],
) -> Choice:
    """Return what is found out of a problem: the bins to take first, and then the way at these.

    `compiling` returns the seconds that went into that so far.
    """
    found = measure_bins(bench, ways, step)
    bins, quadratures = choose_bins(bench, found, step)
    rows, notes, plan = measure_ways(bench, methods, bins, step)
    error = next((row.quadrature_error for row in quadratures if row.at == bins), math.nan)
    rows = [row._replace(quadrature_error=error) for row in rows]
    notes.append(
        f"First calls took {numbers.seconds(compiling())} more to compile, which is kept on disk."
        if compiling()
        else "All was compiled before: first calls only load that."
    )
    if bench.asked.measured_rows < bench.asked.rows:
        notes.append(f"Measured on {bench.asked.measured_rows:,} of the {bench.asked.rows:,} rows.")
    converged = float(found.converged.losses[0]), found.converged.uncertainty
    return Choice(rows, quadratures, bench.asked, [*notes, *found.notes], *converged, plan)
