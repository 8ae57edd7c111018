"""What the page's script draws: marks, lines, and axes with all that is written beside them.

Every axis is logarithmic. The script writes no number: it picks, of the ticks given, those there is room for.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from ...measure import numbers
from ...measure.plot_style import BLACK, BLUE, GREEN, GREY, METHODS, ORANGE, PURPLE, SKY, VERMILION

LEAST = 1e-17  # where no error at all is drawn
OTHER = "other"
# Colour and marker, by the name of what is drawn; those of peers go to the libraries as they come.
_OF_PEERS = (ORANGE, "^"), (GREEN, "s"), (PURPLE, "v"), (VERMILION, "D"), (SKY, "P"), (BLACK, "o")
PEERS = {f"peer-{number}": look for number, look in enumerate(_OF_PEERS)}
VERDICTS = {
    "slower": (VERMILION, "^"),
    "wrong": (VERMILION, "D"),
    "faster": (GREEN, "v"),
    "undecided": (ORANGE, "P"),
    "same": (GREY, "o"),
    "moved": (PURPLE, "s"),
}
LOOKS = {
    **METHODS,
    **PEERS,
    **VERDICTS,
    "kdexent": (BLUE, "o"),
    "reference": (GREY, "s"),
    "midpoint": (BLUE, "o"),
    "gauss": (ORANGE, "D"),
    OTHER: (GREY, "P"),
}

Facts = dict[str, Any]  # of a result, or for the script
Tick = tuple[float, str, int]  # its place, its label, and how soon it is left out
Span = tuple[float, float]


class Row(NamedTuple):
    """A row of a table; of what kernel and method, if of any."""

    cells: Sequence[str]
    kernel: str = ""
    method: str = ""
    mark: str = ""  # "best" or "failed"


class Table(NamedTuple):
    """What a chart shows, and what it has no room for; all but some first columns are numbers."""

    heads: Sequence[str]
    rows: Sequence[Row]
    texts: int = 1


class Figure(NamedTuple):
    """Charts of the same things, and their table."""

    title: str
    note: str
    charts: list[Facts]
    table: Table


def look(name: str) -> str:
    """Return a name that has a look."""
    return name if name in LOOKS else OTHER


def there(value: float) -> bool:
    """Whether a number has a place on a logarithmic axis."""
    return 1e-99 < value < 1e99  # what is measured is


def _decades(span: Span, digits: Sequence[int]) -> Iterator[tuple[float, int, int]]:
    first, last = (math.floor(math.log10(each)) for each in span)
    for exponent in range(first, last + 1):
        for digit in digits:
            yield float(f"{digit}e{exponent}"), exponent, digit


def _of_times(span: Span) -> Iterator[Tick]:
    for value, exponent, digit in _decades(span, (1, 2, 5)):
        yield value, numbers.tick(value), 2 if digit > 1 else min(1, exponent % 3)


def _of_errors(span: Span) -> Iterator[Tick]:
    for value, exponent, _ in _decades(span, (1,)):
        if value > LEAST:
            yield value, f"{value:.0e}", (0, 2, 1, 2)[exponent % 4]
    yield LEAST, "0", 0


def _of_counts(span: Span) -> Iterator[Tick]:
    for value, exponent, digit in _decades(span, (1, 2, 5)):
        if value >= 1:
            yield value, f"{value:,.0f}", 2 if digit > 1 else min(1, exponent % 3)


def _of_bins(span: Span) -> Iterator[Tick]:
    for exponent in range(64):
        yield 2.0**exponent, f"{2**exponent:,}", (0, 2, 1, 2)[exponent % 4]


def _of_changes(span: Span) -> Iterator[Tick]:
    for rank, every in enumerate(((0, 10, 100, -50), (-20, -10, 20, 50), (-5, 5), (-2, -1, 1, 2))):
        for percent in every:
            yield 1 + percent / 100, f"{percent:+d} %" if percent else "0", rank


_TICKS: dict[str, Callable[[Span], Iterator[Tick]]] = {
    "time": _of_times,
    "error": _of_errors,
    "count": _of_counts,
    "bins": _of_bins,
    "change": _of_changes,
}


# The factor that an axis spans at least, so that it has ticks.
_LEAST_SPANS = {"error": 100.0, "change": 1.1}


def axis(title: str, kind: str, values: Iterable[float]) -> Facts:
    """Return an axis that holds these values."""
    least = _LEAST_SPANS.get(kind, 10.0)
    shown = [each for each in values if there(each)]
    low, high = min(shown, default=1.0), max(shown, default=1.0)
    middle, margin = math.sqrt(low) * math.sqrt(high), 1 + (min(least, 10.0) - 1) / 20
    low, high = min(low / margin, middle / math.sqrt(least)), max(high * margin, middle * math.sqrt(least))
    ticks = [tick for tick in _TICKS[kind]((low, high)) if low <= tick[0] <= high]
    return {"title": title, "low": low, "high": high, "ticks": ticks}


def legend(names: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return looks and what has them, each once."""
    return [*dict.fromkeys(names)]


def front(marks: Sequence[Facts]) -> list[Facts]:
    """Return the marks that none is below in both time and error, the fastest first."""
    best: list[Facts] = []
    for mark in sorted(marks, key=lambda mark: (mark["y"], mark["x"])):
        if not best or mark["x"] < best[-1]["x"]:
            best.append(mark)
    return best


def times(spread: Sequence[float]) -> str:
    """Return the least and the most of some times."""
    return f"{numbers.seconds(min(spread))} to {numbers.seconds(max(spread))}" if spread else "-"
