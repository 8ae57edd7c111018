"""What calls allocate, as tracemalloc counts it."""

from __future__ import annotations

import time
import tracemalloc
from contextlib import contextmanager

from kdexent.runtime import pool


@contextmanager
def traced():
    """Count what is allocated, but start and stop that while no helper is in compiled code.

    That allocates without the lock under which tracemalloc changes the functions that do so (CPython's issue
    128679), and a helper may return from it later than the call it helped.
    """
    _wait_for_helpers()
    tracemalloc.start()
    try:
        yield
    finally:
        _wait_for_helpers()
        tracemalloc.stop()


def _wait_for_helpers():
    while pool._taken:
        time.sleep(1e-3)
