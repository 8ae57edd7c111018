"""What a strategy is: two halves, forward and adjoint, over the tiles of a problem.

A strategy's halves work in the linear domain, and it says from which density on they are right.
Bins below that floor go to the logarithmic loops over all pairs, whatever the strategy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arithmetic import LN_2
from .pair_loops import LINEAR_FLOOR, PAIRS_PER_BLOCK, PairLoops
from .problem import FLOAT64, Rows
from .tiles import Gradients, Tile

Floats = NDArray[np.float64]


class WeakBins(NamedTuple):
    """Bins below the floor, row by row: bins[row_start[r]:row_start[r + 1]] are row r's."""

    row: NDArray[np.int64]
    bins: NDArray[np.int64]
    row_start: NDArray[np.int64]
    peak: Floats  # sum_j w_j K/C = total 2^peak; peak -inf where no point is in reach
    total: Floats


class Strategy(NamedTuple):
    """A way through the sums, for rows that share a formula."""

    parameters: Rows  # of the formula, (S, PARAMETERS)
    log_scale: Rows  # log C, (S,)
    floor: float
    dtype: np.dtype  # of the data that forward and adjoint read, and of the gradient that adjoint writes
    pairs_per_block: int
    forward: Callable[[], Callable]
    adjoint: Callable[[], Callable]
    all_pairs: PairLoops

    def over_all_pairs(self) -> Strategy:
        """Return the way over all pairs, which alone has gradients by x and bandwidth.

        Its forward goes with its adjoint: two ways round differently, and responsibilities would not
        add up to 1 as closely as they do.
        """
        loops = self.all_pairs
        return self._replace(
            floor=LINEAR_FLOOR,
            dtype=FLOAT64,
            pairs_per_block=PAIRS_PER_BLOCK,
            forward=loops.forward,
            adjoint=loops.adjoint,
        )

    def densities(self, tile: Tile) -> tuple[Floats, Floats]:
        """Return sum_j w_j K/C (R, M) and sum_j w_j (R,), w_j = exp(z_j - top)."""
        loop, parameters = self.forward(), self.parameters.block(tile.start, tile.stop)
        if tile.blocks == 1:
            sums = np.zeros((tile.rows, tile.bins)), np.zeros(tile.rows)
            loop(*tile.whole(self.dtype), tile.top, tile.centers, parameters, *sums)
            return sums
        density = np.zeros((tile.lanes, tile.rows, tile.bins))
        mass = np.zeros((tile.lanes, tile.rows))

        def block(lane: int, x: Floats, z: Floats) -> None:
            loop(x, z, tile.top, tile.centers, parameters, density[lane], mass[lane])

        tile.each_lane(block, self.dtype)
        return density.sum(axis=0), mass.sum(axis=0)

    def weak_bins(self, tile: Tile, density: Floats) -> WeakBins:
        """Evaluate the bins whose density is below the floor in the logarithmic domain."""
        row, bins = map(np.ascontiguousarray, np.nonzero(~(density >= self.floor)))
        row_start = np.searchsorted(row, np.arange(tile.rows + 1))
        peak, total = np.full((tile.lanes, len(bins)), -np.inf), np.zeros((tile.lanes, len(bins)))
        loop, parameters = self.all_pairs.log_forward(), self.parameters.block(tile.start, tile.stop)

        def block(lane: int, x: Floats, z: Floats) -> None:
            loop(x, z, tile.top, tile.centers, parameters, row_start, bins, peak[lane], total[lane])

        tile.each_lane(block)
        highest = peak.max(axis=0)
        shift = np.where(highest > -np.inf, highest, 0)
        return WeakBins(row, bins, row_start, highest, (total * np.exp2(peak - shift)).sum(axis=0))

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
        adjoint = self.adjoint() if out.only_z else self.all_pairs.full_adjoint()
        # The loops over all pairs read and write float64.
        dtype = self.dtype if out.only_z and weak is None else FLOAT64
        if out.only_z and dtype != self.dtype:
            adjoint = self.all_pairs.adjoint()
        if weak is not None:
            # The total stays apart from the peak, whose rounding would be common to all responsibilities.
            p = np.broadcast_to(masses, weights.shape)[weak.row, weak.bins]
            weak_weights = np.divide(p, weak.total, out=np.zeros_like(p), where=weak.total > 0)

        def block(index: int, x: Floats, z: Floats) -> None:
            parts = out.begin(tile, index, dtype)
            head = (x, z, tile.top, tile.centers, parameters)
            adjoint(*head, weights, share, *(parts[:1] if out.only_z else parts))
            if weak is not None:
                by_z, by_x, by_h = (
                    parts if len(parts) == 3 else (*parts, np.empty_like(parts[0]), share.copy())
                )
                bins = (weak.row_start, weak.bins, weak_weights, weak.peak)
                self.all_pairs.log_adjoint()(*head, *bins, by_z, by_x, by_h)
            out.end(tile, index, parts)

        tile.each_block(block, dtype)


def log_density_of(weak: WeakBins, log_scale: Floats) -> Floats:
    """Return log q of the weak bins."""
    log_total = np.log(weak.total, out=np.zeros_like(weak.total), where=weak.total > 0)
    return weak.peak * LN_2 + log_total + log_scale[weak.row]
