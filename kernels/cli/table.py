"""The figures as a table on the terminal."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from . import units
from .measure import Row
from .record import Outcome

__all__ = ["show", "show_cases"]

_FAILED = "bold red"


class _Column(NamedTuple):
    head: str
    cell: Callable[[Row, Outcome], str]
    style: str = ""
    failed: Callable[[Row], bool] = lambda row: False


def _loss_error(row: Row, _: Outcome) -> str:
    return units.error(row.agreement.loss_error) if row.agreement else "-"


def _gradient_error(row: Row, _: Outcome) -> str:
    return units.error(row.agreement.gradient_error) if row.agreement else "-"


def _share(row: Row, outcome: Outcome) -> str:
    share = row.share(outcome.limits.multiply_adds)
    return f"{100 * share:.1f}%" if math.isfinite(share) else "-"


_COLUMNS = (
    _Column(
        "case",
        lambda row, _: ("FAIL " if row.problem else "") + row.case.name,
        failed=lambda row: row.problem is not None,
    ),
    _Column("N", lambda row, _: units.points(row.case)),
    _Column("M", lambda row, _: units.count(row.case.bins)),
    _Column("reference", lambda row, _: units.seconds(row.reference_time)),
    _Column("fast", lambda row, _: units.seconds(row.fast_time), "bold"),
    _Column("1 thread", lambda row, _: units.seconds(row.one_thread_time)),
    _Column("speed-up", lambda row, _: units.ratio(row.speed_up), "bold green"),
    _Column("ns/pair", lambda row, _: units.three_digits(row.ns_per_pair)),
    _Column("of peak", _share),
    _Column(
        "loss err",
        _loss_error,
        failed=lambda row: row.agreement is not None and not row.agreement.loss_agrees,
    ),
    _Column(
        "grad err",
        _gradient_error,
        failed=lambda row: row.agreement is not None and not row.agreement.gradient_agrees,
    ),
)
# What a narrow terminal goes without, first to last. An error always stays beside the times.
_DISPENSABLE = ("loss err", "1 thread", "of peak", "ns/pair")


def _table(outcome: Outcome, columns: list[_Column]) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.head, justify="left" if column.head == "case" else "right", no_wrap=True)
    previous = None
    for row in outcome.rows:
        if row.group != previous:
            if previous is not None:
                table.add_section()
            table.add_row(Text(row.group, style="italic cyan"))
            previous = row.group
        table.add_row(
            *(
                Text(column.cell(row, outcome), style=_FAILED if column.failed(row) else column.style)
                for column in columns
            )
        )
    return table


def show(outcome: Outcome, console: Console) -> None:
    """Print the table of a run, with as many columns as fit, and what its columns mean."""
    columns, left_out = list(_COLUMNS), []
    table = _table(outcome, columns)
    for head in _DISPENSABLE:
        wide = console.options.update(max_width=1000)
        if Measurement.get(console, wide, table).maximum <= console.width:
            break
        columns = [column for column in columns if column.head != head]
        left_out.append(head)
        table = _table(outcome, columns)
    console.print(table)
    console.print()
    machine, limits = outcome.machine, outcome.limits
    threads = "1 thread" if outcome.threads == 1 else f"{outcome.threads} threads"
    notes = [
        f"{machine.cpu}, {threads}: peak {limits.multiply_adds / 1e9:.0f} G multiply-adds/s (float64), "
        f"memory copy {limits.copy / 1e9:.0f} GB/s, measured in this run.",
        "Times: medians of alternating calls, compiled before. "
        "Errors: abs(L-L0)/max(1, abs(L0)), max abs(g-g0)/max abs(g0).",
    ]
    if "of peak" not in left_out:
        notes.append(
            "of peak: 2 multiply-adds per pair, one in each pass, the least conceivable, over that peak rate."
        )
    if outcome.busy:
        notes.append(outcome.busy)
    if left_out:
        notes.append(f"Left out for want of width: {', '.join(left_out)}.")
    for note in notes:
        console.print(Text(note, style="dim"))
    for row in outcome.failures:
        size = f"N = {units.points(row.case)}, M = {units.count(row.case.bins)}"
        console.print(Text(f"FAIL {row.case.name}, {size}: {row.problem}", style=_FAILED))


def show_cases(rows: list[tuple[str, str, str, str]], console: Console) -> None:
    """Print the group, name, points and bins of cases."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for head in ("group", "case", "N", "M"):
        table.add_column(head, justify="right" if head in "NM" else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
