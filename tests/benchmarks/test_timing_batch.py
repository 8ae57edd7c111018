"""Many small rows in one call."""

from typing import Any

from side_by_side import measure, side_by_side

from kdexent.measure import cases


@side_by_side([cases.batch(rows=100), cases.batch(rows=2_000), cases.guns(rows=1_000)])
def test_batch(benchmark: Any, case: cases.Case, implementation: str) -> None:
    measure(benchmark, case, implementation, "loss_and_grad")
