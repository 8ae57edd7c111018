"""A choice as an aligned table of plain text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from ..measure import numbers
from .words import problem, strategy

if TYPE_CHECKING:
    from .choice import Choice, Measured

__all__ = ["Table", "tables", "text"]


class Table(NamedTuple):
    """Cells under heads, marks before the rows and what they mean; the first `words` columns are text."""

    title: str
    heads: tuple[str, ...]
    words: int
    marks: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    legend: str


def _error(value: float) -> str:
    return numbers.error(value) if math.isfinite(value) else "inf" if value == math.inf else "-"


def _bytes(value: int | None) -> str:
    if value is None:
        return "-"
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= size:
            return f"{numbers.three_digits(value / size)} {unit}"
    return f"{value} B"


def _measurements(row: Measured) -> tuple[str, ...]:
    return numbers.seconds(row.seconds), _error(row.loss_error), _error(row.gradient_error)


def _short(row: Measured) -> str:
    return strategy(row).replace(" of order", "")


def tables(choice: Choice) -> list[Table]:
    """Return the table of strategies, and that of bins where there is one."""
    return [_strategies(choice), *([_bins(choice)] if choice.quadratures else [])]


def _strategies(choice: Choice) -> Table:
    best, front = choice.best, choice.pareto
    marks = tuple("*" if row is best else "+" if row in front else "" for row in choice.strategies)
    meanings = {"*": "* the fastest within rtol", "+": "+ none is both faster and closer"}
    return Table(
        f"Strategies: errors against {choice.asked.exact}, rtol = {choice.asked.rtol:g}",
        ("method", "order", "time", "loss error", "grad error", "workspace"),
        1,
        marks,
        tuple(
            (
                row.method,
                "-" if row.order is None else str(row.order),
                *_measurements(row),
                _bytes(row.workspace_bytes),
            )
            for row in choice.strategies
        ),
        "; ".join(meaning for mark, meaning in meanings.items() if mark in marks),
    )


def _bins(choice: Choice) -> Table:
    rows, cheapest = choice.quadratures, choice.best_bins
    ways = dict.fromkeys(strategy(row) for row in rows)
    # Some numbers of bins may be beyond the best strategy.
    several = len(ways) > 1
    with_ = "" if several else f" with {next(iter(ways))}"
    first = " in the first row" if choice.asked.rows > 1 else ""
    return Table(
        f"Bins{with_}: infinitely many have a loss of {choice.converged:.10g}{first}",
        (
            "rule",
            *(("method",) if several else ()),
            "bins",
            "time",
            "loss error",
            "grad error",
            "quadrature error",
        ),
        2 if several else 1,
        tuple("*" if row is cheapest else "" for row in rows),
        tuple(
            (
                row.rule,
                *((_short(row),) if several else ()),
                numbers.count(row.bins),
                *_measurements(row),
                _error(row.quadrature_error),
            )
            for row in rows
        ),
        "" if cheapest is None else f"* the cheapest with a quadrature error up to {choice.bins_tolerance:g}",
    )


def _aligned(table: Table) -> list[str]:
    widths = [max(map(len, column)) for column in zip(table.heads, *table.rows, strict=True)]
    lines = [table.title]
    for mark, cells in zip(("", *table.marks), (table.heads, *table.rows), strict=True):
        padded = [
            cell.ljust(width) if index < table.words else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        lines.append(f"{mark:1} {'  '.join(padded)}".rstrip())
    return [*lines, *([table.legend] if table.legend else [])]


def text(choice: Choice) -> str:
    """Return everything about a choice as plain text."""
    lines = [problem(choice)]
    for table in tables(choice):
        lines += ["", *_aligned(table)]
    if choice.notes:
        lines += ["", *choice.notes]
    lines += ["", choice.recommendation, choice.line]
    return "\n".join(lines)
