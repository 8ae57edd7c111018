"""Which cases stand together in the table and in the plot."""

from __future__ import annotations

from ..cases import Case

__all__ = ["BATCH", "CIRCLE", "FLOAT32", "GROUPS", "LINE", "REAL", "SIZES", "group", "selected"]

SIZES = "sizes x bins"
FLOAT32 = "float32"
LINE = "kernels on the line"
CIRCLE = "kernels on the circle"
BATCH = "batch"
REAL = "real data"
GROUPS = (SIZES, FLOAT32, LINE, CIRCLE, BATCH, REAL)


def group(case: Case) -> str:
    """Return the group of a case, one of `GROUPS`."""
    if case.rows > 1:
        return BATCH
    if "float32" in case.name:
        return FLOAT32
    if case.name == "gaussian line":
        return SIZES
    if case.name.endswith(" line"):
        return LINE
    return CIRCLE if case.name.endswith(" circle") else REAL


def selected(cases: list[Case], text: str) -> list[Case]:
    """Return the cases with `text` in their name or group, group by group."""
    wanted = text.casefold()
    found = [case for case in cases if wanted in case.name.casefold() or wanted in group(case).casefold()]
    return sorted(found, key=lambda case: GROUPS.index(group(case)))
