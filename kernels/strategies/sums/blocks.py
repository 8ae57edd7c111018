"""One row's data, handed out in blocks whose number depends on the row alone."""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import BLOCK, Floats, Ints, lent
from ...runtime.pool import run_blocks, run_units
from ...runtime.units import Counter
from .scan import BadData

POINTS_PER_BLOCK = BLOCK
_POINTS_PER_UNIT = 2**13
_MOST_PARTIALS = 32
_POINTS_PER_CALL = 2**21  # of compiled code, after which Ctrl-C is heard
_LIGHT = 3 * 2**16  # points whose moments take no longer than waking a thread saves
_NUMBERS_IN_PARTIALS = 2**18
_ALONE = 2**12  # points, or thousands of instructions, that are not worth waking a thread for


def partial_count(points: int, room: int) -> int:
    """Return in how many parts to sum arrays of `room` numbers each over so many points."""
    most = min(_MOST_PARTIALS, max(4, _NUMBERS_IN_PARTIALS // max(1, room)))
    return max(1, min(most, points // _ALONE))


@lru_cache(maxsize=256)
def partial_ends(count: int, partials: int, step: int = 8) -> Ints:
    """Return where partial sums of `count` points or blocks begin and end (partials + 1,), in whole steps.

    The last partials are shorter, so that threads end together.
    """
    lengths = np.ones(partials)
    lengths[: partials // 2] = 1.5
    lengths[partials - partials // 4 :] = 0.25
    ends: Ints = np.rint(np.cumsum([0.0, *lengths]) * (count / lengths.sum() / step)).astype(np.int64) * step
    ends[-1] = count
    return ends


@lru_cache(maxsize=256)
def block_and_unit(points: int) -> tuple[int, int]:
    """Return the number of points of a block, which Python hands out, and of a compiled unit of it."""
    blocks = max(1, points // _ALONE) if points < _MOST_PARTIALS * _ALONE else _MOST_PARTIALS
    block = -(-points // max(blocks, -(-points // POINTS_PER_BLOCK)))
    units = -(-block // _POINTS_PER_UNIT)
    unit = -(-block // (units * 8)) * 8
    return units * unit, unit


class RowData:
    """Data points and logits of one row."""

    def __init__(self, x: NDArray[Any], z: NDArray[Any], n_threads: int) -> None:
        self.x, self.z, self.n_threads = x, z, n_threads
        self.points: int = x.shape[0]
        # Points of a block, but for the last, and of a unit of compiled work, of which blocks are made.
        self.block_size, self.unit_size = block_and_unit(self.points)
        self.top_if_known: float | None = None
        self._extent: tuple[float, float] | None = None

    @property
    def top(self) -> float:
        """The largest logit, once a pass over all data has found it."""
        assert self.top_if_known is not None, "a forward pass has to note what it saw"
        return self.top_if_known

    def note(self, top: float, bad: float, extent: tuple[float, float]) -> None:
        """State the largest logit, the number of bad entries, and where points lie; or raise BadData."""
        if bad > 0 or not top > -np.inf:
            raise BadData
        self.top_if_known = top
        if self._extent is None and extent[0] <= extent[1]:
            self._extent = extent

    @property
    def extent(self) -> tuple[float, float]:
        """The lowest and the highest point."""
        if self._extent is None:
            ends: list[tuple[float, float]] = []
            self.each_block(lambda index, piece, x, z: ends.append((float(x.min()), float(x.max()))))
            self._extent = min(low for low, _ in ends), max(high for _, high in ends)
        return self._extent

    def _pieces(self, start: int, stop: int, size: int) -> Iterator[slice]:
        for first in range(int(start), int(stop), size):
            yield slice(first, min(first + size, int(stop)))

    def each(self, count: int, work: Callable[[int], Iterable[None] | None]) -> None:
        """Call work(0) .. work(count - 1), on the row's threads."""
        run_blocks(count, work, self.n_threads)

    def each_unit(self, count: int, work: Callable[[Counter, int], None]) -> None:
        """Call work(counter, most) until all units are done, at most so many of them a call.

        For a few ns a point in all, so that only long rows are worth a second thread.
        """
        most = max(1, count * _POINTS_PER_CALL // self.points)
        run_units(count, lambda counter: work(counter, most), self.n_threads if self.points > _LIGHT else 1)

    def each_partial(
        self, partials: int, work: Callable[[int, Floats, Floats], None], most: int = POINTS_PER_BLOCK
    ) -> None:
        """Call work(partial, x, z) for the blocks of points of every partial, those of one partial in order.

        A block has at most so many points.
        """
        ends = partial_ends(self.points, partials)

        def one(partial: int) -> Iterator[None]:
            for piece in self._pieces(ends[partial], ends[partial + 1], most):
                with lent(self.x[piece], self.z[piece]) as data:
                    work(partial, *data)
                yield

        self.each(partials, one)

    def each_block(
        self, work: Callable[[int, slice, Floats, Floats], None], most: int = POINTS_PER_BLOCK
    ) -> int:
        """Call work(index, points, x, z) for every block of at most so many points; return how many."""
        pieces = list(self._pieces(0, self.points, min(self.block_size, most)))

        def one(index: int) -> None:
            piece = pieces[index]
            with lent(self.x[piece], self.z[piece]) as data:
                work(index, piece, *data)

        self.each(len(pieces), one)
        return len(pieces)
