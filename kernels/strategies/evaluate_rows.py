"""The loss, its gradients and the density of problems whose rows may each take another method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..arguments.arrays import Floats, Gradients
from ..arguments.kept import Store
from ..arguments.problem import Problem, Request
from ..families import row_parameters
from ..names import AUTO, JUMPS
from .auto import sums_for
from .direct.all_pairs import evaluate_pairs, gradients_of, pair_densities, pairs_workspace, takes_all_pairs
from .row import RowProblem, SumsFor, ends_in_all_pairs, evaluate_row, log_densities, sum_row
from .sums.blocks import RowData
from .sums.reach import Bins, RowShape

# Rows of one call's arguments, kept for the next call with these. Short rows have better use for memory.
_shared = Store(32)
_UNSHARED = 2**12


def evaluate_rows(
    problem: Problem, request: Request, gradients: Gradients | None, n_threads: int, prepared: Prepared | None
) -> Floats:
    """Return the losses (R,), and write the gradients asked for: z, x (R, N) and bandwidth (R,)."""
    losses = np.empty(problem.rows)
    slowly = []
    derivatives = gradients is not None and set(gradients) != {"z"}
    for r, row, needs in each_row(problem, request, derivatives, n_threads, prepared):
        out = None
        if gradients is not None:
            out = {
                name: array[r : r + 1] if name == "bandwidth" else array[r]
                for name, array in gradients.items()
            }
        losses[r], kept = evaluate_row(needs, row, out)
        if not kept:
            slowly.append(r)
    if slowly:
        rows = None if len(slowly) == problem.rows else np.array(slowly)
        with gradients_of(rows, gradients) as out:
            losses[slowly] = evaluate_pairs(problem if rows is None else problem.take(rows), out, n_threads)
    return losses


def row_densities(problem: Problem, request: Request, n_threads: int, prepared: Prepared | None) -> Floats:
    """Return log q (R, M) at the problem's centers."""
    log_q = np.empty((problem.rows, problem.bins))
    for r, row, needs in each_row(problem, request, False, n_threads, prepared):
        summed = sum_row(needs, row)
        if summed is None:
            log_q[r] = pair_densities(problem.take(np.array([r])), n_threads)[0]
        else:
            log_q[r] = log_densities(needs, row, summed)
    return log_q


def each_row(
    problem: Problem, request: Request, derivatives: bool, n_threads: int, prepared: Prepared | None
) -> Iterator[tuple[int, RowData, RowProblem]]:
    """Give every row's data, and what a call needs for it: kept by a plan, or for its data."""
    for r in range(problem.rows):
        row = RowData(problem.x.block(r, r + 1)[0], problem.z.block(r, r + 1)[0], n_threads)
        if prepared is not None:
            yield r, row, prepared.row(problem, r, request, derivatives)
        else:
            needs = _row(problem, r, request, derivatives)
            yield r, row, _beside_jumps(needs, row, problem, r)


def _row(problem: Problem, r: int, request: Request, derivatives: bool) -> RowProblem:
    """Return what a row needs, some of which calls with the same arguments beside the data share."""
    if problem.frame is None or problem.points <= _UNSHARED:
        return _make_row(problem, r, request, derivatives)
    key = problem.frame, problem.points, derivatives, request
    needs: RowProblem | None = _shared.get(key)
    if needs is None:
        needs = _make_row(problem, r, request, derivatives)
        if needs.sums is not None:
            needs.sums.grown = lambda: _shared.weigh(key)
        _shared.put(key, needs)
    return needs


def _make_row(problem: Problem, r: int, request: Request, derivatives: bool, planned: int = 0) -> RowProblem:
    """Return what a row needs; of a plan its points are sorted, for many calls, on so many threads."""
    shape, centers = row_shape(problem, r, derivatives)
    x = problem.x.block(r, r + 1)[0]
    family = row_parameters(shape.kernel, np.array([shape.h]), shape.period)
    sums = sums_for(shape, request, centers, x if planned else None, max(1, planned))
    share = 1.0 if problem.share is None else float(problem.share.block(r, r + 1)[0])
    return RowProblem(shape, family, centers, problem.masses.block(r, r + 1)[0], request, sums, share)


def _beside_jumps(needs: RowProblem, row: RowData, problem: Problem, r: int) -> RowProblem:
    """Return a row with points in windows if some lie where the kernel, or a derivative asked for, jumps."""
    make = needs.sums
    if make is None or make.outright or JUMPS[needs.shape.kernel] > int(needs.shape.derivatives):
        return needs
    if not make(needs.request.rtol).touched(row):
        return needs
    return _make_row(problem, r, needs.request._replace(method="window"), needs.shape.derivatives)


def row_shape(problem: Problem, r: int, derivatives: bool) -> tuple[RowShape, Floats]:
    """Return what the choice of a row's method depends on, and its bin centers."""
    h = float(problem.bandwidth.block(r, r + 1)[0])
    centers = np.ascontiguousarray(problem.centers.block(r, r + 1)[0])
    first, last = float(centers.min()), float(centers.max())
    spacing = (last - first) / (len(centers) - 1) if problem.equal_bins and len(centers) > 1 else 0.0
    bins = Bins(last - first, spacing, len(centers))
    return RowShape(problem.kernel, h, problem.period, bins, problem.points, derivatives), centers


class Taken(NamedTuple):
    """What a call comes down to; of several rows, for the first."""

    method: str = ""
    order: int | None = None
    workspace_bytes: int = 0
    stored_bytes: int = 0  # by a plan


def taken(problem: Problem, request: Request, derivatives: bool = False) -> Taken:
    """Return what a single call takes, with derivatives by x or h, or none: a plan may take another order."""
    sums = None if takes_all_pairs(problem, request) else first_sums(problem, request, derivatives)
    if sums is None:
        return Taken("direct", None, pairs_workspace(problem))
    return Taken(sums.method, sums(request.rtol).order, sums(request.rtol).workspace(problem.points))


def first_sums(problem: Problem, request: Request, derivatives: bool = False) -> SumsFor | None:
    """Return what makes the sums of a single call's first row, None where it takes all pairs."""
    return _make_row(problem, 0, request, derivatives).sums


class Prepared:
    """What depends on the data points of a problem alone, kept for the calls of a plan."""

    def __init__(self, problem: Problem, request: Request, n_threads: int) -> None:
        self._n_threads = n_threads
        self._kept: dict[tuple[int, ...], RowProblem] = {}
        self.taken = Taken("direct", None, pairs_workspace(problem))
        if takes_all_pairs(problem, request):
            return
        for r in range(problem.rows):
            needs = self.row(problem, r, request, False)
            if r == 0 and needs.sums is not None:
                sums = needs.sums(request.rtol)
                self.taken = Taken(needs.sums.method, sums.order, sums.workspace(problem.points))

    @property
    def stored(self) -> int:
        """Return the bytes kept."""
        return sum(needs.sums.stored for needs in self._kept.values() if needs.sums is not None)

    def row(self, problem: Problem, r: int, request: Request, derivatives: bool) -> RowProblem:
        """Return what `_row` does, from what is kept."""
        used = (problem.x, problem.bandwidth, problem.centers, problem.masses)
        key = (*(rows.at(r) for rows in used), derivatives)
        if key not in self._kept:
            x = problem.x.block(r, r + 1)[0]
            needs = _make_row(problem, r, request, derivatives, planned=self._n_threads)
            needs = _beside_jumps(needs, RowData(x, x, self._n_threads), problem, r)
            equal = RowData(x, np.broadcast_to(np.zeros(1, x.dtype), x.shape), self._n_threads)
            # Where data have gaps, as with any other logits.
            if request.method == AUTO and ends_in_all_pairs(needs, equal):
                needs = needs._replace(sums=None)
            self._kept[key] = needs
        return self._kept[key]
