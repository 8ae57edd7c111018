"""`kdexent gate` from the builds to the verdict."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from ...measure.cases import LINE_KERNELS
from ...measure.errors import Error
from ...measure.races.judge import UNKNOWN, judge
from ...measure.races.race import Ended, Process, Race
from ...measure.races.starts import (
    FIRST_CALL,
    STARTS,
    WARM,
    Failed,
    Side,
    as_workloads,
    in_new_process,
    start,
)
from ...measure.races.workloads import first_calls
from ...measure.timing import now
from ..streams import NOT_WRITTEN, STDOUT, Refused, complain, make_folders, write_files
from ..terminal import console, progress_bar
from .builds import WORKING_TREE, build, key_of
from .report import FAILS, INTERRUPTED, Once, Outcome, Seen, as_json, called, show, size_of

Report = Callable[[int, int, str], None]
FULL = "full"
TIERS = "quick", FULL


class Options(NamedTuple):
    """What the command line asks for."""

    tier: str
    cells: str  # in the names of those to run
    rounds: int
    threshold: float
    json: Path | None


class _AskedOnce(NamedTuple):
    """What the first call of a process is asked for: the seconds that it computes, or bytes of memory."""

    name: str
    points: int
    options: dict[str, Any]
    unit: str


def gate(base: str, head: str | None, options: Options) -> int:
    """Compare two revisions, print, and write what was asked for; return the exit status."""
    started = now()
    if options.tier not in TIERS:
        raise Refused(f"tier must be one of {', '.join(TIERS)}, got {options.tier!r}")
    files = [options.json] if options.json and options.json != STDOUT else []
    make_folders(files)
    key_of(base)
    new = _built(0, WORKING_TREE if head is None else head)
    measure = new.packages / "kdexent" / "measure"
    if not (measure / "races").is_dir():
        raise Refused(f"{new.name} has no workloads to run: it is older than this command")
    seen: dict[str, Seen] = {}
    once: dict[str, Once] = {}
    ended = ""
    with TemporaryDirectory() as made:
        folder = Path(made)
        try:
            workloads = as_workloads(measure, folder)
        except Exception as error:  # they are another kdexent's, which this one need not have all of
            raise Refused(f"the workloads of {new.name} do not run beside this kdexent: {error}") from None
        cells, starts = _selected(workloads, options)
        old = _built(1, base)
        race = Race(old, new, folder, options.threshold, seed=time.time_ns())
        try:
            with progress_bar(lines=True) as report:
                _look(cells, starts, (race.old, race.new), folder, seen, report)
            runs = [name for name in (*cells, *starts) if name not in seen or not any(seen[name].failures)]
            controls = [name for name in runs if name in cells and cells[name].case is None]
            others = [name for name in runs if name not in controls]
            with progress_bar() as report:
                for progress in race.run(others, options.rounds, controls):
                    report(*progress)
            with progress_bar(lines=True) as report:
                for name, figures in _once(_asked_once(options), (race.old, race.new), report):
                    once[name] = figures
        except KeyboardInterrupt:
            ended = INTERRUPTED
        except Failed as missing:  # in no cell: the workloads themselves
            ended = f"{(new if missing.new else old).name} cannot run the workloads: {missing}"
            if not race.logs:
                raise Refused(ended) from None
    how = options.tier, workloads.VERSION, now() - started, ended
    outcome = Outcome(race, cells, starts, seen, once, *how)
    # The file first: a standard output that is full must not lose it.
    text = as_json(outcome)
    failure = write_files([(path, text) for path in files])
    show(outcome, console(stderr=options.json == STDOUT))
    if options.json == STDOUT:
        print(text)
    if failure is not None:
        return complain(failure, FAILS if outcome.status == FAILS else NOT_WRITTEN)
    return outcome.status


def _built(number: int, revision: str) -> Side:
    with progress_bar(lines=True) as report:
        report(number, 2, f"building {revision}")
        return build(revision)


def _selected(workloads: ModuleType, options: Options) -> tuple[dict[str, Any], list[str]]:
    """Return the cells to run by name, controls first, and the starts of processes."""
    text = _plain(options.cells)
    every = workloads.full() if options.tier == FULL else workloads.quick()
    cells = [cell for cell in every if text in _texts(cell)]
    starts = [name for name in STARTS if text in name]
    if not cells and not starts:
        raise Refused(f"no cell has {options.cells!r} in its name")
    return {cell.name: cell for cell in [*workloads.controls(), *cells]}, starts


def _texts(cell: Any) -> str:
    """Return a cell's name, and what the table shows of it."""
    return _plain(f"{cell.name}\n{called(cell.name, cell)} {size_of(cell)}")


def _plain(text: str) -> str:
    """Return a text as it is easily typed."""
    return text.casefold().replace("×", "x")


def _asked_once(options: Options) -> list[_AskedOnce]:
    """Return what is measured once on each side: what calls compile, and the memory of a process."""
    asked = [_AskedOnce("first call, compiling", *FIRST_CALL, "s")]
    if options.tier == FULL:
        asked += [
            _AskedOnce(f"compiling {call['kernel']}, {call['method']}", 1_000, call, "s")
            for call in first_calls()
        ]
        points, bins = 1_000_000, 256
        memory = f"memory of a process, {{}}, {points:,} x {bins}"
        asked += [
            _AskedOnce(memory.format(kernel), points, {"kernel": kernel, "bins": bins}, "bytes")
            for kernel in LINE_KERNELS
        ]
    return [each for each in asked if options.cells.casefold() in each.name]


def _once(asked: Sequence[_AskedOnce], sides: Sequence[Side], report: Report) -> Iterator[tuple[str, Once]]:
    """Give what is measured once, by name."""
    with ThreadPoolExecutor(len(sides)) as threads:
        for number, (name, points, options, unit) in enumerate(asked):
            report(number, len(asked), name)
            old, new = threads.map(partial(_figure, points, options, unit == "s"), sides)
            yield name, Once(old, new, unit)


def _figure(points: int, options: dict[str, Any], compiling: bool, side: Side) -> float | None:
    """Return the CPU time of a first call, or the memory of its process at most; None if it cannot run."""
    try:
        started = in_new_process(side.environment(), points, options, nothing_compiled=compiling)
    except Failed:  # a revision without the kernel or the method
        return None
    return started.cpu if compiling else started.peak


def _look(
    cells: dict[str, Any],
    starts: Sequence[str],
    sides: Sequence[Side],
    folder: Path,
    seen: dict[str, Seen],
    report: Report,
) -> None:
    """Compile every cell on both sides, and find out its errors and how auto has it computed."""
    if WARM in starts:
        with suppress(Failed):  # which the race will say
            start(WARM, *sides)
    with TemporaryDirectory() as results, ThreadPoolExecutor(2) as threads, ExitStack() as stack:
        processes = [stack.enter_context(Process(side, folder)) for side in sides]
        for process in processes:
            process.wait()

        def result(name: str, side: int) -> tuple[list[np.ndarray], dict[str, Any], Failed | None]:
            path = Path(results, f"{side}.npz")
            try:
                taken = processes[side].ask("result", cell=name, path=str(path))["taken"]
            except Failed as failure:
                return [], {}, failure
            with np.load(path) as arrays:
                return [*arrays.values()], taken, None

        for number, (name, cell) in enumerate(cells.items()):
            report(number, len(cells), f"compiling and comparing: {name}")
            found = [*threads.map(partial(result, name), (0, 1))]
            before, after = (None if failure is None else str(failure) for *_, failure in found)
            failures = before, after
            error = judge(cell) if not all(failures) else lambda arrays: UNKNOWN
            old, new = (UNKNOWN if failure else _error(error, arrays) for arrays, _, failure in found)
            seen[name] = Seen((old, new), (found[0][1], found[1][1]), failures)
            for side, (*_, failure) in enumerate(found):
                if isinstance(failure, Ended):
                    processes[side] = stack.enter_context(Process(sides[side], folder))
                    processes[side].wait()


def _error(error: Callable[[Sequence[np.ndarray]], Error], arrays: Sequence[np.ndarray]) -> Error:
    """Return the error of a result; one that has not the shape of the true one is as wrong as can be."""
    try:
        return error(arrays)
    except (ValueError, IndexError):
        return Error(math.inf, 1.0)
