"""What does a second thread gain?"""

import numpy as np

from kdexent import loss_and_grad
from kdexent.measure import cases

from .measure import agreed, ns_per

CASES = {"row": cases.line(points=100_000, bins=1_024), "batch": cases.batch()}


class Threads:
    params = (tuple(CASES), (1, 2))
    param_names = ("case", "n_threads")

    def setup_cache(self) -> None:
        for case in CASES.values():
            agreed(case)
            x, z, a, b, options = case.make()
            one, two = (loss_and_grad(x, z, a, b, **options, n_threads=n)[1] for n in (1, 2))
            np.testing.assert_array_equal(one, two)

    def setup(self, case: str, n_threads: int) -> None:
        *self.problem, self.options = CASES[case].make()
        self.options["n_threads"] = n_threads
        self.time_loss_and_grad(case, n_threads)

    def time_loss_and_grad(self, case: str, n_threads: int) -> None:
        loss_and_grad(*self.problem, **self.options)

    def track_ns_per_pair(self, case: str, n_threads: int) -> float:
        return ns_per(CASES[case].pairs, lambda: self.time_loss_and_grad(case, n_threads))

    track_ns_per_pair.unit = "ns"  # type: ignore[attr-defined]  # asv reads it
