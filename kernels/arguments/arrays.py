"""Arrays as compiled code takes them."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Gradients = dict[str, NDArray[Any]]  # those asked for: z, x (.., N) and bandwidth


def is_contiguous(block: NDArray[Any], dtype: np.dtype = FLOAT64) -> bool:
    """Return whether compiled code can take an array of the dtype as it is."""
    return block.dtype == dtype and block.flags.c_contiguous and block.flags.aligned


def contiguous(block: NDArray[Any], dtype: np.dtype = FLOAT64) -> NDArray[Any]:
    """Return a block as a contiguous array of the dtype, itself if it is one."""
    return block if is_contiguous(block, dtype) else np.array(block, dtype, order="C")


# Memory for copies of blocks: an allocator that gives back at once what is freed, as in workers of dask,
# makes fresh pages of each, and these cost as much as a pass over the points.
BLOCK, _MOST_KEPT = 2**15, 16
_free: list[Floats] = []


def _borrow(size: int) -> Floats:
    """Return uninitialised memory for so many numbers, or more."""
    if size <= BLOCK:
        with suppress(IndexError):
            return _free.pop()  # in one step, whatever threads and signals do
    return np.empty(max(size, BLOCK))


def _give_back(memory: Floats) -> None:
    if memory.size == BLOCK and len(_free) < _MOST_KEPT:
        _free.append(memory)


@contextmanager
def lent(*blocks: NDArray[Any]) -> Iterator[list[Floats]]:
    """A context with blocks (n,) as contiguous arrays of float64: themselves, or copies while it lasts."""
    taken, arrays = [], []
    for block in blocks:
        array = block
        if not is_contiguous(block):
            taken.append(_borrow(block.size))
            array = taken[-1][: block.size]
            array[...] = block
        arrays.append(array)
    yield arrays
    for memory in taken:
        _give_back(memory)


class Written:
    """An array, or a piece of one, as compiled code can write it: a view of it, or a copy to store.

    Without an array nobody reads what is written. Where the dtype is another one, writing in place is not
    allowed, or what is written is to be added to the array, it is a copy.
    """

    def __init__(
        self,
        array: NDArray[Any] | None,
        piece: slice | tuple[slice, ...],
        dtype: np.dtype = FLOAT64,
        in_place: bool = True,
        add: bool = False,
    ) -> None:
        self._add = add
        self._memory: Floats | None = None
        self._target = None if array is None else array[piece]
        if self._target is None:
            slices = (piece,) if isinstance(piece, slice) else piece
            self.array = np.empty([each.stop - each.start for each in slices], dtype)
        elif in_place and not add and is_contiguous(self._target, dtype):
            self.array = self._target
        elif dtype == FLOAT64 and self._target.ndim == 1:
            self._memory = _borrow(self._target.size)
            self.array = self._memory[: self._target.size]
        else:
            self.array = np.empty(self._target.shape, dtype)

    def store(self) -> None:
        """Store a copy where a view was not possible; nothing is written to it afterwards."""
        if self._target is not None and self._target is not self.array:
            if self._add:
                self._target += self.array
            else:
                self._target[...] = self.array
            if self._memory is not None:
                _give_back(self._memory)
