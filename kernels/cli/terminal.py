"""Where a command prints its results and its progress."""

from __future__ import annotations

import os

from rich.console import Console

__all__ = ["console"]

_PLAIN_WIDTH = 120


def console(stderr: bool = False) -> Console:
    """Return a console as wide as the terminal, or as a table needs where there is none."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal and "COLUMNS" not in os.environ:
        # A file or a pipe has no width, and the usual guess of 80 would leave columns out.
        found.width = _PLAIN_WIDTH
    return found
