"""The figures as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..cases import AUTO, STEP, Comparison, Way
from . import units
from .groups import METHODS
from .measure import Row
from .record import Outcome

__all__ = ["show", "show_cases"]

_FAILED = "bold red"
_HEADING = "italic cyan"


class _Line(NamedTuple):
    """A line of a table: a row, and the one of a plan's step where there is one."""

    row: Row
    step: Row | None
    outcome: Outcome

    @property
    def rows(self) -> list[Row]:
        return [self.row] if self.step is None else [self.row, self.step]

    @property
    def fails(self) -> bool:
        return any(row.problem is not None for row in self.rows)


class _Column(NamedTuple):
    head: str
    cell: Callable[[_Line], str]
    style: str = ""
    failed: Callable[[_Line], bool] = lambda line: False


def _error(which: str) -> Callable[[_Line], str]:
    """Return the larger error of a line's rows, in words."""

    def cell(line: _Line) -> str:
        errors = [getattr(row.agreement, f"{which}_error") for row in line.rows if row.agreement]
        return units.error(max(errors)) if errors else "-"

    return cell


def _disagrees(which: str) -> Callable[[_Line], bool]:
    def failed(line: _Line) -> bool:
        return any(row.agreement and not getattr(row.agreement, f"{which}_agrees") for row in line.rows)

    return failed


def _share(line: _Line) -> str:
    share = line.row.share(line.outcome.limits)
    return f"{100 * share:.1f}%" if math.isfinite(share) else "-"


def _allowed(line: _Line) -> str:
    found = line.row.agreement
    if found is None:
        return "-"
    allowed = found.tolerance.gradient
    if allowed >= 0.1:
        return f"{allowed:.1f}" if math.isfinite(allowed) else "-"
    return f"{allowed:.0e}"


def _way(line: _Line) -> str:
    way, taken = line.row.way, line.row.taken
    comes_to = ""
    if taken.method and (taken.method, taken.order) != (way.method, way.order):
        comes_to = f": {Way(taken.method, taken.order).name}"
    return ("FAIL " if line.fails else "") + way.name + comes_to


_CASE = _Column(
    "case",
    lambda line: ("FAIL " if line.fails else "") + line.row.case.name,
    failed=lambda line: line.fails,
)
_WAY = _Column("method", _way, failed=lambda line: line.fails)
_TAKEN = _Column("method", lambda line: line.row.taken.method or "-")
_POINTS = _Column("N", lambda line: units.points(line.row.case))
_BINS = _Column("M", lambda line: units.count(line.row.case.bins))
_TIME = _Column("fast", lambda line: units.seconds(line.row.fast_time), "bold")
_ONE = _Column("1 thread", lambda line: units.seconds(line.row.one_thread_time))
_STEP = _Column(
    "Plan step", lambda line: units.seconds(line.step.fast_time if line.step else math.nan), "bold"
)
_TIMES = _Column("speed- up", lambda line: units.ratio(line.row.speed_up), "bold green")
_RATE = _Column("ns/ point", lambda line: units.three_digits(line.row.ns_per_point))
_LIMIT = _Column("of limit", _share)
_LOSS = _Column("loss error", _error("loss"), failed=_disagrees("loss"))
_GRADIENT = _Column("grad error", _error("gradient"), failed=_disagrees("gradient"))
_ALLOWED = _Column("allowed", _allowed)
_WORKSPACE = _Column(
    "work- space", lambda line: units.size(line.row.taken.workspace_bytes) if line.row.agreement else "-"
)


def _exact(name: str) -> _Column:
    return _Column(name, lambda line: units.seconds(line.row.exact_time))


_ERRORS = (_LOSS, _GRADIENT)
_BESIDE_REFERENCE = (
    *(_CASE, _POINTS, _BINS, _exact("reference"), _TIME, _ONE, _TIMES, _RATE, _LIMIT, _TAKEN),
    *_ERRORS,
)
_BESIDE_DIRECT = (
    *(_CASE, _POINTS, _BINS, _exact("direct"), _TIME, _ONE, _STEP, _TIMES, _RATE, _LIMIT, _TAKEN),
    *_ERRORS,
)
_BY_METHOD = (_WAY, _TIME, _ONE, _RATE, _LIMIT, _WORKSPACE, *_ERRORS, _ALLOWED)
# What a narrow terminal goes without, first to last. An error always stays beside the times.
_DISPENSABLE = (_LOSS, _ONE, _LIMIT, _TAKEN, _WORKSPACE, _RATE)


def _table(lines: list[_Line], columns: list[_Column], headings: Callable[[_Line], str], space: int) -> Table:
    table = Table(
        box=SIMPLE_HEAD, padding=(0, space, 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )
    for index, column in enumerate(columns):
        head = column.head.replace(" ", "\n")
        table.add_column(head, justify="right" if index else "left", no_wrap=True, vertical="bottom")
    for number, (heading, those) in enumerate(groupby(lines, headings)):
        if number:
            table.add_section()
        for part in heading.split("\n"):
            table.add_row(Text(part, style=_HEADING))
        for line in those:
            styles = [_FAILED if column.failed(line) else column.style for column in columns]
            table.add_row(
                *(Text(column.cell(line), style) for column, style in zip(columns, styles, strict=True))
            )
    return table


def _fitting(
    lines: list[_Line], columns: Iterable[_Column], headings: Callable[[_Line], str], console: Console
) -> tuple[Table, list[_Column]]:
    """Return a table with as many columns as fit, and the columns left out."""
    kept, left_out = list(columns), list[_Column]()
    wide = console.options.update(max_width=1000)
    while True:
        more = [column for column in _DISPENSABLE if column in kept]
        for space in (1, 0):
            table = _table(lines, kept, headings, space)
            if Measurement.get(console, wide, table).maximum <= console.width:
                return table, left_out
        if not more:
            return table, left_out
        kept.remove(more[0])
        left_out.append(more[0])


def _group(line: _Line) -> str:
    return line.row.group


def _heading(line: _Line) -> str:
    case = line.row.case
    size = units.problem(case).removeprefix(f"{case.name}, ")
    return f"{case.name}\n{size}\nerrors against {line.row.comparison.exact}"


def _lines(outcome: Outcome, exact: str) -> list[_Line]:
    """Return the lines of what is measured by the default method, each with the plan's step."""
    rows = [row for row in outcome.rows if row.group != METHODS and row.comparison.exact == exact]
    steps = {row.comparison.case: row for row in rows if row.way == STEP}
    return [_Line(row, steps.get(row.comparison.case), outcome) for row in rows if row.way == AUTO]


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables of a run, with as many columns as fit, and what their columns mean."""
    by_method = [_Line(row, None, outcome) for row in outcome.rows if row.group == METHODS]
    left_out: dict[_Column, None] = {}
    for lines, columns, heading in (
        (_lines(outcome, "reference"), _BESIDE_REFERENCE, _group),
        (by_method, _BY_METHOD, _heading),
        (_lines(outcome, "direct"), _BESIDE_DIRECT, _group),
    ):
        if lines:
            table, missing = _fitting(lines, columns, heading, console)
            left_out |= dict.fromkeys(missing)
            console.print(table)
            console.print()
    for note in _notes(outcome, list(left_out)):
        console.print(Text(note, style="dim"))
    for row in outcome.failures:
        console.print(Text(f"FAIL {units.problem(row.case)}, {row.way.name}: {row.problem}", style=_FAILED))


def _notes(outcome: Outcome, left_out: list[_Column]) -> list[str]:
    machine, limits = outcome.machine, outcome.limits
    threads = "1 thread" if outcome.threads == 1 else f"{outcome.threads} threads"
    notes = [
        f"{machine.cpu}, {threads}: peak {limits.multiply_adds / 1e9:.0f} G multiply-adds/s (float64), "
        f"memory copy {limits.copy / 1e9:.0f} GB/s, measured in this run.",
        "Times: medians of alternating calls, compiled before; one call where it is slow. "
        "Errors: abs(L-L0)/max(1, abs(L0)), max abs(g-g0)/max abs(g0), of a case's fast calls.",
    ]
    if any(row.comparison.exact == "direct" for row in outcome.rows):
        notes.append(
            "Large cases: L0 and g0 are those of direct, whose own error is that against the reference on "
            "their first points."
        )
    if any(row.group == METHODS for row in outcome.rows):
        notes.append("allowed: gradient errors by rtol = 1e-9, or by what the documented errors of K can do.")
    if _LIMIT not in left_out:
        notes.append(
            "of limit: the least conceivable time, for direct of 2 multiply-adds per pair at that peak rate, "
            "for others of reading x and z and writing g at that copy rate."
        )
    if outcome.busy:
        notes.append(outcome.busy)
    if left_out:
        heads = [column.head.replace("/ ", "/").replace("- ", "-") for column in left_out]
        notes.append(f"Left out for want of width: {', '.join(heads)}.")
    return notes


def show_cases(comparisons: list[Comparison], console: Console) -> None:
    """Print what would be measured."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for head in ("group", "case", "N", "M", "methods"):
        table.add_column(head, justify="right" if head in "NM" else "left", no_wrap=head != "methods")
    for group, case, ways, exact in comparisons:
        names = ", ".join([exact, *(way.name for way in ways if way.name != exact)])
        table.add_row(*map(Text, (group, case.name, units.points(case), units.count(case.bins), names)))
    console.print(table)
