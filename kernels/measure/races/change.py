"""What a race says: how times changed, how sure that is, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from statistics import median
from typing import NamedTuple

THRESHOLD = 0.05  # the smallest change that counts
_RISK = 0.05  # that an interval misses the median


class Verdict(StrEnum):
    """What can be said of a change."""

    SLOWER = "slower"
    FASTER = "faster"
    SAME = "same"
    UNDECIDED = "undecided"


class Change(NamedTuple):
    """The median of new time over old, and an interval that holds the true median 19 times in 20 at least."""

    ratio: float
    low: float
    high: float

    def verdict(self, threshold: float = THRESHOLD) -> Verdict:
        """Return what can be said, where changes of less than `threshold`, 0.05 for 5 %, do not count."""
        if 1 / (1 + threshold) <= self.low and self.high <= 1 + threshold:
            return Verdict.SAME
        if self.ratio > 1 + threshold and self.low > 1:
            return Verdict.SLOWER
        if self.ratio < 1 / (1 + threshold) and self.high < 1:
            return Verdict.FASTER
        return Verdict.UNDECIDED


def change(logs: Iterable[float]) -> Change:
    """Return the change that independent logarithms of new time over old show.

    The interval goes from the k-th smallest to the k-th largest: of n values, fewer than k lie on one side of
    the median they are drawn about with the probability that fewer than k of n coins show heads, whatever
    their distribution [1]_. It is unbounded for fewer than six.

    References
    ----------
    .. [1] W. R. Thompson, "On confidence ranges for the median", Ann. Math. Statist. 7 (1936), 122-128.
    """
    ordered = sorted(logs)
    count = len(ordered)
    k, missed = 0, 2 * 0.5**count
    while missed <= _RISK:
        k += 1
        missed += 2 * math.comb(count, k) * 0.5**count
    low, high = (ordered[k - 1], ordered[-k]) if k else (-math.inf, math.inf)
    return Change(math.exp(median(ordered or [math.nan])), math.exp(low), math.exp(high))
