"""How a call is cut, and summed: tiles of rows, blocks of points, and partial sums.

A tile is a set of rows whose pairs are few enough for one block, or one row of many blocks of
points. Forward sums go to a fixed number of partials, each the sum over its own blocks in order, and
partials are added in order: the cut depends on the problem alone, so results do not depend on threads.

Sums are taken in the linear domain, by a way that says from which density on it is right. Bins below that
floor go to the logarithmic loops over all pairs, whatever the way.
"""

from collections.abc import Callable
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import FLOAT64, Floats, Gradients, Ints, Written, contiguous
from ...arguments.problem import Problem
from ...families import row_parameters
from ...formula import RowParameters, Variant
from ...numerics.arithmetic import LARGEST
from ...runtime.pool import run_blocks
from .pairs import WORDS, Peaks, Results, Way, pair_loops

# Points and bins of a tile of rows, and of a block of one row, by ways for which either is as much work.
_WORK_PER_TILE, _WORK_PER_BLOCK = 2**16, 2**14
_PARTIALS = 64
_SUMS_PER_TILE = 2**21  # partial sums in all, 16 MB


class Strategy(NamedTuple):
    """A way through the sums, for rows that share a formula."""

    family: RowParameters | None  # of the one bandwidth there is
    way: Way
    variant: Variant


class WeakBins(NamedTuple):
    """Bins below the floor, row by row: bins[row_start[r]:row_start[r + 1]] are row r's."""

    row: Ints
    bins: Ints
    row_start: Ints
    at: Floats  # the distance and the logit of the point that adds most, -inf where none is in reach
    logit: Floats
    total: Floats  # sum_j w_j K/C, relative to that point's; 0 where no point is in reach
    log_q: Floats


class Cut(NamedTuple):
    """The rows of each tile, and the points of each block in it."""

    rows_per_tile: int
    points_per_block: int
    blocks: int
    partials: int


def cut(problem: Problem, way: Way) -> Cut:
    """Cut a problem into tiles and blocks of some 200 to 1,000 microseconds of work each."""
    points, bins = problem.points, max(1, problem.bins)
    work, most = points * bins, way.pairs_per_block
    if most == 0:
        work = points + bins
        most = _WORK_PER_BLOCK if work > 2 * _WORK_PER_BLOCK else _WORK_PER_TILE
    if work <= 2 * most:  # waking a thread would cost as much as it saves
        return Cut(max(1, most // work), points, 1, 1)
    blocks = min(-(-work // most), -(-points // 512))
    size = -(-points // (64 * blocks)) * 64
    blocks = -(-points // size)
    return Cut(1, size, blocks, max(1, min(blocks, _PARTIALS, _SUMS_PER_TILE // bins)))


@lru_cache(maxsize=256)
def _words(words: Callable[[int, int], int], rows: int, bins: int) -> int:
    return words(rows, bins)


class Tile:
    """Some rows of a problem that share a strategy, with their data in blocks of points."""

    def __init__(
        self, problem: Problem, strategy: Strategy, shape: Cut, start: int, stop: int, n_threads: int
    ) -> None:
        self.start, self.stop, self.rows = start, stop, stop - start
        self.points, self.bins, self.dtype = problem.points, problem.bins, problem.dtype
        self.centers = contiguous(problem.centers.block(start, stop))
        self.masses = problem.masses.block(start, stop)
        self.way, self.variant = strategy.way, strategy.variant
        family = strategy.family
        if family is None:
            family = row_parameters(problem.kernel, problem.bandwidth.block(start, stop), problem.period)
        self.log_scale = family.log_scale
        # What the points weigh of all that a row has.
        self.share = np.ones(1) if problem.share is None else problem.share.block(start, stop)
        self._whole_rows = problem.share is None
        self.top: Floats
        self._parameters = family.parameters
        _, self._size, self.blocks, self._partials = shape
        self._n_threads = n_threads
        self._x, self._z = problem.x.block(start, stop), problem.z.block(start, stop)
        self._whole: tuple[NDArray[Any], NDArray[Any]] | None = None

    def _memory(self) -> Floats:
        """Return what one call of a loop takes its arrays from."""
        return np.empty(_words(self.way.words, self.rows, self.bins))

    def whole(self, dtype: np.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return x and z of a tile of one block."""
        if self._whole is None or self._whole[0].dtype != dtype:
            self._whole = contiguous(self._x, dtype), contiguous(self._z, dtype)
        return self._whole

    def _data(self, span: slice, dtype: np.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
        return contiguous(self._x[:, span], dtype), contiguous(self._z[:, span], dtype)

    def each_span(
        self, size: int, work: Callable[[int, slice, NDArray[Any], NDArray[Any]], None], dtype: np.dtype
    ) -> None:
        """Call work(index, points, x, z) for every `size` points, in any order."""
        if size >= self.points:
            work(0, slice(0, self.points), *self.whole(dtype))
            return

        def one(index: int) -> None:
            span = slice(index * size, min((index + 1) * size, self.points))
            work(index, span, *self._data(span, dtype))

        run_blocks(-(-self.points // size), one, self._n_threads)

    def _each_partial(
        self, work: Callable[[int, NDArray[Any], NDArray[Any]], None], dtype: np.dtype = FLOAT64
    ) -> None:
        """Call work(partial, x, z) for every block of points, those of one partial in order."""
        for first in range(0, self.blocks, self._partials):
            count = min(self._partials, self.blocks - first)

            def one(partial: int, first: int = first) -> None:
                block = first + partial
                work(partial, *self._data(slice(block * self._size, (block + 1) * self._size), dtype))

            run_blocks(count, one, self._n_threads)

    def densities(self) -> tuple[Floats, Floats]:
        """Return sum_j w_j K/C (R, M) and sum_j w_j (R,), w_j = exp(z_j - top)."""
        loop, fixed = self.way.loops.forward(), (self.top, self.centers, self._parameters)
        if self.blocks == 1:
            sums = np.zeros((self.rows, self.bins)), np.zeros(self.rows)
            loop(*self.whole(self.way.dtype), *fixed, *sums, self._memory())
            return sums
        density = np.zeros((self._partials, self.rows, self.bins))
        mass = np.zeros((self._partials, self.rows))
        self._each_partial(
            lambda partial, x, z: loop(x, z, *fixed, density[partial], mass[partial], self._memory()),
            self.way.dtype,
        )
        return density.sum(axis=0), mass.sum(axis=0)

    def both(self, losses: Floats, out: Gradients, add: bool) -> tuple[Floats, Floats, int] | None:
        """Return masses (R,), the adjoint's weights (R, M), and how many bins are weak: of weight 0.

        Write the losses, and the gradient of rows without weak bins. None where one loop cannot do all that.
        """
        if self.blocks > 1 or out.keys() != {"z"} or (add and self.rows > 1) or not self._whole_rows:
            return None
        mass, weights = np.empty(self.rows), np.empty((self.rows, self.bins))
        where = slice(self.start, self.stop), slice(0, self.points)
        written = Written(out["z"], where, self.way.dtype, add=add)
        fixed = self.top, self.centers, self._parameters, self.log_scale, self.masses, self.way.floor
        data = self.whole(self.way.dtype)
        results = Results(mass, weights, losses)
        weak = self.way.loops.both()(*data, *fixed, results, written.array, self._memory())
        if not weak or self.rows > 1:
            written.store()
        return mass, weights, weak

    def of_rows(self, rows: NDArray[np.intp]) -> "Tile":
        """Return the tile of some of the rows, whose gradients are arrays of these alone."""
        tile = copy(self)
        tile.start, tile.stop, tile.rows, tile._whole = 0, len(rows), len(rows), None
        for name in ("centers", "masses", "log_scale", "top", "share", "_parameters", "_x", "_z"):
            array = getattr(self, name)
            setattr(tile, name, array if array.shape[0] == 1 else array[rows])
        return tile

    def weak_bins(self, weak: NDArray[np.bool_], mass: Floats) -> WeakBins:
        """Evaluate bins (R, M), those whose density is below the floor, in the logarithmic domain."""
        row, bins = map(np.ascontiguousarray, np.nonzero(weak))
        row_start = np.searchsorted(row, np.arange(self.rows + 1))
        where = self.centers, self._parameters, row_start, bins
        loops, shape = pair_loops(self.variant), (self._partials, len(bins))
        nearest, highest, log_forward = loops.nearest(), loops.highest(), loops.log_forward()

        nearest_of = np.full(shape, np.inf)
        memory = np.empty((self._partials, WORDS))
        self._each_partial(lambda i, x, z: nearest(x, z, *where, nearest_of[i], memory[i]))
        near = np.minimum(nearest_of.min(axis=0), LARGEST)
        peak, at, logit = np.full(shape, -np.inf), np.zeros(shape), np.full(shape, -np.inf)
        self._each_partial(
            lambda i, x, z: highest(x, z, self.top, *where, near, peak[i], at[i], logit[i], memory[i])
        )
        best = peak.argmax(axis=0), np.arange(len(bins))
        point, level, totals = (at[best], logit[best]), np.zeros(shape), np.zeros(shape)
        self._each_partial(lambda i, x, z: log_forward(x, z, *where, *point, level[i], totals[i], memory[i]))
        total = totals.sum(axis=0)
        log_q = level[0] + (point[1] - self.top[row])
        log_q += np.log(total, out=np.full_like(total, -np.inf), where=total > 0)
        log_q += (self.log_scale - np.log(mass))[row]
        return WeakBins(row, bins, row_start, *point, total, log_q)

    def gradients(
        self, weights: Floats, share: Floats, weak: WeakBins | None, out: Gradients, add: bool
    ) -> None:
        """Write the tile's part of the gradients asked for, z, x (.., N) and bandwidth, or add it.

        Weights are (R, M), and `share` (R,) is (mass in reach) / sum_j w_j.
        """
        only_z = out.keys() == {"z"}
        # The loops over all pairs read and write float64.
        dtype = self.way.dtype if only_z and weak is None else FLOAT64
        pairs = pair_loops(self.variant)
        if only_z:
            adjoint = (self.way.loops if dtype == self.way.dtype else pairs).adjoint()
        else:
            adjoint = pairs.full_adjoint()
        if weak is not None:
            # The total stays apart from the level, whose rounding would be common to all responsibilities.
            p = np.broadcast_to(self.masses, weights.shape)[weak.row, weak.bins]
            weak_weights = np.divide(p, weak.total, out=np.zeros_like(p), where=weak.total > 0)
            bins = weak.row_start, weak.bins, Peaks(weak.at, weak.logit, weak_weights)
        by_h = np.zeros((0 if only_z else self.blocks, self.rows))

        def block(index: int, points: slice, x: Floats, z: Floats) -> None:
            where = slice(self.start, self.stop), points
            written = [
                Written(out.get(name), where, dtype, add=add) for name in (("z",) if only_z else ("z", "x"))
            ]
            by = [each.array for each in written]
            if not only_z:
                by.append(by_h[index])
            memory = self._memory()
            adjoint(x, z, self.top, self.centers, self._parameters, weights, share, *by, memory)
            if weak is not None:
                if only_z:
                    by += [np.empty_like(by[0]), share.copy()]
                pairs.log_adjoint()(x, z, self.centers, self._parameters, *bins, *by, memory)
            for each in written:
                each.store()

        self.each_span(self._size, block, dtype)
        if "bandwidth" in out:
            of_tile = out["bandwidth"][self.start : self.stop]
            of_tile[...] = by_h.sum(axis=0) + (of_tile if add else 0.0)
