"""Arrays as compiled code takes them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)


def is_contiguous(block: NDArray[Any], dtype: np.dtype = FLOAT64) -> bool:
    """Return whether compiled code can take an array of the dtype as it is."""
    return block.dtype == dtype and block.flags.c_contiguous and block.flags.aligned


def contiguous(block: NDArray[Any], dtype: np.dtype = FLOAT64) -> NDArray[Any]:
    """Return a block as a contiguous array of the dtype, itself if it is one."""
    return block if is_contiguous(block, dtype) else np.array(block, dtype, order="C")
