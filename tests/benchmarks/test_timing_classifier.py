"""Losses of classifiers with their gradient, softmax and the entropies."""

from functools import cache
from typing import Any

import pytest

from kdexent.measure.classifier_cases import ClassifierCase, suite
from kdexent.measure.classifiers import compared

CASES = {case.title: case for case in suite(quick=True)}
PARAMETERS = [
    pytest.param(
        title,
        name,
        id=f"{title}-{name}",
        marks=pytest.mark.benchmark(group=title, max_time=0.2, min_rounds=3),
    )
    for title in CASES
    for name in ("fast", "reference")
]


@pytest.mark.parametrize(("title", "implementation"), PARAMETERS)
def test_classifier(benchmark: Any, title: str, implementation: str) -> None:
    case = CASES[title]
    arguments = case.make()
    call = case.fast(arguments) if implementation == "fast" else case.exact(arguments)
    # The call that is compared also loads what is compiled.
    found = compared(call(), _exact(case))
    assert found.agrees, found
    benchmark.extra_info |= {"entries": case.entries, **{name: getattr(found, name) for name in case.errors}}
    benchmark(call)


@cache
def _exact(case: ClassifierCase) -> Any:
    return case.exact(case.make())()
