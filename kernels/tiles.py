"""How a call is cut: tiles of rows, blocks of points, and lanes of partial sums.

A tile is a set of rows whose pairs are few enough for one block, or one row of many blocks of
points. Forward sums go to a fixed number of lanes, each the sum over its own blocks in order, and
lanes are added in order: the cut depends on the problem alone, so results do not depend on threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .problem import FLOAT64, Problem
from .threads import run_blocks

Floats = NDArray[np.float64]
Block = Callable[[int, Floats, Floats], None]

# Some 100 to 400 microseconds of work.
_PAIRS_PER_BLOCK = 2**20
_LANES = 64
_SUMS_PER_TILE = 2**21  # partial sums in all lanes, 16 MB


class Cut(NamedTuple):
    """The rows of each tile, and the points of each block in it."""

    rows_per_tile: int
    points_per_block: int
    blocks: int
    lanes: int


def cut(problem: Problem) -> Cut:
    """Cut a problem into tiles and blocks."""
    pairs = problem.points * max(1, problem.bins)
    if pairs < _PAIRS_PER_BLOCK:
        return Cut(_PAIRS_PER_BLOCK // pairs, problem.points, 1, 1)
    size = max(512, _PAIRS_PER_BLOCK // problem.bins // 512 * 512)
    blocks = -(-problem.points // size)
    return Cut(1, size, blocks, max(1, min(blocks, _LANES, _SUMS_PER_TILE // problem.bins)))


def as_float64(block: NDArray[Any]) -> Floats:
    """Return a block as contiguous float64, itself if it is."""
    if block.dtype == FLOAT64 and block.flags.c_contiguous:
        return block
    return np.ascontiguousarray(block, dtype=np.float64)


class Tile:
    """Some rows of a problem, with their data in blocks of points."""

    def __init__(self, problem: Problem, shape: Cut, start: int, stop: int, n_threads: int) -> None:
        self.start, self.stop, self.rows = start, stop, stop - start
        self.points, self.bins = problem.points, problem.bins
        self.blocks, self.lanes = shape.blocks, shape.lanes
        self.centers = as_float64(problem.centers.block(start, stop))
        self.top: Floats
        self._size, self._n_threads = shape.points_per_block, n_threads
        self._x, self._z = problem.x.block(start, stop), problem.z.block(start, stop)
        self.whole = (as_float64(self._x), as_float64(self._z)) if shape.blocks == 1 else None

    def span(self, index: int) -> slice:
        """Return the points of a block."""
        return slice(index * self._size, min((index + 1) * self._size, self.points))

    def _data(self, index: int) -> tuple[Floats, Floats]:
        span = self.span(index)
        return as_float64(self._x[:, span]), as_float64(self._z[:, span])

    def each_block(self, work: Block) -> None:
        """Call work(index, x, z) for every block of points, in any order."""
        if self.whole is not None:
            work(0, *self.whole)
        else:
            run_blocks(self.blocks, lambda index: work(index, *self._data(index)), self._n_threads)

    def each_lane(self, work: Block) -> None:
        """Call work(lane, x, z) for every block of points, those of one lane in order."""
        if self.whole is not None:
            work(0, *self.whole)
            return
        for first in range(0, self.blocks, self.lanes):
            count = min(self.lanes, self.blocks - first)
            run_blocks(count, lambda lane, first=first: work(lane, *self._data(first + lane)), self._n_threads)


class Gradients:
    """The gradients that a call asks for, filled block by block."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._arrays = arrays  # z, x (R, N), bandwidth (R,), those asked for
        self.only_z = len(arrays) == 1 and "z" in arrays
        self._by_h: Floats | None = None

    def for_tile(self, tile: Tile) -> Gradients:
        """Return the same gradients with room for the tile's blocks' shares of the bandwidth's."""
        if self.only_z:
            return self
        part = Gradients(self._arrays)
        part._by_h = np.zeros((tile.blocks, tile.rows))
        return part

    def begin(self, tile: Tile, index: int) -> tuple[Floats, ...]:
        """Return where to write block `index`: by_z, and if not `only_z` by_x (R, n) and by_bandwidth (R,)."""
        if self._by_h is None:
            return (self._room("z", tile, index),)
        return self._room("z", tile, index), self._room("x", tile, index), self._by_h[index]

    def _room(self, name: str, tile: Tile, index: int) -> Floats:
        """Return the block of the result itself where compiled code can write to it."""
        array, span = self._arrays.get(name), tile.span(index)
        if array is not None and array.dtype == FLOAT64:
            room = array[tile.start : tile.stop, span]
            if room.flags.c_contiguous and room.flags.aligned:
                return room
        return np.empty((tile.rows, span.stop - span.start))

    def end(self, tile: Tile, index: int, parts: tuple[Floats, ...]) -> None:
        """Store what `begin` could not place in the results."""
        for name, part in zip(("z", "x"), parts, strict=False):
            array = self._arrays.get(name)
            if array is not None and part.base is None:
                array[tile.start : tile.stop, tile.span(index)] = part

    def finish(self, tile: Tile) -> None:
        """Store the sums over blocks."""
        if "bandwidth" in self._arrays:
            assert self._by_h is not None
            self._arrays["bandwidth"][tile.start : tile.stop] = self._by_h.sum(axis=0)
