"""What a strategy is: two halves, forward and adjoint, over the tiles of a problem.

A strategy's halves work in the linear domain, and it says from which density on they are right.
Bins below that floor go to the logarithmic loops over all pairs, whatever the strategy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...arguments.arrays import FLOAT64, Floats, Ints
from ...arguments.problem import Rows
from ...formula import Variant
from ...numerics.arithmetic import LARGEST
from .pairs import Way, all_pairs, pair_loops
from .tiles import Gradients, Tile


class WeakBins(NamedTuple):
    """Bins below the floor, row by row: bins[row_start[r]:row_start[r + 1]] are row r's."""

    row: Ints
    bins: Ints
    row_start: Ints
    at: Floats  # the distance and the logit of the point that adds most, -inf where none is in reach
    logit: Floats
    level: Floats  # sum_j w_j K/C = total exp(level)
    total: Floats  # 0 where no point is in reach


class Strategy(NamedTuple):
    """A way through the sums, for rows that share a formula."""

    parameters: Rows  # of the formula, (S, PARAMETERS)
    log_scale: Rows  # log C, (S,)
    way: Way
    variant: Variant

    def over_all_pairs(self) -> Strategy:
        """Return the way over all pairs, which alone has gradients by x and bandwidth.

        Its forward goes with its adjoint: two ways round differently, and responsibilities would not
        add up to 1 as closely as they do.
        """
        return self._replace(way=all_pairs(self.variant))

    def densities(self, tile: Tile) -> tuple[Floats, Floats]:
        """Return sum_j w_j K/C (R, M) and sum_j w_j (R,), w_j = exp(z_j - top)."""
        loop, parameters = self.way.loops.forward(), self.parameters.block(tile.start, tile.stop)
        if tile.blocks == 1:
            sums = np.zeros((tile.rows, tile.bins)), np.zeros(tile.rows)
            loop(*tile.whole(self.way.dtype), tile.top, tile.centers, parameters, *sums)
            return sums
        density = np.zeros((tile.partials, tile.rows, tile.bins))
        mass = np.zeros((tile.partials, tile.rows))

        def block(partial: int, x: Floats, z: Floats) -> None:
            loop(x, z, tile.top, tile.centers, parameters, density[partial], mass[partial])

        tile.each_partial(block, self.way.dtype)
        return density.sum(axis=0), mass.sum(axis=0)

    def weak_bins(self, tile: Tile, density: Floats) -> WeakBins:
        """Evaluate the bins whose density is below the floor in the logarithmic domain."""
        row, bins = map(np.ascontiguousarray, np.nonzero(~(density >= self.way.floor)))
        row_start = np.searchsorted(row, np.arange(tile.rows + 1))
        loops, parameters = pair_loops(self.variant), self.parameters.block(tile.start, tile.stop)
        where = tile.centers, parameters, row_start, bins
        partials, count = tile.partials, len(bins)
        nearest, highest, log_forward = loops.nearest(), loops.highest(), loops.log_forward()

        nearest_of = np.full((partials, count), np.inf)
        tile.each_partial(lambda i, x, z: nearest(x, z, *where, nearest_of[i]))
        near = np.minimum(nearest_of.min(axis=0), LARGEST)
        peak = np.full((partials, count), -np.inf)
        at, logit = np.zeros((partials, count)), np.full((partials, count), -np.inf)
        tile.each_partial(lambda i, x, z: highest(x, z, tile.top, *where, near, peak[i], at[i], logit[i]))
        best = peak.argmax(axis=0), np.arange(count)
        point = at[best], logit[best]
        total = np.zeros((partials, count))
        tile.each_partial(lambda i, x, z: log_forward(x, z, *where, *point, total[i]))
        level = np.empty(count)
        loops.level()(point[0], parameters, row, level)
        level += point[1] - tile.top[row]
        return WeakBins(row, bins, row_start, *point, level, total.sum(axis=0))

    def log_scale_of(self, tile: Tile, mass: Floats) -> Floats:
        """Return what makes log sum_j w_j K/C a log density, for each row."""
        return self.log_scale.block(tile.start, tile.stop) - np.log(mass)

    def gradients(
        self,
        tile: Tile,
        weights: Floats,
        share: Floats,
        weak: WeakBins | None,
        masses: Floats,
        out: Gradients,
    ) -> None:
        """Write the gradients: `share` (R,) is (mass in reach) / sum_j w_j, weights and masses are (R, M)."""
        parameters = self.parameters.block(tile.start, tile.stop)
        # The loops over all pairs read and write float64.
        dtype = self.way.dtype if out.only_z and weak is None else FLOAT64
        if out.only_z and dtype == self.way.dtype:
            adjoint = self.way.loops.adjoint()
        else:
            loops = pair_loops(self.variant)
            adjoint = loops.adjoint() if out.only_z else loops.full_adjoint()
        if weak is not None:
            # The total stays apart from the level, whose rounding would be common to all responsibilities.
            p = np.broadcast_to(masses, weights.shape)[weak.row, weak.bins]
            weak_weights = np.divide(p, weak.total, out=np.zeros_like(p), where=weak.total > 0)

        def block(index: int, x: Floats, z: Floats) -> None:
            written = out.blocks(tile, index, dtype)
            by = [each.array for each in written]
            if not out.only_z:
                by.append(out.by_h[index])
            adjoint(x, z, tile.top, tile.centers, parameters, weights, share, *by)
            if weak is not None:
                if out.only_z:
                    by += [np.empty_like(by[0]), share.copy()]
                bins = weak.row_start, weak.bins, weak.at, weak.logit, weak_weights
                pair_loops(self.variant).log_adjoint()(x, z, tile.centers, parameters, *bins, *by)
            for each in written:
                each.store()

        tile.each_block(block, dtype)


def log_density_of(weak: WeakBins, log_scale: Floats) -> Floats:
    """Return log q of the weak bins."""
    log_total = np.log(weak.total, out=np.full_like(weak.total, -np.inf), where=weak.total > 0)
    return weak.level + log_total + log_scale[weak.row]
