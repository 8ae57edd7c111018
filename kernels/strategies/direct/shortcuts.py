"""Which problems of the strategy `direct` have faster loops than one kernel evaluation for each pair."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import FLOAT32, FLOAT64
from ...families import Variant, takes_series
from . import gaussian_runs, half_angles, separable
from .pairs import PairLoops, ShortLoops

Floats = NDArray[np.float64]


class Shortcut(NamedTuple):
    """Loops, and from which density on they are right."""

    loops: ShortLoops | PairLoops
    floor: float
    dtype: np.dtype  # of the data that the loops read and the gradient that they write
    pairs_per_block: int


# Ways through the sums, in the order of preference.
NONE, DOUBLE, SINGLE = 0, 1, 2
WAYS = 3


def best_way(
    kernel: str, h: Floats, period: float | None, spacing: Floats, bins: int, single: bool
) -> NDArray[np.intp]:
    """Return NONE, DOUBLE or SINGLE for each row, whose equal bins are `spacing` apart.

    Bins that are not equal count as one, and their `spacing` is all that they span.
    """
    series = takes_series(kernel, h, period)
    ways = np.full(h.shape, NONE)
    if kernel == "gaussian":
        runs = gaussian_runs.applies(spacing, h, bins, False)
        best = np.where(single & gaussian_runs.applies(spacing, h, bins, True), SINGLE, DOUBLE)
        ways = np.where(runs, best, NONE)
    elif kernel == "laplace" or (kernel == "logistic" and period is None):
        ways = np.where(separable.applies(spacing, h, bins), DOUBLE, NONE)
    elif period is not None and kernel in ("von_mises", "cauchy"):
        ways = np.where(half_angles.applies(spacing, h, period), DOUBLE, NONE)
    return np.where(series, DOUBLE, ways)


def shortcut(variant: Variant, points: int, way: int) -> Shortcut:
    """Return the shortcut of rows that go the given way."""
    loops = shortcut_loops(variant, way == SINGLE)
    if variant.formula in half_angles.FORMULAS:
        return Shortcut(loops, half_angles.FLOOR, FLOAT64, 2**19)
    if variant.formula in separable.FORMULAS:
        return Shortcut(loops, separable.FLOOR, FLOAT64, 2**20)
    if way == SINGLE:
        return Shortcut(loops, gaussian_runs.FLOOR_PER_POINT_SINGLE * points, FLOAT32, 2**21)
    return Shortcut(loops, gaussian_runs.FLOOR, FLOAT64, 2**21)


def shortcut_loops(variant: Variant, single: bool) -> ShortLoops:
    """Return the loops of a variant that has a shortcut."""
    if variant.formula == "gaussian":
        return gaussian_runs.run_loops(variant.circle, single)
    if variant.formula in half_angles.FORMULAS:
        return half_angles.half_angle_loops(variant.formula)
    return separable.separable_loops(variant.formula)


def has_shortcut(variant: Variant) -> bool:
    """Return whether any row of a variant has one."""
    somewhere = variant.formula == "gaussian" or variant.formula in half_angles.FORMULAS
    return somewhere or (variant.formula in separable.FORMULAS and not variant.images)
