"""What all pictures share: colours, and how lines and axes are labelled."""

import io
import os
from pathlib import Path
from typing import Any

from .. import names
from . import numbers

# Okabe and Ito's colours, told apart by colour-blind people too.
VERMILION, ORANGE, SKY, BLUE = "#D55E00", "#E69F00", "#56B4E9", "#0072B2"
GREEN, PURPLE, BLACK = "#009E73", "#CC79A7", "#000000"
GREY, FAINT = "#666666", "#e6e6e6"

_LOOKS = {
    "direct": (BLACK, "s"),
    "window": (PURPLE, "v"),
    "grid": (ORANGE, "^"),
    "cells": (GREEN, "o"),
    "auto": (BLUE, "*"),
}
METHODS = {method: _LOOKS.get(method, (GREY, "P")) for method in names.METHODS} | {"Plan": (SKY, "D")}


def size_of(marker: str) -> int:
    """Return the size at which a marker looks as large as others."""
    return 12 if marker == "*" else 6


def write(
    axis: Any,
    text: str,
    place: tuple[float, float],
    offset: tuple[float, float],
    colour: str,
    size: float = 9,
    bold: bool = False,
    **options: Any,
) -> Any:
    """Write a text beside a place of the data, so many points of paper away."""
    options |= {"xytext": offset, "textcoords": "offset points", "color": colour, "fontsize": size}
    return axis.annotate(text, place, fontweight="bold" if bold else "normal", **options)


def label_end(axis: Any, end: tuple[float, float], text: str, colour: str, place: str) -> None:
    """Write the name of a line at its right end: above (bottom), below (top) or level with it (center)."""
    write(axis, text, end, (7, {"bottom": 2, "top": -2}.get(place, 0)), colour, bold=True, va=place)


def plain(axis: Any) -> None:
    """Leave out what frames a panel, and put its grid behind the data."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_axisbelow(True)


def times_up(axis: Any) -> None:
    """Make the vertical axis one of times, with their units, and draw a faint grid."""
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(lambda value, _: numbers.tick(value))
    axis.grid(which="major", color=FAINT, lw=0.8)


def save(figure: Any, path: str | os.PathLike[str], kind: str | None = None) -> None:
    """Write a picture, of the kind that its ending says if none is given."""
    # A full disk in the middle of a picture has other names than OSError in some formats.
    picture = io.BytesIO()
    figure.savefig(picture, dpi=150, format=kind or Path(path).suffix[1:].lower() or None)
    Path(path).write_bytes(picture.getvalue())
