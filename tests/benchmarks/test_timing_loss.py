"""The loss alone."""

from typing import Any

from side_by_side import measure, side_by_side

from kdexent.measure import cases


@side_by_side([cases.line(points=10_000, bins=256), cases.circle(points=10_000, bins=64)])
def test_loss(benchmark: Any, case: cases.Case, implementation: str) -> None:
    measure(benchmark, case, implementation, "loss")
