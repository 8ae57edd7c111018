"""How a case of densities is measured: all its ways in turns, and their errors beside the times."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from .. import reference
from .cases import AUTO, DIRECT, Case, Comparison, Way
from .exact import NOT_TAKEN, Exact, Taken, taken
from .limits import Limits
from .results import Result, same_bits
from .timing import UNTIMED, Effort, Timings, Work, alternate, time_of

_ARRAYS = 3  # x, z and the gradient


@dataclass(frozen=True, eq=False)
class DensityResult(Result[Comparison]):
    """What was measured of a case in one way."""

    way: Way = AUTO
    options: dict[str, Any] = field(default_factory=dict)
    exact_first_call: float = 0.0
    taken: Taken = NOT_TAKEN
    dtype: str = ""
    one_thread: Timings = UNTIMED

    @property
    def case(self) -> Case:
        return self.entry.case

    @property
    def title(self) -> str:
        return f"{self.case.title}, {self.way.name}"

    @property
    def ns_per_pair(self) -> float:
        return 1e9 * self.fast.median / self.case.pairs

    @property
    def ns_per_point(self) -> float:
        return self.ns_per_pair * self.case.bins

    def share(self, limits: Limits) -> float:
        """Return the time that the machine's limit would take, as a part of the time taken.

        All pairs need two multiply-adds each; other methods need to read x and z and write the gradient.
        """
        if self.taken.method == DIRECT.method:
            least = 2 * self.case.pairs / limits.multiply_adds
        else:
            width = np.dtype(self.dtype or "float64").itemsize
            least = _ARRAYS * width * self.case.rows * self.case.points / limits.copy
        return least / self.fast.median


def measure(comparison: Comparison, n_threads: int, effort: Effort) -> list[DensityResult]:
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
    list of DensityResult
        One for each way, with `problem` set where its result disagrees, or where an exception ended
        the measuring.
    """
    found = [DensityResult(comparison, way=way) for way in comparison.ways]
    try:
        exact = Exact(comparison.case, comparison.exact, n_threads)
        found = [_checked(each, exact, n_threads) for each in found]
        return _timed(found, exact, n_threads, effort)
    except Exception as failure:  # a red row, and exit status 1
        return [each.failed(failure) for each in found]


def _checked(found: DensityResult, exact: Exact, n_threads: int) -> DensityResult:
    """Return a result with its errors, and without times."""
    way, arguments = found.way, exact.arguments
    found = replace(found, options=arguments.options, exact_first_call=exact.first_call)
    try:
        gradient = np.full_like(exact.result[1], np.nan)
        first_call, result = time_of(partial(way.computation(arguments, n_threads), out=gradient))
        agreement = exact.agreement(result, way)
        alone = way.computation(arguments, 1)() if n_threads > 1 else result
        found = replace(
            found, taken=taken(arguments, way), dtype=exact.result[1].dtype.name, first_call=first_call
        )
    except Exception as failure:  # a red row, and the others go on
        return found.failed(failure)
    problems = []
    if exact.check is not None and not exact.check.agrees:
        problems.append(f"direct against the reference: {exact.check.problem}")
    return found.checked(agreement, same_bits(result, alone), problems)


def _timed(found: list[DensityResult], exact: Exact, n_threads: int, effort: Effort) -> list[DensityResult]:
    """Return the results with the times of those that have one."""
    out = np.empty_like(exact.result[1])

    def work(way: Way, threads: int) -> Work:
        return partial(way.computation(exact.arguments, threads), out=out)

    works: dict[Any, Work] = {
        (each.way, threads): work(each.way, threads)
        for each in found
        if each.agreement is not None
        for threads in (n_threads, 1)
    }
    whole: Any = DIRECT, n_threads
    if exact.source == "reference":
        whole = "reference"
        x, z, a, b, options = exact.arguments
        works[whole] = partial(reference.loss_and_grad, x, z, a, b, **options)
    elif whole not in works:
        works[whole] = work(DIRECT, n_threads)
    # The reference compiles nothing, so that its first call is as good as any.
    timings = alternate(works, effort, {"reference": exact.seconds})

    def of(way: Way, threads: int) -> Timings:
        return timings.get((way, threads), UNTIMED)

    return [
        replace(each, exact=timings[whole], fast=of(each.way, n_threads), one_thread=of(each.way, 1))
        for each in found
    ]
