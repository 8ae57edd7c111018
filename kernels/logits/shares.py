"""Rows of numbers shared out to threads: how many make a unit, and the units of one compiled pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments.arrays import contiguous, is_contiguous
from ..numerics.chunks import LANES
from ..runtime.pool import available, run_blocks, run_units
from ..runtime.units import Counter, all_taken, new_counter

_UNITS = 32  # at least, where there is work for several threads
_NUMBERS_PER_UNIT = 2**18  # at most
_NUMBERS_PER_CALL = 2**23  # of compiled code, after which Ctrl-C is heard
_LIGHT = 2**15  # numbers that are not worth waking a thread for


def rows_of_a_unit(count: int, width: int) -> int:
    """Return how many rows of so many numbers make a unit: that depends on the problem alone."""
    if count * width <= _LIGHT:
        return max(1, count)
    size = max(1, min(-(-count // _UNITS), _NUMBERS_PER_UNIT // width))
    return size if size < LANES else -(-size // LANES) * LANES


def each_unit(numbers: int, units: int, work: Callable[[Counter, int], None], more_soon: bool = True) -> None:
    """Call work(counter, most) until all units of so many numbers in all are done."""
    if numbers <= _LIGHT:  # alone, and over before other callers would notice
        counter = new_counter()
        while not all_taken(counter, units):
            work(counter, units)
        return
    most = max(1, units * _NUMBERS_PER_CALL // numbers)
    run_units(units, lambda counter: work(counter, most), available(), more_soon)


def each_part(
    rows: NDArray[Any], size: int, work: Callable[[NDArray[Any], slice, slice, Counter, int], None]
) -> None:
    """Call work(rows, which, units, counter, most) for all units of `size` rows at once, or one by one.

    One by one where the rows are not contiguous, with a copy of each unit's.
    """
    count = -(-len(rows) // size)
    if is_contiguous(rows, rows.dtype):
        each_unit(rows.size, count, lambda *units: work(rows, slice(None), slice(None), *units))
        return

    def one(unit: int) -> None:
        which = slice(unit * size, (unit + 1) * size)
        work(contiguous(rows[which], rows.dtype), which, slice(unit, unit + 1), new_counter(), 1)

    run_blocks(count, one, 1 if rows.size <= _LIGHT else available())


class RowsOut:
    """An array (..., C) as rows (N, C) that compiled code can write: a view of it, or rows to store in it.

    No view where it shares memory with `others` that are read, or with the rows read if these are not the
    same. A `new` array shares none.
    """

    def __init__(self, array: NDArray[Any], new: bool, read: NDArray[Any], *others: NDArray[Any]) -> None:
        self._array = array
        array = np.asarray(array)
        self._is_view, self.overwrites = is_contiguous(array, array.dtype), False
        if self._is_view and not new:
            self._is_view = not any(np.may_share_memory(array, other) for other in others)
            if self._is_view and np.may_share_memory(array, read):
                self._is_view = array.ctypes.data == read.ctypes.data and is_contiguous(read, array.dtype)
                self.overwrites = self._is_view  # the rows that are read
        self.rows = array.reshape(read.shape) if self._is_view else np.empty(read.shape, array.dtype)

    def store(self) -> None:
        """Store the rows where they are no view."""
        if not self._is_view:
            self._array[...] = self.rows.reshape(self._array.shape)
