"""The loss with its gradient, of one row: every kernel, several sizes, float32 and real data."""

from typing import Any

from side_by_side import measure, side_by_side

from kdexent.measure import cases

CASES = [
    *cases.kernels(points=10_000, bins=64),
    *[
        cases.line(points, bins)
        for points, bins in ((100, 32), (1_000, 256), (10_000, 1_024), (100_000, 256))
    ],
    cases.line(points=10_000, bins=256, dtype="float32"),
    *cases.real(bins=16),
]


@side_by_side(CASES)
def test_loss_and_grad(benchmark: Any, case: cases.Case, implementation: str) -> None:
    measure(benchmark, case, implementation, "loss_and_grad")
