"""What a gate found out, as a table, as JSON and as an exit status."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache, cached_property
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ...measure import numbers
from ...measure.cases import Way
from ...measure.errors import Error
from ...measure.machine import describe
from ...measure.races.change import Change, Verdict, change
from ...measure.races.judge import UNKNOWN
from ...measure.races.race import Race
from ...measure.races.starts import STARTS
from ..terminal import fitting, plain_table

PASSES, FAILS, FAILED, UNDECIDED, STOPPED = 0, 1, 2, 3, 130
INTERRUPTED = "interrupted"
WRONG, NOT_THERE, MOVED, NOISY = "wrong", "null", "moved", "machine too noisy"
_STYLES = {
    WRONG: "bold red",
    Verdict.SLOWER: "bold red",
    Verdict.FASTER: "bold green",
    Verdict.UNDECIDED: "yellow",
}


class Seen(NamedTuple):
    """What is known of a cell before it is timed, of the old revision and of the new one."""

    errors: tuple[Error, Error]
    taken: tuple[dict[str, Any], dict[str, Any]]
    failures: tuple[str | None, str | None]

    @property
    def methods(self) -> tuple[str | None, str | None]:
        """What auto took on each side."""
        old, new = (Way(each["method"], each["order"]).name if each else None for each in self.taken)
        return old, new


class Once(NamedTuple):
    """A figure that there is one of on each side, None where it cannot be had, and its unit, s or bytes."""

    old: float | None
    new: float | None
    unit: str


@dataclass
class Outcome:
    """What a whole run found out, and how it ran."""

    race: Race
    cells: dict[str, Any]
    starts: list[str]
    seen: dict[str, Seen]
    once: dict[str, Once]
    tier: str
    workloads: Any  # their version
    seconds: float
    ended: str  # why before its end, if it did

    @cached_property
    def noisy(self) -> list[str]:
        """The controls that moved, which no change can do, or that cannot run."""
        moved = (Verdict.SLOWER, Verdict.FASTER)
        controls = [name for name in self.cells if self.is_control(name)]
        return [name for name in controls if any(self.failures(name)) or self.race.verdict(name) in moved]

    @property
    def names(self) -> list[str]:
        return [*self.cells, *self.starts]

    def verdict(self, name: str) -> str:
        """Return what is said of a cell."""
        seen = self.seen.get(name)
        old, new = self.failures(name)
        if (seen is not None and seen.errors[1].share > 1) or (new is not None and old is None):
            return WRONG
        if old is not None or new is not None:
            return NOT_THERE
        if name in self.noisy:
            return MOVED
        found = self.race.verdict(name)
        if self.noisy and found in (Verdict.SLOWER, Verdict.FASTER):
            return Verdict.UNDECIDED
        return found

    def failures(self, name: str) -> tuple[str | None, str | None]:
        """Return why a cell cannot run on the old side and on the new one."""
        failure, seen = self.race.failures.get(name), self.seen.get(name)
        if failure is None:
            return seen.failures if seen else (None, None)
        return (None, str(failure)) if failure.new else (str(failure), None)

    @cached_property
    def verdicts(self) -> dict[str, str]:
        return {name: self.verdict(name) for name in self.names}

    @property
    def worst(self) -> str:
        """The verdict on all cells together; starts, of which few are taken, may be undecided."""
        found = {
            verdict
            for name, verdict in self.verdicts.items()
            if not self.is_control(name) and not (name in STARTS and verdict == Verdict.UNDECIDED)
        }
        if self.noisy or not found - {NOT_THERE}:
            found.add(Verdict.UNDECIDED)
        order = (WRONG, Verdict.SLOWER, Verdict.UNDECIDED, Verdict.FASTER, Verdict.SAME)
        return next(verdict for verdict in order if verdict in found)

    @property
    def status(self) -> int:
        """The exit status."""
        if self.worst in (WRONG, Verdict.SLOWER):
            return FAILS
        if self.ended:
            return STOPPED if self.ended == INTERRUPTED else FAILED
        return UNDECIDED if self.worst == Verdict.UNDECIDED else PASSES

    def is_control(self, name: str) -> bool:
        """Whether no change can touch it."""
        return name in self.cells and self.cells[name].case is None

    @property
    def words(self) -> str:
        """The verdict in a line."""
        counts: dict[str, int] = {}
        for name, verdict in self.verdicts.items():
            if not self.is_control(name):
                counts[str(verdict)] = counts.get(str(verdict), 0) + 1
        told = ", ".join(
            f"{count} {verdict}" for verdict, count in sorted(counts.items(), key=lambda each: -each[1])
        )
        overall = {PASSES: "nothing slower, nothing wrong", FAILS: "slower or wrong", UNDECIDED: "undecided"}
        found = ", ".join(filter(None, [overall.get(self.status), self.ended]))
        return f"{found}{f': {NOISY}' if self.noisy else ''} ({told})"


@cache
def _kernel_and_domain(cell: Any) -> tuple[str, str]:
    if cell is None or not cell.of_densities:
        return "", ""
    options = cell.case.make().options
    return options["kernel"], "circle" if "period" in options else "line"


def called(name: str, cell: Any) -> str:
    """Return kernel and domain, and what else tells a cell from others of its size."""
    if cell is None or cell.case is None:
        return name
    place = _kernel_and_domain(cell)
    words = [word for word in cell.case.name.split() if word.strip("()") not in place]
    shown: str = ", ".join(filter(None, [" ".join(filter(None, place)), " ".join(words)])) + cell.how
    return shown


def size_of(cell: Any) -> str:
    """Return the points and bins of a cell, or the shape of its logits."""
    if cell is None or cell.case is None:
        return ""
    return f"{cell.case.size}×{cell.case.bins:,}" if cell.of_densities else str(cell.case.size)


def _percent(found: Change) -> str:
    """Return a change and its interval in per cent."""
    if math.isnan(found.ratio):
        return "-"
    ratio, low, high = (f"{100 * (each - 1):+.1f}" if 0 < each < math.inf else "?" for each in found)
    return f"{ratio} [{low}, {high}]"


def _before_and_after(before: str | None, after: str | None) -> str:
    return (after or "-") if before in (after, None) else f"{before} > {after or '-'}"


def _share(error: Error) -> str | None:
    found = f"{error.share:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    return None if math.isnan(error.share) else found


_CELL = "kernel, domain, call"
_HEADS = (_CELL, "N×M", "method", "before", "time, %", "error", "verdict")
_LEFT = (_CELL, "method", "verdict")
_DISPENSABLE = ("before", "method", "error", "N×M")


def _cells(name: str, outcome: Outcome) -> dict[str, str]:
    """Return what each column has for a cell."""
    seen, race, cell = outcome.seen.get(name), outcome.race, outcome.cells.get(name)
    seconds = race.seconds.get(name)
    return {
        _CELL: called(name, cell),
        "N×M": size_of(cell),
        "method": _before_and_after(*seen.methods) if seen else "",
        "before": numbers.seconds(median(old for old, _ in seconds)) if seconds else "-",
        "time, %": _percent(race.change(name)),
        "error": _before_and_after(*map(_share, seen.errors)) if seen else "",
        "verdict": str(outcome.verdicts[name]),
    }


def show(outcome: Outcome, console: Console) -> None:
    """Print a row for each cell, what the columns mean, and the verdict."""
    rows = [_cells(name, outcome) for name in outcome.names]

    def table_of(heads: list[str], space: int) -> Table:
        table = plain_table(space)
        for head in heads:
            table.add_column(head, justify="left" if head in _LEFT else "right", no_wrap=head != _CELL)
        for row in rows:
            style = _STYLES.get(row["verdict"], "")
            table.add_row(*(Text(row[head], style if head in (_CELL, "verdict") else "") for head in heads))
        return table

    table, left_out = fitting(table_of, _HEADS, _DISPENSABLE, console)
    console.print(table, "")
    for note in _notes(outcome, left_out):
        console.print(Text(note, style="dim"))
    style = {PASSES: "bold green", FAILS: "bold red"}.get(outcome.status, "bold yellow")
    console.print(Text(outcome.words, style))


def _notes(outcome: Outcome, left_out: list[str]) -> list[str]:
    race = outcome.race
    notes = [
        f"{race.old.name} > {race.new.name}, in {outcome.seconds:.0f} s. time: how much longer the new "
        "one takes, the median of pairs of processes, and an interval that holds it 19 times in 20. Beyond "
        f"{100 * race.threshold:g} %, and all of it on one side of 0: slower, or faster. All of it within "
        f"{100 * race.threshold:g} %: the same.",
    ]
    if "error" not in left_out:
        notes.append("error: the largest as a part of what is allowed, old > new; above 1 it is wrong.")
    changed = [
        f"{name}: {seen.taken[0][what]} > {seen.taken[1][what]} bytes of {words}"
        for name, seen in outcome.seen.items()
        for what, words in (("workspace_bytes", "workspace"), ("stored_bytes", "a plan"))
        if all(seen.taken) and seen.taken[0][what] != seen.taken[1][what]
    ]
    notes += changed
    notes += [
        f"{name}: {_before_and_after(*seen.methods)} by auto"
        for name, seen in outcome.seen.items()
        if len({*seen.methods}) > 1
    ]
    notes += [
        f"{name}: {side.name} cannot run it: {failure}"
        for name in outcome.names
        for side, failure in zip((race.old, race.new), outcome.failures(name), strict=True)
        if failure is not None
    ]
    if outcome.once:
        notes.append("Once on each side, which is no verdict:")
        for name, (old, new, unit) in outcome.once.items():
            notes.append(f"  {name}: {_figure(old, unit)} > {_figure(new, unit)}")
    if outcome.noisy:
        notes.append(f"{NOISY}: {', '.join(outcome.noisy)} moved, or failed, which no change can do.")
    if left_out:
        notes.append(f"Left out for want of width, and in --json: {', '.join(left_out)}.")
    return notes


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return numbers.seconds(value) if unit == "s" else numbers.size(int(value))


def _change(found: Change) -> dict[str, Any]:
    """Return a change; where its interval has no end, null."""
    return {"ratio": found.ratio, "low": found.low or None, "high": found.high}


def _row(name: str, outcome: Outcome) -> dict[str, Any]:
    race, seen, cell = outcome.race, outcome.seen.get(name), outcome.cells.get(name)
    null = outcome.verdicts[name] == NOT_THERE
    kernel, domain = _kernel_and_domain(cell)
    before, after = seen.errors if seen else (UNKNOWN, UNKNOWN)
    return {
        "name": name,
        "kernel": kernel or None,
        "domain": domain or None,
        "points": getattr(cell and cell.case, "points", None),
        "bins": getattr(cell and cell.case, "bins", None),
        "rows": getattr(cell and cell.case, "rows", None),
        "asked": cell.way._asdict() if cell and cell.of_densities else None,
        "method": seen.methods[1] if seen else None,
        "method_before": seen.methods[0] if seen else None,
        "taken": seen.taken if seen else None,
        **_change(change(()) if null else race.change(name)),
        "seconds": None if null else race.seconds.get(name),
        "error_before": before.value,
        "error_after": after.value,
        "allowed_before": before.allowed,
        "allowed": after.allowed,
        "failures": outcome.failures(name),
        "verdict": None if null else outcome.verdicts[name],
    }


def as_json(outcome: Outcome) -> str:
    """Return everything about a run as a JSON document."""
    race = outcome.race
    controls = [name for name in outcome.names if outcome.is_control(name)]
    document = {
        "schema": 1,
        "verdict": outcome.worst,
        "words": outcome.words,
        "status": outcome.status,
        "interrupted": outcome.ended == INTERRUPTED,
        "old": {"name": race.old.name, "key": race.old.key},
        "new": {"name": race.new.name, "key": race.new.key},
        "tier": outcome.tier,
        "workloads": outcome.workloads,
        "threshold": race.threshold,
        "seed": race.seed,
        "machine": describe(),
        "meaning": {
            "ratio": "new time over old: the median of pairs of processes; low and high: an interval that "
            "holds the true median 19 times in 20 at least; null where one side cannot run the cell",
            "seconds": "old and new of each pair, for one call",
            "error_before": "of loss or gradient, whichever is the larger part of what is `allowed`",
            "error_after": "the same of the new side; null if it is infinite or NaN",
            "control": "what no change can touch: where it is slower or faster the machine is too noisy",
        },
        "control": {
            name: _change(race.change(name))
            | {"seconds": race.seconds.get(name), "verdict": race.verdict(name)}
            for name in controls
        },
        "once": {name: once._asdict() for name, once in outcome.once.items()},
        "cells": [_row(name, outcome) for name in outcome.names if name not in controls],
    }
    return json.dumps(numbers.plain(document), indent=2, allow_nan=False)
