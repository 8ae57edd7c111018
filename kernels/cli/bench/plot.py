"""The figures as a picture."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...measure import numbers
from ...measure import plot_style as style
from ...measure.cases import AUTO, BY_BANDWIDTH, BY_METHOD, BY_SIZE, ON_CIRCLE, ON_LINE, STEP
from ...measure.comparisons import DensityResult
from .record import Outcome

Rows = list[DensityResult]

# On a circle or not: what it is called, and its colour.
_PLACES = {False: ("on the line", style.BLUE), True: ("on the circle", style.ORANGE)}
# A panel with fewer rows than this says nothing.
_FEW = 3
_MARKERS = "osD^vP"
_LEAST = 1e-17  # where no error at all is drawn


def draw(outcome: Outcome, file: Path) -> None:
    """Draw a run to a PNG file: time against size, speed-up of each kernel, time against error and bandwidth.

    A panel that nothing was measured for is left out.
    """
    measured = [row for row in outcome.rows if row.exact.seconds and row.fast.seconds]
    beside = [row for row in outcome.beside_reference if row.exact.seconds and row.fast.seconds]
    # What draws each, and returns its title, and what there is to draw.
    panels: list[tuple[Callable[[Any, Rows, Outcome], str], Rows]] = [
        (_draw_times, [row for row in beside if row.group == BY_SIZE]),
        (_draw_kernels, _kernels(beside)),
        (_draw_errors, _by_error(measured)),
        (_draw_bandwidths, _by_bandwidth(measured)),
    ]
    panels = [panel for panel in panels if len(panel[1]) >= _FEW]
    if not panels or panels[0][0] not in (_draw_times, _draw_kernels):
        panels.insert(0, (_draw_cases, beside or [row for row in measured if row.way == AUTO]))

    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    size = (6.6 * columns if columns > 1 else 9.0, 7.0 if lines == 1 else 6.4 * lines)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    for number, (panel, rows) in enumerate(panels, 1):
        axis = figure.add_subplot(lines, columns, number)
        style.plain(axis)
        axis.set_title(panel(axis, rows, outcome), fontsize=11, loc="left")
    figure.suptitle(f"kdexent {outcome.machine['kdexent']}: loss and gradient of a weighted KDE", fontsize=13)
    caption = "\n".join(wrap(_caption(outcome), int(17 * figure.get_figwidth())))
    figure.supxlabel(caption, fontsize=7.5, color=style.GREY)
    style.save(figure, file, "png")


def _caption(outcome: Outcome) -> str:
    machine = outcome.machine
    commit = f" ({machine['git_commit']})" if machine["git_commit"] else ""
    busy = f" {outcome.busy}" if outcome.busy else ""
    software = "{os}; Python {python}, NumPy {numpy}, Numba {numba}, kdexent {kdexent}".format_map(machine)
    return (
        f"{machine['cpu']} ({machine['cpu_target']}), {outcome.on_threads}; {software}{commit}; "
        f"{machine['utc'][:10]}. "
        f"{outcome.verdict}. Every time is a median; compiling is not counted.{busy}"
    )


def _legend(axis: Any, looks: Iterable[tuple[str, dict[str, Any]]], place: str) -> None:
    """Say what colours or markers mean."""
    handles = [Line2D([], [], label=label, **look) for label, look in looks]
    axis.legend(handles=handles, frameon=False, fontsize=9, loc=place)


def _draw_times(axis: Any, rows: Rows, outcome: Outcome) -> str:
    kinds = [
        ("NumPy reference", style.VERMILION, "exact"),
        ("fast, 1 thread", style.SKY, "one_thread"),
        (f"fast, {outcome.on_threads}", style.BLUE, "fast"),
    ]
    if outcome.threads == 1:
        del kinds[2]
    largest = max(rows, key=lambda row: row.case.pairs)
    slower = max((getattr(largest, time).median, label) for label, _, time in kinds[1:])[1]
    points = sorted({row.case.points for row in rows})
    markers = dict(zip(points, _MARKERS + "." * len(points), strict=False))
    for label, colour, time in kinds:
        for number, marker in markers.items():
            group = [row for row in rows if row.case.points == number]
            line = sorted((row.case.pairs, getattr(row, time).median) for row in group)
            axis.plot(*zip(*line, strict=True), color=colour, marker=marker, ms=5, lw=1.4)
        # The labels of two lines that end close to each other go apart.
        place = "center" if label == kinds[0][0] else "bottom" if label == slower else "top"
        style.label_end(axis, (largest.case.pairs, getattr(largest, time).median), label, colour, place)

    span = np.array([min(row.case.pairs for row in rows), largest.case.pairs])
    axis.plot(span, 2 * span / outcome.limits.multiply_adds_per_s, color=style.GREY, lw=1, ls="--")
    middle = float(np.sqrt(span.prod()))
    below = middle, 2 * middle / outcome.limits.multiply_adds_per_s
    words = "limit of direct:\n2 multiply-adds per pair"
    style.write(axis, words, below, (10, -4), style.GREY, bold=True, va="top")
    grey = {"color": style.GREY, "ls": "", "ms": 5}
    _legend(axis, ((f"N = {n:,}", grey | {"marker": each}) for n, each in markers.items()), "upper left")
    style.times_up(axis)
    axis.set(xscale="log", xlabel="pairs N × M of points and bins", ylabel="time of one call")
    axis.set_xlim(span[0] / 1.6, span[1] * (span[1] / span[0]) ** 0.36)
    return "Gaussian kernel on the line, float64"


def _kernels(rows: Rows) -> Rows:
    """Return the rows of single kernels at the one problem size that most kernels were measured at."""
    sizes: dict[tuple[int, int], Rows] = {}
    for row in rows:
        if row.group in {BY_SIZE, ON_LINE, ON_CIRCLE}:
            sizes.setdefault((row.case.points, row.case.bins), []).append(row)
    return max(sizes.values(), key=len, default=[])


def _size(row: DensityResult) -> str:
    return row.case.title.partition(", ")[2]


def _draw_kernels(axis: Any, rows: Rows, outcome: Outcome) -> str:
    kernels = [str(row.options["kernel"]).replace("_", " ") for row in rows]
    fastest = sorted(zip(rows, kernels, strict=True), key=lambda each: -each[0].speed_up)
    names = [*dict.fromkeys(kernel for _, kernel in fastest)]
    places = []
    for row, kernel in zip(rows, kernels, strict=True):
        shift = 0.0 if kernels.count(kernel) == 1 else 0.2 if row.group == ON_CIRCLE else -0.2
        places.append(names.index(kernel) + shift)
    _draw_bars(axis, rows, outcome, names, places, 0.37)
    return f"Speed-up of each kernel, {_size(rows[0])}"


def _draw_cases(axis: Any, rows: Rows, outcome: Outcome) -> str:
    names = [row.case.title.replace(", ", "\n", 1) for row in rows]
    _draw_bars(axis, rows, outcome, names, range(len(rows)), 0.6)
    return "Speed-up of each case"


def _draw_bars(
    axis: Any, rows: Rows, outcome: Outcome, names: list[str], places: Sequence[float], height: float
) -> None:
    """Draw the speed-up of each row at its place beside the names, with its error."""
    for row, place in zip(rows, places, strict=True):
        axis.barh(place, row.speed_up, height, color=_PLACES["period" in row.options][1])
        error = numbers.error(row.agreement.gradient_error) if row.agreement else "-"
        colour, failed = style.VERMILION if row.problem else "#333333", row.problem is not None
        text = f"{numbers.ratio(row.speed_up)}  ({error})"
        style.write(axis, text, (row.speed_up, place), (4, 0), colour, 8, failed, va="center")
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    fastest = max((row.speed_up for row in rows), default=1.0)
    # Room for the figures at the ends of the bars, on a scale that one long bar does not stretch.
    axis.set_xscale("log")
    axis.set_xlim(1, max(10.0, fastest) ** 1.45)
    axis.xaxis.set_major_formatter("{x:g}")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=style.FAINT, lw=0.8)
    exact = "the NumPy reference" if not rows or rows[0].entry.exact == "reference" else "direct"
    axis.set_xlabel(f"times as fast as {exact}, {outcome.on_threads} (gradient error in brackets)")
    there = [_PLACES[periodic] for periodic in sorted({"period" in row.options for row in rows})]
    _legend(axis, ((label, {"color": colour, "lw": 6}) for label, colour in there), "lower right")


def _by_error(rows: Rows) -> Rows:
    """Return the rows of the case that most methods were measured on, the largest of such."""
    cases: dict[int, Rows] = {}
    for row in rows:
        if row.group == BY_METHOD and row.agreement is not None:
            cases.setdefault(id(row.entry), []).append(row)
    return max(cases.values(), key=lambda of_case: (len(of_case), of_case[0].case.pairs), default=[])


def _draw_errors(axis: Any, rows: Rows, outcome: Outcome) -> str:
    """Draw the time of each method and order against its error."""
    looks = {}
    for name, (colour, marker) in style.METHODS.items():
        look = {"color": colour, "marker": marker, "ms": style.size_of(marker)}
        looks[STEP.name if name == "Plan" else name] = look
    for name, look in looks.items():
        group = [row for row in rows if (STEP.name if row.way.planned else row.way.method) == name]
        if group:
            at = sorted((_error(row), row.fast.median) for row in group)
            axis.plot(*zip(*at, strict=True), **look, lw=1.2, ls=":")
    errors, times = [_error(row) for row in rows], [row.fast.median for row in rows]
    style.times_up(axis)
    axis.set(xscale="log", xlabel="gradient error", ylabel="time of one call")
    axis.set_xlim(min(errors) / 10, max(errors) * 30)
    axis.set_ylim(min(times) / 1.7, max(times) * 1.7)
    for row in rows:
        if row.way.order is not None:
            colour = style.VERMILION if row.problem else style.METHODS[row.way.method][0]
            place = _error(row), row.fast.median
            style.write(axis, f"order {row.way.order}", place, (0, 8), colour, 8, ha="center")
    _legend(axis, ((name, look | {"ls": ""}) for name, look in looks.items()), "upper right")
    return f"Methods: {rows[0].case.title}"


def _error(row: DensityResult) -> float:
    return max(row.agreement.gradient_error, _LEAST) if row.agreement else _LEAST


def _by_bandwidth(rows: Rows) -> Rows:
    """Return the rows that differ in the bandwidth alone, if these are enough for a line."""
    series = [row for row in rows if row.group == BY_BANDWIDTH and row.agreement is not None]
    return series if sum(row.way == AUTO for row in series) >= _FEW else []


def _draw_bandwidths(axis: Any, rows: Rows, outcome: Outcome) -> str:
    """Draw the time per point against the bandwidth."""
    points = rows[0].case.points
    kinds = (
        ("direct", style.GREY, "center", AUTO, "exact"),
        ("auto", style.BLUE, "top", AUTO, "fast"),
        (STEP.name, style.SKY, "top", STEP, "fast"),
    )
    for name, colour, place, way, time in kinds:
        line = sorted(
            (row.options["bandwidth"], getattr(row, time).median / points) for row in rows if row.way == way
        )
        if line:
            axis.plot(*zip(*line, strict=True), color=colour, marker="o", ms=5, lw=1.4)
            style.label_end(axis, line[-1], name, colour, place)
    style.times_up(axis)
    axis.set(xscale="log", xlabel="bandwidth h", ylabel="time per point (gradient error of auto in brackets)")
    bandwidths = [row.options["bandwidth"] for row in rows]
    axis.set_xlim(min(bandwidths) / 4, max(bandwidths) * 60)
    taken = [row for row in rows if row.way == AUTO]
    height = max(row.fast.median for row in taken) / points
    for row in taken:  # the method that auto took, and its error, at one height for all
        text = f"{row.taken.method}\n({numbers.error(_error(row))})"
        colour = style.VERMILION if row.problem else style.BLUE
        style.write(axis, text, (row.options["bandwidth"], height), (0, 12), colour, 8, ha="center")
    return f"Gaussian kernel on the line, {_size(rows[0])}"
