"""A choice as a picture: time against gradient error."""

import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullFormatter
from matplotlib.transforms import Bbox

from ..measure import numbers
from ..measure.plot_style import FAINT, GREY, METHODS, plain, save, size_of, write
from .choice import Choice, Measured
from .words import named, problem

_BEST = "#007a59"
# Where errors that are 0, or lost in rounding, are drawn.
_FLOOR = 1e-17
# In points of paper: what counts as one place, and the height of a line of text.
_NEAR, _LINE = 6, 11


def draw(choice: Choice, path: str | os.PathLike[str]) -> None:
    """Draw the strategies of a choice into a file."""
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.set(xscale="log", yscale="log")
    plain(axis)
    axis.grid(which="major", color=FAINT, lw=0.8)
    axis.set_xlabel("time of one call for loss and gradient")
    axis.set_ylabel("gradient error,  max|g − g₀| / max|g₀|")
    axis.set_title(problem(choice, taken=True), fontsize=9, color=GREY, loc="left")
    figure.suptitle("Time and error of every strategy", fontsize=13)
    _limits(axis, choice)
    rtol = choice.asked.rtol
    if rtol > _FLOOR:
        axis.axhline(rtol, color=GREY, lw=1, ls="--")
        end = ("axes fraction", "data")
        write(axis, f"rtol = {rtol:g}", (1, rtol), (-2, 3), GREY, xycoords=end, ha="right", va="bottom")
    # A staircase, since between two rows there is nothing.
    front = zip(*((row.seconds, _height(row)) for row in choice.pareto), strict=True)
    label = "nothing measured is both faster and closer"
    axis.step(*front, where="post", color=GREY, lw=1.2, alpha=0.6, zorder=1, label=label)
    axis.legend(loc="upper right", frameon=False, fontsize=9)
    for row in choice.strategies:
        colour, marker = METHODS[row.method]
        place = row.seconds, _height(row)
        if row is choice.best:
            axis.plot(*place, marker="o", ms=17, mfc="none", mec=_BEST, mew=2.2)
        axis.plot(*place, marker=marker, ms=size_of(marker), color=colour, ls="", zorder=3)
    _draw_labels(figure, axis, choice)
    save(figure, path)


def _height(row: Measured) -> float:
    return max(row.gradient_error, _FLOOR)


def _limits(axis: Any, choice: Choice) -> None:
    times = [row.seconds for row in choice.strategies]
    # Room for the labels at the right of the points.
    axis.set_xlim(min(times) / 1.6, max(times) * 1.6 * (max(times) / min(times)) ** 0.12)
    heights = [_height(row) for row in choice.strategies]
    low, high = min(*heights, 1e-16), max(*heights, choice.asked.rtol, 1e-8)
    axis.set_ylim(low / 6, high * 10)
    axis.xaxis.set_major_locator(FixedLocator([m * 10.0**k for k in range(-7, 4) for m in (1, 2, 5)]))
    axis.xaxis.set_major_formatter(lambda value, _: numbers.tick(value))
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.yaxis.set_major_locator(FixedLocator([_FLOOR, *(10.0**k for k in range(-16, 3, 2))]))
    axis.yaxis.set_major_formatter(
        lambda value, _: "0" if value == _FLOOR else f"$10^{{{round(math.log10(value))}}}$"
    )
    axis.yaxis.set_minor_locator(FixedLocator([]))


def _draw_labels(figure: Any, axis: Any, choice: Choice) -> None:
    """Name the points: one label for those at one place, where no other label and no point is."""
    # The layout decides where points are on paper.
    figure.draw_without_rendering()
    points = 72 / figure.dpi
    groups: list[tuple[Any, list[Measured]]] = []
    # The rightmost first: labels go to the right of their points where they can.
    for row in sorted(choice.strategies, key=lambda row: (row is not choice.best, -row.seconds)):
        place = points * axis.transData.transform((row.seconds, _height(row)))
        near = [rows for other, rows in groups if (np.abs(other - place) < _NEAR).all()]
        if near:
            near[0].append(row)
        else:
            groups.append((place, [row]))
    edges = points * axis.bbox.x0, points * axis.bbox.x1
    taken = [Bbox([place - _NEAR, place + _NEAR]) for place, _ in groups]
    for place, rows in groups:
        best = rows[0] is choice.best
        names = [named(row) for row in rows]
        if best:
            names[0] += f" (best: {numbers.seconds(rows[0].seconds)})"
        label = ", ".join(names)
        length, gap = (6.0 * len(label), 12) if best else (5.2 * len(label), 7)
        right, up, box = _free_place(place, length, gap, edges, taken)
        taken.append(box)
        colour = _BEST if best else METHODS[rows[0].method][0]
        # From the near end of the label to its point.
        side, end = ("left", 0.0) if right > 0 else ("right", 1.0)
        leader = {"arrowstyle": "-", "lw": 0.7, "shrinkA": 1, "shrinkB": 4, "color": colour}
        leader |= {"relpos": (end, 0.5)}
        at = rows[0].seconds, _height(rows[0])
        options: dict[str, Any] = {"ha": side, "va": "center_baseline", "zorder": 2.5}
        if abs(up) > _LINE:
            options["arrowprops"] = leader
        text = write(axis, label, at, (right, up), colour, bold=best, **options)
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])


def _free_place(
    place: Any, length: float, gap: float, edges: tuple[float, float], taken: Sequence[Bbox]
) -> tuple[float, float, Bbox]:
    """Return how far to the right of a place and above it its label goes, and the label's box."""
    x, y = place
    places = list[tuple[float, float, Bbox]]()
    for step in range(12):
        for up in (_LINE * (0.5 + step), -_LINE * (0.5 + step)):
            for right in (gap, -gap):
                left = x + right if right > 0 else x + right - length
                box = Bbox.from_extents(left, y + up - _LINE / 2, left + length, y + up + _LINE / 2)
                places.append((right, up, box))
    inside = [each for each in places if edges[0] < each[2].x0 and each[2].x1 < edges[1]]
    free = [each for each in inside if not any(map(each[2].fully_overlaps, taken))]
    return (free or inside or places)[0]
