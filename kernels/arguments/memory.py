"""How much memory there is, so that what cannot fit is refused by name before the machine runs out of it."""

import os
import sys
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

# What containers are allowed, in control groups of either version.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


@lru_cache(maxsize=1)
def memory_bytes() -> int:
    """Return the bytes of memory that this process can ever have, or of addresses where nobody says."""
    known = [sys.maxsize]
    with suppress(AttributeError, OSError, ValueError):  # no such call on Windows
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for limit in _LIMITS:
        with suppress(OSError, ValueError):
            known.append(int(Path(limit).read_text()))
    return min(number for number in known if number > 0)
