"""Which core a thread runs on, and how a helper leaves its caller's.

A thread that is woken while all cores are busy may be put on the core that wakes it. Two threads then take
turns on one core, although what runs on another one may only be waiting for work: threads of OpenMP do that
for milliseconds after their work is done.
"""

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress


def _core_of_this_thread() -> Callable[[], int]:
    """Return a function that returns the number of the core it is called on, or -1 where none is known."""
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError, AttributeError):  # a C library without it
            get: Callable[[], int] = ctypes.CDLL(None).sched_getcpu
            return get
    return lambda: -1


current_core = _core_of_this_thread()


class Seat:
    """The cores that one thread, whose own this is, may run on."""

    def __init__(self) -> None:
        self._allowed: set[int] = set()
        self._chosen: set[int] = set()
        self._left = -1

    def leave(self, core: int) -> bool:
        """Run on other cores than this one if there are any, from now on; return whether that is so.

        It may be this core again when another one has to be left.
        """
        if core < 0 or (core == self._left and core != current_core()):
            return True
        with suppress(OSError):  # where a sandbox forbids it the thread stays
            now = os.sched_getaffinity(0)
            if now != self._chosen:  # somebody else chose them
                self._allowed = now
            others = self._allowed - {core}
            if others:
                os.sched_setaffinity(0, others)
                self._chosen, self._left = os.sched_getaffinity(0), core
        return core != current_core()
