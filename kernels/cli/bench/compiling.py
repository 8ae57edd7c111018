"""Compiling what cases need before anything is timed, in processes of their own.

The process that measures loads it from the disk cache then: one that compiles keeps what the compiler took.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from multiprocessing import get_context

from ...measure import cases, classifier_cases
from ...measure.cases import DIRECT, Comparison, small
from ...measure.results import Entry

_MOST_PROCESSES = 4


def suite(quick: bool) -> list[Entry]:
    """Return all cases of `kdexent bench`."""
    return [*cases.suite(quick), *classifier_cases.suite(quick)]


def compile_ahead(numbers: list[int], quick: bool, n_threads: int) -> Iterator[str]:
    """Call once what some cases of ``suite(quick)`` call; give the title of each that is done."""
    # Neighbours need the same functions, and two processes would both compile them: from both ends, then.
    ends = [number for pair in zip(numbers, reversed(numbers), strict=True) for number in pair]
    count = min(os.cpu_count() or 1, _MOST_PROCESSES, len(numbers))
    with get_context("spawn").Pool(count) as pool:
        work = partial(_call_once, quick=quick, n_threads=n_threads)
        yield from pool.imap_unordered(work, ends[: len(numbers)])


def _call_once(number: int, quick: bool, n_threads: int) -> str:
    entry = suite(quick)[number]
    with suppress(Exception):  # the same call fails again where it is measured, and is shown there
        if isinstance(entry, Comparison):
            arguments = entry.case.make()
            for way in entry.ways:
                way.computation(arguments, n_threads)()
            if entry.exact == "direct":
                DIRECT.computation(small(entry.case).make(), n_threads)()
        else:
            entry.fast(entry.make())()
    return entry.title
