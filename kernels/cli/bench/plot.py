"""The figures as a picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...measure import numbers
from ...measure.cases import AUTO, BY_SIZE, ON_CIRCLE, ON_LINE
from ...measure.comparisons import DensityResult
from ...measure.plot_style import (
    BLUE,
    FAINT,
    GREY,
    ORANGE,
    SKY,
    VERMILION,
    label_end,
    plain,
    save,
    times_up,
    write,
)
from .plot_methods import by_bandwidth, by_error, draw_bandwidths, draw_errors
from .record import Outcome

# On a circle or not: what it is called, and its colour.
_PLACES = {False: ("on the line", BLUE), True: ("on the circle", ORANGE)}
# A panel with fewer rows than this says nothing.
_FEW = 3
_MARKERS = "osD^vP"


def draw(outcome: Outcome, file: Path) -> None:
    """Draw a run to a PNG file: time against size, speed-up of each kernel, time against error and bandwidth.

    Parameters
    ----------
    outcome : Outcome
        What was measured. A panel that nothing was measured for is left out.
    file : Path
        Where to write the picture.
    """
    measured = [row for row in outcome.rows if row.exact.seconds and row.fast.seconds]
    beside = [row for row in outcome.beside_reference if row.exact.seconds and row.fast.seconds]
    panels: list[tuple[Callable[[Any, list[DensityResult], Outcome], None], list[DensityResult]]] = [
        (_draw_times, [row for row in beside if row.group == BY_SIZE]),
        (_draw_kernels, _kernels(beside)),
        (draw_errors, by_error(measured)),
        (draw_bandwidths, by_bandwidth(measured)),
    ]
    panels = [panel for panel in panels if len(panel[1]) >= _FEW]
    if not panels or panels[0][0] not in (_draw_times, _draw_kernels):
        panels.insert(0, (_draw_cases, beside or [row for row in measured if row.way == AUTO]))

    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    size = (6.6 * columns if columns > 1 else 9.0, 7.0 if lines == 1 else 6.4 * lines)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.remove()
    for axis, (panel, rows) in zip(axes, panels, strict=False):
        plain(axis)
        panel(axis, rows, outcome)
    figure.suptitle(f"kdexent {outcome.machine.kdexent}: loss and gradient of a weighted KDE", fontsize=13)
    caption = "\n".join(wrap(_caption(outcome), int(17 * figure.get_figwidth())))
    figure.supxlabel(caption, fontsize=7.5, color=GREY)
    save(figure, file, "png")


def _caption(outcome: Outcome) -> str:
    machine = outcome.machine
    commit = f" ({machine.git_commit})" if machine.git_commit else ""
    busy = f" {outcome.busy}" if outcome.busy else ""
    return (
        f"{machine.cpu} ({machine.cpu_target}), {outcome.on_threads}; {machine.os}; Python {machine.python}, "
        f"NumPy {machine.numpy}, Numba {machine.numba}, kdexent {machine.kdexent}{commit}; "
        f"{machine.utc[:10]}. "
        f"{outcome.verdict}. Every time is a median; compiling is not counted.{busy}"
    )


def _draw_times(axis: Any, rows: list[DensityResult], outcome: Outcome) -> None:
    kinds = [
        ("NumPy reference", VERMILION, [row.exact.median for row in rows]),
        ("fast, 1 thread", SKY, [row.one_thread.median for row in rows]),
        (f"fast, {outcome.on_threads}", BLUE, [row.fast.median for row in rows]),
    ]
    if outcome.threads == 1:
        del kinds[2]
    largest = max(range(len(rows)), key=lambda index: rows[index].case.pairs)
    slower = max((kind[2][largest], kind[0]) for kind in kinds[1:])[1]
    points = sorted({row.case.points for row in rows})
    markers = dict(zip(points, _MARKERS, strict=False))
    for label, colour, times in kinds:
        for number in points:
            line = [
                (row.case.pairs, time)
                for row, time in zip(rows, times, strict=True)
                if row.case.points == number
            ]
            pairs, taken = zip(*sorted(line), strict=True)
            axis.plot(pairs, taken, color=colour, marker=markers.get(number, "."), ms=5, lw=1.4)
        # The labels of two lines that end close to each other go apart.
        place = "center" if label == kinds[0][0] else "bottom" if label == slower else "top"
        label_end(axis, (rows[largest].case.pairs, times[largest]), label, colour, place)

    span = np.array([min(row.case.pairs for row in rows), max(row.case.pairs for row in rows)])
    limit = 2 * span / outcome.limits.multiply_adds
    axis.plot(span, limit, color=GREY, lw=1, ls="--")
    middle = float(np.sqrt(span.prod()))
    below = middle, 2 * middle / outcome.limits.multiply_adds
    write(axis, "limit of direct:\n2 multiply-adds per pair", below, (10, -4), GREY, bold=True, va="top")
    handles = [
        Line2D([], [], color=GREY, ls="", ms=5, marker=markers.get(number, "."), label=f"N = {number:,}")
        for number in points
    ]
    axis.legend(handles=handles, frameon=False, fontsize=9, loc="upper left")
    times_up(axis)
    axis.set(xscale="log", xlabel="pairs N × M of points and bins", ylabel="time of one call")
    axis.set_xlim(span[0] / 1.6, span[1] * (span[1] / span[0]) ** 0.36)
    axis.set_title("Gaussian kernel on the line, float64", fontsize=11, loc="left")


def _kernels(rows: list[DensityResult]) -> list[DensityResult]:
    """Return the rows of single kernels at the one problem size that most kernels were measured at."""
    sizes: dict[tuple[int, int], list[DensityResult]] = {}
    for row in rows:
        if row.group in {BY_SIZE, ON_LINE, ON_CIRCLE}:
            sizes.setdefault((row.case.points, row.case.bins), []).append(row)
    return max(sizes.values(), key=len, default=[])


def _kernel(row: DensityResult) -> str:
    return str(row.options["kernel"]).replace("_", " ")


def _draw_kernels(axis: Any, rows: list[DensityResult], outcome: Outcome) -> None:
    fastest: dict[str, float] = {}
    for row in rows:
        fastest[_kernel(row)] = max(row.speed_up, fastest.get(_kernel(row), 0.0))
    names = sorted(fastest, key=lambda name: -fastest[name])
    for row in rows:
        both = sum(_kernel(other) == _kernel(row) for other in rows) > 1
        shift = (0.2 if row.group == ON_CIRCLE else -0.2) if both else 0.0
        _bar(axis, row, names.index(_kernel(row)) + shift, 0.37)
    _finish_bars(axis, names, rows, outcome)
    size = rows[0].case.title.split(", ", 1)[1]
    axis.set_title(f"Speed-up of each kernel, {size}", fontsize=11, loc="left")


def _draw_cases(axis: Any, rows: list[DensityResult], outcome: Outcome) -> None:
    for place, row in enumerate(rows):
        _bar(axis, row, place, 0.6)
    names = [row.case.title.replace(", ", "\n", 1) for row in rows]
    _finish_bars(axis, names, rows, outcome)
    axis.set_title("Speed-up of each case", fontsize=11, loc="left")


def _bar(axis: Any, row: DensityResult, place: float, height: float) -> None:
    axis.barh(place, row.speed_up, height, color=_PLACES["period" in row.options][1])
    error = numbers.error(row.agreement.gradient_error) if row.agreement else "-"
    colour, failed = VERMILION if row.problem else "#333333", row.problem is not None
    text = f"{numbers.ratio(row.speed_up)}  ({error})"
    write(axis, text, (row.speed_up, place), (4, 0), colour, 8, failed, va="center")


def _finish_bars(axis: Any, names: list[str], rows: list[DensityResult], outcome: Outcome) -> None:
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    # Room for the figures behind the longest bar.
    fastest = max((row.speed_up for row in rows), default=1.0)
    # Room for the labels at the ends of the bars, on a scale that one long bar does not stretch.
    axis.set_xscale("log")
    axis.set_xlim(1, max(10.0, fastest) ** 1.45)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=FAINT, lw=0.8)
    exact = "the NumPy reference" if not rows or rows[0].entry.exact == "reference" else "direct"
    axis.set_xlabel(f"times as fast as {exact}, {outcome.on_threads} (gradient error in brackets)")
    axis.legend(
        handles=[
            Line2D([], [], color=colour, lw=6, label=label)
            for periodic, (label, colour) in _PLACES.items()
            if any(("period" in row.options) == periodic for row in rows)
        ],
        frameon=False,
        fontsize=9,
        loc="lower right",
    )
