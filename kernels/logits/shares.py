"""Rows of numbers shared out to threads: how many make a unit, and the units of one compiled pass."""

from collections.abc import Callable
from typing import Any

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


def share_units(
    numbers: int, units: int, work: Callable[[Counter, int], None], more_soon: bool = True
) -> None:
    """Call work(counter, most) until all units of so many numbers in all are done."""
    if numbers <= _LIGHT:  # alone, and over before other callers would notice
        counter = new_counter()
        while not all_taken(counter, units):
            work(counter, units)
        return
    most = max(1, units * _NUMBERS_PER_CALL // numbers)
    run_units(units, lambda counter: work(counter, most), available(), more_soon)


def each_block(
    rows: NDArray[Any], size: int, work: Callable[[NDArray[Any], slice, slice, Counter, int], None]
) -> None:
    """Call work(rows, which, units, counter, most) for all units of `size` rows at once, or one by one.

    One by one where the rows are not contiguous, with a copy of each unit's.
    """
    count = -(-len(rows) // size)
    if is_contiguous(rows, rows.dtype):
        share_units(rows.size, count, lambda *units: work(rows, slice(None), slice(None), *units))
        return

    def one(unit: int) -> None:
        which = slice(unit * size, (unit + 1) * size)
        work(contiguous(rows[which], rows.dtype), which, slice(unit, unit + 1), new_counter(), 1)

    run_blocks(count, one, 1 if rows.size <= _LIGHT else available())
