"""How a case of classifiers and distributions is measured: beside the reference and its peers."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, NamedTuple

import numba
import numpy as np

from ..runtime.pool import available
from .classifier_cases import ClassifierCase, Peer
from .errors import Agreement, agreement
from .results import Result, same_bits, words_of
from .timing import UNTIMED, Effort, Timings, Work, alternate, time_of


class Beside(NamedTuple):
    """What a peer took, and its errors; why it was left out, where it was."""

    name: str
    timings: Timings = UNTIMED
    agreement: Agreement | None = None  # none of what computes something else
    left_out: str | None = None


@dataclass(eq=False)
class ClassifierResult(Result):
    """What was measured of a case and of its peers."""

    entry: ClassifierCase
    peers: list[Beside] = field(default_factory=list)

    @property
    def case(self) -> ClassifierCase:
        """The same, as other results call it."""
        return self.entry

    @property
    def ns_per_entry(self) -> float:
        return 1e9 * self.fast.median / self.case.entries


def compared(result: Any, exact: Any) -> Agreement:
    """Return how far results are apart: (loss, gradient), a number as a loss, or an array as a gradient."""
    return agreement(_pair(result), _pair(exact))


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


def measure_classifier(case: ClassifierCase, n_threads: int, effort: Effort) -> ClassifierResult:
    """Time a case, the reference and the peers that are installed in turns, and compare the results.

    `problem` is set where the result disagrees, or where an exception ended the measuring.
    """
    row = ClassifierResult(case)
    try:
        arguments = case.make()
        once, exact = time_of(case.exact(arguments))
        with _on_threads(n_threads):
            row.first_call, result = time_of(case.fast(arguments))
            with _on_threads(1):
                alone = case.fast(arguments)()
            row.check(compared(result, exact), same_bits(_pair(result), _pair(alone)))
            works = {"fast": case.fast(arguments), "reference": case.exact(arguments)}
            prepared = [_prepared(peer, arguments, n_threads, exact) for peer in case.peers]
            works |= {beside.name: call for beside, call in prepared if call is not None}
            timings = alternate(works, effort, {"reference": once})
    except Exception as failure:  # a red row, and exit status 1
        row.fail(failure)
        return row
    row.exact, row.fast = timings["reference"], timings["fast"]
    row.peers = [beside._replace(timings=timings.get(beside.name, UNTIMED)) for beside, _ in prepared]
    return row


def _prepared(peer: Peer, arguments: Any, n_threads: int, exact: Any) -> tuple[Beside, Work | None]:
    """Return a peer's errors and its call, compiled; none if it does not work here, which is no failure."""
    if find_spec(peer.module) is None:
        return Beside(peer.name, left_out="not installed"), None
    try:
        call, result = peer.prepare(n_threads, *arguments)
        value = result(call())
        errors = compared(value, exact) if peer.compares else None
    except Exception as failure:  # it may be of another version
        return Beside(peer.name, left_out=words_of(failure)), None
    return Beside(peer.name, agreement=errors), call
