"""One pass over a block's data: the largest logit of each row, and whether every entry is good."""

import numpy as np
from numba import types

from ...arguments.arrays import FLOAT32, FLOAT64
from ...numerics.arithmetic import from_order_key, order_key
from ...runtime.jit import Function, lazily, loop
from ...runtime.signatures import WRITE1, read


class BadData(Exception):
    """The scan met an entry of x or z that no call may have."""


@loop
def look_at_logits(zs):
    """Return the largest of logits zs (n,), and how many are NaN or +inf."""
    bad, largest = 0, order_key(-np.inf)
    for j in range(zs.shape[0]):
        bad += 0 if zs[j] < np.inf else 1
        largest = max(largest, order_key(zs[j]))
    return from_order_key(largest), bad


@loop
def ends_of(xs):
    """Return the lowest and the highest of xs (n,), and how many are not finite."""
    bad, low, high = 0, order_key(np.inf), order_key(-np.inf)
    for j in range(xs.shape[0]):
        bad += 0 if abs(xs[j]) < np.inf else 1
        low = min(low, order_key(xs[j]))
        high = max(high, order_key(xs[j]))
    return from_order_key(low), from_order_key(high), bad


def _make_scan() -> Function:
    def scan(x, z, top, whole):
        """Write the largest logit of each row to top (R,); return the number of bad entries.

        x and z (R or 1, n). Bad is in x what is not finite, in z NaN and +inf, and where the block is the
        whole of its rows, a row without a logit above -inf.
        """
        bad = 0
        for r in range(x.shape[0]):
            _, _, more = ends_of(x[r])
            bad += more
        for r in range(z.shape[0]):
            top[r], more = look_at_logits(z[r])
            bad += more
            bad += 1 if whole and top[r] == -np.inf else 0
        for r in range(z.shape[0], top.shape[0]):  # one row of logits may serve all rows
            top[r] = top[0]
        return bad

    return scan


# The compiled pass over data of each dtype.
SCANS = {
    dtype: lazily(
        _make_scan, types.int64(read(dtype), read(dtype), WRITE1, types.boolean), f"scan.{dtype.name}"
    )
    for dtype in (FLOAT64, FLOAT32)
}
