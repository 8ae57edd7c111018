"""Work that what a signal's handler raises, such as Ctrl-C, cannot come into the middle of.

Python runs handlers in its main thread alone. Inside a callback of the compiler an exception would be lost,
and so would Ctrl-C; elsewhere it may leave the compiler with half of a function.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from numba.core.compiler_lock import global_compiler_lock

Result = TypeVar("Result")


def undisturbed(work: Callable[[], Result]) -> Result:
    """Return work(), which goes on in another thread when a signal interrupts waiting for it here."""
    if threading.current_thread() is not threading.main_thread() or global_compiler_lock.is_locked():
        return work()  # here is no handler, or a compilation that another thread would wait for
    results: list[Result] = []
    errors: list[BaseException] = []
    ended = threading.Event()

    def attempt() -> None:
        try:
            results.append(work())
        except BaseException as error:  # who waits raises it
            errors.append(error)
        finally:
            ended.set()

    try:
        threading.Thread(target=attempt, name="kdexent undisturbed").start()
    except RuntimeError:  # the interpreter shuts down
        return work()
    ended.wait()
    if errors:
        raise errors[0]
    return results[0]
