"""The only timer: the time of a call, and those of several calls taken in turns."""

import math
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


def shortest(work: Work, at_least: int, seconds: float = 0.0) -> float:
    """Return the shortest time of a call in so many seconds: other work only ever makes one longer."""
    times: list[float] = []
    while len(times) < at_least or sum(times) < seconds:
        times.append(time_of(work)[0])
    return min(times)


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
    once = {name: known[name] if name in known else time_of(work)[0] for name, work in works.items()}
    for name in [name for name, each in once.items() if each <= _WARMED]:
        once[name] = min(once[name], shortest(works[name], 2))
    calls = {name: max(1, min(_MOST_CALLS, round(_SAMPLE / max(each, 1e-9)))) for name, each in once.items()}
    timings = {name: [each] if each > effort.seconds else [] for name, each in once.items()}
    for turn in range(effort.repeat):
        for name in list(works)[:: 1 if turn % 2 == 0 else -1]:
            if calls[name] * sum(timings[name]) <= effort.seconds:
                if once[name] <= _WARMED:
                    works[name]()
                timings[name].append(time_of(works[name], calls[name])[0])
        after_turn()
    return {name: Timings(tuple(timings[name]), calls[name]) for name in works}
