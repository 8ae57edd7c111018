"""A choice as a picture: time against gradient error."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..measure import numbers
from ..measure.plot_style import FAINT, GREY, METHODS, plain, save, size_of, write
from .words import brief, problem

if TYPE_CHECKING:
    from .choice import Choice, Measured

_BEST = "#007a59"
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
    plain(axis)
    axis.grid(which="major", color=FAINT, lw=0.8)
    axis.set_xlabel("time of one call for loss and gradient")
    axis.set_ylabel("gradient error,  max|g − g₀| / max|g₀|")
    axis.set_title(problem(choice), fontsize=9, color=GREY, loc="left")
    figure.suptitle("Time and error of every strategy", fontsize=13)
    _limits(axis, choice)
    _draw_promise(axis, choice)
    _draw_front(axis, choice)
    for row in choice.strategies:
        _draw_point(axis, row, row is choice.best)
    _draw_labels(figure, axis, choice)
    save(figure, path)


def _height(row: Measured) -> float:
    return max(row.gradient_error, _FLOOR)


def _limits(axis: Any, choice: Choice) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter  # noqa: PLC0415  # optional

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


def _draw_promise(axis: Any, choice: Choice) -> None:
    rtol = choice.asked.rtol
    if rtol <= _FLOOR:
        return
    axis.axhline(rtol, color=GREY, lw=1, ls="--")
    end = ("axes fraction", "data")
    write(axis, f"rtol = {rtol:g}", (1, rtol), (-2, 3), GREY, xycoords=end, ha="right", va="bottom")


def _draw_front(axis: Any, choice: Choice) -> None:
    """Draw the border of what nothing beats: a staircase, since between two rows there is nothing."""
    times, heights = zip(*((row.seconds, _height(row)) for row in choice.pareto), strict=True)
    label = "nothing measured is both faster and closer"
    axis.step(times, heights, where="post", color=GREY, lw=1.2, alpha=0.6, zorder=1, label=label)
    axis.legend(loc="upper right", frameon=False, fontsize=9)


def _draw_point(axis: Any, row: Measured, best: bool) -> None:
    colour, marker = METHODS[row.method]
    place = (row.seconds, _height(row))
    if best:
        axis.plot(*place, marker="o", ms=17, mfc="none", mec=_BEST, mew=2.2)
    axis.plot(*place, marker=marker, ms=size_of(marker), color=colour, ls="", zorder=3)


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
    # From the near end of a label to its point.
    leader = {"arrowstyle": "-", "lw": 0.7, "shrinkA": 1, "shrinkB": 4}
    edges = points * axis.bbox.x0, points * axis.bbox.x1
    taken = [_Box(x - _NEAR, x + _NEAR, y - _NEAR, y + _NEAR) for x, y, _ in groups]
    for x, y, rows in groups:
        best = rows[0] is choice.best
        names = [brief(row) for row in rows]
        if best:
            names[0] += f" (best: {numbers.seconds(rows[0].seconds)})"
        label = ", ".join(names)
        right, up, box = _free_place(
            x, y, (6.0 if best else 5.2) * len(label), 12 if best else 7, edges, taken
        )
        taken.append(box)
        colour = _BEST if best else METHODS[rows[0].method][0]
        text = write(
            axis,
            label,
            (rows[0].seconds, _height(rows[0])),
            (right, up),
            colour,
            bold=best,
            ha="left" if right > 0 else "right",
            va="center_baseline",
            zorder=2.5,
            arrowprops=None
            if abs(up) <= _LINE
            else leader | {"color": colour, "relpos": (0.0 if right > 0 else 1.0, 0.5)},
        )
        text.set_path_effects([withStroke(linewidth=4, foreground="white")])


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
