"""Rows whose points lie in several places: what one portion of them adds to the bins, and its gradients.

With S_m = sum_j exp(z_j) K(c_m - x_j) over all points and s_m over a portion, which weighs w of the sum of
all exp(z_j),

    q_m = S_m / sum_j exp(z_j),    dL/dz_i = C w softmax_i - sum_m (p_m s_m / S_m) r_im,

where softmax and the responsibilities r_im are those of the portion alone, and C is the mass of the bins that
any point reaches. So a portion's gradients are those of its own loss, for bins of mass p_m s_m / S_m and a
share C w, and only numbers for each bin travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..arguments.arrays import Floats, Gradients
from ..arguments.problem import Problem, Request, Rows
from .direct.all_pairs import gradients_of, pair_densities, takes_all_pairs
from .evaluate import evaluate
from .evaluate_rows import each_row
from .row import RowProblem, Summed, finish_row, log_densities, sum_row
from .sums.blocks import POINTS_PER_BLOCK, RowData
from .sums.scan import BadData

_NOTHING = 1e-250  # of a bin's mass


class LogSums(NamedTuple):
    """Sums over points of each row; all -inf, and 0, where every point is masked."""

    top: Floats  # (R,): the largest logit
    mass: Floats  # (R,): sum_j exp(z_j - top)
    density: Floats  # (R, M): log sum_j exp(z_j - top) K(c_m - x_j)

    @property
    def log_q(self) -> Floats:
        """The logarithm of the density (R, M), where the points are all that the rows have."""
        return self.density - np.log(self.mass)[:, np.newaxis]


def add(sums: Sequence[LogSums]) -> LogSums:
    """Return the sums over the points of several portions."""
    top = np.maximum.reduce([each.top for each in sums])
    above = [_difference(each.top, top) for each in sums]
    mass = np.add.reduce([each.mass * np.exp(d) for each, d in zip(sums, above, strict=True)])
    logs = [each.density + d[:, np.newaxis] for each, d in zip(sums, above, strict=True)]
    highest = np.maximum.reduce(logs)
    total = np.add.reduce([np.exp(_difference(each, highest)) for each in logs])
    log_total = np.log(total, out=np.full_like(total, -np.inf), where=total > 0)
    return LogSums(top, mass, highest + log_total)


def _difference(values: Floats, highest: Floats) -> Floats:
    """Return values - highest, -inf where both are."""
    return np.subtract(values, highest, out=np.full_like(values, -np.inf), where=values > -np.inf)


def losses(problem: Problem, sums: LogSums) -> Floats:
    """Return the losses (R,), for the sums over all points."""
    p, log_q = problem.masses.block(0, problem.rows), sums.log_q
    total: Floats = np.multiply(p, log_q, out=np.zeros_like(log_q), where=p > 0).sum(axis=1)
    return -total


class Portion:
    """Some points of each row of a problem, and what they add to the bins.

    What gradients by points and logits take from fast sums stays in the process that made these.
    """

    def __init__(self, problem: Problem, request: Request, wrt: tuple[str, ...], n_threads: int) -> None:
        top = problem.z.values.max(axis=1).astype(np.float64)
        top = np.broadcast_to(top if problem.z.index is None else top[problem.z.index], problem.rows)
        mass, density = np.zeros(problem.rows), np.full((problem.rows, problem.bins), -np.inf)
        self.sums = LogSums(top, mass, density)
        self._kept: list[tuple[RowProblem, Summed]] = []
        # Rows whose points are all masked here have nothing to add.
        seen = ~(top == -np.inf)
        self._rows = None if seen.all() else np.flatnonzero(seen)
        if self._rows is not None and not np.isfinite(problem.x.values).all():
            raise BadData
        if not seen.any():
            return
        if self._rows is not None:
            problem = problem.take(self._rows)
        mass[seen], log_q = self._sum(problem, request, wrt, n_threads)
        density[seen] = log_q + np.log(mass[seen])[:, np.newaxis]

    def _sum(
        self, problem: Problem, request: Request, wrt: tuple[str, ...], n_threads: int
    ) -> tuple[list[float], Floats]:
        """Return sum_j exp(z_j - top) (R,) and log q (R, M), and keep what gradients take."""
        if takes_all_pairs(problem, request):
            return [_mass(problem, r) for r in range(problem.rows)], pair_densities(problem, n_threads)
        mass, log_q = [], np.empty((problem.rows, problem.bins))
        for r, row, needs in each_row(problem, request, "x" in wrt, n_threads, None):
            summed = sum_row(needs, row, bool(wrt))
            if summed is None:
                log_q[r] = pair_densities(problem.take(np.array([r])), n_threads)[0]
                mass.append(_mass(problem, r))
            else:
                log_q[r] = log_densities(needs, row, summed)
                mass.append(summed.forward.mass)
                self._kept.append((needs, summed))
        if not wrt or "bandwidth" in wrt or len(self._kept) < problem.rows:
            self._kept = []
        return mass, log_q

    def gradients(
        self, problem: Problem, request: Request, whole: LogSums, out: Gradients, n_threads: int
    ) -> None:
        """Write the portion's gradients by z and x (R, N), and its part of that by bandwidth (R,).

        `whole` is what all portions add up to.
        """
        p = problem.masses.block(0, problem.rows)
        above = _difference(self.sums.top, whole.top)
        masses = p * np.exp(_difference(self.sums.density + above[:, np.newaxis], whole.density))
        masses[masses < _NOTHING] = 0.0
        in_reach = (p * (whole.density > -np.inf)).sum(axis=1)
        share = in_reach * self.sums.mass * np.exp(above) / whole.mass
        problem = replace(problem, masses=Rows(masses), share=Rows(share), frame=None)
        if self._rows is None:
            self._write(problem, request, out, n_threads)
            return
        for array in out.values():
            array[...] = 0
        if len(self._rows):
            with gradients_of(self._rows, out) as of_rows:
                self._write(problem.take(self._rows), request, of_rows or {}, n_threads)

    def _write(self, problem: Problem, request: Request, out: Gradients, n_threads: int) -> None:
        if not self._kept:
            evaluate(problem, request, out, n_threads)
            return
        slowly = []
        assert problem.share is not None, "gradients gives it one"
        for r, (needs, summed) in enumerate(self._kept):
            (masses,), (share,) = (each.block(r, r + 1) for each in (problem.masses, problem.share))
            row = RowData(problem.x.block(r, r + 1)[0], problem.z.block(r, r + 1)[0], n_threads)
            of_row = {name: array[r] for name, array in out.items()}
            if not finish_row(needs._replace(masses=masses, share=float(share)), row, summed, of_row):
                slowly.append(r)
        if slowly:
            rows = np.array(slowly)
            with gradients_of(rows, out) as of_rows:
                evaluate(problem.take(rows), request, of_rows, n_threads)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": []}


def _mass(problem: Problem, r: int) -> float:
    """Return sum_j exp(z_j - top) of a row."""
    z = problem.z.block(r, r + 1)[0]
    top, pieces = np.float64(z.max()), range(0, len(z), POINTS_PER_BLOCK)
    rest = (np.subtract(z[start : start + POINTS_PER_BLOCK], top, dtype=np.float64) for start in pieces)
    return float(sum(np.exp(piece).sum() for piece in rest))
