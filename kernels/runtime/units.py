"""Units of compiled work that several threads take, each the next one left, without Python's lock.

Threads that return to Python after every unit wait for each other there, for tens of microseconds each
time. A shared array holds how many units have been taken and how many are done. All that comes of a unit
is in arrays by then: a call's caller goes on while other threads are still on their way back to Python.

A helper that finds nothing left stays in compiled code for a while, where it needs no lock of Python's:
the next units come soon, mostly, and waking a thread takes as long as a good part of them. It goes back
for its next job when the first unit of that is taken, which is when its caller has given the lock away.
"""

import ctypes
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from .jit import NATIVE, Function, helper

# Cache lines apart: units taken, units done, and then where the bell is and its number at the first unit.
_TAKEN, _DONE, _BELL, _RUNG = 0, 8, 16, 17
_SIZE = 18
# How often a thread looks whether the others have done what they took before it returns to Python.
_LOOKS = 20_000
_HELPER_LOOKS = 1_000_000  # for other work, in some 300 microseconds
# Counts the jobs of which a unit has been taken, or of another kind.
_bell = np.zeros(8, np.int64)
_bell_address = _bell.ctypes.data

Counter = NDArray[np.int64]


def new_counter(for_helpers: bool = False) -> Counter:
    """Return a counter of units, which helpers hear of when it says so."""
    counter = np.zeros(_SIZE + 1, np.int64)
    counter[_BELL] = _bell_address if for_helpers else 0
    return counter[:_SIZE]


def as_helper(counter: Counter) -> Counter:
    """Return the same counter for a helper, which compiled code knows by the length."""
    assert isinstance(counter.base, np.ndarray)
    return counter.base


def ring() -> None:
    """Call back helpers that wait in compiled code."""
    _bell[0] += 1


def all_taken(counter: Counter, count: int) -> bool:
    """Return whether no unit is left to take."""
    return bool(counter[_TAKEN] >= count)


def all_done(counter: Counter, count: int) -> bool:
    """Return whether all units are done."""
    return bool(counter[_DONE] >= count)


def stop(counter: Counter) -> None:
    """Let no more units be taken."""
    counter[_TAKEN] = np.iinfo(np.int64).max // 2


def _natively(operation: Function) -> Function:
    """Return f(address) for compiled code: what `operation` does with the number there."""

    @intrinsic
    def at(typing, address):
        def generate(context, builder, signature, arguments):
            pointer = builder.inttoptr(arguments[0], ir.IntType(64).as_pointer())
            return operation(builder, pointer)

        return types.int64(address), generate

    return at


def _plainly(operation: Function) -> Function:
    def at(address):
        return operation(ctypes.c_int64.from_address(int(address)))

    return at


def _add_one(number: Any) -> int:
    number.value += 1
    return int(number.value) - 1


# number += 1 as one operation, which returns what it was; and the number as it is now. In plain Python it is
# no such operation, and threads share no units.
if NATIVE:
    _one = ir.Constant(ir.IntType(64), 1)
    _add = _natively(lambda builder, at: builder.atomic_rmw("add", at, _one, "seq_cst"))
    _read = _natively(lambda builder, at: builder.load_atomic(at, "acquire", 8))
else:
    _add, _read = _plainly(_add_one), _plainly(lambda number: number.value)


# Counters are (_SIZE,), those of helpers (_SIZE + 1,).
@helper
def _address(counter, entry):
    return counter.ctypes.data + 8 * entry


@helper
def take_unit(counter):
    """Return the number of the next unit, which may be one too many; counter (_SIZE,) or longer."""
    unit = _add(_address(counter, _TAKEN))
    if unit == 0 and counter[_BELL] != 0:
        counter[_RUNG] = _add(counter[_BELL]) + 1
    return unit


@helper
def unit_done(counter):
    """Say that a unit is done: what was written for it is seen by whoever sees this."""
    _add(_address(counter, _DONE))


@helper
def wait_for_others(counter, count):
    """Wait a little until all units are done, and a helper, of counter (_SIZE + 1,), then for other units."""
    for _ in range(_LOOKS):
        if _read(_address(counter, _DONE)) >= count:
            break
    if counter.shape[0] > _SIZE and counter[_BELL] != 0:
        for _ in range(_HELPER_LOOKS):
            if _read(counter[_BELL]) > counter[_RUNG]:
                return


def each_unit(work: Function) -> Function:
    """Return a helper f(counter, most, count, ...): work(unit, ...) for up to `most` of the units left."""

    @helper
    def units(counter, most, count, *arguments):
        for _ in range(most):
            unit = take_unit(counter)
            if unit >= count:
                return wait_for_others(counter, count)
            work(unit, *arguments)
            unit_done(counter)

    return units
