"""The loss with its gradient by every method, several orders and a step of a plan."""

from typing import Any

from side_by_side import measure_way, way_by_way

from kdexent.measure import cases

CASES = [
    cases.line(points=10_000, bins=64),
    cases.line(points=100_000, bins=1_024, bandwidth=1e-3),
    cases.line(points=100_000, bins=1_024),
]


@way_by_way(CASES, cases.WAYS)
def test_method(benchmark: Any, case: cases.Case, way: cases.Way) -> None:
    measure_way(benchmark, case, way)


@way_by_way(
    cases.regimes(points=100_000, bins=64), [cases.DIRECT, cases.Way("window"), cases.AUTO, cases.STEP]
)
def test_regime(benchmark: Any, case: cases.Case, way: cases.Way) -> None:
    measure_way(benchmark, case, way)
