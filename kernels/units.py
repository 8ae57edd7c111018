"""Units of compiled work that several threads take, each the next one left, without Python's lock.

Threads that return to Python after every unit wait for each other there, for tens of microseconds each
time. A shared array holds how many units have been taken and how many are done. All that comes of a unit
is in arrays by then: a call's caller goes on while other threads are still on their way back to Python.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .jit import NATIVE, helper

_TAKEN, _DONE = 0, 8  # cache lines apart
_SIZE = 16
# How often a thread looks whether the others have done what they took before it returns to Python.
_LOOKS = 20_000

Counter = NDArray[np.int64]
COUNTER = types.Array(types.int64, 1, "C")


def new_counter() -> Counter:
    """Return a counter of units."""
    return np.zeros(_SIZE, np.int64)


def all_taken(counter: Counter, count: int) -> bool:
    """Return whether no unit is left to take."""
    return bool(counter[_TAKEN] >= count)


def all_done(counter: Counter, count: int) -> bool:
    """Return whether all units are done."""
    return bool(counter[_DONE] >= count)


def stop(counter: Counter) -> None:
    """Let no more units be taken."""
    counter[_TAKEN] = np.iinfo(np.int64).max // 2


def _add_natively() -> Any:
    @intrinsic
    def add(typing, counter, entry):
        """counter[entry] += 1 as one operation; return what it was."""

        def generate(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            one = context.get_constant(types.int64, 1)
            return builder.atomic_rmw("add", builder.gep(array.data, [arguments[1]]), one, "seq_cst")

        return types.int64(counter, entry), generate

    return add


def _read_natively() -> Any:
    @intrinsic
    def read(typing, counter, entry):
        """Return counter[entry] as it is now."""

        def generate(context, builder, signature, arguments):
            array = context.make_array(signature.args[0])(context, builder, arguments[0])
            return builder.load_atomic(builder.gep(array.data, [arguments[1]]), "acquire", 8)

        return types.int64(counter, entry), generate

    return read


def _add_plainly() -> Any:
    from threading import Lock  # noqa: PLC0415  # only where functions are plain Python

    one_at_a_time = Lock()

    def add(counter, entry):
        with one_at_a_time:
            counter[entry] += 1
            return counter[entry] - 1

    return add


_add = _add_natively() if NATIVE else _add_plainly()
_read = _read_natively() if NATIVE else (lambda counter, entry: counter[entry])


@helper
def take_unit(counter):
    """Return the number of the next unit, which may be one too many."""
    return _add(counter, np.int64(_TAKEN))


@helper
def unit_done(counter):
    """Say that a unit is done: what was written for it is seen by whoever sees this."""
    _add(counter, np.int64(_DONE))


@helper
def wait_for_others(counter, count):
    """Wait a little until all units are done."""
    for _ in range(_LOOKS):
        if _read(counter, np.int64(_DONE)) >= count:
            return
