"""Numbers as people read them."""

from __future__ import annotations

import math

from .cases import Case

__all__ = ["count", "error", "points", "problem", "ratio", "seconds", "size", "three_digits"]


def three_digits(value: float) -> str:
    """Return a number in plain notation with three significant digits, or three decimals if it has fewer."""
    if not math.isfinite(value):
        return "-"
    for decimals, below in ((3, 0.9995), (2, 9.995), (1, 99.95)):
        if value < below:
            return f"{value:.{decimals}f}"
    return f"{value:.0f}"


def seconds(value: float) -> str:
    """Return a time with its unit: 123 ns, 12.3 us (with a micro sign), 4.56 ms or 7.89 s."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= 0.9995 * size:
            return f"{three_digits(value / size)} {unit}"
    return f"{three_digits(value / 1e-9)} ns" if math.isfinite(value) else "-"


def ratio(value: float) -> str:
    """Return a speed-up: 2.5x or 123x; 0.04x where it is none."""
    if not math.isfinite(value):
        return "-"
    if value < 0.095:
        return f"{value:.2f}x"
    return f"{value:.1f}x" if value < 9.95 else f"{value:.0f}x"


def error(value: float) -> str:
    """Return an error with two digits: 3.8e-16; 0 where it is none."""
    return "0" if value == 0 else f"{value:.1e}"


def count(value: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,}"


def points(case: Case) -> str:
    """Return the number of points of a case, or rows x points."""
    return count(case.points) if case.rows == 1 else f"{count(case.rows)}×{count(case.points)}"


def problem(case: Case) -> str:
    """Return a case's name and size in words."""
    return f"{case.name}, N = {points(case)}, M = {count(case.bins)}"


def size(count: int) -> str:
    """Return a number of bytes with its unit: 12.3 kB or 4.56 MB."""
    for unit, one in (("GB", 1e9), ("MB", 1e6)):
        if count >= 0.9995 * one:
            return f"{three_digits(count / one)} {unit}"
    return f"{three_digits(count / 1e3)} kB"
