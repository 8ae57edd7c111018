"""Which problems of the strategy `direct` have faster loops than one kernel evaluation for each pair."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import FLOAT32, FLOAT64
from ...families import FAMILIES, FORMULAS, takes_series
from ...formula import Variant
from ..sums.loops import Loops
from . import gaussian_runs
from .pairs import Way
from .products import (
    FLOOR_OF_EXPONENTIALS,
    FLOOR_OF_SINES,
    product_loops,
    shares_exponentials,
    shares_sines,
)

Floats = NDArray[np.float64]


# Ways through the sums, in the order of preference.
NONE, DOUBLE, SINGLE = 0, 1, 2
WAYS = 3


def best_way(
    kernel: str, h: Floats, period: float | None, spacing: Floats, bins: int, single: bool
) -> NDArray[np.intp]:
    """Return NONE, DOUBLE or SINGLE for each row, whose equal bins are `spacing` apart.

    Bins that are not equal count as one, and their `spacing` is all that they span.
    """
    family, ways = FAMILIES[kernel], np.full(h.shape, NONE)
    formula = family.without_images(period)
    if family.formula.runs:
        runs = gaussian_runs.applies(spacing, h, bins, False)
        best = np.where(single & gaussian_runs.applies(spacing, h, bins, True), SINGLE, DOUBLE)
        ways = np.where(runs, best, NONE)
    elif formula is not None and formula.of_exponentials is not None:
        ways = np.where(shares_exponentials(spacing, h, bins), DOUBLE, NONE)
    elif formula is not None and formula.of_half_sine is not None and period is not None:
        ways = np.where(shares_sines(spacing, h, period), DOUBLE, NONE)
    return np.where(takes_series(kernel, h, period), DOUBLE, ways)


def shortcut(variant: Variant, points: int, way: int) -> Way:
    """Return the shortcut of rows that go the given way."""
    loops, formula = shortcut_loops(variant, way == SINGLE), FORMULAS[variant.formula]
    if formula.of_half_sine is not None:
        return Way(loops, FLOOR_OF_SINES, FLOAT64, 2**19)
    if formula.of_exponentials is not None:
        return Way(loops, FLOOR_OF_EXPONENTIALS, FLOAT64, 2**20)
    if way == SINGLE:
        return Way(loops, gaussian_runs.FLOOR_PER_POINT_SINGLE * points, FLOAT32, 2**21)
    return Way(loops, gaussian_runs.FLOOR, FLOAT64, 2**21)


def shortcut_loops(variant: Variant, single: bool) -> Loops:
    """Return the loops of a variant that has a shortcut."""
    if FORMULAS[variant.formula].runs:
        return gaussian_runs.run_loops(variant.circle, single)
    return product_loops(variant.formula)


def has_shortcut(variant: Variant) -> bool:
    """Return whether any row of a variant has one."""
    formula = FORMULAS[variant.formula]
    somewhere = formula.runs or formula.of_half_sine is not None
    return somewhere or (formula.of_exponentials is not None and not variant.images)
