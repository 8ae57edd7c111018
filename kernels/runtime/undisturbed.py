"""Compiling and importing, which what a signal's handler does or raises cannot come into the middle of.

Python runs handlers in its main thread alone. Inside a callback of the compiler Ctrl-C would be lost, and
elsewhere it may leave the compiler with half of a function; and a handler that calls this package would find
half of a module. So another thread does these things, while the main thread waits, and hears signals.
"""

import atexit
import gc
import logging  # noqa: F401  # registers what forks do with its lock, which must come after what they do here
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import FrameType, ModuleType
from typing import Any, TypeVar

from .bare_threads import start

Result = TypeVar("Result")

_ROOT = __package__.partition(".")[0]
_LOOK = 0.1  # s, after which a forked child sees that it is one
# What this package and the compiler may import.
_PACKAGES = sys.stdlib_module_names | {"kdexent", "llvmlite", "numba", "numpy", "scipy"}
_importing = threading.RLock()  # held by all threads that import but the main one, and by forks
_under_way: set[object] = set()  # attempts in other threads
_held: list[Any] = []  # by forks


def undisturbed(work: Callable[[], Result]) -> Result:
    """Return work(), which goes on in another thread when a signal interrupts waiting for it here."""
    process, ended = os.getpid(), threading.Lock()
    results: list[Result] = []
    errors: list[BaseException] = []
    ended.acquire()

    def attempt() -> None:
        _under_way.add(ended)
        try:
            results.append(work())
        except BaseException as error:  # who waits raises it
            errors.append(error)
        finally:
            _under_way.discard(ended)
            ended.release()

    if not _may_wait() or not start(attempt):
        return work()
    while not ended.acquire(timeout=_LOOK):
        if os.getpid() != process:  # a handler forked, and the thread is the parent's
            return undisturbed(work)
    if errors:
        raise errors.pop()
    return results[0]


def _may_wait() -> bool:
    """Return whether handlers may come here, and another thread needs nothing that this one holds."""
    if threading.get_ident() != threading.main_thread().ident or sys.is_finalizing():
        return False
    compiling = _compile_lock()
    if compiling is not None and compiling.is_locked():
        return False
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        # This thread is in the middle of importing a module, whose lock it holds.
        if frame.f_code.co_name == "_find_and_load":
            package = str(frame.f_locals.get("name")).partition(".")[0]
            if package in _PACKAGES:
                return False
        frame = frame.f_back
    return True


def _compile_lock() -> Any:
    """Return Numba's lock around compilations, or None before Numba is imported."""
    return getattr(sys.modules.get("numba.core.compiler_lock"), "global_compiler_lock", None)


@cache
def load(name: str) -> ModuleType:
    """Return a module, named from the root of this package, importing it the first time."""
    return undisturbed(lambda: _import(name))


def _import(name: str) -> ModuleType:
    # A finalizer that calls this package would find half of a module as well.
    collects = gc.isenabled()
    gc.disable()
    try:
        if threading.get_ident() == threading.main_thread().ident:
            return import_module(name, _ROOT)
        with _importing:
            return import_module(name, _ROOT)
    finally:
        if collects:
            gc.enable()


@atexit.register
def _wait() -> None:
    """Let the process end only when nothing is half compiled."""
    while _under_way:
        time.sleep(1e-3)


# A forked child has one thread, and would wait for ever for what another one has begun. Importing takes the
# compiler's lock too, so that its own is the first.


def _before_fork() -> None:
    _importing.acquire()
    compiling = _compile_lock()
    if compiling is not None:
        compiling.acquire()
    _held.append(compiling)


def _after_fork() -> None:
    compiling = _held.pop()
    if compiling is not None:
        compiling.release()
    _importing.release()


def _in_child() -> None:
    _under_way.clear()
    _after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
