"""How fast this machine can possibly go: multiply-adds and memory copies per second."""

from typing import NamedTuple

import numpy as np
from numba import types

from ..arguments.arrays import Floats
from ..runtime.jit import Function, lazily
from ..runtime.pool import run_blocks
from ..runtime.signatures import WRITE1
from .timing import shortest

_VALUES = 1024  # a thread's array, 8 kB: stays in the L1 cache
_CHAIN = 8
_PASSES = 60_000
_COPY_BYTES = 2**27
_TRIES = 12


class Limits(NamedTuple):
    """The best rates seen, on all threads in use."""

    multiply_adds_per_s: float  # fused, float64
    multiply_adds_per_s_one_thread: float
    copy_bytes_per_s: float  # read and written


def _make_multiply_add() -> Function:
    def multiply_add(values: Floats, factor: float, term: float, passes: int) -> None:
        # Each of values (n,) is a chain of its own, so many are under way at once and latency is hidden;
        # a chain of 8 keeps loads and stores from being the limit.
        for _ in range(passes):
            for i in range(values.shape[0]):
                value = values[i]
                for _ in range(_CHAIN):
                    value = value * factor + term
                values[i] = value

    return multiply_add


_multiply_add = lazily(
    _make_multiply_add,
    types.void(WRITE1, types.float64, types.float64, types.int64),
    "limits.multiply_add",
)


def _multiply_add_rate(n_threads: int) -> float:
    arrays = [np.zeros(_VALUES) for _ in range(n_threads)]
    _multiply_add()(arrays[0], 0.5, 0.5, 1)

    def work() -> None:
        run_blocks(n_threads, lambda thread: _multiply_add()(arrays[thread], 0.5, 0.5, _PASSES), n_threads)

    return n_threads * _VALUES * _CHAIN * _PASSES / shortest(work, _TRIES)


def _copy_rate(n_threads: int) -> float:
    source, target = np.zeros(_COPY_BYTES // 8), np.empty(_COPY_BYTES // 8)
    source[:] = 1.0  # zeros alone may all be one page
    cuts = np.linspace(0, source.size, n_threads + 1).astype(int)

    def block(thread: int) -> None:
        span = slice(cuts[thread], cuts[thread + 1])
        np.copyto(target[span], source[span])

    return 2 * source.nbytes / shortest(lambda: run_blocks(n_threads, block, n_threads), _TRIES)


def measure_limits(n_threads: int) -> Limits:
    """Measure the limits of this machine on `n_threads` threads, in about half a second and 256 MiB.

    The multiply-adds are those that Numba's compiler emits for the processor it runs on, the same that the
    kernels could use at most.
    """
    one = _multiply_add_rate(1)
    return Limits(one if n_threads == 1 else _multiply_add_rate(n_threads), one, _copy_rate(n_threads))
