"""One row's data, handed out in blocks whose number depends on the row alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scan import BadData
from .threads import run_blocks, run_units
from .tiles import contiguous, is_contiguous
from .units import Counter, new_counter

Floats = NDArray[np.float64]

POINTS_PER_BLOCK = 2**15
_MOST_LANES = 32
_POINTS_PER_CALL = 2**21  # of compiled code, after which Ctrl-C is heard
_LIGHT = 3 * 2**16  # points whose moments take no longer than waking a thread saves
_NUMBERS_IN_LANES = 2**18
_ALONE = 2**12  # points, or thousands of instructions, that are not worth waking a thread for


def lane_count(points: int, room: int) -> int:
    """Return in how many parts to sum arrays of `room` numbers each over so many points."""
    most = min(_MOST_LANES, max(4, _NUMBERS_IN_LANES // max(1, room)))
    return max(1, min(most, points // _ALONE))


class RowData:
    """Data points and logits of one row."""

    def __init__(
        self, x: NDArray[Any], z: NDArray[Any], n_threads: int, adjoint_follows: bool = False
    ) -> None:
        self.x, self.z, self.n_threads = x, z, n_threads
        self.points = x.shape[0]
        self._top: float | None = None
        self._extent: tuple[float, float] | None = None
        self.adjoint_follows = adjoint_follows
        # What a forward pass leaves to the adjoint one: which cells it saw, and weights.
        self.seen: Any = None
        self.kept: Any = None

    @property
    def top(self) -> float:
        """The largest logit, once a pass over all data has found it."""
        assert self._top is not None
        return self._top

    @property
    def top_if_known(self) -> float | None:
        """The largest logit, or None before the first pass."""
        return self._top

    def found(self, top: float, bad: float, extent: tuple[float, float]) -> None:
        """State the largest logit, the number of bad entries, and where points lie; or raise BadData."""
        if bad > 0 or not top > -np.inf:
            raise BadData
        self._top = top
        if self._extent is None and extent[0] <= extent[1]:
            self._extent = extent

    @property
    def extent(self) -> tuple[float, float]:
        """The lowest and the highest point."""
        if self._extent is None:
            ends: dict[int, tuple[float, float]] = {}

            def block(index: int, piece: slice, x: Floats, z: Floats) -> None:
                ends[index] = float(x.min()), float(x.max())

            self.each_block(block)
            self._extent = min(low for low, _ in ends.values()), max(high for _, high in ends.values())
        return self._extent

    def lanes(self, room: int) -> int:
        """Return in how many parts to sum arrays of `room` numbers each."""
        return lane_count(self.points, room)

    def _pieces(self, start: int, stop: int, size: int) -> Iterator[slice]:
        for first in range(start, stop, size):
            yield slice(first, min(first + size, stop))

    def each(self, count: int, work: Callable[[int], Iterable[None] | None]) -> None:
        """Call work(0) .. work(count - 1), on the row's threads."""
        run_blocks(count, work, self.n_threads)

    def each_unit(self, count: int, work: Callable[[Counter, int], None]) -> None:
        """Call work(counter, most) until all units are done, at most so many of them a call.

        For a few ns a point in all, so that only long rows are worth a second thread.
        """
        most = max(1, count * _POINTS_PER_CALL // self.points)
        run_units(count, lambda counter: work(counter, most), self.n_threads if self.points > _LIGHT else 1)

    def lane_size(self, lanes: int) -> int:
        """Return the number of points of a lane."""
        return -(-self.points // (lanes * 8)) * 8

    def each_lane(
        self, lanes: int, work: Callable[[int, Floats, Floats], None], most: int = POINTS_PER_BLOCK
    ) -> None:
        """Call work(lane, x, z) for the blocks of points of every lane, those of one lane in order.

        A block has at most so many points.
        """
        size = self.lane_size(lanes)

        def one(lane: int) -> Iterator[None]:
            for piece in self._pieces(lane * size, min((lane + 1) * size, self.points), most):
                work(lane, contiguous(self.x[piece]), contiguous(self.z[piece]))
                yield

        self.each(lanes, one)

    def each_lanes(self, lanes: int, work: Callable[[slice, Floats, Floats, Counter, int], None]) -> None:
        """Call work(lanes, x, z, counter, most) for all lanes together, or in order for the blocks of one."""
        if is_contiguous(self.x) and is_contiguous(self.z):
            self.each_unit(lanes, lambda *units: work(slice(0, lanes), self.x, self.z, *units))
        else:
            self.each_lane(lanes, lambda lane, x, z: work(slice(lane, lane + 1), x, z, new_counter(), 1))

    @property
    def block_size(self) -> int:
        """The number of points of a block, but for the last."""
        blocks = max(1, self.points // _ALONE) if self.points < _MOST_LANES * _ALONE else _MOST_LANES
        blocks = max(blocks, -(-self.points // POINTS_PER_BLOCK))
        return -(-self.points // (blocks * 8)) * 8

    def each_block(
        self, work: Callable[[int, slice, Floats, Floats], None], most: int = POINTS_PER_BLOCK
    ) -> int:
        """Call work(index, points, x, z) for every block of at most so many points; return how many."""
        pieces = list(self._pieces(0, self.points, min(self.block_size, most)))

        def one(index: int) -> None:
            piece = pieces[index]
            work(index, piece, contiguous(self.x[piece]), contiguous(self.z[piece]))

        self.each(len(pieces), one)
        return len(pieces)

    def each_blocks(
        self, work: Callable[[slice, Floats, Floats, Counter, int], None], *out: NDArray[Any] | None
    ) -> None:
        """Call work(points, x, z, counter, most) for all blocks together, or for one after another.

        For one after another where any array of the data or of `out`, which it writes, is not contiguous,
        or missing.
        """
        if all(array is not None and is_contiguous(array) for array in (self.x, self.z, *out)):
            whole = slice(0, self.points)
            count = -(-self.points // self.block_size)
            self.each_unit(count, lambda *units: work(whole, self.x, self.z, *units))
        else:
            self.each_block(lambda index, piece, x, z: work(piece, x, z, new_counter(), 1))


class Written:
    """Part of a gradient as compiled code can write it: a view of the caller's array, or a copy to store."""

    def __init__(self, array: NDArray[Any] | None, piece: slice) -> None:
        self._target = None if array is None else array[piece]
        fits = self._target is not None and is_contiguous(self._target)
        array = np.empty(piece.stop - piece.start) if not fits else self._target
        assert array is not None
        self.array: Floats = array
        self._copied = not fits

    def store(self) -> None:
        """Store a copy where the view was not possible."""
        if self._copied and self._target is not None:
            self._target[...] = self.array
