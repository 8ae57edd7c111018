"""What does the loss cost in frameworks that differentiate, beside their own expressions for it?

Where the frameworks are installed: asv's own environments hold NumPy and Numba alone; `make asv-frameworks`
takes one that is there.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from kdexent_workloads.peers import frameworks
from kdexent_workloads.races import workloads

from kdexent.measure.classifiers import compared
from kdexent.runtime.pool import available

from .measure import QUICK

PEERS = {peer.name: peer for peer in frameworks.PEERS}
CASES = {case.size: case for case in frameworks.suite(QUICK)}
THREADS = available()


class Frameworks:
    """The loss and its gradient by z of a gaussian row, by each that computes it."""

    params = tuple(PEERS), tuple(CASES)
    param_names = ("by", "points x bins")
    version = ".".join(map(str, workloads.VERSION))  # an edited case starts a new series
    repeat = (3, 20, 0.5)  # calls at least, at most, and their seconds in a process
    warmup_time = 0.05  # s
    at: Any = None

    def setup(self, name: str, size: str) -> None:
        if find_spec(PEERS[name].module) is None:
            raise NotImplementedError  # asv's way to leave out what this environment has no framework for
        if self.at != (name, size):
            self.prepared = PEERS[name].prepare(THREADS, *CASES[size].make())
            self.prepared.call()
            self.at = name, size

    def time_call(self, name: str, size: str) -> None:
        self.prepared.call()

    def track_gradient_error(self, name: str, size: str) -> float:
        exact = CASES[size].exact(CASES[size].make())()
        error = compared(self.prepared.result(self.prepared.call()), exact).gradient_error
        return float(f"{error:.3g}")

    track_gradient_error.unit = "of the largest entry"  # asv reads it
