"""One pass over a block's data: the largest logit of each row, and whether every entry is good."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types

from .jit import lazily
from .pair_loops import READ, WRITE1


def _make_scan() -> Callable:
    def scan(x, z, top):
        """Write the largest logit of each row to top; return the number of bad entries in x and z."""
        bad = 0
        for r in range(x.shape[0]):
            for j in range(x.shape[1]):
                bad += 0 if abs(x[r, j]) < np.inf else 1
        for r in range(z.shape[0]):
            largest = -np.inf
            for j in range(z.shape[1]):
                v = z[r, j]
                bad += 0 if v < np.inf else 1
                largest = v if v > largest else largest
            top[r] = largest
        return bad

    return scan


scan = lazily(_make_scan, types.int64(READ, READ, WRITE1), "scan")
