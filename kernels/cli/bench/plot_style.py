"""What the panels of the picture share: colours, and how lines and axes are labelled."""

from __future__ import annotations

from typing import Any

from matplotlib.ticker import FuncFormatter

__all__ = [
    "BLACK",
    "BLUE",
    "FAINT",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "label_end",
    "power",
    "times_up",
]

# Okabe and Ito's colours, told apart by colour-blind people too.
VERMILION, ORANGE, SKY, BLUE = "#D55E00", "#E69F00", "#56B4E9", "#0072B2"
GREEN, PURPLE, BLACK = "#009E73", "#CC79A7", "#000000"
GREY, FAINT = "#666666", "#e6e6e6"


def label_end(axis: Any, end: tuple[float, float], text: str, colour: str, place: str) -> None:
    """Write the name of a line at its right end: above (bottom), below (top) or level with it (center)."""
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


def power(value: float) -> str:
    """Return a power of ten of seconds with its unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.999 * size:
            return f"{value / size:g} {unit}"
    return f"{value / 1e-9:g} ns"


def times_up(axis: Any) -> None:
    """Make the vertical axis one of times, with their units, and draw a faint grid."""
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: power(value)))
    axis.grid(which="major", color=FAINT, lw=0.8)
