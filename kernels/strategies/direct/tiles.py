"""How a call is cut: tiles of rows, blocks of points, and partial sums.

A tile is a set of rows whose pairs are few enough for one block, or one row of many blocks of
points. Forward sums go to a fixed number of partials, each the sum over its own blocks in order, and
partials are added in order: the cut depends on the problem alone, so results do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import FLOAT64, Floats, Written, contiguous
from ...arguments.problem import Problem
from ...runtime.pool import run_blocks

Block = Callable[[int, NDArray[Any], NDArray[Any]], None]

_PARTIALS = 64
_SUMS_PER_TILE = 2**21  # partial sums in all, 16 MB


class Cut(NamedTuple):
    """The rows of each tile, and the points of each block in it."""

    rows_per_tile: int
    points_per_block: int
    blocks: int
    partials: int


def cut(problem: Problem, pairs_per_block: int) -> Cut:
    """Cut a problem into tiles and blocks of at most so many pairs, some 200 microseconds of work."""
    points, bins = problem.points, max(1, problem.bins)
    if points * bins <= 2 * pairs_per_block:  # waking a thread would cost as much as it saves
        return Cut(max(1, pairs_per_block // (points * bins)), points, 1, 1)
    blocks = min(-(-points * bins // pairs_per_block), -(-points // 512))
    size = -(-points // (64 * blocks)) * 64
    blocks = -(-points // size)
    return Cut(1, size, blocks, max(1, min(blocks, _PARTIALS, _SUMS_PER_TILE // bins)))


class Tile:
    """Some rows of a problem, with their data in blocks of points."""

    def __init__(self, problem: Problem, shape: Cut, start: int, stop: int, n_threads: int) -> None:
        self.start, self.stop, self.rows = start, stop, stop - start
        self.points, self.bins, self.dtype = problem.points, problem.bins, problem.dtype
        self.blocks, self.partials = shape.blocks, shape.partials
        self.centers = contiguous(problem.centers.block(start, stop))
        self.top: Floats
        self._size, self._n_threads = shape.points_per_block, n_threads
        self._x, self._z = problem.x.block(start, stop), problem.z.block(start, stop)
        self._whole: tuple[NDArray[Any], NDArray[Any]] | None = None

    def whole(self, dtype: np.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return x and z of a tile of one block."""
        if self._whole is None or self._whole[0].dtype != dtype:
            self._whole = contiguous(self._x, dtype), contiguous(self._z, dtype)
        return self._whole

    def span(self, index: int) -> slice:
        """Return the points of a block."""
        return slice(index * self._size, min((index + 1) * self._size, self.points))

    def _data(self, span: slice, dtype: np.dtype) -> tuple[NDArray[Any], NDArray[Any]]:
        return contiguous(self._x[:, span], dtype), contiguous(self._z[:, span], dtype)

    def each_span(self, points: int, work: Block, dtype: np.dtype) -> None:
        """Call work(index, x, z) for every so many points."""

        def one(index: int) -> None:
            work(index, *self._data(slice(index * points, (index + 1) * points), dtype))

        run_blocks(-(-self.points // points), one, self._n_threads)

    def each_block(self, work: Block, dtype: np.dtype = FLOAT64) -> None:
        """Call work(index, x, z) for every block of points, in any order."""
        if self.blocks == 1:
            work(0, *self.whole(dtype))
        else:
            self.each_span(self._size, work, dtype)

    def each_partial(self, work: Block, dtype: np.dtype = FLOAT64) -> None:
        """Call work(partial, x, z) for every block of points, those of one partial in order."""
        for first in range(0, self.blocks, self.partials):
            count = min(self.partials, self.blocks - first)

            def one(partial: int, first: int = first) -> None:
                work(partial, *self._data(self.span(first + partial), dtype))

            run_blocks(count, one, self._n_threads)


class Gradients:
    """The gradients that a call asks for, filled block by block."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays  # z, x (R, N), bandwidth (R,), those asked for
        self.only_z = len(arrays) == 1 and "z" in arrays
        self.by_h = np.zeros((0, 0))  # of the bandwidth's, (blocks, rows) of a tile

    def for_tile(self, tile: Tile) -> Gradients:
        """Return the same gradients with room for what the tile's blocks add to the bandwidth's."""
        if self.only_z:
            return self
        of_tile = Gradients(self._arrays)
        of_tile.by_h = np.zeros((tile.blocks, tile.rows))
        return of_tile

    def blocks(self, tile: Tile, index: int, dtype: np.dtype = FLOAT64) -> list[Written]:
        """Return where to write by_z (R, n) of a block, and if not `only_z` by_x."""
        names, where = ("z",) if self.only_z else ("z", "x"), (slice(tile.start, tile.stop), tile.span(index))
        return [Written(self._arrays.get(name), where, dtype) for name in names]

    def finish(self, tile: Tile) -> None:
        """Store the sums over blocks."""
        if "bandwidth" in self._arrays:
            self._arrays["bandwidth"][tile.start : tile.stop] = self.by_h.sum(axis=0)
