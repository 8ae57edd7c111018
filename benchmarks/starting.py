"""What does a fresh process wait for, what does each kernel compile, and how much memory does a call take?"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from kdexent_workloads.races.starts import Started, in_new_process
from kdexent_workloads.races.workloads import LARGE, first_calls

from .measure import QUICK

# Run in processes of its own.
PROBLEM = """
import numpy as np
x, z = np.random.default_rng(0).standard_normal((2, 100))
problem, options = (x, z, -1.0, 1.0), {"bandwidth": 0.05, "bins": 32}
"""
IMPORT = f"{PROBLEM}\nfrom kdexent import loss_and_grad\n"

FIRST_CALLS = {
    call["kernel"]: call
    for call in first_calls()
    if call["method"] == "cells" and (call["kernel"] == "gaussian" or not QUICK)
}


class _Raw:
    """A sample is a process: few of them, and nothing to warm up in the one that asks for them."""

    repeat = (1, 5, 10.0)
    rounds = 1
    number = 1
    warmup_time = 0


class Import(_Raw):
    def timeraw_kdexent(self) -> str:
        return "import kdexent"

    def timeraw_compiler(self) -> str:
        return "from kdexent import loss_and_grad"


class FirstCall(_Raw):
    def setup_cache(self) -> None:
        """Leave everything compiled on disk."""
        exec(IMPORT + "loss_and_grad(*problem, **options)", {})

    def timeraw_gaussian_compiled_before(self, *_: Any) -> tuple[str, str]:
        return "loss_and_grad(*problem, **options)", IMPORT


class Compiling:
    """The first call of each kernel where nothing was compiled, by cells; `kdexent gate` has others too."""

    params: ClassVar = tuple(FIRST_CALLS)
    param_names = ("kernel",)

    def setup_cache(self) -> dict[str, Started]:
        def started(options: dict[str, Any]) -> Started:
            return in_new_process(os.environ, 1_000, options, nothing_compiled=True)

        with ThreadPoolExecutor(2) as threads:
            return dict(zip(FIRST_CALLS, threads.map(started, FIRST_CALLS.values()), strict=True))

    def track_cpu_seconds(self, found: dict[str, Started], kernel: str) -> float:
        return round(found[kernel].cpu, 2)

    track_cpu_seconds.unit = "s of all threads"  # asv reads it


class PeakMemory:
    """What a process that made one call had at most, import and data of 16 MB included."""

    params: ClassVar = (("gaussian", "laplace", "epanechnikov"),)
    param_names = ("kernel, line of 1,000,000 points and 1,024 bins",)

    def track_peak(self, kernel: str) -> int | None:
        points, bins = LARGE
        return in_new_process(os.environ, points, {"kernel": kernel, "bins": bins}).peak

    track_peak.unit = "bytes"  # asv reads it
