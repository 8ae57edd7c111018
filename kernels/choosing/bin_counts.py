"""The quadrature error of both rules and several numbers of bins, and what they cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arguments import checks
from ..arguments.bins import most_bins, require_room
from ..measure.errors import loss_errors
from ..names import AUTO, KNOTS, RULES
from .candidates import Step, timed
from .choice import Choice, Measured
from .quadrature import converged_loss
from .trials import Bench, Way

_FEWEST = 8
_DOUBLINGS = range(-3, 3)
# With more, Gauss's rule is exact to rounding, or kinks leave it no better than midpoints, mostly.
_MOST_GAUSS = 512
_AIM = 1e-14
_ROUNDING = 1e-13  # no error below it is one of quadrature
_SECONDS = 8.0
_SLOW = 10.0


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
        if (count, rule) != (bench.problem.bins, bench.rule) and (rule != "gauss" or count <= _MOST_GAUSS)
    ]


def measure_bins(bench: Bench, choice: Choice, others: list[tuple[int, str]], step: Step) -> Choice:
    """Measure the best of a choice at other bins too, and the quadrature error of all rows."""
    step("the converged integral")
    converged = converged_loss(bench.log_density, bench.intervals, _AIM, _SECONDS)
    if not np.isfinite(converged.losses).all():
        reason = "part of the target is out of every point's reach, its integral infinite"
        return Choice(choice, choice.asked, [*choice.notes, f"No quadrature errors: {reason}."])
    own, asked = choice.front_runner, (bench.problem.bins, bench.rule)
    losses = {asked: bench.exact(*asked, one_of_many=True).result[0]}
    trials: list[tuple[Way, Measured]] = []
    notes = []
    for count, rule in others:
        step(f"{count} bins, {rule}")
        if own.seconds * count / own.bins > _SLOW:
            notes.append(f"Left out: {count} bins, {rule} (would take too long).")
            continue
        truth = bench.exact(count, rule, one_of_many=True)
        way = Way(own.method, own.order, count, rule)
        try:
            row = bench.first_calls(way, truth)
        except ValueError:
            way = Way(AUTO, None, count, rule)
            row = bench.first_calls(way, truth)
        losses[count, rule] = truth.result[0]
        trials.append((way, row))
    errors = {key: float(loss_errors(each, converged.losses).max()) for key, each in losses.items()}
    rows = [
        row._replace(quadrature_error=errors[row.bins, row.rule])
        for row in (*choice, *timed(bench, trials, step))
    ]
    if converged.uncertainty > max(min(errors.values()), _ROUNDING) / 10:
        kinks = " (the kernel has kinks or jumps)" if KNOTS[bench.problem.kernel] else ""
        notes.append(
            f"The converged integral is known to {converged.uncertainty:.0e}{kinks}: "
            "a smaller quadrature error means no more than that."
        )
    found = float(converged.losses[0]), converged.uncertainty
    return Choice(rows, choice.asked, [*choice.notes, *notes], *found)
