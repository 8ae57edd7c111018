"""`kdexent bench` from the first case to the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from rich.text import Text

from ...measure import numbers
from ...measure.cases import Comparison
from ...measure.classifiers import ClassifierResult, measure_classifier
from ...measure.comparisons import DensityResult, measure
from ...measure.limits import measure_limits
from ...measure.machine import describe
from ...measure.results import Entry
from ...measure.timing import FULL, QUICK
from ...runtime.pool import thread_count
from ..streams import NOT_WRITTEN, Refused, complain, make_folders, write_files
from ..terminal import console, progress_bar
from .compiling import compile_ahead, suite
from .record import Outcome, as_json
from .table import show, show_cases

_STDOUT = Path("-")


class Settings(NamedTuple):
    """What was asked for on the command line."""

    quick: bool
    filter: str
    threads: int | None
    repeat: int | None
    json: Path
    plot: Path | None


def _selected(settings: Settings) -> dict[int, Entry]:
    """Return the cases that have the filter's text in their name or group, by their number in the suite."""
    text, cases = settings.filter.casefold(), enumerate(suite(settings.quick))
    found = {number: each for number, each in cases if text in f"{each.name}\n{each.group}".casefold()}
    if not found:
        raise Refused(f"no case has {settings.filter!r} in its name or group; see kdexent bench --list")
    return found


def list_cases(settings: Settings) -> int:
    """Print the cases that `bench` would measure; return the exit status."""
    show_cases([*_selected(settings).values()], console())
    return 0


def _write(outcome: Outcome, json: Path, plot: Path | None) -> str | None:
    """Write the files that were asked for; return why one could not be written."""
    files: list[tuple[Path, Callable[[Path], object]]] = []
    if json != _STDOUT:
        files.append((json, lambda path: path.write_text(as_json(outcome) + "\n", encoding="utf-8")))
    if plot is not None:
        from .plot import draw  # noqa: PLC0415  # matplotlib is slow to import

        files.append((plot, partial(draw, outcome)))
    return write_files(files)


@contextmanager
def _reporting() -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar, and give the function that moves it; where there is no terminal it prints lines."""
    screen = console(stderr=True)
    with progress_bar(screen) as report:
        yield report or (lambda done, total, text: screen.print(f"[{done}/{total}] {text}", markup=False))


def bench(settings: Settings) -> int:
    """Measure, print, and write what was asked for; return the exit status."""
    selected = _selected(settings)
    cases = [*selected.values()]
    # The figures are of densities.
    plot = settings.plot if any(isinstance(case, Comparison) for case in cases) else None
    files = [path for path in (settings.json, plot) if path is not None and path != _STDOUT]
    make_folders(files)
    screen = console(stderr=settings.json == _STDOUT)
    effort = QUICK if settings.quick else FULL
    if settings.repeat is not None:
        effort = effort._replace(repeat=settings.repeat)
    threads = thread_count(settings.threads)
    machine, limits = describe(), measure_limits(threads)
    rows, classifiers = list[DensityResult](), list[ClassifierResult]()
    with _reporting() as report:
        report(0, len(cases), "compiling")
        for number, title in enumerate(compile_ahead([*selected], settings.quick, threads)):
            report(number + 1, len(cases), f"compiled: {title}")
    with _reporting() as report:
        for number, case in enumerate(cases):
            report(number + 1, len(cases), case.title)
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
