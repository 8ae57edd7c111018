"""The strategy `direct`: every pair of bin and point, exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from . import gaussian_runs
from .families import row_parameters, takes_series
from .pair_loops import LINEAR_FLOOR, pair_loops
from .problem import FLOAT32, Problem, Rows
from .strategy import Strategy

Floats = NDArray[np.float64]


def direct(problem: Problem) -> list[tuple[NDArray[np.intp] | None, Problem, Strategy]]:
    """Return the strategy for each set of rows (None: all rows) that take the same way through the sums."""
    h, centers = problem.bandwidth.values, problem.centers.values
    single = problem.dtype == FLOAT32
    if h.shape[0] == 1 and centers.shape[0] == 1:
        runs = problem.equal_bins and _runs(
            problem.kernel, float(h[0]), problem.period, centers[0, -1] - centers[0, 0], problem.bins
        )
        return [(None, problem, _strategy(problem, runs, single))]
    h, centers = problem.bandwidth.block(0, problem.rows), problem.centers.block(0, problem.rows)
    series = takes_series(problem.kernel, h, problem.period)
    runs = np.zeros(problem.rows, bool)
    if problem.equal_bins:
        runs |= _runs(problem.kernel, h, problem.period, centers[:, -1] - centers[:, 0], problem.bins)
    way = series + 2 * runs
    if (way == way[:1]).all():
        return [(None, problem, _strategy(problem, bool(runs.any()), single))]
    parts = []
    for rows in (np.flatnonzero(way == value) for value in np.unique(way)):
        part = problem.take(rows)
        parts.append((rows, part, _strategy(part, bool(runs[rows[0]]), single)))
    return parts


def _runs(
    kernel: str, h: float | Floats, period: float | None, length: float | Floats, bins: int
) -> bool | NDArray[np.bool_]:
    """Return whether equal bins over `length` go through runs: a gaussian that takes no series."""
    if kernel != "gaussian" or bins == 1:
        return False
    return gaussian_runs.applies(length / (bins - 1), h, bins) & ~takes_series(kernel, np.asarray(h), period)


def _strategy(problem: Problem, runs: bool, single: bool) -> Strategy:
    family = row_parameters(problem.kernel, problem.bandwidth.values, problem.period)
    index = problem.bandwidth.index
    all_pairs = pair_loops(family.variant)
    loops, floor = all_pairs, LINEAR_FLOOR
    if runs:
        loops = gaussian_runs.run_loops(family.variant.circle, single)
        floor = gaussian_runs.FLOOR_PER_POINT_SINGLE * problem.points if single else gaussian_runs.FLOOR
    return Strategy(
        parameters=Rows(family.parameters, index),
        log_scale=Rows(family.log_scale, index),
        floor=floor,
        forward=loops.forward,
        adjoint=loops.adjoint,
        all_pairs=all_pairs,
    )
