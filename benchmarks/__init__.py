"""The asv benchmarks of kdexent, one subject per module."""

import ctypes
import hashlib
import os
import signal
import sys
from importlib.metadata import distribution
from pathlib import Path


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, which a fork forgets


if sys.platform == "linux":
    # asv's processes end with the asv that started them, however that ends.
    _end_with_parent()
    os.register_at_fork(after_in_child=_end_with_parent)

# asv installs two revisions in turns into one environment: each finds there what it compiled before.
_RECORD = distribution("kdexent").read_text("RECORD") or ""
os.environ["NUMBA_CACHE_DIR"] = str(
    Path(sys.prefix, "compiled", hashlib.sha256(_RECORD.encode()).hexdigest()[:12])
)
