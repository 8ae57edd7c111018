"""The strategy `direct`: every pair of bin and point, exact."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from . import gaussian_runs
from .families import row_parameters, takes_series
from .pair_loops import LINEAR_FLOOR, PairLoops, pair_loops
from .problem import FLOAT32, FLOAT64, Problem, Rows
from .strategy import Strategy

Floats = NDArray[np.float64]


def direct(problem: Problem) -> list[tuple[NDArray[np.intp] | None, Problem, Strategy]]:
    """Return the strategy for each set of rows (None: all rows) that take the same way through the sums."""
    h, centers = problem.bandwidth.values, problem.centers.values
    single = problem.dtype == FLOAT32
    if h.shape[0] == 1 and centers.shape[0] == 1:
        # Calls in a loop mostly repeat these.
        spacing = (centers[0, -1] - centers[0, 0]) / max(1, problem.bins - 1)
        row = (
            problem.kernel,
            float(h[0]),
            problem.period,
            float(spacing),
            problem.bins if problem.equal_bins else 1,
        )
        return [(None, problem, _one_strategy(*row, single, problem.points if single else 0))]
    h, centers = problem.bandwidth.block(0, problem.rows), problem.centers.block(0, problem.rows)
    series = takes_series(problem.kernel, h, problem.period)
    runs = np.zeros(problem.rows, bool)
    if problem.equal_bins:
        spacing = (centers[:, -1] - centers[:, 0]) / max(1, problem.bins - 1)
        runs |= _runs(problem.kernel, h, problem.period, spacing, problem.bins, single)
    way = series + 2 * runs
    parts = []
    for value in np.unique(way):
        rows = np.flatnonzero(way == value)
        part = problem if len(rows) == problem.rows else problem.take(rows)
        strategy = _strategy(
            part.kernel,
            part.bandwidth.block(0, part.rows),
            part.period,
            bool(runs[rows[0]]),
            single,
            problem.points,
        )
        parts.append((None if part is problem else rows, part, strategy))
    return parts


def _runs(
    kernel: str, h: Floats, period: float | None, spacing: Floats, bins: int, single: bool
) -> NDArray[np.bool_]:
    """Return which rows of equal bins go through runs: gaussians that take no series."""
    if kernel != "gaussian":
        return np.zeros(h.shape, bool)
    return gaussian_runs.applies(spacing, h, bins, single) & ~takes_series(kernel, h, period)


@lru_cache(maxsize=256)
def _one_strategy(
    kernel: str, h: float, period: float | None, spacing: float, bins: int, single: bool, points: int
) -> Strategy:
    """Return the strategy for rows that share bandwidth and bins; `bins` is 1 where they are not equal."""
    bandwidth = np.array([h])
    runs = bool(_runs(kernel, bandwidth, period, np.array([spacing]), bins, single)[0])
    return _strategy(kernel, bandwidth, period, runs, single, points)


def _strategy(
    kernel: str, bandwidth: Floats, period: float | None, runs: bool, single: bool, points: int
) -> Strategy:
    family = row_parameters(kernel, bandwidth, period)
    all_pairs = pair_loops(family.variant)
    loops: PairLoops | gaussian_runs.RunLoops = all_pairs
    floor = LINEAR_FLOOR
    if runs:
        loops = gaussian_runs.run_loops(family.variant.circle, single)
        floor = gaussian_runs.FLOOR_PER_POINT_SINGLE * points if single else gaussian_runs.FLOOR
    return Strategy(
        parameters=Rows(family.parameters),
        log_scale=Rows(family.log_scale),
        floor=floor,
        dtype=FLOAT32 if runs and single else FLOAT64,
        pairs_per_block=2**21 if runs else 2**18,
        forward=loops.forward,
        adjoint=loops.adjoint,
        all_pairs=all_pairs,
    )
