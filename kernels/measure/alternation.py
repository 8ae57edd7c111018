"""How a case is measured: all its ways in alternation, and their errors beside the times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from .. import reference
from . import numbers
from .cases import DIRECT, Case, Comparison, Way
from .errors import Agreement
from .exact import Exact
from .limits import Limits
from .ways import Taken, computation, taken

__all__ = ["Effort", "Row", "alternate", "disagreements", "measure", "same_bits", "time_of", "words_of"]

Work = Callable[[], Any]

_SAMPLE = 1e-2  # a timing is the mean of so many calls that it lasts this long
_MOST_CALLS = 200
_WARMED = 2e-2  # s; a call that takes less finds caches and cores as its own last call left them
_ARRAYS = 3  # x, z and the gradient


class Effort(NamedTuple):
    """How much to spend on a case."""

    repeat: int
    seconds: float  # no further timing of a call once it has had these


FULL = Effort(9, 0.3)
QUICK = Effort(5, 0.3)


class Row(NamedTuple):
    """What was measured of a case in one way; every timing is in seconds per call."""

    comparison: Comparison
    way: Way
    options: dict[str, Any]
    exact: Sequence[float]  # timings of what the errors are against
    exact_first_call: float = 0.0
    taken: Taken = Taken("", None, 0, 0)
    dtype: str = ""
    first_call: float = np.nan
    fast: Sequence[float] = ()
    fast_calls: int = 0  # to a timing
    one_thread: Sequence[float] = ()
    one_thread_calls: int = 0
    agreement: Agreement | None = None
    problem: str | None = None  # why the row fails, for people to read

    @property
    def case(self) -> Case:
        return self.comparison.case

    @property
    def group(self) -> str:
        return self.comparison.group

    @property
    def title(self) -> str:
        return f"{numbers.problem(self.case)}, {self.way.name}"

    @property
    def exact_time(self) -> float:
        return median(self.exact or [np.nan])

    @property
    def fast_time(self) -> float:
        return median(self.fast or [np.nan])

    @property
    def one_thread_time(self) -> float:
        return median(self.one_thread or [np.nan])

    @property
    def speed_up(self) -> float:
        return self.exact_time / self.fast_time

    @property
    def ns_per_pair(self) -> float:
        return 1e9 * self.fast_time / self.case.pairs

    @property
    def ns_per_point(self) -> float:
        return self.ns_per_pair * self.case.bins

    def share(self, limits: Limits) -> float:
        """Return the time that the machine's limit would take, as a part of the time taken.

        All pairs need two multiply-adds each; other methods need to read x and z and write the gradient.
        """
        if self.taken.method == "direct":
            least = 2 * self.case.pairs / limits.multiply_adds
        else:
            width = np.dtype(self.dtype or "float64").itemsize
            least = _ARRAYS * width * self.case.rows * self.case.points / limits.copy
        return least / self.fast_time


def time_of(work: Work, calls: int = 1) -> tuple[float, Any]:
    """Return the time of a call and its result, the mean and the last of several."""
    start = time.perf_counter()
    for _ in range(calls):
        result = work()
    return (time.perf_counter() - start) / calls, result


def measure(comparison: Comparison, n_threads: int, effort: Effort) -> list[Row]:
    """Time a case in all its ways and compare the results.

    Parameters
    ----------
    comparison : Comparison
        What to measure.
    n_threads : int
        Threads of the fast kernels; they are timed on one thread too.
    effort : Effort
        How often.

    Returns
    -------
    list of Row
        One for each way, with `problem` set where its result disagrees, or where an exception ended
        the measuring.
    """
    rows = [Row(comparison, way, {}, ()) for way in comparison.ways]
    try:
        exact = Exact(comparison.case, comparison.exact, n_threads)
    except Exception as failure:
        # One broken case must not hide the others.
        return [row._replace(problem=words_of(failure)) for row in rows]
    rows = [_checked(row, exact, n_threads) for row in rows]
    try:
        return _timed(rows, exact, n_threads, effort)
    except Exception as failure:  # likewise: a red row, and exit status 1
        return [row._replace(problem=row.problem or words_of(failure)) for row in rows]


def words_of(failure: Exception) -> str:
    """Return what went wrong."""
    return f"{type(failure).__name__}: {failure}"


def _checked(row: Row, exact: Exact, n_threads: int) -> Row:
    """Return a row with its errors, and without times."""
    way, arguments = row.way, exact.arguments
    row = row._replace(options=arguments.options, exact_first_call=exact.first_call)
    try:
        gradient = np.full_like(exact.result[1], np.nan)
        first_call, result = time_of(partial(computation(arguments, way, n_threads), out=gradient))
        found = exact.agreement(result, way)
        alone = computation(arguments, way, 1)() if n_threads > 1 else result
    except Exception as failure:  # likewise: a red row, and exit status 1
        return row._replace(problem=words_of(failure))
    problems = [] if found.agrees else disagreements(found)
    if exact.check is not None and not exact.check.agrees:
        problems += [f"direct against the reference: {words}" for words in disagreements(exact.check)]
    if not same_bits(result, alone):
        problems.append("the result depends on the number of threads")
    return row._replace(
        taken=taken(arguments, way),
        dtype=exact.result[1].dtype.name,
        first_call=first_call,
        agreement=found,
        problem="; ".join(problems) or None,
    )


def disagreements(found: Agreement) -> list[str]:
    """Return which errors are too large, in words."""
    problems = []
    if not found.loss_agrees:
        problems.append(f"loss error {found.loss_error:.1e} is over {found.tolerance.loss:.1e}")
    if not found.gradient_agrees:
        problems.append(f"gradient error {found.gradient_error:.1e} is over {found.tolerance.gradient:.1e}")
    return problems


def same_bits(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    """Whether two (loss, gradient) are the same to the last bit."""
    return all(np.asarray(p).tobytes() == np.asarray(q).tobytes() for p, q in zip(one, other, strict=True))


def _timed(rows: list[Row], exact: Exact, n_threads: int, effort: Effort) -> list[Row]:
    """Return the rows with the times of those that have a result."""
    arguments, out = exact.arguments, np.empty_like(exact.result[1])

    def work(way: Way, threads: int) -> Work:
        return partial(computation(arguments, way, threads), out=out)

    works: dict[Any, Work] = {}
    for row in rows:
        if row.agreement is not None:
            for threads in {n_threads, 1}:
                works[row.way, threads] = work(row.way, threads)
    whole: Any = DIRECT, n_threads
    if exact.source == "reference":
        whole = "reference"
        x, z, a, b, options = arguments
        works[whole] = partial(reference.loss_and_grad, x, z, a, b, **options)
    elif whole not in works:
        works[whole] = work(*whole)
    # The reference compiles nothing, so that its first call is as good as any.
    calls, timings = alternate(works, effort, {"reference": exact.seconds})

    def timed(row: Row) -> Row:
        many, one = (row.way, n_threads), (row.way, 1)
        if many not in works:
            return row._replace(exact=timings[whole])
        return row._replace(
            exact=timings[whole],
            fast=timings[many],
            fast_calls=calls[many],
            one_thread=timings[one],
            one_thread_calls=calls[one],
        )

    return [timed(row) for row in rows]


def alternate(
    works: dict[Any, Work], effort: Effort, known: dict[Any, float]
) -> tuple[dict[Any, int], dict[Any, list[float]]]:
    """Return how many calls make a timing of each work, and the timings; `known` are some of a call."""
    calls, timings, once = {}, {}, {}
    for name, work in works.items():
        once[name] = known[name] if name in known else time_of(work)[0]
        calls[name] = max(1, min(_MOST_CALLS, round(_SAMPLE / max(once[name], 1e-9))))
        # What is slow is compiled by now, and timed once.
        timings[name] = [once[name]] if name in known or once[name] > effort.seconds else []
    # The order is reversed every other time, so that a drift of the machine's speed favours nobody.
    for turn in range(effort.repeat):
        for name in list(works)[:: 1 if turn % 2 == 0 else -1]:
            spent = calls[name] * sum(timings[name])
            if spent <= effort.seconds and len(timings[name]) < effort.repeat:
                if once[name] <= _WARMED:
                    works[name]()
                timings[name].append(time_of(works[name], calls[name])[0])
    return calls, timings
