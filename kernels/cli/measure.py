"""How a case is measured: reference and fast in alternation, and their agreement beside the times."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any, NamedTuple

import numpy as np

from .. import loss_and_grad, reference
from ..cases import Case
from .agreement import Agreement, agreement
from .groups import group

__all__ = ["Effort", "Row", "measure"]

_SAMPLE = 2e-3  # a timing is the mean of so many calls that it lasts this long
_MOST_CALLS = 200
_FEWEST_REFERENCES = 2


class Effort(NamedTuple):
    """How much to spend on a case."""

    repeat: int
    reference_seconds: float  # no further reference timing once these are spent


FULL = Effort(9, 0.8)
QUICK = Effort(5, 0.4)


class Row(NamedTuple):
    """What was measured of a case; every timing is in seconds per call."""

    case: Case
    dtype: str
    options: dict[str, Any]
    first_call: float
    reference: list[float]
    fast: list[float]
    fast_calls: int  # to a timing
    one_thread: list[float]
    one_thread_calls: int
    agreement: Agreement | None
    problem: str | None  # why the case fails, for people to read

    @property
    def group(self) -> str:
        return group(self.case)

    @property
    def reference_time(self) -> float:
        return median(self.reference or [np.nan])

    @property
    def fast_time(self) -> float:
        return median(self.fast or [np.nan])

    @property
    def one_thread_time(self) -> float:
        return median(self.one_thread or [np.nan])

    @property
    def speed_up(self) -> float:
        return self.reference_time / self.fast_time

    @property
    def ns_per_pair(self) -> float:
        return 1e9 * self.fast_time / self.case.pairs

    def share(self, multiply_adds: float) -> float:
        """Return two multiply-adds per pair over the time taken, as a part of the peak rate."""
        return 2 * self.case.pairs / self.fast_time / multiply_adds


def _time(work: Callable[[], Any], calls: int = 1) -> tuple[float, Any]:
    start = time.perf_counter()
    for _ in range(calls):
        result = work()
    return (time.perf_counter() - start) / calls, result


def _calls(work: Callable[[], Any]) -> int:
    """Return how many calls make a timing; the work is warm afterwards."""
    once, _ = _time(work)
    return max(1, min(_MOST_CALLS, round(_SAMPLE / max(once, 1e-9))))


def measure(case: Case, n_threads: int, effort: Effort) -> Row:
    """Time a case and compare its results.

    Parameters
    ----------
    case : Case
        What to measure.
    n_threads : int
        Threads of the fast kernels; they are timed on one thread too.
    effort : Effort
        How often.

    Returns
    -------
    Row
        With `problem` set where the results disagree, or where an exception ended the measuring.
    """
    empty = Row(case, "", {}, np.nan, [], [], 0, [], 0, None, None)
    try:
        return _measure(case, n_threads, effort)
    except Exception as failure:
        # One broken case must not hide the others.
        return empty._replace(problem=f"{type(failure).__name__}: {failure}")


def _measure(case: Case, n_threads: int, effort: Effort) -> Row:
    x, z, a, b, options = case.make()

    def fast(threads: int = n_threads, out: Any = None) -> tuple[Any, Any]:
        return loss_and_grad(x, z, a, b, **options, n_threads=threads, out=out)

    first_call, (_, gradient) = _time(fast)
    out, out_one = np.full_like(gradient, np.nan), np.full_like(gradient, np.nan)
    alone = n_threads == 1
    works: dict[str, Callable[[], Any]] = {
        "reference": lambda: reference.loss_and_grad(x, z, a, b, **options),
        "fast": lambda: fast(out=out),
    }
    if not alone:
        works["one_thread"] = lambda: fast(1, out_one)
    calls = {name: 1 if name == "reference" else _calls(work) for name, work in works.items()}

    timings: dict[str, list[float]] = {name: [] for name in works}
    results: dict[str, Any] = {}
    # The order is reversed every other time, so that a drift of the machine's speed favours nobody.
    for turn in range(effort.repeat):
        for name in list(works)[:: 1 if turn % 2 == 0 else -1]:
            spent = timings["reference"]
            slow = len(spent) >= _FEWEST_REFERENCES and sum(spent) > effort.reference_seconds
            if name == "reference" and slow:
                continue
            taken, results[name] = _time(works[name], calls[name])
            timings[name].append(taken)

    found = agreement(results["fast"], results["reference"])
    same_bits = alone or _same_bits(results["fast"], results["one_thread"])
    return Row(
        case=case,
        dtype=gradient.dtype.name,
        options=options,
        first_call=first_call,
        reference=timings["reference"],
        fast=timings["fast"],
        fast_calls=calls["fast"],
        one_thread=timings["fast" if alone else "one_thread"],
        one_thread_calls=calls["fast" if alone else "one_thread"],
        agreement=found,
        problem=_problem(found, same_bits),
    )


def _same_bits(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    return all(np.asarray(p).tobytes() == np.asarray(q).tobytes() for p, q in zip(one, other, strict=True))


def _problem(found: Agreement, same_bits: bool) -> str | None:
    problems = []
    if not found.loss_agrees:
        problems.append(f"loss error {found.loss_error:.1e} is over {found.tolerance.loss:.0e}")
    if not found.gradient_agrees:
        problems.append(f"gradient error {found.gradient_error:.1e} is over {found.tolerance.gradient:.0e}")
    if not same_bits:
        problems.append("the result depends on the number of threads")
    return "; ".join(problems) or None
