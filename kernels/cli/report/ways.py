"""Ways to compute a problem: their time against error, and against the sizes of problems."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ...measure import numbers
from ...names import METHODS
from .charts import LEAST, Figure, Row, Table, axis, front, legend, look, there, times

Facts = dict[str, Any]
PLAN, _DIRECT = "Plan", "direct"
TIME, ERROR = "time of one call", "gradient error"
_LIMIT = "the machine's limit"


class Way(NamedTuple):
    """A way to compute a problem, of a benchmark or a choice."""

    facts: Facts
    case: str
    kernel: str
    size: tuple[int, int, int]  # rows, points, bins
    method: str  # that was named
    name: str  # of it, with its order
    took: str
    time: float
    samples: list[float]

    @property
    def points(self) -> int:
        """Those of all rows."""
        return self.size[0] * self.size[1]

    @property
    def bins(self) -> int:
        return self.size[2]

    @property
    def problem(self) -> str:
        """Why it fails."""
        return str(self.facts.get("problem", ""))

    @property
    def title(self) -> str:
        """What was computed."""
        rows, points, bins = self.size
        return f"{self.case}, N = {f'{rows:,} x ' if rows > 1 else ''}{points:,}, M = {bins:,}"

    def mark(self, x: float, y: float, **more: Any) -> Facts:
        """Return its mark in a chart, with all that is said where it is pointed at."""
        said = [
            f"time: {numbers.seconds(self.time)} ({times(self.samples)})",
            f"gradient error: {numbers.error(self.facts['gradient_error'])}",
            f"loss error: {numbers.error(self.facts['loss_error'])}",
        ]
        if self.took not in ("", self.name):
            said.insert(0, f"takes {self.took}")
        if there(self.facts.get("limit_s", math.nan)):
            share = f"{100 * self.facts['limit_s'] / self.time:.1f} %"
            said.append(f"{_LIMIT}: {numbers.seconds(self.facts['limit_s'])}, {share} of it")
        said += [f"fails: {self.problem}"] if self.problem else []
        said += [self.facts["remark"]] if self.facts.get("remark") else []
        return {
            "x": x,
            "y": y,
            "low": min(self.samples, default=y),
            "high": max(self.samples, default=y),
            "look": look(self.method),
            "name": self.name,
            "of": self.title,
            "says": said,
            "kernel": self.kernel,
            "method": self.method,
            "failed": bool(self.problem),
            **more,
        }

    def row(self, cells: Iterable[str], mark: str = "") -> Row:
        return Row([*cells], self.kernel, self.method, "failed" if self.problem else mark)


def ordered(method: str, order: float) -> str:
    return method if math.isnan(order) else f"{method} {order:.0f}"


def way_of(facts: Facts) -> Way:
    size = facts["rows"], facts["points"], facts["bins"]
    method = PLAN if facts["asked"]["planned"] else facts["asked"]["method"]
    took, samples = ordered(facts["method"], facts["order"]), [*filter(there, facts["timings_s"]["fast"])]
    named = facts["name"], facts["kernel"], size, method, facts["way"], took
    return Way(facts, *named, facts["fast_s"], samples)


def by_error(title: str, ways: list[Way], rtol: float = math.nan) -> Figure:
    """Return time against error of the ways to compute a problem, with those that nothing beats."""
    marks = [
        way.mark(max(way.facts["gradient_error"], LEAST), way.time, best=way.facts.get("best", False))
        for way in ways
    ]
    on_front = {id(mark) for mark in front(marks)}
    for mark in marks:
        mark |= {"label": mark["name"], "front": id(mark) in on_front}
    lines = [{"x": rtol, "label": f"rtol = {rtol:g}"}] if there(rtol) else []
    names = [mark["name"] for mark in marks if mark["front"]]
    chart = {
        "kind": "plot",
        "title": title,
        "told": f"{len(marks)} ways; nothing is both faster and closer than {', '.join(names)}.",
        "x": axis(ERROR, "error", [*(mark["x"] for mark in marks), rtol]),
        "y": axis(TIME, "time", [mark["y"] for mark in marks]),
        "marks": marks,
        "lines": lines,
        "legend": _methods(ways),
        "front": "nothing measured is both faster and closer",
    }
    heads = ["method", "takes", "time", "least to most", "loss error", ERROR, "front"]
    rows = [
        way.row(
            [
                way.name,
                way.took or "-",
                numbers.seconds(way.time),
                times(way.samples),
                numbers.error(way.facts["loss_error"]),
                numbers.error(way.facts["gradient_error"]),
                "yes" if mark["front"] else "",
            ],
            "best" if mark["best"] else "",
        )
        for way, mark in zip(ways, marks, strict=True)
    ]
    note = "Points are medians, bars go from the least to the most of the samples."
    return Figure(title, note, [chart], Table(heads, rows, 2))


def _methods(ways: Iterable[Way]) -> list[tuple[str, str]]:
    known = [*METHODS, PLAN]
    methods = sorted({way.method for way in ways}, key=lambda each: known.index(each) if each in known else 99)
    return legend((look(each), each or "other") for each in methods)


def by_size(ways: list[Way], drawn: list[Way], limits: Facts) -> Figure:
    """Return time against the number of points, and against that of bins."""
    charts = [
        _against("points", "points N, of all rows", "count", lambda way: (way.points, way.bins, "M"), drawn, limits),
        _against("bins", "bins M", "bins", lambda way: (way.bins, way.points, "N"), drawn, limits),
    ]
    heads = ["case", "method", "takes", "N", "M", "time", "least to most", "1 thread", "beside", "its time"]
    heads += ["speed-up", "loss error", ERROR, "allowed", "limit", "of limit"]
    rows = [way.row(_cells(way)) for way in ways]
    note = (
        "Lines join the sizes of one case. Dashed: the least conceivable time, of reading x and z and writing "
        "the gradient as fast as memory is copied; dotted: for all pairs, of two multiply-adds each at the "
        "peak rate. Points that other cases share hide each other: the filters take them apart."
    )
    return Figure("Time against points and bins", note, charts, Table(heads, rows, 3))


def _cells(way: Way) -> list[str]:
    facts, (rows, points, bins) = way.facts, way.size
    allowed = min(facts["allowed"]["gradient"])
    return [
        way.case,
        way.name,
        way.took or "-",
        f"{rows:,} x {points:,}" if rows > 1 else f"{points:,}",
        f"{bins:,}",
        numbers.seconds(way.time),
        times(way.samples),
        numbers.seconds(facts["one_thread_s"]),
        facts["exact"],
        numbers.seconds(facts["exact_s"]),
        numbers.ratio(facts["exact_s"] / way.time if way.time else math.nan),
        numbers.error(facts["loss_error"]),
        numbers.error(facts["gradient_error"]),
        numbers.error(allowed),
        numbers.seconds(facts["limit_s"]),
        f"{100 * facts['limit_s'] / way.time:.1f} %" if there(way.time) and there(facts["limit_s"]) else "-",
    ]


def _against(
    what: str,
    title: str,
    kind: str,
    sizes: Callable[[Way], tuple[int, int, str]],
    ways: list[Way],
    limits: Facts,
) -> Facts:
    """Return time against one size; `sizes` returns it and the other, which a line has one of, with its letter."""
    series: dict[tuple[Any, ...], set[int]] = {}
    for way in ways:
        size, other, _ = sizes(way)
        series.setdefault((way.case, way.name, other), set()).add(size)
    joined = {key for key, places in series.items() if len(places) > 1}
    marks = []
    for way in ways:
        size, other, letter = sizes(way)
        key = way.case, way.name, other
        more = {"series": repr(key), "end": f"{letter} = {other:,}"} if key in joined else {}
        marks.append(way.mark(size, way.time, **more))
    held = {key[2] for key in joined} or {sizes(way)[1] for way in ways}
    lines = _limits(ways, sizes, held, limits)
    heights = [mark["y"] for mark in marks] + [y for line in lines for _, y in line["at"]]
    return {
        "kind": "plot",
        "title": f"Time against {what}",
        "told": f"{len(marks)} measurements, and {_LIMIT}.",
        "x": axis(title, kind, [mark["x"] for mark in marks]),
        "y": axis(TIME, "time", heights),
        "marks": marks,
        "lines": lines,
        "legend": _methods(ways),
    }


def _limits(
    ways: list[Way], sizes: Callable[[Way], tuple[int, int, str]], held: set[int], limits: Facts
) -> list[Facts]:
    """Return the lines of the least times there could be, as the benchmark has them for each way."""
    lines: dict[tuple[bool, int], dict[int, float]] = {}
    by_points = all(sizes(way)[0] == way.points for way in ways)
    for way in ways:
        size, other, _ = sizes(way)
        pairs = way.took == _DIRECT
        if there(way.facts["limit_s"]) and other in held:
            # What memory takes does not depend on the number of bins.
            key = pairs, other if pairs or not by_points else 0
            least = lines.setdefault(key, {})
            least[size] = max(least.get(size, 0.0), way.facts["limit_s"])
    letter = "M" if by_points else "N"
    drawn = []
    for (pairs, other), least in sorted(lines.items()):
        if len(least) > 1:
            of = f"{letter} = {other:,}" if other else ""
            words = ", ".join(filter(None, ["limit of all pairs" if pairs else "limit of memory", of]))
            drawn.append({"at": sorted(least.items()), "label": words, "dotted": pairs})
    return drawn


