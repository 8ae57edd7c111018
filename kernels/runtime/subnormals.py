"""Numbers below the least normal one: what a thread takes them for.

Programs of JAX take them for 0 while they run, which their callbacks inherit, and for good so do threads that
are started there. Results would depend on which thread computes them.
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_C = ctypes.PyDLL("ucrtbase" if sys.platform == "win32" else None)


def _environment() -> Any:
    """Return this thread's floating-point environment, as C's fegetenv has it: no system takes 64 bytes."""
    kept = ctypes.create_string_buffer(64)
    _C.fegetenv(kept)
    return kept


_USUAL = _environment()  # of the thread that imports kdexent


def keep_subnormals() -> None:
    """Compute in this thread as in the one that imported kdexent."""
    _C.fesetenv(_USUAL)


@contextmanager
def subnormals_kept() -> Iterator[None]:
    """A context that computes so, whatever is around it."""
    around = _environment()
    keep_subnormals()
    try:
        yield
    finally:
        _C.fesetenv(around)
