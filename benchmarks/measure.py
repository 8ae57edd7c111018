"""How the other modules measure a case: first the errors of its ways, then their times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, NamedTuple

from kdexent import loss, loss_and_grad
from kdexent.measure.cases import AUTO, Case, Way, affordable
from kdexent.measure.errors import Agreement, agreement
from kdexent.measure.exact import Exact, taken
from kdexent.measure.timing import shortest

Cell = tuple[Any, ...]

# More pairs than these take the reference too long.
_MOST_PAIRS = 40_000_000


def agreed(case: Case) -> Agreement:
    """Return the errors of loss_and_grad on a case; AssertionError where they, or loss's, are too large."""
    exact = Exact(case)
    x, z, a, b, options = exact.arguments
    found = exact.agreement(AUTO.computation(exact.arguments)(), AUTO)
    alone = agreement((loss(x, z, a, b, **options), exact.result[1]), exact.result, found.tolerance)
    assert found.agrees and alone.loss_agrees, f"{case.name}: {found}; loss alone: {alone}"
    return found


class Figures(NamedTuple):
    """What is found out about a way of computing a case, on one thread, before it is timed by asv."""

    agreement: Agreement
    ns_per_point: float
    workspace_bytes: int
    stored_bytes: int


def figures(case: Case, ways: Iterable[Way]) -> dict[Way, Figures]:
    """Return figures of the ways that a case has time for; AssertionError where an error is too large."""
    exact = Exact(case, "reference" if case.pairs <= _MOST_PAIRS else "direct")
    assert exact.check is None or exact.check.agrees, f"{case.name}, direct: {exact.check}"
    return {way: _figures(exact, way) for way in ways if affordable(case, way)}


def _figures(exact: Exact, way: Way) -> Figures:
    compute, case = way.computation(exact.arguments, n_threads=1), exact.case
    found = exact.agreement(compute(), way)
    assert found.agrees, f"{case.name}, {way.name}: {found}"
    memory = taken(exact.arguments, way)
    return Figures(found, ns_per(case.points, compute, 1, 0.05), memory.workspace_bytes, memory.stored_bytes)


def ns_per(count: int, call: Callable[[], Any], at_least: int = 5, seconds: float = 0.2) -> float:
    """Return the shortest time of a call, in nanoseconds for each of what there are so many of."""
    return digits(1e9 * shortest(call, at_least, seconds) / count)


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
        if cell not in self.grid:  # von_mises on the line; asv's way to leave a cell out
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
        return ns_per(self.case.pairs, self.time_loss_and_grad)

    def track_loss_error(self, found: dict[Cell, Agreement], *cell: Any) -> float:
        return digits(found[cell].loss_error)

    def track_grad_error(self, found: dict[Cell, Agreement], *cell: Any) -> float:
        return digits(found[cell].gradient_error)

    track_ns_per_pair.unit = "ns"  # type: ignore[attr-defined]  # asv reads it
    track_loss_error.unit = track_grad_error.unit = "relative"  # type: ignore[attr-defined]  # asv reads it


class _Ways:
    """Several ways of computing the case of each cell of a grid.

    A subclass gives `ways` by the name that is asv's first parameter, `grid` by the others, and
    `params` and `setup_cache` as for `_Suite`. Its own subclasses, one of `_Timed` and one of
    `_Tracked`, share what `setup_cache` returns. A cell that a way has no time for is skipped.
    """

    ways: ClassVar[Mapping[str, Way]]
    grid: ClassVar[Mapping[Cell, Case]]

    def figures(self) -> dict[Cell, Figures]:
        found = {}
        for cell, case in self.grid.items():
            of = figures(case, self.ways.values())
            found |= {(name, *cell): of[way] for name, way in self.ways.items() if way in of}
        return found

    def setup(self, found: dict[Cell, Figures], *cell: Any) -> None:
        if cell not in found:  # does not apply or takes minutes; asv's way to leave a cell out
            raise NotImplementedError


class _Timed(_Ways):
    """Times on one thread."""

    def setup(self, found: dict[Cell, Figures], *cell: Any) -> None:
        super().setup(found, *cell)
        name, *of = cell
        self.compute = self.ways[name].computation(self.grid[tuple(of)].make(), n_threads=1)
        # Loads what is compiled.
        self.compute()

    def time_loss_and_grad(self, *_: Any) -> None:
        self.compute()


class _Tracked(_Ways):
    """What has been found out beforehand: a process of its own for each figure would load all code anew."""

    def track_ns_per_point(self, found: dict[Cell, Figures], *cell: Any) -> float:
        return found[cell].ns_per_point

    def track_loss_error(self, found: dict[Cell, Figures], *cell: Any) -> float:
        return digits(found[cell].agreement.loss_error)

    def track_gradient_error(self, found: dict[Cell, Figures], *cell: Any) -> float:
        return digits(found[cell].agreement.gradient_error)

    def track_workspace_bytes(self, found: dict[Cell, Figures], *cell: Any) -> int:
        return found[cell].workspace_bytes

    track_ns_per_point.unit = "ns"  # type: ignore[attr-defined]  # asv reads it
    track_loss_error.unit = track_gradient_error.unit = "relative"  # type: ignore[attr-defined]  # asv reads it
    track_workspace_bytes.unit = "bytes"  # type: ignore[attr-defined]  # asv reads it
