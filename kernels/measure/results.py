"""What is measured of a case, and when that is a failure."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cases import Comparison
from .classifier_cases import BOTH, ClassifierCase
from .errors import Agreement
from .timing import UNTIMED, Timings

Entry = Comparison | ClassifierCase


@dataclass(eq=False)
class Result:
    """What was measured of a case, filled in as far as that goes; every time is in seconds per call."""

    entry: Entry
    exact: Timings = UNTIMED  # of what the errors are against
    first_call: float = math.nan
    fast: Timings = UNTIMED
    agreement: Agreement | None = None
    problem: str | None = None  # why the result fails, for people to read

    @property
    def group(self) -> str:
        return self.entry.group

    @property
    def title(self) -> str:
        return self.entry.title

    @property
    def errors(self) -> tuple[str, ...]:
        """Which errors there are."""
        return getattr(self.entry, "errors", BOTH)

    @property
    def timings(self) -> dict[str, Timings]:
        return {"exact": self.exact, "fast": self.fast}

    @property
    def speed_up(self) -> float:
        return self.exact.median / self.fast.median

    def fail(self, failure: Exception) -> None:
        """Note what went wrong: one broken case must not hide the others."""
        self.problem = self.problem or words_of(failure)

    def check(self, agreement: Agreement, same: bool, problem: str = "") -> None:
        """Note the errors, and whether one thread had the same bits."""
        self.agreement = agreement
        threads = "" if same else "the result depends on the number of threads"
        self.problem = "; ".join(filter(None, (agreement.problem, problem, threads))) or None


def words_of(failure: Exception) -> str:
    """Return what went wrong."""
    return f"{type(failure).__name__}: {failure}"


def same_bits(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    """Whether two (loss, gradient) are the same to the last bit."""
    return all(np.asarray(p).tobytes() == np.asarray(q).tobytes() for p, q in zip(one, other, strict=True))
