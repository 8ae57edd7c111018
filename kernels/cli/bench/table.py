"""The figures as tables on the terminal."""

import math
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any, Literal, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...measure import numbers
from ...measure.cases import AUTO, BY_METHOD, STEP, Comparison, Way
from ...measure.classifier_cases import CLASSIFIERS
from ...measure.classifiers import Beside
from ...measure.comparisons import DensityResult
from ...measure.results import Entry
from ..terminal import fitting, plain_table
from .record import Outcome

_FAILED, _HEADING = "bold red", "italic cyan"
_WAY = "method "  # as measured; that of "method" was taken by auto


class _Line(NamedTuple):
    """A line of a table: a result, with that of a plan's step where there is one, or a peer of it."""

    row: Any  # a DensityResult, or a ClassifierResult
    outcome: Outcome
    step: DensityResult | None = None
    peer: Beside | None = None

    @property
    def agreements(self) -> list[Any]:
        found = [self.peer] if self.peer else [self.row, self.step] if self.step else [self.row]
        return [each.agreement for each in found if each.agreement is not None]

    @property
    def fails(self) -> bool:
        return self.peer is None and any(row is not None and row.problem for row in (self.row, self.step))

    def named(self, name: str) -> str:
        return f"  {self.peer.name}" if self.peer else f"FAIL {name}" if self.fails else name


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


# By their heads, what columns have in a line; those of results are empty in a peer's, and those of peers in a
# result's.
_NAMES = {"case": lambda line: line.named(line.row.entry.name), _WAY: _way}
_OF_PEERS: dict[str, Callable[[Any], str]] = {
    "peer": lambda line: numbers.seconds(line.peer.timings.median),
    "peer/ fast": lambda line: numbers.ratio(line.peer.timings.median / line.row.fast.median),
}
_OF_RESULTS: dict[str, Callable[[Any], str]] = {
    "N": lambda line: line.row.case.size,
    "M": lambda line: f"{line.row.case.bins:,}",
    "size": lambda line: line.row.case.size,
    "reference": lambda line: numbers.seconds(line.row.exact.median),
    "direct": lambda line: numbers.seconds(line.row.exact.median),
    "fast": lambda line: numbers.seconds(line.row.fast.median),
    "1 thread": lambda line: numbers.seconds(line.row.one_thread.median),
    "Plan step": lambda line: numbers.seconds(line.step.fast.median if line.step else math.nan),
    "speed- up": lambda line: numbers.ratio(line.row.speed_up),
    "ns/ point": lambda line: numbers.three_digits(line.row.ns_per_point),
    "ns/ entry": lambda line: numbers.three_digits(line.row.ns_per_entry),
    "of limit": _share,
    "method": lambda line: line.row.taken.method or "-",
    "work- space": lambda line: numbers.size(line.row.taken.workspace_bytes) if line.row.agreement else "-",
    "allowed": _allowed,
}
_STYLES = {"fast": "bold", "Plan step": "bold", "speed- up": "bold green", "peer/ fast": "green"}

_ERRORS = {"loss error": "loss", "grad error": "gradient"}
_RATES = ("ns/ point", "of limit", "method", *_ERRORS)
_BESIDE_REFERENCE = ("case", "N", "M", "reference", "fast", "1 thread", "speed- up", *_RATES)
_BESIDE_DIRECT = ("case", "N", "M", "direct", "fast", "1 thread", "Plan step", "speed- up", *_RATES)
_BY_METHOD = (_WAY, "fast", "1 thread", "ns/ point", "of limit", "work- space", *_ERRORS, "allowed")
_BESIDE_PEERS = ("case", "size", "reference", "fast", "speed- up", "ns/ entry", *_OF_PEERS, *_ERRORS)
# What a narrow terminal goes without, first to last. An error always stays beside the times; an entropy has
# no other than the loss's.
_DISPENSABLE = ("loss error", "1 thread", "of limit", "method", "work- space", "ns/ point")
_DISPENSABLE_BESIDE_PEERS = ("ns/ entry", "reference")


def _cell(head: str, line: _Line) -> Text:
    """Return what a column has in a line, red where the line fails in it."""
    if head in _NAMES:
        return Text(_NAMES[head](line), _FAILED if line.fails else "")
    if head in _ERRORS:
        which, found = _ERRORS[head], line.agreements
        errors = [getattr(each, f"{which}_error") for each in found if f"{which}_error" in line.row.errors]
        failed = not all(getattr(each, f"{which}_agrees") for each in found)
        return Text(numbers.error(max(errors)) if errors else "-", _FAILED if failed else "")
    cells = _OF_PEERS if line.peer else _OF_RESULTS
    return Text(cells[head](line) if head in cells else "", _STYLES.get(head, ""))


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
        _Line(row, outcome, peer=peer)
        for row in outcome.classifiers
        for peer in (None, *(peer for peer in row.peers if peer.timings.seconds))
    ]


def show(outcome: Outcome, console: Console) -> None:
    """Print the tables of a run, with as many columns as fit, and what their columns mean."""
    by_method = [_Line(row, outcome) for row in outcome.rows if row.group == BY_METHOD]
    left_out: dict[str, None] = {}
    tables = (
        (_lines(outcome, "reference"), _BESIDE_REFERENCE, _group, _DISPENSABLE),
        (by_method, _BY_METHOD, _heading, _DISPENSABLE),
        (_lines(outcome, "direct"), _BESIDE_DIRECT, _group, _DISPENSABLE),
        (_peer_lines(outcome), _BESIDE_PEERS, _group, _DISPENSABLE_BESIDE_PEERS),
    )
    for lines, columns, heading, dispensable in tables:
        if lines:
            table, missing = fitting(partial(_table, lines, heading), columns, dispensable, console)
            left_out |= dict.fromkeys(missing)
            console.print(table, "")
    for note in _notes(outcome, list(left_out)):
        console.print(Text(note, style="dim"))
    for row in outcome.failures:
        console.print(Text(f"FAIL {row.title}: {row.problem}", style=_FAILED))


def _notes(outcome: Outcome, left_out: list[str]) -> list[str]:
    """Return what the columns mean, and what is missing."""
    cpu, limits = outcome.machine["cpu"], outcome.limits
    notes = [
        f"{cpu}, {outcome.on_threads}: peak {limits.multiply_adds_per_s / 1e9:.0f} G multiply-adds/s "
        f"(float64), memory copy {limits.copy_bytes_per_s / 1e9:.0f} GB/s, measured in this run.",
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
        notes.append("peer/fast: a peer's time over ours; its errors are in its line.")
    if any(row.group == CLASSIFIERS for row in outcome.classifiers):
        notes.append(
            "np.copyto is of the logits: no pass over them takes less on one thread. Of softmax, grad error "
            "is that of the probabilities."
        )
    missing = dict.fromkeys(
        f"{peer.name} ({peer.left_out})" for row in outcome.classifiers for peer in row.peers if peer.left_out
    )
    if missing:
        notes.append(f"Left out: {', '.join(missing)}.")
    if outcome.rows and "of limit" not in left_out:
        notes.append(
            "of limit: the least conceivable time, for direct of 2 multiply-adds per pair at that peak rate, "
            "for others of reading x and z and writing g at that copy rate."
        )
    if outcome.busy:
        notes.append(outcome.busy)
    if left_out:
        heads = [head.replace("/ ", "/").replace("- ", "-") for head in left_out]
        notes.append(f"Left out for want of width: {', '.join(heads)}.")
    return notes


def _table(lines: list[_Line], headings: Callable[[_Line], str], heads: list[str], space: int) -> Table:
    table = plain_table(space)
    for index, head in enumerate(heads):
        justify: Literal["left", "right"] = "right" if index else "left"
        table.add_column(head.replace(" ", "\n").strip(), justify=justify, no_wrap=True, vertical="bottom")
    for number, (heading, group) in enumerate(groupby(lines, headings)):
        if number:
            table.add_section()
        for part in heading.split("\n"):
            table.add_row(Text(part, style=_HEADING))
        for line in group:
            table.add_row(*(_cell(head, line) for head in heads))
    return table


def show_cases(entries: list[Entry], console: Console) -> None:
    """Print what would be measured."""
    table = plain_table(2)
    for head in ("case", "N", "M", "methods"):
        table.add_column(head, justify="right" if head in "NM" else "left", no_wrap=head != "methods")
    for group, members in groupby(entries, lambda entry: entry.group):
        table.add_row(Text(group, _HEADING))
        for entry in members:
            if isinstance(entry, Comparison):
                size, bins = entry.case.size, f"{entry.case.bins:,}"
                names = [entry.exact, *(way.name for way in entry.ways if way.name != entry.exact)]
            else:
                size, bins = entry.size, ""
                names = ["reference", "fast", *(peer.name for peer in entry.peers)]
            table.add_row(*map(Text, (entry.name, size, bins, ", ".join(names))))
    console.print(table)
