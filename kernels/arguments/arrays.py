"""Arrays as compiled code takes them."""

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
        self._target = None if array is None else array[piece]
        if self._target is None:
            slices = (piece,) if isinstance(piece, slice) else piece
            self.array = np.empty([each.stop - each.start for each in slices], dtype)
        elif in_place and not add and is_contiguous(self._target, dtype):
            self.array = self._target
        else:
            self.array = np.empty(self._target.shape, dtype)

    def store(self) -> None:
        """Store a copy where a view was not possible."""
        if self._target is not None and self._target is not self.array:
            if self._add:
                self._target += self.array
            else:
                self._target[...] = self.array
