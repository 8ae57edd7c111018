"""A choice in words: its tables, the sentence that recommends it, and the line of Python that uses it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..kde import loss_and_grad
from ..measure import numbers
from ..names import AUTO

if TYPE_CHECKING:
    from ..plan import Plan
    from .choice import Choice, Measured


def named(way: Measured | Plan) -> str:
    """Return a method and its order."""
    return way.method if way.order is None else f"{way.method} of order {way.order}"


def brief(row: Measured) -> str:
    """Return a row's method and order where there is little room."""
    return named(row).replace(" of order", "")


def quadrature(bins: int, rule: str) -> str:
    """Return a number of bins and their rule."""
    one = "Gauss node" if rule == "gauss" else "midpoint bin"
    return f"{bins:,} {one}{'' if bins == 1 else 's'}"


def problem(choice: Choice) -> str:
    """Return what was measured, in one line."""
    asked = choice.asked
    points = f"{asked.rows:,} x {asked.points:,}" if asked.rows > 1 else f"{asked.points:,}"
    place = "the line" if asked.period is None else f"a circle of period {asked.period:.6g}"
    bins = f"{asked.bin_count:,} bins" if asked.target else quadrature(asked.bin_count, asked.rule)
    by_row = np.ndim(asked.a) or np.ndim(asked.b)
    interval = "its own intervals" if by_row else f"[{float(asked.a):.6g}, {float(asked.b):.6g}]"
    several = np.ndim(asked.bandwidth)
    width = "several bandwidths" if several else f"bandwidth {float(asked.bandwidth):.6g}"
    return f"{asked.kernel} kernel on {place}, {points} points, {bins} on {interval}, {width}"


def call(choice: Choice, a: str = "a", b: str = "b") -> str:
    """Return the line of Python that uses the best strategy on [a, b], or auto where none was within rtol."""
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
    given = ", ".join(f"{name}={text}" for name, text in options.items() if text != defaults[name])
    return f"kdexent.loss_and_grad(x, z, {a}, {b}, {given})"


def _literal(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def recommendation(choice: Choice) -> str:
    """Return one sentence: what to use, and why."""
    best, rtol = choice.best, f"{choice.asked.rtol:g}"
    if best is None:
        closest = choice.front_runner
        return (
            f"None of the {len(choice.strategies)} strategies measured is within rtol = {rtol} "
            f"({named(closest)} comes closest, with a gradient error of "
            f'{numbers.error(closest.gradient_error)}), so take method="auto", which promises it.'
        )
    return f"Take {named(best)}: {_why(choice, best)}{_other_bins(choice, best)}."


def _why(choice: Choice, best: Measured) -> str:
    rtol = f"rtol = {choice.asked.rtol:g}"
    took = f"{numbers.seconds(best.seconds)} for loss and gradient"
    error = f"with a gradient error of {numbers.error(best.gradient_error)}"
    if best.gradient_error == 0:
        error = "exact to rounding"
    good = sum(row.within_rtol for row in choice.strategies)
    if len(choice.strategies) == 1:
        return f"{took}, {error}"
    text = f"the fastest within {rtol} ({good} of {len(choice.strategies)} are), {took}, {error}"
    others = {row.method: row.seconds / best.seconds for row in choice.strategies if row.order is None}
    rivals = []
    for name in (AUTO, "direct"):
        if name != best.method and name in others:
            times = "about" if others[name] < 1.1 else f"{numbers.ratio(others[name])[:-1]} times"
            rivals.append(f"{times} as fast as {name}")
    return text + (f", {' and '.join(rivals)}" if rivals else "")


def _other_bins(choice: Choice, best: Measured) -> str:
    """Return what other bins would be worth."""
    row = choice.best_bins
    if not choice.quadratures:
        return ""
    limit = f"{choice.bins_tolerance:g}"
    error = numbers.error(best.quadrature_error)
    clause = f"{quadrature(best.bins, best.rule)} have a quadrature error of {error}"
    if row is None:
        return f"; {clause}, and no number of bins measured reaches {limit}"
    if (row.bins, row.rule) == (best.bins, best.rule):
        return f"; {clause}, and none that reaches {limit} is cheaper"
    cost = numbers.seconds(row.seconds)
    return f"; {clause}, {quadrature(row.bins, row.rule)} {numbers.error(row.quadrature_error)} in {cost}"


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
    rows, best, front = choice.strategies, choice.best, choice.pareto
    columns = {
        "method": [row.method for row in rows],
        "order": [str(row.order or "-") for row in rows],
        **_measurements(rows),
        "workspace": [numbers.size(row.workspace_bytes) for row in rows],
    }
    marks = ["*" if row is best else "+" if row in front else "" for row in rows]
    title = f"Strategies: errors against {choice.asked.exact}, rtol = {choice.asked.rtol:g}"
    yield from _table(title, columns, marks)
    meanings = {"*": "* the fastest within rtol", "+": "+ none is both faster and closer"}
    yield Line("note", "; ".join(meaning for mark, meaning in meanings.items() if mark in marks))


def _bins(choice: Choice) -> Iterator[Line]:
    rows, cheapest = choice.quadratures, choice.best_bins
    columns = {
        "rule": [row.rule for row in rows],
        "method": [brief(row) for row in rows],
        "bins": [f"{row.bins:,}" for row in rows],
        **_measurements(rows),
        "quadrature error": [numbers.error(row.quadrature_error) for row in rows],
    }
    with_ = ""
    if len(set(columns["method"])) == 1:  # some numbers of bins may be beyond the best strategy
        with_ = f" with {named(rows[0])}"
        del columns["method"]
    first = " in the first row" if choice.asked.rows > 1 else ""
    title = f"Bins{with_}: infinitely many have a loss of {choice.converged:.10g}{first}"
    yield from _table(title, columns, ["*" if row is cheapest else "" for row in rows])
    if cheapest is not None:
        yield Line("note", f"* the cheapest with a quadrature error up to {choice.bins_tolerance:g}")


def _measurements(rows: Sequence[Measured]) -> dict[str, list[str]]:
    return {
        "time": [numbers.seconds(row.seconds) for row in rows],
        "loss error": [numbers.error(row.loss_error) for row in rows],
        "grad error": [numbers.error(row.gradient_error) for row in rows],
    }


def _table(title: str, columns: dict[str, list[str]], marks: list[str]) -> Iterator[Line]:
    """Yield the lines of a table of columns by their heads, with a mark before each row."""
    yield Line("text", "")
    yield Line("title", title)
    aligned = []
    for head, cells in columns.items():
        justify = str.ljust if head in ("rule", "method") else str.rjust
        width = max(map(len, (head, *cells)))
        aligned.append([justify(cell, width) for cell in (head, *cells)])
    kinds = ("heads", *("best" if mark == "*" else "row" for mark in marks))
    for kind, mark, row in zip(kinds, ("", *marks), zip(*aligned, strict=True), strict=True):
        yield Line(kind, f"{mark:1} {'  '.join(row)}".rstrip())
