"""How the other modules measure a case: first its error against the reference, then its time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, ClassVar

from kdexent import loss, loss_and_grad, reference
from kdexent.cases import Case
from kdexent.cli.agreement import Agreement, agreement

Cell = tuple[Any, ...]


def agreed(case: Case) -> Agreement:
    """Return the errors of loss_and_grad on a case; AssertionError where they, or loss's, are too large."""
    x, z, a, b, options = case.make()
    expected = reference.loss_and_grad(x, z, a, b, **options)
    found = agreement(loss_and_grad(x, z, a, b, **options), expected)
    alone = agreement((loss(x, z, a, b, **options), expected[1]), expected)
    assert found.loss_agrees and found.gradient_agrees and alone.loss_agrees, f"{case.name}: {found}, {alone}"
    return found


def seconds(call: Callable[[], Any], budget: float = 0.2, at_least: int = 5) -> float:
    """Return the shortest time of a call: other work on the machine only ever makes one longer."""
    times: list[float] = []
    while sum(times) < budget or len(times) < at_least:
        start = perf_counter()
        call()
        times.append(perf_counter() - start)
    return min(times)


def digits(value: float) -> float:
    """Return a value short enough for asv's tables, which print every digit there is."""
    return float(f"{value:.3g}")


# asv takes every public class that it finds in a module for benchmarks, imported ones too.
class _Suite:
    """Time, ns per pair and errors of the case of each cell of a grid, on one thread.

    A subclass gives `grid`, asv's `params`, and a `setup_cache` of its own, because asv runs an
    inherited one once for all who share it.
    """

    grid: ClassVar[Mapping[Cell, Case]]

    def agreements(self) -> dict[Cell, Agreement]:
        return {cell: agreed(case) for cell, case in self.grid.items()}

    def setup(self, found: dict[Cell, Agreement], *cell: Any) -> None:
        if cell not in self.grid:
            raise NotImplementedError
        self.case = self.grid[cell]
        *self.problem, self.options = self.case.make()
        self.options["n_threads"] = 1
        # Loads what is compiled.
        self.time_loss()
        self.time_loss_and_grad()

    def time_loss(self, *_: Any) -> None:
        loss(*self.problem, **self.options)

    def time_loss_and_grad(self, *_: Any) -> None:
        loss_and_grad(*self.problem, **self.options)

    def track_ns_per_pair(self, *_: Any) -> float:
        return digits(1e9 * seconds(self.time_loss_and_grad) / self.case.pairs)

    def track_loss_error(self, found: dict[Cell, Agreement], *cell: Any) -> float:
        return digits(found[cell].loss_error)

    def track_grad_error(self, found: dict[Cell, Agreement], *cell: Any) -> float:
        return digits(found[cell].gradient_error)

    track_ns_per_pair.unit = "ns"  # type: ignore[attr-defined]
    track_loss_error.unit = track_grad_error.unit = "relative"  # type: ignore[attr-defined]
