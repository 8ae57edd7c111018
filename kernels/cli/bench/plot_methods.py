"""The panels that compare methods: time against error, and against the bandwidth."""

from __future__ import annotations

from typing import Any

from matplotlib.lines import Line2D

from ...measure import numbers
from ...measure.alternation import Row
from ...measure.cases import AUTO, STEP
from .groups import BANDWIDTHS, METHODS
from .plot_style import BLACK, BLUE, GREEN, GREY, ORANGE, PURPLE, SKY, VERMILION, label_end, times_up
from .record import Outcome

__all__ = ["by_bandwidth", "by_error", "draw_bandwidths", "draw_errors"]

_COLOURS = {"direct": BLACK, "window": PURPLE, "grid": ORANGE, "cells": GREEN, "auto": BLUE}
_FEW = 3
_LEAST = 1e-17  # where no error at all is drawn


def by_error(rows: list[Row]) -> list[Row]:
    """Return the rows of the case that most methods were measured on, the largest of such."""
    cases: dict[int, list[Row]] = {}
    for row in rows:
        if row.group == METHODS and row.agreement is not None:
            cases.setdefault(id(row.comparison), []).append(row)
    return max(cases.values(), key=lambda those: (len(those), those[0].case.pairs), default=[])


def draw_errors(axis: Any, rows: list[Row], outcome: Outcome) -> None:
    """Draw the time of each method and order against its error."""
    for method, colour in _COLOURS.items():
        those = [row for row in rows if row.way.method == method and not row.way.planned]
        at = sorted((_error(row), row.fast_time) for row in those)
        if at:
            marker, size = ("*", 13) if method == "auto" else ("o", 6)
            axis.plot(*zip(*at, strict=True), color=colour, marker=marker, ms=size, lw=1.2, ls=":")
    for row in rows:
        if row.way == STEP:
            axis.plot(_error(row), row.fast_time, color=BLUE, marker="D", ms=6)
    errors, times = [_error(row) for row in rows], [row.fast_time for row in rows]
    times_up(axis)
    axis.set(xscale="log", xlabel="gradient error", ylabel="time of one call")
    axis.set_xlim(min(errors) / 10, max(errors) * 30)
    axis.set_ylim(min(times) / 1.7, max(times) * 1.7)
    for row in rows:
        if row.way.order is not None:
            _beside(axis, row)
    handles = [
        Line2D(
            [],
            [],
            color=colour,
            marker="*" if method == "auto" else "o",
            ms=9 if method == "auto" else 6,
            ls="",
        )
        for method, colour in _COLOURS.items()
    ]
    names = [*_COLOURS, "Plan step"]
    handles.append(Line2D([], [], color=BLUE, marker="D", ms=6, ls=""))
    axis.legend(handles, names, frameon=False, fontsize=9, loc="upper right")
    case = rows[0].case
    axis.set_title(f"Methods: {numbers.problem(case)}", fontsize=11, loc="left")


def _error(row: Row) -> float:
    return max(row.agreement.gradient_error, _LEAST) if row.agreement else _LEAST


def _beside(axis: Any, row: Row) -> None:
    axis.annotate(
        f"order {row.way.order}",
        (_error(row), row.fast_time),
        xytext=(0, 8),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=VERMILION if row.problem else _COLOURS[row.way.method],
    )


def by_bandwidth(rows: list[Row]) -> list[Row]:
    """Return the rows that differ in the bandwidth alone, if these are enough for a line."""
    found = [row for row in rows if row.group == BANDWIDTHS and row.agreement is not None]
    return found if sum(row.way == AUTO for row in found) >= _FEW else []


def draw_bandwidths(axis: Any, rows: list[Row], outcome: Outcome) -> None:
    """Draw the time per point against the bandwidth."""
    points = rows[0].case.points
    kinds = (
        ("direct", GREY, "center", AUTO, "exact_time"),
        ("auto", BLUE, "top", AUTO, "fast_time"),
        ("Plan step", SKY, "top", STEP, "fast_time"),
    )
    for name, colour, place, way, time in kinds:
        line = sorted(
            (row.options["bandwidth"], getattr(row, time) / points) for row in rows if row.way == way
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
        _above(axis, row, max(each.fast_time for each in taken) / points)
    size = numbers.problem(rows[0].case).split(", ", 1)[1]
    axis.set_title(f"Gaussian kernel on the line, {size}", fontsize=11, loc="left")


def _above(axis: Any, row: Row, height: float) -> None:
    """Write the method that auto took, and its gradient error, above the point, at one height for all."""
    axis.annotate(
        f"{row.taken.method}\n({numbers.error(_error(row))})",
        (row.options["bandwidth"], height),
        xytext=(0, 12),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        color=VERMILION if row.problem else BLUE,
    )
