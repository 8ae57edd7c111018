"""The only timer: the time of a call, and those of several calls taken in turns."""

import math
import os
import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any, NamedTuple, TypeVar

Work = Callable[[], Any]
Result = TypeVar("Result")

_SAMPLE = 1e-2  # s; a timing is the mean of so many calls that it lasts this long
_MOST_CALLS = 200
_WARMED = 2e-2  # s; a call that takes less finds caches and cores as its own last call left them


class Effort(NamedTuple):
    """How much to spend on a call."""

    repeat: int  # timings at most, and turns
    seconds: float  # no further timing of a call once it has had these


FULL = Effort(9, 0.3)
QUICK = Effort(5, 0.3)


class Timings(NamedTuple):
    """Times of a call in seconds, each the mean of so many calls."""

    seconds: tuple[float, ...] = ()
    calls: int = 0

    @property
    def median(self) -> float:
        return median(self.seconds or [math.nan])


UNTIMED = Timings()


def time_of(work: Callable[[], Result], calls: int = 1) -> tuple[float, Result]:
    """Return the time of a call and its result, the mean and the last of several."""
    start = time.perf_counter()
    for _ in range(calls):
        result = work()
    return (time.perf_counter() - start) / calls, result


def now() -> float:
    """Return the seconds since some moment."""
    return time.perf_counter()


_CORES: set[int] = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def keep_to_one_core(one: bool = True) -> None:
    """Run this thread on one core, the same for all who ask, or on any again; where that can be said.

    What slows a core, another guest of the machine for one, then slows both of two things that are compared.
    """
    if _CORES:
        os.sched_setaffinity(0, {max(_CORES)} if one else _CORES)


def slowed(work: Callable[[], Result], by: float) -> Callable[[], Result]:
    """Return a call that takes longer, by a part of its time."""

    def call() -> Result:
        taken, result = time_of(work)
        end = now() + by * taken
        while now() < end:
            pass
        return result

    return call


def shortest(work: Work, at_least: int, seconds: float = 0.0) -> float:
    """Return the shortest time of a call in so many seconds: other work only ever makes one longer."""
    times: list[float] = []
    while len(times) < at_least or sum(times) < seconds:
        times.append(time_of(work)[0])
    return min(times)


class Sampled:
    """A call that has run before, so that it is compiled, and its samples of several calls each."""

    def __init__(self, work: Work, known: float | None = None) -> None:
        """Find out what the call takes, if that is not known, in seconds."""
        self._work = work
        self.once = time_of(work)[0] if known is None else known
        if self.once <= _WARMED:
            self.once = min(self.once, shortest(work, 2))
        self.calls = max(1, min(_MOST_CALLS, round(_SAMPLE / max(self.once, 1e-9))))

    def sample(self) -> float:
        """Return the mean time of so many calls, in seconds."""
        if self.once <= _WARMED:
            self._work()
        return time_of(self._work, self.calls)[0]


def alternate(
    works: Mapping[Any, Work],
    effort: Effort,
    known: Mapping[Any, float] | None = None,
    after_turn: Callable[[], None] = lambda: None,
) -> dict[Any, Timings]:
    """Return the timings of calls that take turns, so that a drift of the machine's speed favours none.

    Each has run before, so that it is compiled; `known` says what some took, in seconds. The time of one call
    stands where it is more than `effort.seconds`. `after_turn` is called `effort.repeat` times.
    """
    known = known or {}
    sampled = {name: Sampled(work, known.get(name)) for name, work in works.items()}
    timings = {name: [each.once] if each.once > effort.seconds else [] for name, each in sampled.items()}
    for turn in range(effort.repeat):
        for name in list(works)[:: 1 if turn % 2 == 0 else -1]:
            if sampled[name].calls * sum(timings[name]) <= effort.seconds:
                timings[name].append(sampled[name].sample())
        after_turn()
    return {name: Timings(tuple(timings[name]), sampled[name].calls) for name in works}
