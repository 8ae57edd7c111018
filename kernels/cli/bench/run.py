"""`kdexent bench` from the first case to the verdict."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from rich.text import Text

from ...measure import numbers
from ...measure.cases import Comparison
from ...measure.classifiers import ClassifierResult, measure_classifier
from ...measure.comparisons import DensityResult, measure
from ...measure.limits import Limits, measure_limits
from ...measure.machine import describe
from ...measure.results import Entry
from ...measure.timing import FULL, QUICK
from ...runtime.pool import thread_count
from ..streams import NOT_WRITTEN, STDOUT, Refused, complain, make_folders, write_files
from ..terminal import console, progress_bar
from .compiling import compile_ahead, suite
from .record import Outcome, as_json
from .table import show, show_cases


def _selected(quick: bool, peers: bool, filter: str) -> dict[int, Entry]:
    """Return the cases that have the filter's text in their name or group, by their number in the suite."""
    text, cases = filter.casefold(), enumerate(suite(quick, peers))
    selected = {number: each for number, each in cases if text in f"{each.name}\n{each.group}".casefold()}
    if not selected:
        raise Refused(f"no case has {filter!r} in its name or group; see kdexent bench --list")
    return selected


def list_cases(quick: bool, peers: bool, filter: str) -> int:
    """Print the cases that `bench` would measure; return the exit status."""
    show_cases([*_selected(quick, peers, filter).values()], console())
    return 0


def bench(
    quick: bool,
    peers: bool,
    filter: str,
    json: Path,
    plot: Path | None,
    threads: int | None,
    repeat: int | None,
) -> int:
    """Measure, print, and write what was asked for; return the exit status."""
    selected = _selected(quick, peers, filter)
    cases = [*selected.values()]
    # The figures are of densities.
    files: dict[Path, Callable[[Outcome], Any]] = {} if json == STDOUT else {json: as_json}
    if plot is not None and any(isinstance(case, Comparison) for case in cases):
        from .plot import draw  # noqa: PLC0415  # slow; and if it fails, nothing is measured in vain

        files[plot] = lambda outcome: partial(draw, outcome)
    make_folders(files)
    screen = console(stderr=json == STDOUT)
    effort = QUICK if quick else FULL
    if repeat is not None:
        effort = effort._replace(repeat=repeat)
    threads = thread_count(threads)
    machine, limits = describe(), measure_limits(threads)
    rows, classifiers = list[DensityResult](), list[ClassifierResult]()
    with progress_bar(lines=True) as report:
        report(0, len(cases), "compiling")
        for number, title in enumerate(compile_ahead([*selected], quick, peers, threads)):
            report(number + 1, len(cases), f"compiled: {title}")
    with progress_bar(lines=True) as report:
        for number, case in enumerate(cases):
            report(number + 1, len(cases), case.title)
            if isinstance(case, Comparison):
                rows += measure(case, threads, effort)
            else:
                classifiers.append(measure_classifier(case, threads, effort))
    # The better of two, since other work may have come or gone in between.
    limits = Limits(*map(max, limits, measure_limits(threads)))
    suite_name = "quick" if quick else "full"
    outcome = Outcome(suite_name, filter, threads, effort, machine, limits, rows, classifiers)
    # Files first: a standard output that is full must not lose them, nor they the table.
    failure = write_files((path, of(outcome)) for path, of in files.items())
    show(outcome, screen)
    if json == STDOUT:
        print(as_json(outcome))
    if failure is not None:
        return complain(failure, 1 if outcome.failures else NOT_WRITTEN)
    if files:
        screen.print(Text("Written: " + ", ".join(map(str, files))))
    first_calls = numbers.seconds(outcome.first_calls)
    screen.print(f"First calls, which compile or load from the disk cache: {first_calls} in all")
    style = "bold red" if outcome.failures else "bold green"
    screen.print(Text(outcome.verdict, style=style))
    return 1 if outcome.failures else 0
