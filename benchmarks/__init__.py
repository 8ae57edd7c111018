"""The asv benchmarks of kdexent, one subject per module."""

import ctypes
import hashlib
import os
import signal
import sys
from importlib.metadata import distribution
from importlib.util import module_from_spec, spec_from_file_location
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

# The cases of the working tree, as in the gate, whichever revision is installed: those of each would look
# like a change of speed where one is edited. Errors are judged by the revision's own rules.
_MEASURE = Path(__file__).parents[1] / "kernels" / "measure"
_spec = spec_from_file_location(
    "kdexent_workloads", _MEASURE / "__init__.py", submodule_search_locations=[str(_MEASURE)]
)
assert _spec is not None and _spec.loader is not None
sys.modules[_spec.name] = module_from_spec(_spec)
_spec.loader.exec_module(sys.modules[_spec.name])
