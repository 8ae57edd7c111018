"""A choice in words: its tables, the sentence that recommends it, and the line of Python that uses it."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kde import loss_and_grad
from ..measure import numbers
from ..names import AUTO

if TYPE_CHECKING:
    from .choice import Choice, Measured

PLAN = "Plan"
_WIDTH = 80


def named(way: Measured) -> str:
    """Return a method and its order."""
    return way.method if way.order is None else f"{way.method} {way.order}"


def quadrature(bins: int, rule: str) -> str:
    """Return a number of bins and their rule."""
    one = "Gauss node" if rule == "gauss" else "midpoint bin"
    return f"{bins:,} {one}{'' if bins == 1 else 's'}"


def problem(choice: Choice, taken: bool = False) -> str:
    """Return what was measured, in one line, with the bins asked for or those that are taken."""
    asked, (count, rule) = choice.asked, choice.strategies[0].at
    if not taken:
        count, rule = asked.bin_count, asked.rule
    points = f"{asked.rows:,} x {asked.points:,}" if asked.rows > 1 else f"{asked.points:,}"
    place = "the line" if asked.period is None else f"a circle of period {asked.period:.6g}"
    bins = f"{count:,} bins" if asked.target else quadrature(count, rule)
    by_row = np.ndim(asked.a) or np.ndim(asked.b)
    interval = "its own intervals" if by_row else f"[{float(asked.a):.6g}, {float(asked.b):.6g}]"
    several = np.ndim(asked.bandwidth)
    width = "several bandwidths" if several else f"bandwidth {float(asked.bandwidth):.6g}"
    return f"{asked.kernel} kernel on {place}, {points} points, {bins} on {interval}, {width}"


def call(choice: Choice) -> str:
    """Return the call that is recommended, or of auto where nothing was within rtol."""
    best = choice.best
    if best is None or best.method != PLAN:
        return f"kdexent.loss_and_grad(x, z, {_arguments(choice)})"
    return f"kdexent.Plan(x, {_arguments(choice)}).loss_and_grad(z)"


def _arguments(choice: Choice) -> str:
    """Return all arguments but the data: numbers as they are, arrays by their names."""
    asked, row = choice.asked, choice.best
    method, order = (AUTO, None) if row is None or row.method == PLAN else (row.method, row.order)
    bins, rule = (row or choice.strategies[0]).at
    defaults = {name: _literal(each.default) for name, each in signature(loss_and_grad).parameters.items()}
    options = {
        "bandwidth": _value("bandwidth", asked.bandwidth),
        "kernel": _literal(asked.kernel),
        "bins": "bins" if np.ndim(asked.bins) else _literal(bins),
        "rule": _literal(rule),
        "target": "target" if asked.target else "None",
        "period": _literal(asked.period),
        "method": _literal(method),
        "order": _literal(order),
        "rtol": _literal(asked.rtol) if order is None else defaults["rtol"],
        "n_threads": _literal(asked.n_threads),
    }
    given = [f"{name}={text}" for name, text in options.items() if text != defaults[name]]
    return ", ".join([_value("a", asked.a), _value("b", asked.b), *given])


def _value(name: str, value: Any) -> str:
    return name if np.ndim(value) else _literal(float(value))


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def code(choice: Choice) -> list[str]:
    """Return lines of Python that do what is recommended with x and z."""
    best, lines = choice.best, ["import kdexent"]
    if choice.asked.copied:
        lines += ["import numpy as np", "x, z = np.ascontiguousarray(x), np.ascontiguousarray(z)"]
    if best is not None and best.method == PLAN:
        lines.append(f"plan = kdexent.Plan(x, {_arguments(choice)})")
        return [*lines, "loss, gradient = plan.loss_and_grad(z)  # in each step"]
    return [*lines, f"loss, gradient = {call(choice)}"]


def recommendation(choice: Choice) -> str:
    """Return what to use, and why."""
    best, rtol = choice.best, f"rtol = {choice.asked.rtol:g}"
    if best is None:
        closest = min(choice.strategies, key=lambda row: row.gradient_error)
        return (
            f"None of the {len(choice.strategies)} strategies measured is within {rtol} "
            f"({named(closest)} comes closest, with a gradient error of "
            f'{numbers.error(closest.gradient_error)}), so take method="auto", which promises it.'
        )
    took = f" (which takes {best.took} here)" if best.method == AUTO and best.took else ""
    sentences = [f"Take {named(best)}{took} at {_bins_of(choice, best)}: {_errors(choice, best)}."]
    if not best.promised:
        sentences.append("Nothing is promised of it: the error was measured for these logits alone.")
    sentences += [*_rivals(choice, best), *_plan(choice, best)]
    return " ".join(sentences)


def _bins_of(choice: Choice, row: Measured) -> str:
    if not choice.asked.has_quadrature:
        return f"the {row.bins:,} bins given"
    return quadrature(row.bins, row.rule)


def _errors(choice: Choice, best: Measured) -> str:
    """Return what it takes, and the errors of the sum and of the integral."""
    parts = [f"{numbers.seconds(best.seconds)} for loss and gradient"]
    error = max(best.loss_error, best.gradient_error)
    allowed = f"rtol = {choice.asked.rtol:g}"
    parts.append(f"errors up to {numbers.error(error)} ({allowed})" if error else "exact to rounding")
    if not math.isnan(best.quadrature_error):
        limit = f"integral_rtol = {choice.asked.integral_rtol:g}"
        of_integral = numbers.error(best.quadrature_error)
        if choice.asked.reached(best, choice.uncertainty):
            parts.append(f"and {of_integral} of the integral ({limit})")
        else:
            parts.append(f"and {of_integral} of the integral, where no bins measured reach {limit}")
    return ", ".join(parts)


def _rivals(choice: Choice, best: Measured) -> Iterator[str]:
    """Yield how much faster than auto it is, or what is as fast."""
    auto = next((row for row in choice.strategies if row.method == AUTO), None)
    if auto is not None and auto is not best and auto.within_rtol:
        ratio = auto.compared(best)
        yield f"It is {ratio.ratio:.3g} times as fast as auto ({ratio.low:.3g} to {ratio.high:.3g})."
    if len(choice.strategies) > 1 and math.isinf(best.compared(best).high):  # too few turns
        yield "The budget was too small to tell which is the fastest."
        fastest = min((row for row in choice.strategies if row.within_rtol), key=lambda row: row.seconds)
        if not fastest.ties(best):
            yield f"What was measured of {named(fastest)} took {numbers.seconds(fastest.seconds)}."
    elif choice.ties:
        yield f"As fast, as far as the noise tells: {', '.join(map(named, choice.ties))}."


def _plan(choice: Choice, best: Measured) -> Iterator[str]:
    """Yield what a plan costs and from when on it pays."""
    plan, row = choice.plan, next((row for row in choice.strategies if row.method == PLAN), None)
    if plan is None or row is None:
        return
    pays = f"pays from {plan.pays_from:,.0f} steps on"
    if math.isinf(plan.pays_from):
        pays = "may never pay: its steps were not faster than calls beyond the noise"
    yield (
        f"A Plan takes {numbers.seconds(plan.seconds)} to make and {numbers.seconds(row.seconds)} a step, "
        f"keeps {numbers.size(plan.stored_bytes)}, and {pays}."
    )


def as_dict(row: Measured, best: bool = False, tie: bool = False) -> dict[str, Any]:
    """Return a row as JSON has it."""
    plain: dict[str, Any] = numbers.plain(
        {**row._asdict(), "promised": row.promised, "best": best, "tie": tie}
    )
    return plain


class Line(NamedTuple):
    """A line about a choice, and what it is: "title", "heads", "row", "best", "note", "advice" or "text"."""

    kind: str
    text: str


def description(choice: Choice) -> Iterator[Line]:
    """Yield all there is to say about a choice, but for the lines of Python."""
    yield from _paragraph("text", problem(choice))
    if choice.quadratures:
        yield from _bins(choice)
    yield from _strategies(choice)
    if choice.notes:
        yield Line("text", "")
    for note in choice.notes:
        yield from _paragraph("note", note)
    yield Line("text", "")
    yield from _paragraph("advice", choice.recommendation)


def text(choice: Choice) -> str:
    """Return everything about a choice as plain text."""
    return "\n".join([*(line.text for line in description(choice)), "", *code(choice)])


def _paragraph(kind: str, text: str) -> Iterator[Line]:
    """Yield the lines of a paragraph."""
    yield from (Line(kind, line) for line in textwrap.wrap(text, _WIDTH, break_on_hyphens=False))


def _strategies(choice: Choice) -> Iterator[Line]:
    rows, best, ties = choice.strategies, choice.best, choice.ties
    columns = {
        "method": [named(row) for row in rows],
        "takes": [row.took for row in rows],
        "time": [numbers.seconds(row.seconds) for row in rows],
        "loss error": [numbers.error(row.loss_error) for row in rows],
        "grad error": [numbers.error(row.gradient_error) for row in rows],
        "workspace": [numbers.size(row.workspace_bytes) for row in rows],
    }
    marks = ["*" if row is best else "=" if row in ties else "" for row in rows]
    yield from _table(f"Strategies at {_bins_of(choice, rows[0])}", columns, marks)
    meanings = {"*": "* the answer", "=": "= as fast, as far as the noise tells"}
    yield from _paragraph("note", "; ".join(meaning for mark, meaning in meanings.items() if mark in marks))


def _bins(choice: Choice) -> Iterator[Line]:
    rows = sorted(choice.quadratures, key=lambda row: (row.rule != "midpoint", row.bins))
    taken = choice.strategies[0].at
    columns = {
        "rule": [row.rule for row in rows],
        "bins": [f"{row.bins:,}" for row in rows],
        "error of the integral": [numbers.error(row.quadrature_error) for row in rows],
        "time of auto": [numbers.seconds(row.seconds) for row in rows],
    }
    first = " in the first row" if choice.asked.rows > 1 else ""
    title = f"Bins: infinitely many have a loss of {choice.converged:.10g}{first}"
    yield from _table(title, columns, ["*" if row.at == taken else "" for row in rows])
    limit = choice.asked.integral_rtol
    if any(choice.asked.reached(row, choice.uncertainty) for row in rows):
        yield Line(
            "note", f"* the cheapest within {limit:g}; of each rule the fewest bins within it are timed"
        )
    else:
        yield Line("note", f"* the closest: none is within {limit:g}")


def _table(title: str, columns: dict[str, list[str]], marks: list[str]) -> Iterator[Line]:
    """Yield the lines of a table of columns by their heads, with a mark before each row."""
    yield Line("text", "")
    yield Line("title", title)
    aligned = []
    for head, cells in columns.items():
        justify = str.ljust if head in ("rule", "method", "takes") else str.rjust
        width = max(map(len, (head, *cells)))
        aligned.append([justify(cell, width) for cell in (head, *cells)])
    kinds = ("heads", *("best" if mark == "*" else "row" for mark in marks))
    for kind, mark, row in zip(kinds, ("", *marks), zip(*aligned, strict=True), strict=True):
        yield Line(kind, f"{mark:1} {'  '.join(row)}".rstrip())
