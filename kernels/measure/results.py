"""What is measured of a case, and when that is a failure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Generic, Self, TypeVar

import numpy as np

from .cases import Comparison
from .classifier_cases import ClassifierCase
from .errors import Agreement
from .timing import UNTIMED, Timings

Entry = Comparison | ClassifierCase
Kind = TypeVar("Kind", Comparison, ClassifierCase)


@dataclass(frozen=True, eq=False)
class Result(Generic[Kind]):
    """What was measured of a case; every time is in seconds per call."""

    entry: Kind
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
    def speed_up(self) -> float:
        return self.exact.median / self.fast.median

    def failed(self, failure: Exception) -> Self:
        """Return the result with what went wrong: one broken case must not hide the others."""
        return replace(self, problem=self.problem or words_of(failure))

    def checked(self, agreement: Agreement, same: bool, problems: Iterable[str] = ()) -> Self:
        """Return the result with its errors, and whether one thread had the same bits."""
        threads = "" if same else "the result depends on the number of threads"
        words = [each for each in (agreement.problem, *problems, threads) if each]
        return replace(self, agreement=agreement, problem="; ".join(words) or None)


def words_of(failure: Exception) -> str:
    """Return what went wrong."""
    return f"{type(failure).__name__}: {failure}"


def same_bits(one: tuple[Any, Any], other: tuple[Any, Any]) -> bool:
    """Whether two (loss, gradient) are the same to the last bit."""
    return all(np.asarray(p).tobytes() == np.asarray(q).tobytes() for p, q in zip(one, other, strict=True))
