"""The asv benchmarks of kdexent, one subject per module."""

import ctypes
import signal
import sys

if sys.platform == "linux":
    # asv's processes end with the asv that started them, however that ends: PR_SET_PDEATHSIG.
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
