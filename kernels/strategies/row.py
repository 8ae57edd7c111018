"""The loss and gradients of one row through sums that are fast and certified, bin by bin.

Each bin's density comes with a bound on its error. Bins whose bound is too large for the tolerance
are evaluated again, by all pairs or from the points that matter to them. When all is done the gradient's
own error is bounded too; it may be too large where the gradient nearly vanishes, and then all is done
again with a smaller one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments.arrays import Floats, Gradients
from ..arguments.problem import Request
from ..formula import RowParameters
from . import few_bins
from .sums.blocks import RowData
from .sums.reach import RowShape
from .tails.certificate import FLOOR, Certain, certain_of, certify, room_for
from .tails.tail import Tail

# Relative errors of fast densities that no bin is sent to the slow way for.
_LEAST = 2e-14
_SHARE = 0.25  # of the tolerance, for the density of a bin
_EPS = 100 * float(np.finfo(float).eps)  # a gradient's rounding, relative to what it is a difference of


class Asked(NamedTuple):
    """What is to follow a forward pass."""

    adjoint: bool  # gradients by points or logits
    derivatives: bool  # that by h


class Forward(NamedTuple):
    """Sums for each bin, and what the adjoint needs of the pass."""

    density: Floats  # sum_j w_j K/C (M,)
    error: Floats  # what it may be off by
    mass: float  # sum_j w_j
    widening: Floats | None = None  # sum_j w_j dK/dh / C
    kept: Any = None  # what a method's adjoint takes from its forward


class Sums(ABC):
    """One row's sums by some method, for x and bins that stay and logits that may change."""

    log_scale: float  # log C
    order: int | None
    keeps: float  # the tolerance that the sums can keep

    def touched(self, row: RowData) -> bool:
        """Return whether a point counts as beside the place where it lies: where K jumps that is wrong."""
        return False

    @abstractmethod
    def workspace(self, points: int) -> int:
        """Return the bytes that a call takes beside its arguments and results."""

    @abstractmethod
    def forward(self, row: RowData, asked: Asked) -> Forward:
        """Return the sums over all points, their weights relative to the largest logit; `row.note` it."""

    def certified(self, row: RowData, asked: Asked, p: Floats, tolerance: float) -> tuple[Forward, Certain]:
        """Return the sums, and which bins of masses p (M,) they are good enough for."""
        sums, arrays = self.forward(row, asked), room_for(len(p))
        shift = self.log_scale - math.log(sums.mass)
        results = certify()(sums.density, sums.error, p, tolerance, FLOOR, shift, *arrays)
        return sums, certain_of(p, *arrays, results)

    @abstractmethod
    def adjoint(
        self, row: RowData, forward: Forward, weights: Floats, share: float, out: Gradients
    ) -> tuple[float, float]:
        """Write the gradients by z, w_i (share - sum_m weights_m K/C), and x, w_i sum_m weights_m dK/dd / C.

        Once for a forward pass after which it was asked for, and with the weights of `certified` where that
        made it. Return the largest magnitude of the gradient by z, and a bound on the error of its sum.
        """


class SumsFor:
    """Makes a row's sums for a tolerance, and keeps them."""

    def __init__(self, method: str, make: Callable[[float], Sums], outright: bool) -> None:
        self.method, self._make = method, make
        self.outright = outright  # the error is that of an order named, or of a grid, whatever the tolerance
        self._made: dict[float, Sums] = {}
        self.grown: Callable[[], None] | None = None  # is told when there are more

    def __call__(self, rtol: float) -> Sums:
        if rtol not in self._made:
            self._made[rtol] = self._make(rtol)
            if self.grown is not None:
                self.grown()
        return self._made[rtol]

    @property
    def stored(self) -> int:
        """Return the bytes kept for the data points."""
        return sum(getattr(sums, "stored", 0) for sums in self._made.values())


class RowProblem(NamedTuple):
    """What a row's loss depends on beside its data."""

    shape: RowShape
    family: RowParameters  # of the kernel in its domain
    centers: Floats
    masses: Floats
    request: Request
    sums: SumsFor | None  # None where all pairs are to be summed
    share: float = 1.0  # what the points weigh of all that the row has, times the masses in reach of these


class Summed(NamedTuple):
    """A forward pass, and which bins it is good enough for where a tolerance is to be kept."""

    tolerance: float
    sums: Sums
    forward: Forward
    certain: Certain
    top: float  # the largest logit


def keeps(sums: Sums, rtol: float) -> bool:
    """Return whether sums made for a tolerance keep it."""
    return sums.keeps <= rtol * (1 + 1e-9)


def sum_row(problem: RowProblem, row: RowData, for_gradients: bool = False) -> Summed | None:
    """Return a row's sums for all bins, whatever their masses, or None where no sums keep the tolerance."""
    make, rtol = problem.sums, problem.request.rtol
    sums = None if make is None else make(rtol)
    if make is None or sums is None or not (make.outright or keeps(sums, rtol)):
        return None
    tolerance = max(rtol, sums.keeps)
    if for_gradients and not make.outright:
        tolerance = _first(problem, rtol, True)
        sums = make(tolerance)
    ones = np.ones(len(problem.centers))
    seen = sums.certified(row, Asked(False, False), ones, _of_bins(tolerance))
    return Summed(tolerance, sums, *seen, row.top)


def log_densities(problem: RowProblem, row: RowData, summed: Summed) -> Floats:
    """Return log q at the centers."""
    certain = summed.certain
    log_q = certain.log_q
    if certain.weak_bins:
        log_q, weak, seen = log_q.copy(), certain.weak, (row, problem.shape, problem.family, problem.centers)
        if few_bins.sets_of(*seen, certain, again=False):
            log_q[weak] = few_bins.few_densities(row, problem.shape, problem.centers[weak])
        else:
            log_q[weak] = Tail(*seen, weak, summed.tolerance).log_densities(summed.forward.mass)
    return log_q


def finish_row(problem: RowProblem, row: RowData, summed: Summed, gradients: Gradients) -> bool:
    """Write the gradients by points or logits from sums there are, and return whether rtol is kept."""
    p, certain = problem.masses, summed.certain
    weak = certain.weak & (p > 0)
    certain = certain._replace(
        log_q=certain.log_q.copy(), weights=p * certain.weights, weak=weak, weak_bins=int(weak.sum())
    )
    row.top_if_known = summed.top
    loss, excess = _finish(problem, row, summed._replace(certain=certain), gradients)
    outright = problem.sums is not None and problem.sums.outright
    return excess <= 1 or (outright and not math.isnan(loss))


def ends_in_all_pairs(problem: RowProblem, row: RowData) -> bool:
    """Return whether all pairs would follow a row's sums, because these are not certain of too many bins."""
    make, rtol, p = problem.sums, problem.request.rtol, problem.masses
    if make is None or make.outright:
        return False
    _, certain = make(rtol).certified(row, Asked(False, False), p, _of_bins(rtol))
    if not certain.weak_bins:
        return False
    sets = few_bins.sets_of(row, problem.shape, problem.family, problem.centers, certain, again=False)
    return bool(sets) and len(sets[0]) == len(p)


def _of_bins(tolerance: float) -> float:
    """Return the tolerance for the density of a bin."""
    return max(_SHARE * tolerance, _LEAST)


def evaluate_row(problem: RowProblem, row: RowData, gradients: Gradients | None) -> tuple[float, bool]:
    """Return the loss and whether rtol is kept; write the gradients: z, x (N,) and bandwidth (1,).

    Where no sums can keep it nothing is computed. Tolerances tried are rtol times powers of 1/100, and do not
    depend on calls before.
    """
    make, rtol = problem.sums, problem.request.rtol
    if make is None:
        return math.nan, False
    if make.outright:
        sums = make(rtol)
        loss, _ = _attempt(problem, row, sums, max(rtol, sums.keeps), gradients)
        return loss, not math.isnan(loss)
    first = tolerance = _first(problem, rtol, gradients is not None)
    if not keeps(make(rtol), rtol):
        return math.nan, False
    while True:
        loss, excess = _attempt(problem, row, make(tolerance), tolerance, gradients, tolerance < first)
        if excess <= 1 or tolerance <= _LEAST or not math.isfinite(excess):
            return loss, excess <= 1
        needed = tolerance / (2 * excess)
        while tolerance > max(needed, _LEAST):
            tolerance /= 100


def _first(problem: RowProblem, rtol: float, gradients: bool) -> float:
    """Return the tolerance to try first, which for gradients is finer where the kernel is wide.

    What a point gives and takes then nearly cancels: to about the square of the interval over h.
    """
    left = problem.shape.bins.span / problem.shape.h
    left *= left  # which may overflow, where a power would raise
    tolerance = rtol
    while gradients and 0 < 10 * left * rtol < tolerance and tolerance > _LEAST:
        tolerance /= 100
    return tolerance


def _attempt(
    problem: RowProblem,
    row: RowData,
    sums: Sums,
    tolerance: float,
    gradients: Gradients | None,
    again: bool = False,
) -> tuple[float, float]:
    """Return the loss, and how many times its tolerance the gradients' error may be.

    NaN and infinite where all pairs of the row are faster than what is left to do.
    """
    asked = _asked(gradients or {})
    forward, certain = sums.certified(row, asked, problem.masses, _of_bins(tolerance))
    return _finish(problem, row, Summed(tolerance, sums, forward, certain, row.top), gradients, again)


def _asked(out: Gradients) -> Asked:
    return Asked("z" in out or "x" in out, "bandwidth" in out)


def _finish(
    problem: RowProblem,
    row: RowData,
    summed: Summed,
    gradients: Gradients | None,
    again: bool = False,
) -> tuple[float, float]:
    """What `_attempt` does with the sums of a forward pass."""
    out = gradients or {}
    p, h, rtol, asked = problem.masses, problem.shape.h, problem.request.rtol, _asked(out)
    tolerance, sums, forward, certain, _ = summed
    (log_q, weights, weak, loss, relative, weak_bins), mass = certain, forward.mass
    tail, in_reach, seen = None, problem.share, (row, problem.shape, problem.family, problem.centers)
    sets = few_bins.sets_of(*seen, certain, again) if weak_bins else []
    if sets and len(sets[0]) == len(p):
        return math.nan, math.inf
    if weak_bins and not sets:
        tail = Tail(*seen, weak, tolerance)
        log_q[weak] = tail.log_densities(mass)
        in_reach = problem.share - float(p[weak][~tail.reached].sum())
        loss = float(-(p[p > 0] * log_q[p > 0]).sum())
    share = max(in_reach, 0.0) / mass
    largest, doubt = (0.0, 0.0)
    if asked.adjoint:
        # Each set of bins brings the share of its own.
        rest = share - len(sets) * problem.share / mass
        largest, doubt = sums.adjoint(row, forward, weights, rest, out)
    if forward.widening is not None:
        strong = ~weak & (p > 0)
        out["bandwidth"][...] = -float((weights * forward.widening)[strong].sum())
    if sets:
        some = np.where(weak, p, 0.0)
        loss += few_bins.add_sets(row, problem.shape, problem.centers, some, sets, problem.share, out)
        largest = largest_magnitude(out["z"]) if "z" in out else largest
    if gradients is None:
        return loss, 0.0
    if tail is not None:
        by_h = tail.subtract(p[weak], out)
        if "bandwidth" in out:
            out["bandwidth"][...] += by_h
        of_tail = tolerance / 16
        relative = max(relative, of_tail)
        largest = largest_magnitude(out["z"]) if "z" in out else largest
    bound = doubt + relative * (largest + share)
    excess = 0.0
    if share > 0 and "z" in out:
        excess = bound / (rtol * largest + _EPS * share)
    if share > 0 and "x" in out:
        excess = max(excess, bound / (rtol * h * largest_magnitude(out["x"]) + _EPS * share))
    if forward.widening is not None:
        widening = np.abs(forward.widening[strong]) * h + forward.density[strong]
        bound = float((weights[strong] * (forward.error[strong] + relative * widening)).sum())
        if tail is not None:
            bound += of_tail * (float(p[weak].sum()) + h * abs(by_h))
        excess = max(excess, bound / (rtol * h * abs(float(out["bandwidth"][0])) + _EPS))
    return loss, excess


def largest_magnitude(values: NDArray[Any]) -> float:
    """Return max |values| without an array of its own."""
    return float(max(values.max(), -values.min()))
