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
from matplotlib.ticker import FuncFormatter

from . import units
from .groups import CIRCLE, LINE, SIZES
from .measure import Row
from .record import Outcome

__all__ = ["draw"]

# Okabe and Ito's colours, told apart by colour-blind people too.
_VERMILION, _ORANGE, _SKY, _BLUE = "#D55E00", "#E69F00", "#56B4E9", "#0072B2"
_GREY, _FAINT = "#666666", "#e6e6e6"
# On a circle or not: what it is called, and its colour.
_PLACES = {False: ("on the line", _BLUE), True: ("on the circle", _ORANGE)}
# A panel with fewer rows than this says nothing.
_FEW = 3
_MARKERS = "osD^vP"


def draw(outcome: Outcome, file: Path) -> None:
    """Draw a run to a PNG file: times against problem size, and the speed-up of each kernel.

    Parameters
    ----------
    outcome : Outcome
        What was measured. A panel that nothing was measured for is left out.
    file : Path
        Where to write the picture.
    """
    measured = [row for row in outcome.rows if row.reference and row.fast]
    sizes = [row for row in measured if row.group == SIZES]
    kernels = _kernels(measured)
    panels: list[tuple[Callable[[Any, list[Row], Outcome], None], list[Row]]] = []
    if len(sizes) >= _FEW:
        panels.append((_draw_times, sizes))
    if len(kernels) >= _FEW:
        panels.append((_draw_kernels, kernels))
    if not panels:
        panels.append((_draw_cases, measured))

    figure = Figure(figsize=(6.6 * len(panels) if len(panels) > 1 else 9.0, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (panel, rows) in zip(axes, panels, strict=True):
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_axisbelow(True)
        panel(axis, rows, outcome)
    figure.suptitle(f"kdexent {outcome.machine.kdexent}: loss and gradient of a weighted KDE", fontsize=13)
    caption = "\n".join(wrap(_caption(outcome), int(17 * figure.get_figwidth())))
    figure.supxlabel(caption, fontsize=7.5, color=_GREY)
    figure.savefig(file, dpi=150, format="png")


def _threads(outcome: Outcome) -> str:
    return "1 thread" if outcome.threads == 1 else f"{outcome.threads} threads"


def _caption(outcome: Outcome) -> str:
    machine = outcome.machine
    commit = f" ({machine.git_commit})" if machine.git_commit else ""
    busy = f" {outcome.busy}" if outcome.busy else ""
    return (
        f"{machine.cpu} ({machine.cpu_target}), {_threads(outcome)}; {machine.os}; Python {machine.python}, "
        f"NumPy {machine.numpy}, Numba {machine.numba}, kdexent {machine.kdexent}{commit}; "
        f"{machine.utc[:10]}. "
        f"{outcome.verdict}. Every time is a median; compiling is not counted.{busy}"
    )


def _draw_times(axis: Any, rows: list[Row], outcome: Outcome) -> None:
    kinds = [
        ("NumPy reference", _VERMILION, "center", [row.reference_time for row in rows]),
        ("fast, 1 thread", _SKY, "bottom", [row.one_thread_time for row in rows]),
        (f"fast, {outcome.threads} threads", _BLUE, "top", [row.fast_time for row in rows]),
    ]
    if outcome.threads == 1:
        del kinds[2]
    points = sorted({row.case.points for row in rows})
    markers = dict(zip(points, _MARKERS, strict=False))
    for label, colour, place, times in kinds:
        for number in points:
            line = [
                (row.case.pairs, time)
                for row, time in zip(rows, times, strict=True)
                if row.case.points == number
            ]
            pairs, taken = zip(*sorted(line), strict=True)
            axis.plot(pairs, taken, color=colour, marker=markers.get(number, "."), ms=5, lw=1.4)
        _label(
            axis,
            max((row.case.pairs, time) for row, time in zip(rows, times, strict=True)),
            label,
            colour,
            place,
        )

    span = np.array([min(row.case.pairs for row in rows), max(row.case.pairs for row in rows)])
    limit = 2 * span / outcome.limits.multiply_adds
    axis.plot(span, limit, color=_GREY, lw=1, ls="--")
    _label(axis, (span[1], limit[1]), "limit: 2 multiply-\nadds per pair", _GREY, "center")
    handles = [
        Line2D(
            [],
            [],
            color=_GREY,
            ls="",
            marker=markers.get(number, "."),
            ms=5,
            label=f"N = {units.count(number)}",
        )
        for number in points
    ]
    axis.legend(handles=handles, frameon=False, fontsize=9, loc="upper left")
    axis.set(xscale="log", yscale="log", xlabel="pairs N × M of points and bins", ylabel="time of one call")
    axis.set_xlim(span[0] / 1.6, span[1] * (span[1] / span[0]) ** 0.36)
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _power(value)))
    axis.grid(which="major", color=_FAINT, lw=0.8)
    axis.set_title("Gaussian kernel on the line, float64", fontsize=11, loc="left")


def _label(axis: Any, end: tuple[float, float], text: str, colour: str, place: str) -> None:
    """Write the name of a line at its right end."""
    axis.annotate(
        text,
        end,
        xytext=(7, {"bottom": 2, "top": -2}.get(place, 0)),
        textcoords="offset points",
        va=place,
        fontsize=9,
        color=colour,
        fontweight="bold",
    )


def _power(value: float) -> str:
    """Return a power of ten of seconds with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.999 * size:
            return f"{value / size:g} {unit}"
    return f"{value / 1e-9:g} ns"


def _kernels(rows: list[Row]) -> list[Row]:
    """Return the rows of single kernels at the one problem size that most kernels were measured at."""
    sizes: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        if row.group in {SIZES, LINE, CIRCLE}:
            sizes.setdefault((row.case.points, row.case.bins), []).append(row)
    return max(sizes.values(), key=len, default=[])


def _kernel(row: Row) -> str:
    return str(row.options.get("kernel", "gaussian")).replace("_", " ")


def _draw_kernels(axis: Any, rows: list[Row], outcome: Outcome) -> None:
    fastest: dict[str, float] = {}
    for row in rows:
        fastest[_kernel(row)] = max(row.speed_up, fastest.get(_kernel(row), 0.0))
    names = sorted(fastest, key=lambda name: -fastest[name])
    for row in rows:
        both = sum(_kernel(other) == _kernel(row) for other in rows) > 1
        shift = (0.2 if row.group == CIRCLE else -0.2) if both else 0.0
        _bar(axis, row, names.index(_kernel(row)) + shift, 0.37)
    _finish_bars(axis, names, rows, outcome)
    case = rows[0].case
    size = f"N = {units.count(case.points)}, M = {units.count(case.bins)}"
    axis.set_title(f"Speed-up of each kernel, {size}", fontsize=11, loc="left")


def _draw_cases(axis: Any, rows: list[Row], outcome: Outcome) -> None:
    for place, row in enumerate(rows):
        _bar(axis, row, place, 0.6)
    names = [
        f"{row.case.name}\nN = {units.points(row.case)}, M = {units.count(row.case.bins)}" for row in rows
    ]
    _finish_bars(axis, names, rows, outcome)
    axis.set_title("Speed-up of each case", fontsize=11, loc="left")


def _bar(axis: Any, row: Row, place: float, height: float) -> None:
    axis.barh(place, row.speed_up, height, color=_PLACES["period" in row.options][1])
    error = units.error(row.agreement.gradient_error) if row.agreement else "-"
    axis.annotate(
        f"{units.ratio(row.speed_up)}  ({error})",
        (row.speed_up, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        fontsize=8,
        color=_VERMILION if row.problem else "#333333",
        fontweight="bold" if row.problem else "normal",
    )


def _finish_bars(axis: Any, names: list[str], rows: list[Row], outcome: Outcome) -> None:
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.45, -0.55)
    # Room for the figures behind the longest bar.
    fastest = max((row.speed_up for row in rows), default=1.0)
    # Room for the labels at the ends of the bars, on a scale that one long bar does not stretch.
    axis.set_xscale("log")
    axis.set_xlim(1, max(10.0, fastest) ** 1.45)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", color=_FAINT, lw=0.8)
    axis.set_xlabel(f"times as fast as the NumPy reference, {_threads(outcome)} (gradient error in brackets)")
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
