"""A choice in words: its tables, the sentence that recommends it, and the line of Python that uses it."""

from __future__ import annotations

from collections.abc import Iterator
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kde import loss_and_grad
from ..measure import numbers
from ..names import AUTO

if TYPE_CHECKING:
    from .choice import Choice, Measured


def strategy(row: Measured) -> str:
    """Return a row's method and order."""
    return named(row.method, row.order)


def brief(row: Measured) -> str:
    """Return a row's method and order where there is little room."""
    return strategy(row).replace(" of order", "")


def named(method: str, order: int | None) -> str:
    """Return a method and its order."""
    return method if order is None else f"{method} of order {order}"


def quadrature(bins: int, rule: str) -> str:
    """Return a number of bins and their rule."""
    if rule == "gauss":
        return f"{numbers.count(bins)} Gauss {'node' if bins == 1 else 'nodes'}"
    return f"{numbers.count(bins)} midpoint {'bin' if bins == 1 else 'bins'}"


def problem(choice: Choice) -> str:
    """Return what was measured, in one line."""
    asked = choice.asked
    points = numbers.count(asked.points)
    if asked.rows > 1:
        points = f"{numbers.count(asked.rows)} x {points}"
    place = "the line" if asked.period is None else f"a circle of period {asked.period:.6g}"
    bins = (
        f"{numbers.count(asked.bin_count)} bins" if asked.target else quadrature(asked.bin_count, asked.rule)
    )
    interval = (
        "its own intervals"
        if np.ndim(asked.a) or np.ndim(asked.b)
        else f"[{_short(asked.a)}, {_short(asked.b)}]"
    )
    width = "several bandwidths" if np.ndim(asked.bandwidth) else f"bandwidth {_short(asked.bandwidth)}"
    return f"{asked.kernel} kernel on {place}, {points} points, {bins} on {interval}, {width}"


def _short(value: Any) -> str:
    return f"{float(value):.6g}"


def call(choice: Choice, a: str = "a", b: str = "b") -> str:
    """Return the line of Python that uses the best strategy, or auto where none was within rtol.

    Parameters
    ----------
    choice : Choice
        What was measured.
    a, b : str
        What stands for the ends of the interval.
    """
    asked, row = choice.asked, choice.best
    method, order = (AUTO, None) if row is None else (row.method, row.order)
    defaults = {name: _literal(each.default) for name, each in signature(loss_and_grad).parameters.items()}
    options = {
        "bandwidth": "bandwidth" if np.ndim(asked.bandwidth) else _literal(float(asked.bandwidth)),
        "kernel": _literal(asked.kernel),
        "bins": "bins" if np.ndim(asked.bins) else _literal(asked.bin_count),
        "rule": _literal(asked.rule),
        "target": "target" if asked.target else "None",
        "period": _literal(asked.period),
        "method": _literal(method),
        "order": _literal(order),
        "rtol": _literal(asked.rtol) if order is None and method != "direct" else defaults["rtol"],
        "n_threads": _literal(asked.n_threads),
    }
    named = ", ".join(f"{name}={text}" for name, text in options.items() if text != defaults[name])
    return f"kdexent.loss_and_grad(x, z, {a}, {b}, {named})"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def recommendation(choice: Choice) -> str:
    """Return one sentence: what to use, and why."""
    best, rtol = choice.best, f"{choice.asked.rtol:g}"
    if best is None:
        closest = min(choice.strategies, key=lambda row: row.gradient_error)
        return (
            f"None of the {len(choice.strategies)} strategies measured is within rtol = {rtol} "
            f"({strategy(closest)} comes closest, with a gradient error of "
            f'{numbers.error(closest.gradient_error)}), so take method="auto", which promises it.'
        )
    return f"Take {strategy(best)}: {_why(choice, best)}{_other_bins(choice, best)}."


def _why(choice: Choice, best: Measured) -> str:
    rtol = f"rtol = {choice.asked.rtol:g}"
    took = f"{numbers.seconds(best.seconds)} for loss and gradient"
    error = f"with a gradient error of {numbers.error(best.gradient_error)}"
    if best.gradient_error == 0:
        error = "exact to rounding"
    good = [row for row in choice.strategies if row.within_rtol]
    if len(choice.strategies) == 1:
        return f"{took}, {error}"
    text = f"the fastest within {rtol} ({len(good)} of {len(choice.strategies)} are), {took}, {error}"
    others = {row.method: row.seconds / best.seconds for row in choice.strategies if row.order is None}
    rivals = [
        _times(others[name], name) for name in (AUTO, "direct") if name != best.method and name in others
    ]
    return text + (f", {' and '.join(rivals)}" if rivals else "")


def _times(ratio: float, name: str) -> str:
    return (
        f"about as fast as {name}" if ratio < 1.1 else f"{numbers.ratio(ratio)[:-1]} times as fast as {name}"
    )


def _other_bins(choice: Choice, best: Measured) -> str:
    """Return what other bins would be worth."""
    row = choice.best_bins
    if not choice.quadratures:
        return ""
    limit = f"{choice.bins_tolerance:g}"
    error = numbers.error(best.quadrature_error)
    own = f"{quadrature(best.bins, best.rule)} have a quadrature error of {error}"
    if row is None:
        return f"; {own}, and no number of bins measured reaches {limit}"
    if (row.bins, row.rule) == (best.bins, best.rule):
        return f"; {own}, and none that reaches {limit} is cheaper"
    cost = numbers.seconds(row.seconds)
    return f"; {own}, {quadrature(row.bins, row.rule)} {numbers.error(row.quadrature_error)} in {cost}"


class Line(NamedTuple):
    """A line about a choice, and what it is: "title", "heads", "row", "best", "note", "advice" or "text"."""

    kind: str
    text: str


def description(choice: Choice) -> Iterator[Line]:
    """Yield all there is to say about a choice, but for the line of Python."""
    yield Line("text", problem(choice))
    yield from _strategies(choice)
    if choice.quadratures:
        yield from _bins(choice)
    if choice.notes:
        yield Line("text", "")
    yield from (Line("note", note) for note in choice.notes)
    yield Line("text", "")
    yield Line("advice", choice.recommendation)


def text(choice: Choice) -> str:
    """Return everything about a choice as plain text."""
    return "\n".join([*(line.text for line in description(choice)), choice.line])


def _strategies(choice: Choice) -> Iterator[Line]:
    best, front = choice.best, choice.pareto
    marks = ["*" if row is best else "+" if row in front else "" for row in choice.strategies]
    meanings = {"*": "* the fastest within rtol", "+": "+ none is both faster and closer"}
    rows = [
        (row.method, str(row.order or "-"), *_measurements(row), numbers.size(row.workspace_bytes))
        for row in choice.strategies
    ]
    heads = "method", "order", "time", "loss error", "grad error", "workspace"
    yield Line("text", "")
    yield Line("title", f"Strategies: errors against {choice.asked.exact}, rtol = {choice.asked.rtol:g}")
    yield from _aligned(heads, rows, marks, 1)
    yield Line("note", "; ".join(meaning for mark, meaning in meanings.items() if mark in marks))


def _bins(choice: Choice) -> Iterator[Line]:
    cheapest = choice.best_bins
    ways = dict.fromkeys(strategy(row) for row in choice.quadratures)
    # Some numbers of bins may be beyond the best strategy.
    several = len(ways) > 1
    with_ = "" if several else f" with {next(iter(ways))}"
    first = " in the first row" if choice.asked.rows > 1 else ""
    rows = [
        (
            *(row.rule, *([brief(row)] if several else []), numbers.count(row.bins)),
            *(*_measurements(row), numbers.error(row.quadrature_error)),
        )
        for row in choice.quadratures
    ]
    heads = (
        "rule",
        *(["method"] if several else []),
        "bins",
        "time",
        "loss error",
        "grad error",
        "quadrature error",
    )
    yield Line("text", "")
    yield Line("title", f"Bins{with_}: infinitely many have a loss of {choice.converged:.10g}{first}")
    marks = ["*" if row is cheapest else "" for row in choice.quadratures]
    yield from _aligned(heads, rows, marks, 2 if several else 1)
    if cheapest is not None:
        limit = f"{choice.bins_tolerance:g}"
        yield Line("note", f"* the cheapest with a quadrature error up to {limit}")


def _measurements(row: Measured) -> tuple[str, ...]:
    return numbers.seconds(row.seconds), numbers.error(row.loss_error), numbers.error(row.gradient_error)


def _aligned(
    heads: tuple[str, ...], rows: list[tuple[str, ...]], marks: list[str], words: int
) -> Iterator[Line]:
    """Yield the lines of a table, whose first `words` columns are text, with a mark before each row."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for mark, cells in zip(("", *marks), (heads, *rows), strict=True):
        padded = [
            cell.ljust(width) if index < words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        kind = "heads" if cells is heads else "best" if mark == "*" else "row"
        yield Line(kind, f"{mark:1} {'  '.join(padded)}".rstrip())
