"""What do the losses of classifiers, softmax and the entropies cost, and how exact is each?"""

import math
from typing import Any, NamedTuple

import numba

from kdexent.measure.classifier_cases import ClassifierCase, suite
from kdexent.measure.classifiers import compared
from kdexent.measure.errors import Agreement

from .measure import digits, ns_per

CASES = {case.title: case for case in suite()}


class Figures(NamedTuple):
    """What is found out about a case, on one thread, before it is timed by asv."""

    agreement: Agreement
    ns_per_entry: float


def figures(case: ClassifierCase) -> Figures:
    """Return figures of a case; AssertionError where an error is too large."""
    numba.set_num_threads(1)  # what the functions go by; BLAS keeps its own
    arguments = case.make()
    call = case.fast(arguments)
    found = compared(call(), case.exact(arguments)())
    assert found.agrees, f"{case.title}: {found}"
    return Figures(found, ns_per(case.entries, call, 1, 0.05))


class _Cases:
    params = (tuple(CASES),)
    param_names = ("case",)

    def setup_cache(self) -> dict[str, Figures]:
        return {title: figures(case) for title, case in CASES.items()}

    # The reference takes seconds for the largest case.
    setup_cache.timeout = 600  # type: ignore[attr-defined]  # asv reads it


class Classifier(_Cases):
    def setup(self, found: dict[str, Figures], title: str) -> None:
        numba.set_num_threads(1)
        self.call = CASES[title].fast(CASES[title].make())
        # Loads what is compiled.
        self.call()

    def time_call(self, *_: Any) -> None:
        self.call()


class ClassifierTracked(_Cases):
    def track_ns_per_entry(self, found: dict[str, Figures], title: str) -> float:
        return found[title].ns_per_entry

    def track_loss_error(self, found: dict[str, Figures], title: str) -> float:
        return _error(found, title, "loss_error")

    def track_gradient_error(self, found: dict[str, Figures], title: str) -> float:
        return _error(found, title, "gradient_error")

    track_ns_per_entry.unit = "ns"  # type: ignore[attr-defined]  # asv reads it
    track_loss_error.unit = track_gradient_error.unit = "relative"  # type: ignore[attr-defined]  # asv reads it


def _error(found: dict[str, Figures], title: str, name: str) -> float:
    # asv shows NaN as n/a.
    return digits(getattr(found[title].agreement, name)) if name in CASES[title].errors else math.nan
