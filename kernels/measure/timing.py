"""Times of several calls, taken in turns, so that a drift of the machine's speed favours none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

__all__ = ["SLOW", "TURNS", "medians", "seconds_of"]

TURNS = 9
SLOW = 1.0  # a call of more seconds is timed once

_BUDGET = 0.3  # seconds for the timings of one entry
_FEWEST = 3
_SAMPLE = 1e-2  # a timing is the mean of so many calls that it lasts this long
_MOST_CALLS = 200


def seconds_of(work: Callable[[], Any]) -> float:
    """Return the time of a call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _mean(work: Callable[[], Any]) -> float:
    """Return the mean time of a few calls, one at least."""
    start, calls, taken = time.perf_counter(), 0, 0.0
    while calls == 0 or (taken < _SAMPLE and calls < _MOST_CALLS):
        work()
        calls += 1
        taken = time.perf_counter() - start
    return taken / calls


def medians(
    works: Sequence[Callable[[], Any]], once: Sequence[float], after_turn: Callable[[], None]
) -> list[float]:
    """Return the median time of each call.

    Parameters
    ----------
    works : sequence of callable
        The calls; each has run before, so that it is compiled.
    once : sequence of float
        What each took, in seconds; it stands where more than `SLOW`.
    after_turn : callable
        Called `TURNS` times.
    """
    fewest = [0 if taken > SLOW else _FEWEST if taken * _FEWEST <= SLOW else 1 for taken in once]
    timings: list[list[float]] = [[] for _ in works]
    spent = [math.inf if taken > SLOW else 0.0 for taken in once]
    for turn in range(TURNS):
        for index in range(len(works))[:: 1 if turn % 2 == 0 else -1]:
            if turn < fewest[index] or spent[index] < _BUDGET:
                start = time.perf_counter()
                timings[index].append(_mean(works[index]))
                spent[index] += time.perf_counter() - start
        after_turn()
    return [median(taken) if taken else alone for taken, alone in zip(timings, once, strict=True)]
