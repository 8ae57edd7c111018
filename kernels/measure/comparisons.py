"""How a case of densities is measured: all its ways in turns, and their errors beside the times."""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from ..strategies.evaluate_rows import Taken
from .cases import AUTO, DIRECT, Case, Comparison, Way
from .exact import Exact, taken
from .limits import Limits
from .results import Result, same_bits
from .timing import UNTIMED, Effort, Timings, Work, alternate, time_of

_ARRAYS = 3  # x, z and the gradient


@dataclass(eq=False)
class DensityResult(Result):
    """What was measured of a case in one way."""

    entry: Comparison
    way: Way = AUTO
    options: dict[str, Any] = field(default_factory=dict)
    exact_first_call: float = 0.0
    taken: Taken = field(default_factory=Taken)
    dtype: str = ""
    one_thread: Timings = UNTIMED

    @property
    def case(self) -> Case:
        """The case, apart from the ways to compute it."""
        return self.entry.case

    @property
    def title(self) -> str:
        return f"{self.case.title}, {self.way.name}"

    @property
    def timings(self) -> dict[str, Timings]:
        return super().timings | {"one_thread": self.one_thread}

    @property
    def ns_per_pair(self) -> float:
        return 1e9 * self.fast.median / self.case.pairs

    @property
    def ns_per_point(self) -> float:
        return self.ns_per_pair * self.case.bins

    @property
    def kernel(self) -> str | None:
        return self.options.get("kernel")

    @property
    def domain(self) -> str | None:
        """Line or circle; None, as for the kernel, where the case could not be made."""
        return ("circle" if "period" in self.options else "line") if self.options else None

    def least(self, limits: Limits) -> float:
        """Return the time that the machine's limit would take, in seconds.

        All pairs need two multiply-adds each; other methods need to read x and z and write the gradient.
        """
        if self.taken.method == DIRECT.method:
            return 2 * self.case.pairs / limits.multiply_adds_per_s
        width = np.dtype(self.dtype or "float64").itemsize
        return _ARRAYS * width * self.case.rows * self.case.points / limits.copy_bytes_per_s

    def share(self, limits: Limits) -> float:
        """Return the time that the machine's limit would take, as a part of the time taken."""
        return self.least(limits) / self.fast.median


def measure(comparison: Comparison, n_threads: int, effort: Effort) -> list[DensityResult]:
    """Time a case in all its ways, on so many threads and on one, and compare the results.

    `problem` is set where a way's result disagrees, or where an exception ended the measuring.
    """
    results = [DensityResult(comparison, way=way) for way in comparison.ways]
    try:
        exact = Exact(comparison.case, comparison.exact, n_threads)
        for each in results:
            _check(each, exact, n_threads)
        _time(results, exact, n_threads, effort)
    except Exception as failure:  # a red row, and exit status 1
        for each in results:
            each.fail(failure)
    return results


def _check(row: DensityResult, exact: Exact, n_threads: int) -> None:
    """Find out a result's errors."""
    way, arguments = row.way, exact.arguments
    row.options, row.exact_first_call = arguments.options, exact.first_call
    try:
        gradient = np.full_like(exact.result[1], np.nan)
        first_call, result = time_of(partial(way.computation(arguments, n_threads), out=gradient))
        agreement = exact.agreement(result, way)
        alone = way.computation(arguments, 1)() if n_threads > 1 else result
        row.taken, row.dtype = taken(arguments, way), exact.result[1].dtype.name
    except Exception as failure:  # a red row, and the others go on
        row.fail(failure)
        return
    row.first_call = first_call
    check = exact.check
    problem = f"direct against the reference: {check.problem}" if check and not check.agrees else ""
    row.check(agreement, same_bits(result, alone), problem)


def _time(results: list[DensityResult], exact: Exact, n_threads: int, effort: Effort) -> None:
    """Find out the times of those results that have errors."""
    out = np.empty_like(exact.result[1])

    def work(way: Way, threads: int) -> Work:
        return partial(way.computation(exact.arguments, threads), out=out)

    measured = [each.way for each in results if each.agreement is not None]
    works: dict[Any, Work] = {
        (way, threads): work(way, threads) for way in measured for threads in (n_threads, 1)
    }
    whole: Any = "reference"
    if exact.source == "reference":
        works[whole] = exact
    else:
        whole = DIRECT, n_threads
        works.setdefault(whole, work(*whole))
    # The reference compiles nothing, so that its first call is as good as any.
    timings = alternate(works, effort, {"reference": exact.seconds})
    for each in results:
        each.exact = timings[whole]
        each.fast, each.one_thread = (timings.get((each.way, n), UNTIMED) for n in (n_threads, 1))
