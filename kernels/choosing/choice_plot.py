"""A choice as a picture: time against gradient error."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..measure import numbers
from .words import problem, strategy

if TYPE_CHECKING:
    from .choice import Choice, Measured

__all__ = ["draw"]

# Okabe and Ito's colours, told apart by colour-blind people too, and a marker for each method.
_STYLES = {
    "auto": ("#000000", "*"),
    "direct": ("#D55E00", "s"),
    "window": ("#CC79A7", "D"),
    "grid": ("#E69F00", "^"),
    "cells": ("#0072B2", "o"),
}
_OTHER = ("#56B4E9", "v")
_BEST = "#007a59"
_GREY, _FAINT = "#666666", "#e6e6e6"
# Where errors that are 0, or lost in rounding, are drawn.
_FLOOR = 1e-17
# In points of paper: what counts as one place, and the height of a line of text.
_NEAR, _LINE = 6, 11


def draw(choice: Choice, path: str | os.PathLike[str]) -> None:
    """Draw the strategies of a choice into a file."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # optional
        from matplotlib.figure import Figure  # noqa: PLC0415  # optional
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ModuleNotFoundError(
            'the plot needs matplotlib; pip install "kdexent[bench]"', name="matplotlib"
        ) from None

    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.set(xscale="log", yscale="log")
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)
    axis.grid(which="major", color=_FAINT, lw=0.8)
    axis.set_xlabel("time of one call for loss and gradient")
    axis.set_ylabel("gradient error,  max|g − g₀| / max|g₀|")
    axis.set_title(problem(choice), fontsize=9, color=_GREY, loc="left")
    figure.suptitle("Time and error of every strategy", fontsize=13)
    _limits(axis, choice)
    _draw_promise(axis, choice)
    _draw_front(axis, choice)
    for row in choice.strategies:
        _draw_point(axis, row, row is choice.best)
    _draw_labels(figure, axis, choice)
    # A full disk in the middle of a picture has other names than OSError in some formats.
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, format=Path(path).suffix[1:].lower() or None)
    Path(path).write_bytes(picture.getvalue())


def _height(row: Measured) -> float:
    return max(row.gradient_error, _FLOOR)


def _limits(axis: Any, choice: Choice) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter  # noqa: PLC0415  # optional

    times = [row.seconds for row in choice.strategies]
    # Room for the labels at the right of the points.
    axis.set_xlim(min(times) / 1.6, max(times) * 1.6 * (max(times) / min(times)) ** 0.12)
    heights = [_height(row) for row in choice.strategies]
    low, high = min(*heights, 1e-16), max(*heights, choice.asked.rtol, 1e-8)
    axis.set_ylim(low / 6, high * 10)
    axis.xaxis.set_major_locator(FixedLocator([m * 10.0**k for k in range(-7, 4) for m in (1, 2, 5)]))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _time(value)))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_locator(FixedLocator([_FLOOR, *(10.0**k for k in range(-16, 3, 2))]))
    axis.yaxis.set_major_formatter(
        FuncFormatter(lambda value, _: "0" if value == _FLOOR else f"$10^{{{round(math.log10(value))}}}$")
    )
    axis.yaxis.set_minor_locator(FixedLocator([]))


def _time(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= 0.999 * size:
            return f"{value / size:g} {unit}"
    return f"{value / 1e-6:g} µs"


def _draw_promise(axis: Any, choice: Choice) -> None:
    rtol = choice.asked.rtol
    if rtol <= _FLOOR:
        return
    axis.axhline(rtol, color=_GREY, lw=1, ls="--")
    axis.annotate(
        f"rtol = {rtol:g}",
        (1, rtol),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 3),
        textcoords="offset points",
        ha="right",
        va="bottom",
        fontsize=9,
        color=_GREY,
    )


def _draw_front(axis: Any, choice: Choice) -> None:
    """Draw the border of what nothing beats: a staircase, since between two rows there is nothing."""
    front = choice.pareto
    axis.step(
        [row.seconds for row in front],
        [_height(row) for row in front],
        where="post",
        color=_GREY,
        lw=1.2,
        alpha=0.6,
        zorder=1,
        label="nothing measured is both faster and closer",
    )
    axis.legend(loc="upper right", frameon=False, fontsize=9)


def _draw_point(axis: Any, row: Measured, best: bool) -> None:
    colour, marker = _STYLES.get(row.method, _OTHER)
    place = (row.seconds, _height(row))
    if best:
        axis.plot(*place, marker="o", ms=17, mfc="none", mec=_BEST, mew=2.2)
    axis.plot(*place, marker=marker, ms=11 if marker == "*" else 7, color=colour, ls="", zorder=3)


def _draw_labels(figure: Any, axis: Any, choice: Choice) -> None:
    """Name the points: one label for those at one place, where no other label and no point is."""
    from matplotlib.patheffects import withStroke  # noqa: PLC0415  # optional

    # The layout decides where points are on paper.
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    groups: list[tuple[float, float, list[Measured]]] = []
    # The rightmost first: labels go to the right of their points where they can.
    for row in sorted(choice.strategies, key=lambda row: (row is not choice.best, -row.seconds)):
        x, y = points * axis.transData.transform((row.seconds, _height(row)))
        near = [group for group in groups if abs(group[0] - x) < _NEAR and abs(group[1] - y) < _NEAR]
        if near:
            near[0][2].append(row)
        else:
            groups.append((x, y, [row]))
    edges = points * axis.bbox.x0, points * axis.bbox.x1
    taken = [_Box(x - _NEAR, x + _NEAR, y - _NEAR, y + _NEAR) for x, y, _ in groups]
    for x, y, rows in groups:
        best = rows[0] is choice.best
        names = [strategy(row).replace(" of order", "") for row in rows]
        if best:
            names[0] += f" (best: {numbers.seconds(rows[0].seconds)})"
        label = ", ".join(names)
        right, up, box = _free_place(
            x, y, (6.0 if best else 5.2) * len(label), 12 if best else 7, edges, taken
        )
        taken.append(box)
        colour = _BEST if best else _STYLES.get(rows[0].method, _OTHER)[0]
        text = axis.annotate(
            label,
            (rows[0].seconds, _height(rows[0])),
            xytext=(right, up),
            textcoords="offset points",
            ha="left" if right > 0 else "right",
            va="center_baseline",
            fontsize=9,
            fontweight="bold" if best else "normal",
            color=colour,
            zorder=2.5,
            arrowprops=_leader(colour, right > 0) if abs(up) > _LINE else None,
        )
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])


def _leader(colour: str, right: bool) -> dict[str, Any]:
    """Return a line from the near end of a label to its point."""
    near = (0.0 if right else 1.0, 0.5)
    return {"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 1, "shrinkB": 4, "relpos": near}


class _Box(NamedTuple):
    """What is occupied, in points of paper."""

    left: float
    right: float
    bottom: float
    top: float

    def meets(self, other: _Box) -> bool:
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.top <= other.bottom or other.top <= self.bottom)


def _free_place(
    x: float, y: float, length: float, gap: float, edges: tuple[float, float], taken: list[_Box]
) -> tuple[float, float, _Box]:
    """Return how far to the right of a point and above it its label goes, and the label's box."""
    places = []
    for step in range(12):
        for up in (_LINE * (0.5 + step), -_LINE * (0.5 + step)):
            for right in (gap, -gap):
                left = x + right if right > 0 else x + right - length
                places.append((right, up, _Box(left, left + length, y + up - _LINE / 2, y + up + _LINE / 2)))
    inside = [place for place in places if edges[0] < place[2].left and place[2].right < edges[1]]
    free = [place for place in inside if not any(place[2].meets(box) for box in taken)]
    return (free or inside or places)[0]
