"""Compiling what cases need before anything is timed, in processes of their own.

The process that measures loads it from the disk cache then: one that compiles keeps what the compiler took.
"""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import cycle, islice
from multiprocessing import get_context

from ...measure import cases, classifier_cases
from ...measure.cases import DIRECT, Comparison, small
from ...measure.machine import cores
from ...measure.peers import frameworks
from ...measure.results import Entry

_MOST_PROCESSES = 4


def suite(quick: bool, peers: bool = False) -> list[Entry]:
    """Return all cases of `kdexent bench`, with those beside frameworks or without."""
    of_frameworks = frameworks.suite(quick) if peers else []
    return [*cases.suite(quick), *classifier_cases.suite(quick), *of_frameworks]


def compile_ahead(numbers: list[int], quick: bool, peers: bool, n_threads: int) -> Iterator[str]:
    """Call once what some cases of ``suite(quick, peers)`` call; give the title of each that is done."""
    left = deque(numbers)
    # Neighbours need the same functions, and two processes would both compile them: from both ends, then.
    ends = cycle((left.popleft, left.pop))
    count = min(cores(), _MOST_PROCESSES, len(numbers))
    # A process that is killed ends this: what is left compiles where it is measured.
    with ProcessPoolExecutor(count, get_context("spawn")) as pool, suppress(BrokenProcessPool):

        def start(take: Callable[[], int]) -> Future[str]:
            return pool.submit(_call_once, take(), quick, peers, n_threads)

        running = {start(take): take for take in islice(ends, count)}
        while running:
            done = wait(running, return_when=FIRST_COMPLETED).done.pop()
            take = running.pop(done)
            if left:
                running[start(take)] = take
            yield done.result()


def _call_once(number: int, quick: bool, peers: bool, n_threads: int) -> str:
    entry = suite(quick, peers)[number]
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
