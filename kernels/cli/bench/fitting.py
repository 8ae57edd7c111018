"""Tables with as many columns as the terminal is wide."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any, NamedTuple

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from ..terminal import plain_table

FAILED = "bold red"
_HEADING = "italic cyan"


class Column(NamedTuple):
    """A head, and of each line its text and style there; and whether the line fails in it."""

    head: str
    cell: Callable[[Any], str]
    style: str = ""
    failed: Callable[[Any], bool] = lambda line: False


def _table(lines: list[Any], columns: list[Column], headings: Callable[[Any], str], space: int) -> Table:
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
            styles = [FAILED if column.failed(line) else column.style for column in columns]
            table.add_row(
                *(Text(column.cell(line), style) for column, style in zip(columns, styles, strict=True))
            )
    return table


def fitting(
    lines: list[Any],
    columns: Iterable[Column],
    headings: Callable[[Any], str],
    dispensable: tuple[Column, ...],
    console: Console,
) -> tuple[Table, list[Column]]:
    """Return a table with as many columns as fit, and the dispensable columns left out, first to last."""
    kept, left_out = list(columns), list[Column]()
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
