"""Where a command prints its results and its progress, and how."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

_PLAIN_WIDTH = 120


def console(stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or as a table needs where there is none."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        # A file or a pipe has no width, and the usual guess of 80 would leave columns out.
        found.width = _PLAIN_WIDTH
    return found


def plain_table(space: int = 1) -> Table:
    """Return a table with a line below its heads, and so much space between its columns."""
    return Table(
        box=SIMPLE_HEAD, padding=(0, space, 0, 0), pad_edge=False, show_edge=False, header_style="bold"
    )


def fitting(
    table_of: Callable[[list[str], int], Table],
    heads: Sequence[str],
    dispensable: Sequence[str],
    console: Console,
) -> tuple[Table, list[str]]:
    """Return a table with as many columns as fit, and the dispensable columns left out, first to last.

    `table_of` takes the heads of columns and the space between them.
    """
    there = [head for head in dispensable if head in heads]
    wide = console.options.update(max_width=1000)
    for count in range(len(there) + 1):
        left_out = there[:count]
        kept = [head for head in heads if head not in left_out]
        for space in (1, 0):
            table = table_of(kept, space)
            if Measurement.get(console, wide, table).maximum <= console.width:
                return table, left_out
    return table, left_out


@contextmanager
def progress_bar(lines: bool = False) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar, and give the function that moves it; where there is no terminal it may print lines."""
    screen = console(stderr=True)

    def line(done: int, total: int, text: str) -> None:
        if lines:
            screen.print(f"[{done}/{total}] {text}", markup=False)

    if not screen.is_terminal:
        yield line
        return
    columns = (
        BarColumn(30),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    # Drawn between measurements only: a thread that redraws would compete with what is timed.
    with Progress(*columns, console=screen, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=None)
        yield lambda done, total, text: progress.update(
            task, completed=done, total=total, description=text, refresh=True
        )
