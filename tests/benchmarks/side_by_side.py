"""A case measured in the reference and in the fast implementation, after they are seen to agree."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Any

import pytest

import kdexent
from kdexent import reference
from kdexent.cases import Case
from kdexent.cli.agreement import agreement

IMPLEMENTATIONS = {"fast": kdexent, "reference": reference}


def side_by_side(cases: Iterable[Case]) -> pytest.MarkDecorator:
    """Parametrize a test by case and implementation, with a benchmark group for each case."""
    parameters = []
    for case in cases:
        rows = f"{case.rows} rows of " if case.rows > 1 else ""
        title = f"{case.name}, {rows}N={case.points}, M={case.bins}"
        # Short: hundreds of these are to be looked at together, and no time decides anything here.
        group = pytest.mark.benchmark(group=title, max_time=0.2, min_rounds=3)
        for name in IMPLEMENTATIONS:
            parameters.append(pytest.param(case, name, id=f"{title}-{name}", marks=group))
    return pytest.mark.parametrize(("case", "implementation"), parameters)


def measure(benchmark: Any, case: Case, implementation: str, function: str) -> None:
    """Assert that an implementation agrees with the reference on a case, then time it."""
    x, z, a, b, options = case.make()
    call = partial(getattr(IMPLEMENTATIONS[implementation], function), x, z, a, b, **options)
    expected = _expected(case)
    # The call that is compared also loads what is compiled.
    result = call()
    found = agreement(result if function == "loss_and_grad" else (result, expected[1]), expected)
    assert found.loss_agrees, found
    assert found.gradient_agrees, found
    benchmark.extra_info |= {"pairs": case.pairs, "loss_error": found.loss_error}
    if function == "loss_and_grad":
        benchmark.extra_info["gradient_error"] = found.gradient_error
    benchmark(call)


@cache
def _expected(case: Case) -> tuple[Any, Any]:
    x, z, a, b, options = case.make()
    return reference.loss_and_grad(x, z, a, b, **options)
