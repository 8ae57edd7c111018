"""One row's data, handed out in blocks whose number depends on the row alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .scan import BadData
from .threads import run_blocks, run_ranges
from .tiles import contiguous, is_contiguous

Floats = NDArray[np.float64]

_POINTS_PER_BLOCK = 2**15
_MOST_LANES = 32
_TOGETHER = 8  # lanes or blocks to a call
_LIGHT = 3 * 2**16  # points whose moments take no longer than waking a thread saves
_NUMBERS_IN_LANES = 2**18
_ALONE = 2**12  # points, or thousands of instructions, that are not worth waking a thread for


def lane_count(points: int, room: int) -> int:
    """Return in how many parts to sum arrays of `room` numbers each over so many points."""
    most = min(_MOST_LANES, max(4, _NUMBERS_IN_LANES // max(1, room)))
    return max(1, min(most, points // _ALONE))


class RowData:
    """Data points and logits of one row."""

    def __init__(self, x: NDArray[Any], z: NDArray[Any], n_threads: int) -> None:
        self.x, self.z, self.n_threads = x, z, n_threads
        self.points = x.shape[0]
        self._top: float | None = None
        self._extent: tuple[float, float] | None = None

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

    def each(self, count: int, work: Callable[[int], None]) -> None:
        """Call work(0) .. work(count - 1), on the row's threads."""
        run_blocks(count, work, self.n_threads)

    def each_range(self, count: int, work: Callable[[int, int], None], most: int) -> None:
        """Call work(first, last) until all of 0 .. count - 1 are done, for a few ns a point in all.

        Only long rows are then worth a second thread.
        """
        run_ranges(count, work, self.n_threads if self.points > _LIGHT else 1, most)

    def lane_size(self, lanes: int) -> int:
        """Return the number of points of a lane."""
        return -(-self.points // (lanes * 8)) * 8

    def each_lane(self, lanes: int, work: Callable[[int, Floats, Floats], None]) -> None:
        """Call work(lane, x, z) for the blocks of points of every lane, those of one lane in order."""
        size = self.lane_size(lanes)

        def one(lane: int) -> None:
            for piece in self._pieces(lane * size, min((lane + 1) * size, self.points), _POINTS_PER_BLOCK):
                work(lane, contiguous(self.x[piece]), contiguous(self.z[piece]))

        self.each(lanes, one)

    def each_lanes(self, lanes: int, work: Callable[[slice, Floats, Floats], None]) -> None:
        """Call work(lanes, x, z) for some lanes at a time, or in order for the blocks of one.

        The fewer calls, the less threads wait for each other between them.
        """
        if not (is_contiguous(self.x) and is_contiguous(self.z)):
            self.each_lane(lanes, lambda lane, x, z: work(slice(lane, lane + 1), x, z))
            return
        size = self.lane_size(lanes)

        def some(first: int, last: int) -> None:
            points = slice(first * size, last * size)
            work(slice(first, last), self.x[points], self.z[points])

        self.each_range(lanes, some, _TOGETHER)

    def each_block(
        self, work: Callable[[int, slice, Floats, Floats], None], out: Iterable[NDArray[Any]] | None = None
    ) -> int:
        """Call work(index, points, x, z) for every block of points; return how many there are.

        With the arrays that it writes, `out`, it may get several blocks as one.
        """
        blocks = max(1, self.points // _ALONE) if self.points < _MOST_LANES * _ALONE else _MOST_LANES
        blocks = max(blocks, -(-self.points // _POINTS_PER_BLOCK))
        size = -(-self.points // (blocks * 8)) * 8
        pieces = list(self._pieces(0, self.points, size))

        def one(index: int) -> None:
            piece = pieces[index]
            work(index, piece, contiguous(self.x[piece]), contiguous(self.z[piece]))

        def some(first: int, last: int) -> None:
            piece = slice(pieces[first].start, pieces[last - 1].stop)
            work(first, piece, self.x[piece], self.z[piece])

        if out is not None and all(is_contiguous(array) for array in (self.x, self.z, *out)):
            self.each_range(len(pieces), some, _TOGETHER)
        else:
            self.each(len(pieces), one)
        return len(pieces)


_scratch = threading.local()


def scratch(count: int) -> Floats:
    """Return an array of this thread's own to compute in, kept for its next use.

    A fresh array of this size is new pages each time, and giving them back stops the other threads.
    """
    array: Floats | None = getattr(_scratch, "array", None)
    if array is None or len(array) < count:
        array = _scratch.array = np.empty(max(count, 2 * _POINTS_PER_BLOCK + 64))
    return array[:count]


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
