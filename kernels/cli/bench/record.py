"""The figures as JSON."""

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...measure import cases as density_cases
from ...measure import classifier_cases, numbers
from ...measure.cases import AUTO, BY_METHOD
from ...measure.classifier_cases import BOTH, CLASSIFIERS
from ...measure.classifiers import ClassifierResult
from ...measure.comparisons import DensityResult
from ...measure.errors import Agreement
from ...measure.limits import Limits
from ...measure.results import Result
from ...measure.timing import Effort

_FAIR_GAIN = 0.7  # of as many times the peak of one thread


class Outcome(NamedTuple):
    """A whole run."""

    suite: str
    filter: str
    threads: int
    effort: Effort
    machine: dict[str, Any]
    limits: Limits
    rows: list[DensityResult]
    classifiers: list[ClassifierResult]

    @property
    def results(self) -> list[Result]:
        return [*self.rows, *self.classifiers]

    @property
    def failures(self) -> list[Result]:
        return [row for row in self.results if row.problem is not None]

    @property
    def busy(self) -> str | None:
        """A warning where several threads cannot show what they are worth."""
        gain = self.limits.multiply_adds_per_s / self.limits.multiply_adds_per_s_one_thread
        if gain >= _FAIR_GAIN * self.threads:
            return None
        return (
            f"{self.threads} threads reached only {gain:.1f} times the peak of one: they share cores, "
            "with each other or with other work."
        )

    @property
    def on_threads(self) -> str:
        return "1 thread" if self.threads == 1 else f"{self.threads} threads"

    @property
    def first_calls(self) -> float:
        exact = {id(row.entry): row.exact_first_call for row in self.rows}
        return float(np.nansum([row.first_call for row in self.results])) + sum(exact.values())

    @property
    def cases(self) -> int:
        return len({id(row.entry) for row in self.rows}) + len(self.classifiers)

    @property
    def beside_reference(self) -> list[DensityResult]:
        """The rows of the default method that are measured beside the reference, each case once."""
        exact = (row for row in self.rows if row.entry.exact == "reference")
        return [row for row in exact if row.way == AUTO and row.group != BY_METHOD]

    @property
    def verdict(self) -> str:
        total = len(self.results)
        if self.failures:
            return f"{len(self.failures)} of {total} results FAIL"
        cases = "1 case" if self.cases == 1 else f"{self.cases} cases"
        agree = f"all {total} results of {cases} agree" if total > 1 else "the one result agrees"
        beside = [row.speed_up for row in self.beside_reference]
        classes = [row.speed_up for row in self.classifiers if row.group == CLASSIFIERS]
        medians = [
            numbers.ratio(float(np.median(ratios))) + words
            for ratios, words in ((beside, ""), (classes, f" for {CLASSIFIERS}"))
            if ratios
        ]
        if medians:
            agree += f"; median speed-up over the reference {', '.join(medians)}"
        return agree


def _fields(thing: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _errors(agreement: Agreement | None, there: Sequence[str]) -> dict[str, Any]:
    """Return the errors that there are."""
    return {name: getattr(agreement, name) if agreement and name in there else None for name in BOTH}


def _measured(row: Result) -> dict[str, Any]:
    """Return what is said of any case."""
    agreement = row.agreement
    return {
        "name": row.entry.name,
        **_fields(row, "group", "speed_up", "problem"),
        "exact_s": row.exact.median,
        "fast_s": row.fast.median,
        "allowed": agreement.tolerance._asdict() if agreement else None,
        "agrees": row.problem is None,
        "first_call_s": row.first_call,
        **_errors(agreement, row.errors),
        "timings_s": {name: each.seconds for name, each in row.timings.items()},
        "calls_per_timing": {name: each.calls for name, each in row.timings.items() if name != "exact"},
    }


def _classifier(row: ClassifierResult) -> dict[str, Any]:
    peers = [
        {
            **_fields(peer, "name", "left_out"),
            "s": peer.timings.median,
            "over_fast": peer.timings.median / row.fast.median,
            **_errors(peer.agreement, row.errors),
            "timings_s": peer.timings.seconds,
        }
        for peer in row.peers
    ]
    of_case = _fields(row.case, "function", "shape")
    return {**_measured(row), **of_case, "ns_per_entry": row.ns_per_entry, "peers": peers}


def _density(row: DensityResult, limits: Limits) -> dict[str, Any]:
    return {
        **_measured(row),
        **_fields(row, "kernel", "domain"),
        "way": row.way.name,
        "asked": row.way._asdict(),
        **row.taken._asdict(),
        **_fields(row.case, "rows", "points", "bins", "pairs"),
        "exact": row.entry.exact,
        "one_thread_s": row.one_thread.median,
        **_fields(row, "dtype", "options", "ns_per_pair", "ns_per_point"),
        "limit_s": row.least(limits),
        "share_of_limit": row.share(limits),
    }


def as_json(outcome: Outcome) -> str:
    """Return everything about a run as a JSON document."""
    document = {
        "schema": 3,
        **_fields(outcome, "verdict", "suite", "filter", "threads", "machine"),
        "agrees": not outcome.failures,
        "versions": {"cases": density_cases.VERSION, "classifiers": classifier_cases.VERSION},
        "repeat": outcome.effort.repeat,
        "limits": outcome.limits._asdict(),
        "warning": outcome.busy,
        "meaning": {
            "exact": "what errors are against, and exact_s the time of: the reference, or direct once it is "
            "seen to agree with the reference on the first points; errors of direct itself are those",
            "exact_s, fast_s, one_thread_s": "medians of timings_s, in seconds per call",
            "first_call_s": "the call that compiles, or loads from the disk cache",
            "asked": "the method and order that were named, and whether it was a step of a plan; method and "
            "order are those taken",
            "limit_s": "the least conceivable time: for direct that of 2 fused multiply-adds per pair, one "
            "for its kernel value in each of the two passes, at the peak rate; for other methods that of "
            "reading x and z and writing the gradient, at the rate of copying",
            "share_of_limit": "limit_s over fast_s",
            "allowed": "what rtol = 1e-9 or a method's documented error, rounding included, allow",
            "copy_bytes_per_s": "bytes read plus bytes written",
            "loss_error": "abs(L - L0) / max(1, abs(L0)) of the worst row",
            "gradient_error": "max abs(g - g0) / max abs(g0) of the worst row; of softmax, of its "
            "probabilities",
            "over_fast": "a peer's time over fast_s",
        },
        "first_call_total_s": outcome.first_calls,
        "cases": [_density(row, outcome.limits) for row in outcome.rows],
        "classifiers": [_classifier(row) for row in outcome.classifiers],
    }
    return json.dumps(numbers.plain(document), indent=2, allow_nan=False)
