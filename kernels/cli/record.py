"""The figures as JSON."""

from __future__ import annotations

import json
import math
from typing import Any, NamedTuple

import numpy as np

from . import units
from .agreement import TOLERANCES
from .limits import Limits
from .machine import Machine
from .measure import Effort, Row

__all__ = ["SHARE", "Outcome", "as_json"]

SHARE = (
    "2 fused multiply-adds per pair, one for its kernel value in each of the two passes "
    "and the least conceivable arithmetic, over the peak rate"
)


_FAIR_GAIN = 0.7  # of as many times the peak of one thread


class Outcome(NamedTuple):
    """A whole run."""

    suite: str
    filter: str
    threads: int
    effort: Effort
    machine: Machine
    limits: Limits
    rows: list[Row]

    @property
    def failures(self) -> list[Row]:
        return [row for row in self.rows if row.problem is not None]

    @property
    def busy(self) -> str | None:
        """A warning where several threads cannot show what they are worth."""
        gain = self.limits.multiply_adds / self.limits.multiply_adds_one_thread
        if gain >= _FAIR_GAIN * self.threads:
            return None
        return (
            f"{self.threads} threads reached only {gain:.1f} times the peak of one: they share cores, "
            "with each other or with other work."
        )

    @property
    def first_calls(self) -> float:
        return float(np.nansum([row.first_call for row in self.rows]))

    @property
    def verdict(self) -> str:
        total = len(self.rows)
        if self.failures:
            return f"{len(self.failures)} of {total} cases FAIL"
        speed_up = units.ratio(float(np.median([row.speed_up for row in self.rows])))
        if total == 1:
            return f"the one case agrees; speed-up {speed_up}"
        return f"all {total} cases agree; median speed-up {speed_up}"


def _row(row: Row, limits: Limits) -> dict[str, Any]:
    found = row.agreement
    return {
        "name": row.case.name,
        "group": row.group,
        "dtype": row.dtype,
        "rows": row.case.rows,
        "points": row.case.points,
        "bins": row.case.bins,
        "pairs": row.case.pairs,
        "options": row.options,
        "reference_s": row.reference_time,
        "fast_s": row.fast_time,
        "one_thread_s": row.one_thread_time,
        "speed_up": row.speed_up,
        "ns_per_pair": row.ns_per_pair,
        "share_of_peak": row.share(limits.multiply_adds),
        "loss_error": found.loss_error if found else None,
        "gradient_error": found.gradient_error if found else None,
        "agrees": row.problem is None,
        "problem": row.problem,
        "first_call_s": row.first_call,
        "timings_s": {"reference": row.reference, "fast": row.fast, "one_thread": row.one_thread},
        "calls_per_timing": {"reference": 1, "fast": row.fast_calls, "one_thread": row.one_thread_calls},
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; what is not finite becomes null."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def as_json(outcome: Outcome) -> str:
    """Return everything about a run as a JSON document."""
    document = {
        "schema": 1,
        "verdict": outcome.verdict,
        "agrees": not outcome.failures,
        "suite": outcome.suite,
        "filter": outcome.filter,
        "threads": outcome.threads,
        "repeat": outcome.effort.repeat,
        "machine": outcome.machine._asdict(),
        "limits": {
            "multiply_adds_per_s": outcome.limits.multiply_adds,
            "multiply_adds_per_s_one_thread": outcome.limits.multiply_adds_one_thread,
            "copy_bytes_per_s": outcome.limits.copy,
        },
        "warning": outcome.busy,
        "tolerances": {dtype: tolerance._asdict() for dtype, tolerance in TOLERANCES.items()},
        "meaning": {
            "fast_s, one_thread_s, reference_s": "medians of timings_s, in seconds per call",
            "first_call_s": "the call that compiles, or loads from the disk cache",
            "share_of_peak": SHARE,
            "copy_bytes_per_s": "bytes read plus bytes written",
            "loss_error": "largest abs(L - L0) / max(1, abs(L0)) of all rows",
            "gradient_error": "largest abs(g - g0) of all rows over the largest abs(g0)",
        },
        "first_call_total_s": outcome.first_calls,
        "cases": [_row(row, outcome.limits) for row in outcome.rows],
    }
    return json.dumps(_plain(document), indent=2, allow_nan=False)
