"""How a case of classifiers and distributions is measured: beside the reference and its peers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from statistics import median
from typing import Any, NamedTuple

import numba
import numpy as np

from ..runtime.pool import available
from .alternation import Effort, alternate, disagreements, same_bits, time_of, words_of
from .classifier_cases import CLASSIFIERS, ClassifierCase, Peer
from .errors import Agreement, agreement

__all__ = ["Beside", "ClassifierRow", "compared", "measure_classifier"]


class Beside(NamedTuple):
    """What a peer took, and its errors; why it was left out, where it was."""

    name: str
    timings: Sequence[float] = ()
    agreement: Agreement | None = None  # none of what computes something else
    left_out: str | None = None

    @property
    def time(self) -> float:
        return median(self.timings or [np.nan])


class ClassifierRow(NamedTuple):
    """What was measured of a case; every timing is in seconds per call."""

    case: ClassifierCase
    exact: Sequence[float] = ()
    first_call: float = np.nan
    fast: Sequence[float] = ()
    fast_calls: int = 0  # to a timing
    agreement: Agreement | None = None
    peers: tuple[Beside, ...] = ()
    problem: str | None = None  # why the row fails, for people to read

    @property
    def group(self) -> str:
        return CLASSIFIERS

    @property
    def title(self) -> str:
        return self.case.title

    @property
    def exact_time(self) -> float:
        return median(self.exact or [np.nan])

    @property
    def fast_time(self) -> float:
        return median(self.fast or [np.nan])

    @property
    def speed_up(self) -> float:
        return self.exact_time / self.fast_time

    @property
    def ns_per_entry(self) -> float:
        return 1e9 * self.fast_time / self.case.entries


def compared(found: Any, exact: Any) -> Agreement:
    """Return how far results are apart: (loss, gradient), a number as a loss, or an array as a gradient."""
    return agreement(_pair(found), _pair(exact))


def _pair(result: Any) -> tuple[Any, Any]:
    if isinstance(result, (tuple, list)):
        return result[0], result[1]
    return (0.0, result) if np.ndim(result) else (result, np.zeros(1))


@contextmanager
def _on_threads(n_threads: int) -> Iterator[None]:
    """Let the functions, which ask Numba, use so many threads; BLAS uses its own."""
    before = available()
    numba.set_num_threads(n_threads)
    try:
        yield
    finally:
        numba.set_num_threads(before)


def measure_classifier(case: ClassifierCase, n_threads: int, effort: Effort) -> ClassifierRow:
    """Time a case, the reference and the peers that are installed in alternation, and compare the results.

    Returns
    -------
    ClassifierRow
        With `problem` set where the result disagrees, or where an exception ended the measuring.
    """
    row = ClassifierRow(case)
    try:
        arguments = case.make()
        once, exact = time_of(case.exact(arguments))
        with _on_threads(n_threads):
            row = _checked(row, case, arguments, exact)
            works: dict[str, Callable[[], Any]] = {
                "fast": case.fast(arguments),
                "reference": case.exact(arguments),
            }
            prepared = [_prepared(peer, arguments, n_threads, exact) for peer in case.peers]
            works |= {beside.name: call for beside, call in prepared if call is not None}
            calls, timings = alternate(works, effort, {"reference": once})
    except Exception as failure:  # a broken case must not hide the others: a red row, and exit status 1
        return row._replace(problem=row.problem or words_of(failure))
    return row._replace(
        exact=timings["reference"],
        fast=timings["fast"],
        fast_calls=calls["fast"],
        peers=tuple(beside._replace(timings=timings.get(beside.name, ())) for beside, _ in prepared),
    )


def _checked(row: ClassifierRow, case: ClassifierCase, arguments: Any, exact: Any) -> ClassifierRow:
    """Return a row with its errors, and without times."""
    first_call, result = time_of(case.fast(arguments))
    with _on_threads(1):
        alone = case.fast(arguments)()
    found = compared(result, exact)
    problems = [] if found.agrees else disagreements(found)
    if not same_bits(_pair(result), _pair(alone)):
        problems.append("the result depends on the number of threads")
    return row._replace(first_call=first_call, agreement=found, problem="; ".join(problems) or None)


def _prepared(
    peer: Peer, arguments: Any, n_threads: int, exact: Any
) -> tuple[Beside, Callable[[], Any] | None]:
    """Return a peer's errors and its call, compiled; none if it does not work here, which is no failure."""
    if find_spec(peer.module) is None:
        return Beside(peer.name, left_out="not installed"), None
    try:
        call, result = peer.prepare(n_threads, *arguments)
        found = call()
        errors = None if result is None else compared(result(found), exact)
    except Exception as failure:  # likewise: a red row, and exit status 1
        return Beside(peer.name, left_out=words_of(failure)), None
    return Beside(peer.name, agreement=errors), call
