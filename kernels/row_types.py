"""The compiled types of rows of numbers (N, K) of either dtype that calls compute with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types

from .problem import FLOAT32, FLOAT64

_REAL: dict[np.dtype, Any] = {FLOAT64: types.float64, FLOAT32: types.float32}


def read(dtype: np.dtype) -> Any:
    """Return the type of rows that are read."""
    return types.Array(_REAL[dtype], 2, "C", readonly=True)


def written(dtype: np.dtype) -> Any:
    """Return the type of rows that are written."""
    return types.Array(_REAL[dtype], 2, "C")
