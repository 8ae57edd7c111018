"""Sums of p log p, p log q and p log(p / q) over rows of masses, a chunk of a row at a time."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from ..numerics.arithmetic import log, log_ratio
from ..runtime import signatures
from ..runtime.jit import Function, lazily, loop
from ..runtime.signatures import COUNTER, INTS, WRITE
from ..runtime.units import each_unit

ENTROPY, CROSS, RELATIVE = "entropy", "cross", "relative"
CHUNK = 2**12  # entries whose sum is added to others' as a whole


# Of a chunk's masses p and q (n,): their sum, and how many are bad.


@loop
def _entropy(p, q):
    total, bad = 0.0, 0
    for j in range(p.shape[0]):
        m = np.float64(p[j])
        bad += 0 if (m >= 0.0) & (m < np.inf) else 1
        total -= m * log(m) if m > 0.0 else 0.0
    return total, bad


@loop
def _cross(p, q):
    total, bad = 0.0, 0
    for j in range(p.shape[0]):
        m, n = np.float64(p[j]), np.float64(q[j])
        bad += 0 if (m >= 0.0) & (m < np.inf) & (n >= 0.0) & (n < np.inf) else 1
        log_n = log(n) if n > 0.0 else -np.inf
        total -= m * log_n if m > 0.0 else 0.0
    return total, bad


@loop
def _relative(p, q):
    total, bad = 0.0, 0
    for j in range(p.shape[0]):
        m, n = np.float64(p[j]), np.float64(q[j])
        bad += 0 if (m >= 0.0) & (m < np.inf) & (n >= 0.0) & (n < np.inf) else 1
        log_of = log_ratio(m, n) if n > 0.0 else np.inf
        total += m * log_of if m > 0.0 else 0.0
    return total, bad


_SUMS = {ENTROPY: _entropy, CROSS: _cross, RELATIVE: _relative}


@cache
def mass_rows(kind: str, dtype: np.dtype) -> Callable[[], Function]:
    """Return the compiled pass for one of the sums."""
    data, sum_of = signatures.read(dtype), _SUMS[kind]

    def make() -> Function:
        @loop
        def unit_sums(unit, p, q, size, sums, bad):
            """Do a unit of what `sums_of` does, with arrays as there."""
            chunks = sums.shape[1]
            for item in range(unit * size, min((unit + 1) * size, sums.size)):
                row, chunk = item // chunks, item % chunks
                first, last = chunk * CHUNK, min((chunk + 1) * CHUNK, p.shape[1])
                of_p = p[row if p.shape[0] > 1 else 0, first:last]
                of_q = q[row if q.shape[0] > 1 else 0, first:last]
                total, more = sum_of(of_p, of_q)
                sums[row, chunk] = total
                bad[unit] += more + (0 if abs(total) < np.inf else 1)

        take_units = each_unit(unit_sums)

        def sums_of(p, q, size, sums, bad, counter, most):
            """sums (N, chunks) = those of the chunks of rows, in up to `most` units of `size` chunks.

            p and q (N, K), or (1, K) for all rows alike; bad (units,) += how many entries and sums are.
            """
            take_units(counter, most, bad.shape[0], p, q, size, sums, bad)

        return sums_of

    signature = types.void(data, data, types.int64, WRITE, INTS, COUNTER, types.int64)
    return lazily(make, signature, f"mass_rows.{kind}.{dtype}")
