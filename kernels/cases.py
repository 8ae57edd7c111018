"""The benchmark cases: which problems `kdexent bench`, asv and pytest-benchmark measure."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .data import departures, wind
from .names import CIRCLE_ONLY, KERNELS

__all__ = ["BINS", "SIZES", "Arguments", "Case", "batch", "circle", "kernels", "line", "real", "suite"]

BINS = (16, 64, 256, 1024)
SIZES = (1_000, 10_000, 100_000)
BANDWIDTH = 0.05


class Arguments(NamedTuple):
    """What a call takes: loss(x, z, a, b, **options)."""

    x: NDArray[Any]
    z: NDArray[Any]
    a: Any
    b: Any
    options: dict[str, Any]


class Case(NamedTuple):
    """A named problem; `make` returns its arguments, the same every time."""

    name: str
    points: int
    bins: int
    rows: int
    make: Callable[[], Arguments]

    @property
    def pairs(self) -> int:
        return self.rows * self.points * self.bins


@cache
def _normal(rows: int, points: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(20131104)
    shape = (points,) if rows == 1 else (rows, points)
    return rng.standard_normal(shape), rng.standard_normal(shape)


def line(points: int, bins: int, kernel: str = "gaussian", dtype: str = "float64") -> Case:
    """Return one row: x ~ N(0, 1), z ~ N(0, 1), target [-1, 1], h = 0.05."""

    def make() -> Arguments:
        x, z = (array.astype(dtype) for array in _normal(1, points))
        return Arguments(x, z, -1.0, 1.0, {"bandwidth": BANDWIDTH, "kernel": kernel, "bins": bins})

    suffix = "" if dtype == "float64" else f" {dtype}"
    return Case(f"{kernel} line{suffix}", points, bins, 1, make)


def circle(points: int, bins: int, kernel: str = "von_mises") -> Case:
    """Return the row of `line` as angles, the target crossing the seam."""

    def make() -> Arguments:
        x, z = _normal(1, points)
        options = {"bandwidth": BANDWIDTH, "kernel": kernel, "bins": bins, "period": 2 * np.pi}
        return Arguments(np.mod(x + np.pi, 2 * np.pi), z, np.pi - 1.0, np.pi + 1.0, options)

    return Case(f"{kernel} circle", points, bins, 1, make)


def batch(rows: int = 10_000, points: int = 100, bins: int = 32) -> Case:
    """Return many small rows, each with an interval of its own."""

    def make() -> Arguments:
        x, z = _normal(rows, points)
        a = np.random.default_rng(7).uniform(-1.0, 0.0, rows)
        return Arguments(x, z, a, a + 1.0, {"bandwidth": 0.2, "bins": bins})

    return Case("gaussian batch", points, bins, rows, make)


def real(bins: int) -> list[Case]:
    """Return the two real data sets on their circles, heavily tied."""

    def departing() -> Arguments:
        x, z, period = departures()
        # Six to nine in the morning.
        options = {"bandwidth": 0.04, "kernel": "gaussian", "bins": bins, "period": period}
        return Arguments(x, z, 2 * np.pi * 6 / 24, 2 * np.pi * 9 / 24, options)

    def blowing() -> Arguments:
        x, z, period = wind()
        # North-west to north-east, across the seam.
        options = {"bandwidth": 7.3, "kernel": "von_mises", "bins": bins, "period": period}
        return Arguments(x, z, 315.0, 405.0, options)

    return [
        Case("departures (gaussian)", 328_521, bins, 1, departing),
        Case("wind (von_mises)", 24_398, bins, 1, blowing),
    ]


def kernels(points: int, bins: int) -> list[Case]:
    """Return every kernel, on the line where it is defined there and on the circle."""
    lines = [line(points, bins, kernel) for kernel in KERNELS if kernel not in CIRCLE_ONLY]
    return lines + [circle(points, bins, kernel) for kernel in KERNELS]


def suite(quick: bool = False) -> list[Case]:
    """Return the cases of `kdexent bench`, smallest first within each group."""
    if quick:
        return [
            line(1_000, 64),
            line(10_000, 64),
            line(10_000, 64, dtype="float32"),
            circle(10_000, 64),
            batch(500),
            *real(16),
        ]
    sizes = [line(points, bins) for points in SIZES for bins in BINS]
    return [
        *sizes,
        line(100_000, 256, dtype="float32"),
        *[case for case in kernels(100_000, 256) if case.name != "gaussian line"],
        batch(),
        *real(64),
    ]
