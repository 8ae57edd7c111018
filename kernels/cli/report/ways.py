"""Ways to compute a problem: their time against their error, and against the sizes of problems."""

import math
from collections.abc import Iterable
from operator import attrgetter
from typing import Any, NamedTuple

from ...measure import numbers
from ...names import METHODS
from .charts import LEAST, Facts, Figure, Row, Table, axis, front, legend, look, there, times

PLAN, _DIRECT = "Plan", "direct"
METHOD_ORDER = [*METHODS, PLAN]
TIME, ERROR = "time of one call", "gradient error"


class Way(NamedTuple):
    """A way to compute a problem, of a benchmark or a choice, and all facts about it."""

    facts: Facts
    case: str
    kernel: str
    rows: int
    points: int
    bins: int
    method: str  # that was named
    name: str  # of it, with its order
    took: str
    time: float
    samples: list[float]

    @property
    def all_points(self) -> int:
        """Those of all rows."""
        return self.rows * self.points

    @property
    def size(self) -> str:
        """The number of points, or rows x points, in words."""
        return numbers.rows_of_points(self.rows, self.points)

    @property
    def title(self) -> str:
        """What was computed."""
        return f"{self.case}, N = {self.size}, M = {self.bins:,}"

    @property
    def error(self) -> float:
        return float(self.facts["gradient_error"])

    @property
    def problem(self) -> str:
        """Why it fails."""
        return str(self.facts.get("problem", ""))

    @property
    def of_limit(self) -> str:
        """The least time that the machine could take, as a part of the time taken."""
        limit = self.facts.get("limit_s", math.nan)
        return f"{100 * limit / self.time:.1f} %" if there(limit) and there(self.time) else "-"

    def mark(self, x: float, **more: Any) -> Facts:
        """Return its mark in a chart of times, with all that is said where it is pointed at."""
        said = [f"takes {self.took}"] if self.took not in ("", self.name) else []
        said += [
            f"time: {numbers.seconds(self.time)} ({times(self.samples)})",
            f"gradient error: {numbers.error(self.error)}",
            f"loss error: {numbers.error(self.facts['loss_error'])}",
        ]
        if self.of_limit != "-":
            said.append(f"the machine's limit: {numbers.seconds(self.facts['limit_s'])}, {self.of_limit}")
        said += [f"fails: {self.problem}"] if self.problem else []
        said += [self.facts["remark"]] if self.facts.get("remark") else []
        return {
            "x": x,
            "y": self.time,
            "low": min(self.samples, default=self.time),
            "high": max(self.samples, default=self.time),
            "look": look(self.method),
            "name": self.name,
            "of": self.title,
            "says": said,
            "kernel": self.kernel,
            "method": self.method,
            "failed": bool(self.problem),
            **more,
        }

    def row(self, cells: Iterable[str], best: bool = False) -> Row:
        """Return its row in a table."""
        mark = "failed" if self.problem else "best" if best else ""
        return Row([*cells], self.kernel, self.method, mark)


def ordered(method: str, order: float) -> str:
    """Return a method with its order, where it has one."""
    return method if math.isnan(order) else f"{method} {order:.0f}"


def legend_of(ways: Iterable[Way]) -> list[tuple[str, str]]:
    """Return the looks of the methods that were named."""
    methods = {way.method for way in ways}
    known = [each for each in METHOD_ORDER if each in methods]
    return legend((look(each), each or "other") for each in [*known, *sorted(methods - {*known})])


def by_error(title: str, ways: list[Way], rtol: float = math.nan) -> Figure:
    """Return time against error of the ways to compute a problem, with those that nothing beats."""
    marks = [
        way.mark(max(way.error, LEAST), label=way.name, best=way.facts.get("best", False)) for way in ways
    ]
    on_front = front(marks)
    for mark in marks:
        mark["front"] = any(mark is each for each in on_front)
    chart = {
        "kind": "plot",
        "title": title,
        "told": f"{len(marks)} ways; nothing measured is both faster and closer than "
        f"{', '.join(mark['name'] for mark in on_front)}.",
        "x": axis(ERROR, "error", [*(mark["x"] for mark in marks), rtol]),
        "y": axis(TIME, "time", [mark["y"] for mark in marks]),
        "marks": marks,
        "lines": [{"x": rtol, "label": f"rtol = {rtol:g}"}] if there(rtol) else [],
        "legend": legend_of(ways),
        "front": "nothing measured is both faster and closer",
    }
    rows = [
        way.row(
            [
                way.name,
                way.took or "-",
                numbers.seconds(way.time),
                times(way.samples),
                numbers.error(way.facts["loss_error"]),
                numbers.error(way.error),
                "yes" if mark["front"] else "",
            ],
            mark["best"],
        )
        for way, mark in zip(ways, marks, strict=True)
    ]
    heads = ["method", "takes", "time", "least to most", "loss error", ERROR, "front"]
    note = "Points are medians, bars go from the least to the most of the samples."
    return Figure(title, note, [chart], Table(heads, rows, 2))


class _Size(NamedTuple):
    """A size that times are drawn against, and the other, which is one along a line."""

    what: str
    title: str
    kind: str  # of axis
    name: str  # of the property of a way
    other: str  # likewise
    letter: str  # of the other


_SIZES = (
    _Size("points", "points N, of all rows", "count", "all_points", "bins", "M"),
    _Size("bins", "bins M", "bins", "bins", "all_points", "N"),
)


def by_size(ways: list[Way]) -> Figure:
    """Return time against the number of points, and against that of bins."""
    timed = [way for way in ways if there(way.time)]
    heads = ["case", "method", "takes", "N", "M", "time", "least to most", "1 thread", "beside", "its time"]
    heads += ["speed-up", "loss error", ERROR, "allowed", "limit", "of limit"]
    note = (
        "Lines join the sizes of one case. Dashed: the least conceivable time, of reading x and z and "
        "writing the gradient as fast as memory is copied; dotted: for all pairs, of two multiply-adds each "
        "at the peak rate. The filters take apart what lies in one place."
    )
    charts = [_against(size, timed) for size in _SIZES] if timed else []
    rows = [way.row(_cells(way)) for way in ways]
    return Figure("Time against points and bins", note, charts, Table(heads, rows, 3))


def _cells(way: Way) -> list[str]:
    facts = way.facts
    return [
        way.case,
        way.name,
        way.took or "-",
        way.size,
        f"{way.bins:,}",
        numbers.seconds(way.time),
        times(way.samples),
        numbers.seconds(facts["one_thread_s"]),
        facts["exact"],
        numbers.seconds(facts["exact_s"]),
        numbers.ratio(facts["speed_up"]),
        numbers.error(facts["loss_error"]),
        numbers.error(way.error),
        numbers.error(min(facts["allowed"]["gradient"])),
        numbers.seconds(facts["limit_s"]),
        way.of_limit,
    ]


def _against(size: _Size, ways: list[Way]) -> Facts:
    """Return the chart of time against a size."""
    of, other = attrgetter(size.name), attrgetter(size.other)
    series: dict[tuple[str, str, int], set[int]] = {}
    for way in ways:
        series.setdefault((way.case, way.name, other(way)), set()).add(of(way))
    joined = {key for key, places in series.items() if len(places) > 1}
    marks = []
    for way in ways:
        key = way.case, way.name, other(way)
        line = {"series": repr(key), "end": f"{size.letter} = {other(way):,}"} if key in joined else {}
        marks.append(way.mark(of(way), **line))
    lines = _limits(size, [way for way in ways if not joined or other(way) in {key[2] for key in joined}])
    return {
        "kind": "plot",
        "title": f"Time against {size.what}",
        "told": f"{len(marks)} measurements, and the machine's limit.",
        "x": axis(size.title, size.kind, [mark["x"] for mark in marks]),
        "y": axis(TIME, "time", [mark["y"] for mark in marks] + [y for line in lines for _, y in line["at"]]),
        "marks": marks,
        "lines": lines,
        "legend": legend_of(ways),
    }


def _limits(size: _Size, ways: list[Way]) -> list[Facts]:
    """Return the lines of the least times that the machine could take, where two sizes make one."""
    lines: dict[tuple[bool, int], dict[int, float]] = {}
    for way in ways:
        limit, pairs = way.facts["limit_s"], way.took == _DIRECT
        if there(limit):
            # What memory takes does not depend on bins.
            other = 0 if size.other == "bins" and not pairs else getattr(way, size.other)
            line, place = lines.setdefault((pairs, other), {}), getattr(way, size.name)
            line[place] = max(line.get(place, 0.0), limit)
    return [
        {
            "at": sorted(line.items()),
            "label": f"limit of {'pairs' if pairs else 'memory'}"
            + f", {size.letter} = {other:,}" * bool(other),
            "dotted": pairs,
        }
        for (pairs, other), line in sorted(lines.items())
        if len(line) > 1
    ]
