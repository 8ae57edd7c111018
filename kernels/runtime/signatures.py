"""The types of the arguments of compiled functions: C-contiguous arrays, which are read or written."""

from typing import Any

import numpy as np
from numba import types

from ..arguments.arrays import FLOAT32, FLOAT64

READ = types.Array(types.float64, 2, "C", readonly=True)
READ1 = types.Array(types.float64, 1, "C", readonly=True)
READ_INTS = types.Array(types.int64, 1, "C", readonly=True)
WRITE = types.Array(types.float64, 2, "C")
WRITE1 = types.Array(types.float64, 1, "C")
WRITE3 = types.Array(types.float64, 3, "C")
INTS = types.Array(types.int64, 1, "C")
PLACES = types.Array(types.uint16, 1, "C")
RUNS = types.Array(types.int64, 2, "C")
COUNTER = INTS  # of `units`

REAL: dict[np.dtype, Any] = {FLOAT64: types.float64, FLOAT32: types.float32}


def record(kind: type, *fields: Any) -> Any:
    """Return the type of a NamedTuple whose fields have the given types.

    Numba converts nothing in it: arrays that could be written have types like WRITE, if only read too.
    """
    return types.BaseTuple.from_types(fields, kind)


def read(dtype: np.dtype) -> Any:
    """Return the type of rows of numbers (N, K) that are read."""
    return types.Array(REAL[dtype], 2, "C", readonly=True)


def written(dtype: np.dtype) -> Any:
    """Return the type of rows of numbers (N, K) that are written."""
    return types.Array(REAL[dtype], 2, "C")
