"""Threads that are started at any step of whatever else runs, without waiting for them.

`threading` takes locks to start a thread and waits until it runs. A signal's handler, or a finalizer, may
come while one of these is held, and what it starts would then wait for ever. The interpreter itself needs
none of them.
"""

import sys
import threading
from _thread import start_new_thread
from collections.abc import Callable
from typing import Any

from .subnormals import keep_subnormals


def start(work: Callable[..., None], *arguments: Any) -> bool:
    """Call work(*arguments) in a thread of its own; return whether one could be started.

    The process does not wait for it at its end.
    """
    try:
        start_new_thread(_begin, (work, *arguments))
    except (RuntimeError, MemoryError):  # a limit of threads, or the interpreter shuts down
        return False
    return True


def _begin(work: Callable[..., None], *arguments: Any) -> None:
    keep_subnormals()
    # What measures or debugs a process wants to see all of its threads.
    if threading.gettrace() is not None:
        sys.settrace(threading.gettrace())
    if threading.getprofile() is not None:
        sys.setprofile(threading.getprofile())
    work(*arguments)
