"""Which cases stand together in the table and in the plot."""

from __future__ import annotations

from ..cases import AUTO, Case, Comparison, strategies, suite

__all__ = [
    "BANDWIDTHS",
    "BATCH",
    "CIRCLE",
    "FLOAT32",
    "LINE",
    "METHODS",
    "REAL",
    "SIZES",
    "everything",
    "selected",
]

SIZES = "sizes x bins"
FLOAT32 = "float32"
LINE = "kernels on the line"
CIRCLE = "kernels on the circle"
BATCH = "batch"
REAL = "real data"
_GROUPS = (SIZES, FLOAT32, LINE, CIRCLE, BATCH, REAL)
# Those of `kdexent.cases.strategies` that are told apart.
METHODS = "methods"
BANDWIDTHS = "bandwidths"


def _group(case: Case) -> str:
    """Return the group of a case that is measured beside the reference."""
    if case.rows > 1:
        return BATCH
    if "float32" in case.name:
        return FLOAT32
    if case.name == "gaussian line":
        return SIZES
    if case.name.endswith(" line"):
        return LINE
    return CIRCLE if case.name.endswith(" circle") else REAL


def everything(quick: bool) -> list[Comparison]:
    """Return what `kdexent bench` measures, group by group."""
    beside = [Comparison(_group(case), case, (AUTO,), "reference") for case in suite(quick)]
    return sorted(beside, key=lambda comparison: _GROUPS.index(comparison.group)) + strategies(quick)


def selected(comparisons: list[Comparison], text: str) -> list[Comparison]:
    """Return those with `text` in the name of their case or group."""
    wanted = text.casefold()
    return [each for each in comparisons if wanted in f"{each.case.name}\n{each.group}".casefold()]
