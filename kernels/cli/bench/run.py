"""`kdexent bench` from the first case to the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from ...measure import numbers
from ...measure.alternation import FULL, QUICK, Row, measure
from ...measure.cases import Comparison
from ...measure.classifiers import ClassifierRow, measure_classifier
from ...measure.limits import measure_limits
from ...measure.machine import describe
from ...runtime.pool import thread_count
from ..streams import NOT_WRITTEN, complain
from ..terminal import console
from .groups import Entry, everything, selected
from .record import Outcome, as_json
from .table import show, show_cases

__all__ = ["Settings", "bench", "list_cases"]

_STDOUT = Path("-")


class Settings(NamedTuple):
    """What was asked for on the command line."""

    quick: bool
    filter: str
    threads: int | None
    repeat: int | None
    json: Path
    plot: Path | None


def _no_case(text: str) -> int:
    return complain(f"no case has {text!r} in its name or group; see kdexent bench --list")


def list_cases(quick: bool, text: str) -> int:
    """Print the cases that `bench` would measure; return the exit status."""
    found = selected(everything(quick), text)
    if not found:
        return _no_case(text)
    show_cases(found, console())
    return 0


def _tracked(cases: list[Entry], screen: Console) -> Iterator[Entry]:
    """Yield the cases, showing which one is next."""
    labels = [numbers.problem(each.case) if isinstance(each, Comparison) else each.title for each in cases]
    if not screen.is_terminal:
        for number, (case, label) in enumerate(zip(cases, labels, strict=True), 1):
            screen.print(f"[{number}/{len(cases)}] {label}", markup=False)
            yield case
        return
    columns = (BarColumn(30), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
    # Drawn between cases only: a thread that redraws would compete with what is timed.
    with Progress(*columns, console=screen, transient=True, auto_refresh=False) as progress:
        task = progress.add_task("", total=len(cases))
        for case, label in zip(cases, labels, strict=True):
            progress.update(task, description=label, refresh=True)
            yield case
            progress.advance(task)


def _write(outcome: Outcome, json: Path, plot: Path | None) -> str | None:
    """Write the files that were asked for; return why one could not be written."""
    failures = []
    if json != _STDOUT:
        try:
            json.write_text(as_json(outcome) + "\n", encoding="utf-8")
        except OSError as error:
            failures.append(f"{json}: {error.strerror or error}")
    if plot is not None:
        from .plot import draw  # noqa: PLC0415  # matplotlib is slow to import

        try:
            draw(outcome, plot)
        except OSError as error:
            failures.append(f"{plot}: {error.strerror or error}")
    return "cannot write " + ", nor ".join(failures) if failures else None


def bench(settings: Settings) -> int:
    """Measure, print, and write what was asked for; return the exit status."""
    cases = selected(everything(settings.quick), settings.filter)
    if not cases:
        return _no_case(settings.filter)
    # The figures are of densities.
    plot = settings.plot if any(isinstance(case, Comparison) for case in cases) else None
    files = [path for path in (settings.json, plot) if path is not None and path != _STDOUT]
    try:
        for path in files:
            path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return complain(f"cannot write there: {error}")

    screen = console(stderr=settings.json == _STDOUT)
    effort = QUICK if settings.quick else FULL
    if settings.repeat is not None:
        effort = effort._replace(repeat=settings.repeat)
    threads = thread_count(settings.threads)
    machine, limits = describe(), measure_limits(threads)
    rows, classifiers = list[Row](), list[ClassifierRow]()
    for case in _tracked(cases, console(stderr=True)):
        if isinstance(case, Comparison):
            rows += measure(case, threads, effort)
        else:
            classifiers.append(measure_classifier(case, threads, effort))
    outcome = Outcome(
        suite="quick" if settings.quick else "full",
        filter=settings.filter,
        threads=threads,
        effort=effort,
        machine=machine,
        # Once more at the end, since other work may have come or gone in between.
        limits=limits.or_better(measure_limits(threads)),
        rows=rows,
        classifiers=classifiers,
    )
    # Files first: a standard output that is full must not lose them, nor they the table.
    failure = _write(outcome, settings.json, plot)
    show(outcome, screen)
    if settings.json == _STDOUT:
        print(as_json(outcome))
    if failure is not None:
        return complain(failure, NOT_WRITTEN)
    if files:
        screen.print(Text("Written: " + ", ".join(map(str, files))))
    first_calls = numbers.seconds(outcome.first_calls)
    screen.print(f"First calls, which compile or load from the disk cache: {first_calls} in all")
    style = "bold red" if outcome.failures else "bold green"
    screen.print(Text(outcome.verdict, style=style))
    return 1 if outcome.failures else 0
