"""The figures as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...measure import numbers
from ...measure.alternation import Row
from ...measure.cases import AUTO, STEP, Comparison, Way
from ...measure.classifier_cases import CLASSIFIERS
from .classifier_table import BESIDE_PEERS, DISPENSABLE, classifier_lines, classifier_notes
from .fitting import FAILED, Column, fitting
from .groups import METHODS, Entry
from .record import Outcome

__all__ = ["show", "show_cases"]


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


def _error(which: str) -> Callable[[_Line], str]:
    """Return the larger error of a line's rows, in words."""

    def cell(line: _Line) -> str:
        errors = [getattr(row.agreement, f"{which}_error") for row in line.rows if row.agreement]
        return numbers.error(max(errors)) if errors else "-"

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


_CASE = Column(
    "case",
    lambda line: ("FAIL " if line.fails else "") + line.row.case.name,
    failed=lambda line: line.fails,
)
_WAY = Column("method", _way, failed=lambda line: line.fails)
_TAKEN = Column("method", lambda line: line.row.taken.method or "-")
_POINTS = Column("N", lambda line: numbers.points(line.row.case))
_BINS = Column("M", lambda line: numbers.count(line.row.case.bins))
_TIME = Column("fast", lambda line: numbers.seconds(line.row.fast_time), "bold")
_ONE = Column("1 thread", lambda line: numbers.seconds(line.row.one_thread_time))
_STEP = Column(
    "Plan step", lambda line: numbers.seconds(line.step.fast_time if line.step else math.nan), "bold"
)
_TIMES = Column("speed- up", lambda line: numbers.ratio(line.row.speed_up), "bold green")
_RATE = Column("ns/ point", lambda line: numbers.three_digits(line.row.ns_per_point))
_LIMIT = Column("of limit", _share)
_LOSS = Column("loss error", _error("loss"), failed=_disagrees("loss"))
_GRADIENT = Column("grad error", _error("gradient"), failed=_disagrees("gradient"))
_ALLOWED = Column("allowed", _allowed)
_WORKSPACE = Column(
    "work- space", lambda line: numbers.size(line.row.taken.workspace_bytes) if line.row.agreement else "-"
)


def _exact(name: str) -> Column:
    return Column(name, lambda line: numbers.seconds(line.row.exact_time))


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
_DISPENSABLE = (_LOSS, _ONE, _LIMIT, _TAKEN, _WORKSPACE, _RATE, *DISPENSABLE)


def _group(line: Any) -> str:
    group: str = line.row.group
    return group


def _heading(line: _Line) -> str:
    case = line.row.case
    size = numbers.problem(case).removeprefix(f"{case.name}, ")
    return f"{case.name}\n{size}\nerrors against {line.row.comparison.exact}"


def _lines(outcome: Outcome, exact: str) -> list[_Line]:
    """Return the lines of what is measured by the default method, each with the plan's step."""
    rows = [row for row in outcome.rows if row.group != METHODS and row.comparison.exact == exact]
    steps = {row.comparison.case: row for row in rows if row.way == STEP}
    return [_Line(row, steps.get(row.comparison.case), outcome) for row in rows if row.way == AUTO]


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables of a run, with as many columns as fit, and what their columns mean."""
    by_method = [_Line(row, None, outcome) for row in outcome.rows if row.group == METHODS]
    left_out: dict[Column, None] = {}
    tables: tuple[tuple[list[Any], tuple[Column, ...], Callable[[Any], str]], ...] = (
        (_lines(outcome, "reference"), _BESIDE_REFERENCE, _group),
        (by_method, _BY_METHOD, _heading),
        (_lines(outcome, "direct"), _BESIDE_DIRECT, _group),
        (classifier_lines(outcome.classifiers), BESIDE_PEERS, _group),
    )
    for lines, columns, heading in tables:
        if lines:
            table, missing = fitting(lines, columns, heading, _DISPENSABLE, console)
            left_out |= dict.fromkeys(missing)
            console.print(table)
            console.print()
    for note in _notes(outcome, list(left_out)):
        console.print(Text(note, style="dim"))
    for row in outcome.failures:
        console.print(Text(f"FAIL {row.title}: {row.problem}", style=FAILED))


def _notes(outcome: Outcome, left_out: list[Column]) -> list[str]:
    machine, limits = outcome.machine, outcome.limits
    threads = "1 thread" if outcome.threads == 1 else f"{outcome.threads} threads"
    notes = [
        f"{machine.cpu}, {threads}: peak {limits.multiply_adds / 1e9:.0f} G multiply-adds/s (float64), "
        f"memory copy {limits.copy / 1e9:.0f} GB/s, measured in this run.",
        "Times: medians of alternating calls, compiled before, each after one of its own that is not timed "
        "(below 20 ms); one call where it is slow. "
        "Errors: abs(L-L0)/max(1, abs(L0)), max abs(g-g0)/max abs(g0), of a case's fast calls.",
    ]
    if any(row.comparison.exact == "direct" for row in outcome.rows):
        notes.append(
            "Large cases: L0 and g0 are those of direct, whose own error is that against the reference on "
            "their first points."
        )
    if any(row.group == METHODS for row in outcome.rows):
        notes.append("allowed: gradient errors by rtol = 1e-9, or by what the documented errors of K can do.")
    notes += classifier_notes(outcome.classifiers)
    if outcome.rows and _LIMIT not in left_out:
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


def show_cases(entries: list[Entry], console: Console) -> None:
    """Print what would be measured."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for head in ("group", "case", "N", "M", "methods"):
        table.add_column(head, justify="right" if head in "NM" else "left", no_wrap=head != "methods")
    for entry in entries:
        table.add_row(*map(Text, _described(entry)))
    console.print(table)


def _described(entry: Entry) -> tuple[str, ...]:
    if not isinstance(entry, Comparison):
        peers = ", ".join(["reference", "fast", *(peer.name for peer in entry.peers)])
        return CLASSIFIERS, entry.name, entry.size, "", peers
    group, case, ways, exact = entry
    names = ", ".join([exact, *(way.name for way in ways if way.name != exact)])
    return group, case.name, numbers.points(case), numbers.count(case.bins), names
