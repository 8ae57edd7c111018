"""The table of classifiers and distributions: a line for each case, and one for each of its peers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ...measure import numbers
from ...measure.classifiers import Beside, ClassifierRow
from .fitting import Column

__all__ = ["BESIDE_PEERS", "DISPENSABLE", "classifier_lines", "classifier_notes"]


class _Line(NamedTuple):
    row: ClassifierRow
    peer: Beside | None  # whose line it is

    @property
    def fails(self) -> bool:
        return self.peer is None and self.row.problem is not None

    @property
    def first(self) -> str:
        if self.peer is not None:
            return f"  {self.peer.name}"
        return ("FAIL " if self.fails else "") + self.row.case.name


def _of_case(text: Callable[[ClassifierRow], str]) -> Callable[[_Line], str]:
    return lambda line: "" if line.peer is not None else text(line.row)


def _of_peer(text: Callable[[ClassifierRow, Beside], str]) -> Callable[[_Line], str]:
    return lambda line: "" if line.peer is None else text(line.row, line.peer)


def _error(which: str, head: str) -> Column:
    def cell(line: _Line) -> str:
        found = (line.peer or line.row).agreement
        if found is None or f"{which}_error" not in line.row.case.errors:
            return "-"
        return numbers.error(getattr(found, f"{which}_error"))

    def failed(line: _Line) -> bool:
        found = (line.peer or line.row).agreement
        return found is not None and not getattr(found, f"{which}_agrees")

    return Column(head, cell, failed=failed)


_REFERENCE = Column("reference", _of_case(lambda row: numbers.seconds(row.exact_time)))
_RATE = Column("ns/ entry", _of_case(lambda row: numbers.three_digits(row.ns_per_entry)))
BESIDE_PEERS = (
    Column("case", lambda line: line.first, failed=lambda line: line.fails),
    Column("size", _of_case(lambda row: row.case.size)),
    _REFERENCE,
    Column("fast", _of_case(lambda row: numbers.seconds(row.fast_time)), "bold"),
    Column("speed- up", _of_case(lambda row: numbers.ratio(row.speed_up)), "bold green"),
    _RATE,
    Column("peer", _of_peer(lambda row, peer: numbers.seconds(peer.time))),
    Column("peer/ fast", _of_peer(lambda row, peer: numbers.ratio(peer.time / row.fast_time)), "green"),
    _error("loss", "loss error"),
    _error("gradient", "grad error"),
)
# An entropy has no other error than the loss's, so that both errors stay.
DISPENSABLE = (_RATE, _REFERENCE)


def classifier_lines(rows: Iterable[ClassifierRow]) -> list[_Line]:
    """Return the lines of the table, without peers that were left out."""
    return [
        _Line(row, peer)
        for row in rows
        for peer in (None, *(peer for peer in row.peers if not math.isnan(peer.time)))
    ]


def classifier_notes(rows: list[ClassifierRow]) -> list[str]:
    """Return what the table's columns mean, and which peers are missing."""
    if not rows:
        return []
    notes = [
        "peer/fast: a peer's time over ours; its errors are in its line. np.copyto is of the logits: no pass "
        "over them takes less on one thread. Of softmax, grad error is that of the probabilities."
    ]
    left_out = dict.fromkeys(
        (peer.name, peer.left_out) for row in rows for peer in row.peers if peer.left_out
    )
    if left_out:
        notes.append(f"Left out: {', '.join(f'{name} ({reason})' for name, reason in left_out)}.")
    return notes
