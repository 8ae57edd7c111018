"""One pass over a block's data: the largest logit of each row, and whether every entry is good."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types

from .arithmetic import from_order_key, order_key
from .jit import lazily
from .pair_loops import READ, WRITE1


def _make_scan() -> Callable:
    def scan(x, z, top, whole):
        """Write the largest logit of each row to top; return the number of bad entries.

        Those are in x what is not finite, in z NaN and +inf, and where the block is the whole of its
        rows, a row without a logit above -inf.
        """
        bad = 0
        for r in range(x.shape[0]):
            row = x[r]
            for j in range(row.shape[0]):
                bad += 0 if abs(row[j]) < np.inf else 1
        for r in range(z.shape[0]):
            row = z[r]
            largest = order_key(-np.inf)
            for j in range(row.shape[0]):
                bad += 0 if row[j] < np.inf else 1
                largest = max(largest, order_key(row[j]))
            top[r] = from_order_key(largest)
            bad += 1 if whole and top[r] == -np.inf else 0
        for r in range(z.shape[0], top.shape[0]):  # one row of logits may serve all rows
            top[r] = top[0]
        return bad

    return scan


scan = lazily(_make_scan, types.int64(READ, READ, WRITE1, types.boolean), "scan")
