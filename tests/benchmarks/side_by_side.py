"""A case measured in the reference and in the fast implementation, or in several ways, once these agree."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Any

import pytest

import kdexent
from kdexent import reference
from kdexent.measure.cases import AUTO, Case, Way, affordable
from kdexent.measure.exact import Exact

IMPLEMENTATIONS = {"fast": kdexent, "reference": reference}
# More pairs than these take the reference too long.
MOST_PAIRS = 40_000_000


def side_by_side(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Parametrize a test by case and implementation, with a benchmark group for each case."""
    parameters = []
    for case in cases:
        for name in IMPLEMENTATIONS:
            parameters.append(_parameters(case, name, name, _title(case)))
    return pytest.mark.parametrize(("case", "implementation"), parameters)


def way_by_way(cases: Iterable[Case], ways: Iterable[Way]) -> pytest.MarkDecorator:
    """Parametrize a test by case and the ways that it has time for, with a group for each case."""
    parameters = [
        _parameters(case, way, way.name, f"{_title(case)}, methods")
        for case in cases
        for way in ways
        if affordable(case, way)
    ]
    return pytest.mark.parametrize(("case", "way"), parameters)


def _title(case: Case) -> str:
    rows = f"{case.rows} rows of " if case.rows > 1 else ""
    return f"{case.name}, {rows}N={case.points}, M={case.bins}"


def _parameters(case: Case, how: Any, name: str, group: str) -> Any:
    # Short: hundreds of these are to be looked at together, and no time decides anything here.
    mark = pytest.mark.benchmark(group=group, max_time=0.2, min_rounds=3)
    return pytest.param(case, how, id=f"{_title(case)}-{name}", marks=mark)


def measure(benchmark: Any, case: Case, implementation: str, function: str) -> None:
    """Assert that an implementation agrees with the reference on a case, then time it."""
    x, z, a, b, options = case.make()
    call = partial(getattr(IMPLEMENTATIONS[implementation], function), x, z, a, b, **options)
    exact = _exact(case)
    # The call that is compared also loads what is compiled.
    result = call()
    whole = result if function == "loss_and_grad" else (result, exact.result[1])
    found = exact.agreement(whole, AUTO)
    assert found.agrees, found
    benchmark.extra_info |= {"pairs": case.pairs, "loss_error": found.loss_error}
    if function == "loss_and_grad":
        benchmark.extra_info["gradient_error"] = found.gradient_error
    benchmark(call)


def measure_way(benchmark: Any, case: Case, way: Way) -> None:
    """Assert that a way is as exact as it promises on a case, then time it."""
    exact = _exact(case)
    assert exact.check is None or exact.check.agrees, exact.check
    call = way.computation(exact.arguments)
    found = exact.agreement(call(), way)
    assert found.agrees, found
    benchmark.extra_info |= {
        "way": way.name,
        "points": case.points,
        "loss_error": found.loss_error,
        "gradient_error": found.gradient_error,
    }
    benchmark(call)


@cache
def _exact(case: Case) -> Exact:
    return Exact(case, "reference" if case.pairs <= MOST_PAIRS else "direct")
