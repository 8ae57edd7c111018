"""The panels that compare methods: time against error, and against the bandwidth."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from ...measure import numbers
from ...measure.cases import AUTO, BY_BANDWIDTH, BY_METHOD, STEP
from ...measure.comparisons import DensityResult
from ...measure.plot_style import BLUE, GREY, METHODS, SKY, VERMILION, label_end, size_of, times_up, write
from .record import Outcome

_STEP = STEP.name
_FEW = 3
_LEAST = 1e-17  # where no error at all is drawn


def by_error(rows: list[DensityResult]) -> list[DensityResult]:
    """Return the rows of the case that most methods were measured on, the largest of such."""
    cases: dict[int, list[DensityResult]] = {}
    for row in rows:
        if row.group == BY_METHOD and row.agreement is not None:
            cases.setdefault(id(row.entry), []).append(row)
    return max(cases.values(), key=lambda those: (len(those), those[0].case.pairs), default=[])


def draw_errors(axis: Any, rows: list[DensityResult], outcome: Outcome) -> None:
    """Draw the time of each method and order against its error."""
    styles = {**METHODS, _STEP: (BLUE, "D")}
    for name, (colour, marker) in styles.items():
        those = [row for row in rows if (_STEP if row.way.planned else row.way.method) == name]
        at = sorted((_error(row), row.fast.median) for row in those)
        if at:
            style = {"color": colour, "marker": marker, "ms": size_of(marker)}
            axis.plot(*zip(*at, strict=True), **style, lw=1.2, ls=":")
    errors, times = [_error(row) for row in rows], [row.fast.median for row in rows]
    times_up(axis)
    axis.set(xscale="log", xlabel="gradient error", ylabel="time of one call")
    axis.set_xlim(min(errors) / 10, max(errors) * 30)
    axis.set_ylim(min(times) / 1.7, max(times) * 1.7)
    for row in rows:
        if row.way.order is not None:
            _beside(axis, row)
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=size_of(marker), ls="")
        for colour, marker in styles.values()
    ]
    axis.legend(handles, styles, frameon=False, fontsize=9, loc="upper right")
    axis.set_title(f"Methods: {rows[0].case.title}", fontsize=11, loc="left")


def _error(row: DensityResult) -> float:
    return max(row.agreement.gradient_error, _LEAST) if row.agreement else _LEAST


def _beside(axis: Any, row: DensityResult) -> None:
    colour = VERMILION if row.problem else METHODS[row.way.method][0]
    write(axis, f"order {row.way.order}", (_error(row), row.fast.median), (0, 8), colour, 8, ha="center")


def by_bandwidth(rows: list[DensityResult]) -> list[DensityResult]:
    """Return the rows that differ in the bandwidth alone, if these are enough for a line."""
    found = [row for row in rows if row.group == BY_BANDWIDTH and row.agreement is not None]
    return found if sum(row.way == AUTO for row in found) >= _FEW else []


def draw_bandwidths(axis: Any, rows: list[DensityResult], outcome: Outcome) -> None:
    """Draw the time per point against the bandwidth."""
    points = rows[0].case.points
    kinds = (
        ("direct", GREY, "center", AUTO, "exact"),
        ("auto", BLUE, "top", AUTO, "fast"),
        (_STEP, SKY, "top", STEP, "fast"),
    )
    for name, colour, place, way, time in kinds:
        line = sorted(
            (row.options["bandwidth"], getattr(row, time).median / points) for row in rows if row.way == way
        )
        if line:
            axis.plot(*zip(*line, strict=True), color=colour, marker="o", ms=5, lw=1.4)
            label_end(axis, line[-1], name, colour, place)
    times_up(axis)
    bandwidths = [row.options["bandwidth"] for row in rows]
    axis.set(xscale="log", xlabel="bandwidth h", ylabel="time per point (gradient error of auto in brackets)")
    axis.set_xlim(min(bandwidths) / 4, max(bandwidths) * 60)
    taken = [row for row in rows if row.way == AUTO]
    for row in taken:
        _above(axis, row, max(each.fast.median for each in taken) / points)
    size = rows[0].case.title.split(", ", 1)[1]
    axis.set_title(f"Gaussian kernel on the line, {size}", fontsize=11, loc="left")


def _above(axis: Any, row: DensityResult, height: float) -> None:
    """Write the method that auto took, and its gradient error, above the point, at one height for all."""
    text, place = f"{row.taken.method}\n({numbers.error(_error(row))})", (row.options["bandwidth"], height)
    write(axis, text, place, (0, 12), VERMILION if row.problem else BLUE, 8, ha="center")
