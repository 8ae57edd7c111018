"""The figures as tables on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ...measure import numbers
from ...measure.cases import AUTO, BY_METHOD, STEP, Comparison, Way
from ...measure.classifiers import Beside
from ...measure.comparisons import DensityResult
from ...measure.results import Entry
from ..terminal import plain_table
from .record import ERRORS, Outcome

_FAILED, _HEADING = "bold red", "italic cyan"


class _Column(NamedTuple):
    """A head, and of each line its text and style there; and whether the line fails in it."""

    head: str
    cell: Callable[[Any], str]
    style: str = ""
    failed: Callable[[Any], bool] = lambda line: False


class _Line(NamedTuple):
    """A line of a table: a result, with that of a plan's step where there is one, or a peer of it."""

    row: Any  # a DensityResult, or a ClassifierResult
    outcome: Outcome
    step: DensityResult | None = None
    peer: Beside | None = None
    errors: tuple[str, ...] = ERRORS

    @property
    def agreements(self) -> list[Any]:
        found = [self.peer] if self.peer else [self.row, self.step] if self.step else [self.row]
        return [each.agreement for each in found if each.agreement is not None]

    @property
    def fails(self) -> bool:
        return self.peer is None and any(row is not None and row.problem for row in (self.row, self.step))

    def named(self, name: str) -> str:
        return f"  {self.peer.name}" if self.peer else f"FAIL {name}" if self.fails else name


def _error(which: str) -> _Column:
    """Return the column of the larger error of a line's results."""

    def cell(line: _Line) -> str:
        errors = [getattr(found, f"{which}_error") for found in line.agreements]
        return numbers.error(max(errors)) if errors and f"{which}_error" in line.errors else "-"

    def failed(line: _Line) -> bool:
        return not all(getattr(found, f"{which}_agrees") for found in line.agreements)

    return _Column(f"{which} error".replace("gradient", "grad"), cell, failed=failed)


def _share(line: _Line) -> str:
    share = line.row.share(line.outcome.limits)
    return f"{100 * share:.1f}%" if math.isfinite(share) else "-"


def _allowed(line: _Line) -> str:
    found = line.row.agreement
    allowed = found.tolerance.gradient if found else math.nan
    if not math.isfinite(allowed):
        return "-"
    return f"{allowed:.1f}" if allowed >= 0.1 else f"{allowed:.0e}"


def _way(line: _Line) -> str:
    way, taken = line.row.way, line.row.taken
    same = not taken.method or (taken.method, taken.order) == (way.method, way.order)
    return line.named(way.name if same else f"{way.name}: {Way(taken.method, taken.order).name}")


def _of_case(head: str, text: Callable[[Any], str], style: str = "") -> _Column:
    """Return a column about a line's result, empty where the line is a peer's."""
    return _Column(head, lambda line: "" if line.peer else text(line.row), style)


def _of_peer(head: str, text: Callable[[_Line, float], str], style: str = "") -> _Column:
    return _Column(head, lambda line: text(line, line.peer.timings.median) if line.peer else "", style)


def _of_step(line: _Line) -> str:
    return numbers.seconds(line.step.fast.median if line.step else math.nan)


_CASE = _Column("case", lambda line: line.named(line.row.entry.name), failed=lambda line: line.fails)
_WAY = _Column("method", _way, failed=lambda line: line.fails)
_TAKEN = _of_case("method", lambda row: row.taken.method or "-")
_POINTS = _of_case("N", lambda row: row.case.size)
_BINS = _of_case("M", lambda row: numbers.count(row.case.bins))
_REFERENCE = _of_case("reference", lambda row: numbers.seconds(row.exact.median))
_DIRECT = _REFERENCE._replace(head="direct")
_TIME = _of_case("fast", lambda row: numbers.seconds(row.fast.median), "bold")
_ONE = _of_case("1 thread", lambda row: numbers.seconds(row.one_thread.median))
_STEP = _Column("Plan step", _of_step, "bold")
_TIMES = _of_case("speed- up", lambda row: numbers.ratio(row.speed_up), "bold green")
_RATE = _of_case("ns/ point", lambda row: numbers.three_digits(row.ns_per_point))
_LIMIT = _Column("of limit", _share)
_LOSS, _GRADIENT = _error("loss"), _error("gradient")
_ALLOWED = _Column("allowed", _allowed)
_WORKSPACE = _of_case(
    "work- space", lambda row: numbers.size(row.taken.workspace_bytes) if row.agreement else "-"
)
_SIZE = _of_case("size", lambda row: row.case.size)
_ENTRY_RATE = _of_case("ns/ entry", lambda row: numbers.three_digits(row.ns_per_entry))
_PEER = _of_peer("peer", lambda line, time: numbers.seconds(time))
_PEER_TIMES = _of_peer("peer/ fast", lambda line, time: numbers.ratio(time / line.row.fast.median), "green")

_RATES = (_RATE, _LIMIT, _TAKEN, _LOSS, _GRADIENT)
_BESIDE_REFERENCE = (_CASE, _POINTS, _BINS, _REFERENCE, _TIME, _ONE, _TIMES, *_RATES)
_BESIDE_DIRECT = (_CASE, _POINTS, _BINS, _DIRECT, _TIME, _ONE, _STEP, _TIMES, *_RATES)
_BY_METHOD = (_WAY, _TIME, _ONE, _RATE, _LIMIT, _WORKSPACE, _LOSS, _GRADIENT, _ALLOWED)
_BESIDE_PEERS = (
    *(_CASE, _SIZE, _REFERENCE, _TIME, _TIMES, _ENTRY_RATE, _PEER, _PEER_TIMES),
    *(_LOSS, _GRADIENT),
)
# What a narrow terminal goes without, first to last. An error always stays beside the times; an entropy has
# no other than the loss's.
_DISPENSABLE = (_LOSS, _ONE, _LIMIT, _TAKEN, _WORKSPACE, _RATE)
_DISPENSABLE_BESIDE_PEERS = (_ENTRY_RATE, _REFERENCE)


def _group(line: _Line) -> str:
    return str(line.row.group)


def _heading(line: _Line) -> str:
    case = line.row.case
    return f"{case.name}\nN = {case.size}, M = {case.bins:,}\nerrors against {line.row.entry.exact}"


def _lines(outcome: Outcome, exact: str) -> list[_Line]:
    """Return the lines of what is measured by the default method, each with the plan's step."""
    rows = [row for row in outcome.rows if row.group != BY_METHOD and row.entry.exact == exact]
    steps = {row.case: row for row in rows if row.way == STEP}
    return [_Line(row, outcome, steps.get(row.case)) for row in rows if row.way == AUTO]


def _peer_lines(outcome: Outcome) -> list[_Line]:
    """Return the lines of classifiers and their peers, without those that were left out."""
    return [
        _Line(row, outcome, peer=peer, errors=row.case.errors)
        for row in outcome.classifiers
        for peer in (None, *(peer for peer in row.peers if peer.timings.seconds))
    ]


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables of a run, with as many columns as fit, and what their columns mean."""
    by_method = [_Line(row, outcome) for row in outcome.rows if row.group == BY_METHOD]
    left_out: dict[_Column, None] = {}
    tables = (
        (_lines(outcome, "reference"), _BESIDE_REFERENCE, _group, _DISPENSABLE),
        (by_method, _BY_METHOD, _heading, _DISPENSABLE),
        (_lines(outcome, "direct"), _BESIDE_DIRECT, _group, _DISPENSABLE),
        (_peer_lines(outcome), _BESIDE_PEERS, _group, _DISPENSABLE_BESIDE_PEERS),
    )
    for lines, columns, heading, dispensable in tables:
        if lines:
            table, missing = _fitting(lines, columns, heading, dispensable, console)
            left_out |= dict.fromkeys(missing)
            console.print(table)
            console.print()
    for note in _notes(outcome, list(left_out)):
        console.print(Text(note, style="dim"))
    for row in outcome.failures:
        console.print(Text(f"FAIL {row.title}: {row.problem}", style=_FAILED))


def _notes(outcome: Outcome, left_out: list[_Column]) -> list[str]:
    """Return what the columns mean, and what is missing."""
    machine, limits = outcome.machine, outcome.limits
    notes = [
        f"{machine.cpu}, {outcome.on_threads}: peak {limits.multiply_adds / 1e9:.0f} G multiply-adds/s "
        f"(float64), memory copy {limits.copy / 1e9:.0f} GB/s, measured in this run.",
        "Times: medians of alternating calls, compiled before, each after one of its own that is not timed "
        "(below 20 ms); one call where it is slow. "
        "Errors: abs(L-L0)/max(1, abs(L0)), max abs(g-g0)/max abs(g0), of a case's worst row.",
    ]
    if any(row.entry.exact == "direct" for row in outcome.rows):
        notes.append(
            "Large cases: L0 and g0 are those of direct, whose own error is that against the reference on "
            "their first points."
        )
    if any(row.group == BY_METHOD for row in outcome.rows):
        notes.append("allowed: gradient errors by rtol = 1e-9, or by what the documented errors of K can do.")
    if outcome.classifiers:
        notes.append(
            "peer/fast: a peer's time over ours; its errors are in its line. np.copyto is of the logits: no "
            "pass over them takes less on one thread. Of softmax, grad error is that of the probabilities."
        )
    missing = dict.fromkeys(
        f"{peer.name} ({peer.left_out})" for row in outcome.classifiers for peer in row.peers if peer.left_out
    )
    if missing:
        notes.append(f"Left out: {', '.join(missing)}.")
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


def _table(lines: list[Any], columns: list[_Column], headings: Callable[[Any], str], space: int) -> Table:
    table = plain_table(space)
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
    lines: list[Any],
    columns: Iterable[_Column],
    headings: Callable[[Any], str],
    dispensable: tuple[_Column, ...],
    console: Console,
) -> tuple[Table, list[_Column]]:
    """Return a table with as many columns as fit, and the dispensable columns left out, first to last."""
    kept, left_out = list(columns), list[_Column]()
    wide = console.options.update(max_width=1000)
    while True:
        more = [column for column in dispensable if column in kept]
        for space in (1, 0):
            table = _table(lines, kept, headings, space)
            if Measurement.get(console, wide, table).maximum <= console.width:
                return table, left_out
        if not more:
            return table, left_out
        kept.remove(more[0])
        left_out.append(more[0])


def show_cases(entries: list[Entry], console: Console) -> None:
    """Print what would be measured."""
    table = plain_table(2)
    for head in ("group", "case", "N", "M", "methods"):
        table.add_column(head, justify="right" if head in "NM" else "left", no_wrap=head != "methods")
    for entry in entries:
        if isinstance(entry, Comparison):
            bins = numbers.count(entry.case.bins)
            names = [entry.exact, *(way.name for way in entry.ways if way.name != entry.exact)]
            size = entry.case.size
        else:
            size, bins, names = entry.size, "", ["reference", "fast", *(peer.name for peer in entry.peers)]
        table.add_row(*map(Text, (entry.group, entry.name, size, bins, ", ".join(names))))
    console.print(table)
