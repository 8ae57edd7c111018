"""Numbers as people read them, and as JSON has them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

_TIMES = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6), ("ns", 1e-9))
_SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))


def three_digits(value: float) -> str:
    """Return a number in plain notation with three significant digits, or three decimals if it has fewer."""
    if not math.isfinite(value):
        return "-"
    for decimals, below in ((3, 0.9995), (2, 9.995), (1, 99.95)):
        if value < below:
            return f"{value:.{decimals}f}"
    return f"{value:.0f}"


def _with_unit(
    value: float, units: tuple[tuple[str, float], ...], written: Callable[[float], str] = three_digits
) -> str:
    if not math.isfinite(value):
        return "-"
    unit, one = next((each for each in units if value >= 0.9995 * each[1]), units[-1])
    return f"{written(value / one)} {unit}"


def seconds(value: float) -> str:
    """Return a time with its unit: 123 ns, 12.3 us (with a micro sign), 4.56 ms or 7.89 s."""
    return _with_unit(value, _TIMES)


def tick(value: float) -> str:
    """Return a round time of an axis with its unit: 10 ms, 0.1 ns."""
    return _with_unit(value, _TIMES, "{:g}".format)


def ratio(value: float) -> str:
    """Return a speed-up: 2.5x or 123x; 0.04x where it is none."""
    if not math.isfinite(value):
        return "-"
    if value < 0.095:
        return f"{value:.2f}x"
    return f"{value:.1f}x" if value < 9.95 else f"{value:.0f}x"


def error(value: float) -> str:
    """Return an error with two digits: 3.8e-16; 0 where it is none, - where there is none."""
    return "0" if value == 0 else "-" if math.isnan(value) else f"{value:.1e}"


def rows_of_points(rows: int, points: int) -> str:
    """Return the number of points, or rows×points: 1,000 or 10,000×100."""
    return f"{points:,}" if rows == 1 else f"{rows:,}×{points:,}"


def size(count: int | None) -> str:
    """Return a number of bytes with its unit: 123 B, 12.3 kB or 4.56 MB."""
    if count is None:
        return "-"
    return f"{count} B" if count < 1000 else _with_unit(count, _SIZES)


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what is not finite becomes None."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
