"""The strategy `direct`: every pair of bin and point, exact."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import gaussian_runs
from .families import row_parameters, takes_series
from .pair_loops import LINEAR_FLOOR, pair_loops
from .problem import FLOAT32, Problem, Rows
from .tiles import Gradients, Tile

Floats = NDArray[np.float64]


class _WeakBins(NamedTuple):
    """Bins whose density underflows, row by row: bins[row_start[r]:row_start[r + 1]] are row r's."""

    row: NDArray[np.int64]
    bins: NDArray[np.int64]
    row_start: NDArray[np.int64]
    log_sum: Floats  # log sum_j w_j K/C


class _Sums(NamedTuple):
    density: Floats  # (R, M) sum_j w_j K/C, w_j = exp(z_j - top)
    mass: Floats  # (R,) sum_j w_j
    weak: _WeakBins | None


class Direct:
    """The sums over all pairs, for rows that share a formula."""

    def __init__(self, problem: Problem, *, runs: bool) -> None:
        family = row_parameters(problem.kernel, problem.bandwidth.values, problem.period)
        self._parameters = Rows(family.parameters, problem.bandwidth.index)
        self._log_scale = Rows(family.log_scale, problem.bandwidth.index)
        self._loops = pair_loops(family.variant)
        self._floor = LINEAR_FLOOR
        self._runs = None
        if runs:
            single = problem.dtype == FLOAT32
            self._runs = gaussian_runs.run_loops(family.variant.circle, single)
            if single:
                self._floor = gaussian_runs.FLOOR_PER_POINT_SINGLE * problem.points

    def forward(self, tile: Tile) -> tuple[Floats, _Sums]:
        """Return log q (R, M), and the sums that the adjoint needs again."""
        loop = (self._runs or self._loops).forward()
        parameters = self._parameters.block(tile.start, tile.stop)
        density = np.zeros((tile.lanes, tile.rows, tile.bins))
        mass = np.zeros((tile.lanes, tile.rows))

        def block(lane: int, x: Floats, z: Floats) -> None:
            loop(x, z, tile.top, tile.centers, parameters, density[lane], mass[lane])

        tile.each_lane(block)
        total, weights = (density[0], mass[0]) if tile.lanes == 1 else (density.sum(axis=0), mass.sum(axis=0))
        weak = None
        if total.min() >= self._floor:
            log_q = np.log(total)
        else:
            weak = self._weak_bins(tile, total)
            log_q = np.log(total, out=np.empty_like(total), where=total >= self._floor)
            log_q[weak.row, weak.bins] = weak.log_sum
        log_q += (self._log_scale.block(tile.start, tile.stop) - np.log(weights))[:, np.newaxis]
        return log_q, _Sums(total, weights, weak)

    def _weak_bins(self, tile: Tile, density: Floats) -> _WeakBins:
        row, bins = map(np.ascontiguousarray, np.nonzero(density < self._floor))
        row_start = np.searchsorted(row, np.arange(tile.rows + 1))
        peak, total = np.full((tile.lanes, len(bins)), -np.inf), np.zeros((tile.lanes, len(bins)))
        loop = self._loops.log_forward()
        parameters = self._parameters.block(tile.start, tile.stop)

        def block(lane: int, x: Floats, z: Floats) -> None:
            loop(x, z, tile.top, tile.centers, parameters, row_start, bins, peak[lane], total[lane])

        tile.each_lane(block)
        highest = peak.max(axis=0)
        covered = highest > -np.inf
        shift = np.where(covered, highest, 0)
        sums = (total * np.exp(peak - shift)).sum(axis=0)
        log_sum = np.full(len(bins), -np.inf)
        np.log(sums, out=log_sum, where=covered)
        return _WeakBins(row, bins, row_start, log_sum + shift)

    def adjoint(self, tile: Tile, sums: _Sums, masses: Floats, covered: Floats, out: Gradients) -> None:
        """Write the gradients of -sum_m p_m log q_m for masses p (R or 1, M), `covered` (R,) of them in reach."""
        weak = sums.weak
        if weak is None:
            weights = np.ascontiguousarray(masses / sums.density)
        else:
            weights = np.zeros_like(sums.density)
            np.divide(masses, sums.density, out=weights, where=sums.density >= self._floor)
            weak_masses = np.broadcast_to(masses, weights.shape)[weak.row, weak.bins]
        share = covered / sums.mass
        head = (tile.top, tile.centers, self._parameters.block(tile.start, tile.stop))
        only_z = out.only_z
        adjoint = (self._runs or self._loops).adjoint() if only_z else self._loops.full_adjoint()

        def block(index: int, x: Floats, z: Floats) -> None:
            parts = out.begin(tile, index)
            if only_z:
                adjoint(x, z, *head, weights, share, parts.by_z)
            else:
                adjoint(x, z, *head, weights, share, *parts)
            if weak is not None:
                where = (weak.row_start, weak.bins, weak_masses, weak.log_sum)
                self._loops.log_adjoint()(x, z, *head, *where, *parts)
            out.end(tile, index, parts)

        tile.each_block(block)


def direct(problem: Problem) -> list[tuple[NDArray[np.intp] | None, Problem, Direct]]:
    """Return the strategy for each set of rows (None: all rows) that take the same way through the sums."""
    h, centers = problem.bandwidth.block(0, problem.rows), problem.centers.block(0, problem.rows)
    series = takes_series(problem.kernel, h, problem.period)
    runs = np.zeros(h.shape, bool)
    if problem.kernel == "gaussian" and problem.equal_bins:
        spacing = (centers[:, -1] - centers[:, 0]) / max(1, problem.bins - 1)
        runs = ~series & gaussian_runs.applies(spacing, h, problem.bins)
    way = series + 2 * runs
    if way.shape[0] <= 1 or (way == way[0]).all():
        return [(None, problem, Direct(problem, runs=bool(runs.any())))]
    plans = []
    for rows in (np.flatnonzero(way == value) for value in np.unique(way)):
        part = problem.take(rows)
        plans.append((rows, part, Direct(part, runs=bool(runs[rows[0]]))))
    return plans
