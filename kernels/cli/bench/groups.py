"""Which cases stand together in the table and in the plot."""

from __future__ import annotations

from ...measure import classifier_cases
from ...measure.cases import AUTO, Case, Comparison, strategies, suite
from ...measure.classifier_cases import CLASSIFIERS, ClassifierCase

__all__ = [
    "BANDWIDTHS",
    "BATCH",
    "CIRCLE",
    "FLOAT32",
    "LINE",
    "METHODS",
    "REAL",
    "SIZES",
    "Entry",
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

Entry = Comparison | ClassifierCase


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


def everything(quick: bool) -> list[Entry]:
    """Return what `kdexent bench` measures, group by group."""
    beside = [Comparison(_group(case), case, (AUTO,), "reference") for case in suite(quick)]
    beside.sort(key=lambda comparison: _GROUPS.index(comparison.group))
    return [*beside, *strategies(quick), *classifier_cases.suite(quick)]


def selected(entries: list[Entry], text: str) -> list[Entry]:
    """Return those with `text` in the name of their case or group."""
    wanted = text.casefold()
    return [each for each in entries if wanted in "\n".join(_names(each)).casefold()]


def _names(entry: Entry) -> tuple[str, str]:
    if isinstance(entry, Comparison):
        return entry.case.name, entry.group
    return entry.name, CLASSIFIERS
