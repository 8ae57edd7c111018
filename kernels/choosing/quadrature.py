"""The loss of infinitely many bins: -1/(b - a) times the integral of log q over [a, b]."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from ..arguments.arrays import Floats
from ..measure.timing import time_of

_NODES = 10  # of Gauss-Legendre, in each panel
_MOST_PANELS = 4096  # to begin with
_VALUES_AT_A_TIME = 2**22
_MOST_VALUES = 2**27  # in one round of halving
_ROUNDS = 60


class Converged(NamedTuple):
    """The converged losses of all rows, and how far they may be off."""

    losses: Floats  # (R,)
    uncertainty: float  # of the worst row, relative to max(1, |L|)


def converged_loss(
    log_density: Callable[[Floats], Any], intervals: float, aim: float, seconds: float
) -> Converged:
    """Return -1 times the mean of log q over [0, 1], by halving panels until their halves agree.

    `log_density` takes positions (K,) in [0, 1] to log q there, (..., K). There are `intervals` panels to
    begin with, within limits, which all rows share. It ends at an uncertainty of `aim`, or with what there is
    after so many seconds: the uncertainty is the sum of the changes at each panel's last halving. Where q is
    0 at a node, the loss is inf.
    """
    count = int(min(max(4.0, intervals), _MOST_PANELS))
    left, width = np.arange(count) / count, 1 / count
    spent, coarse = time_of(partial(_panels, log_density, left, width))
    losses, uncertainty = np.zeros(len(coarse)), np.zeros(len(coarse))
    for round_ in range(_ROUNDS):
        starts = np.concatenate((left, left + width / 2))
        taken, halves = time_of(partial(_panels, log_density, starts, width / 2))
        spent += taken
        halves = halves.reshape(len(coarse), 2, len(left))
        fine = halves.sum(axis=1)
        total = losses + fine.sum(axis=1)
        if not np.isfinite(total).all():
            return Converged(total, math.inf)
        gap = np.abs(fine - coarse)
        # An equal share of the aim for each panel, less than all of it in one round.
        share = aim * np.maximum(1, np.abs(total)) / (4 * len(left))
        open_ = (gap > share[:, np.newaxis]).any(axis=0)
        # The next round evaluates two halves of two halves, at this one's rate.
        next_round = 2 * taken * open_.mean()
        too_many = 4 * _NODES * len(coarse) * np.count_nonzero(open_) > _MOST_VALUES
        if too_many or round_ == _ROUNDS - 1 or spent + next_round > seconds:
            open_[:] = False
        losses += fine[:, ~open_].sum(axis=1)
        uncertainty += gap[:, ~open_].sum(axis=1)
        if not open_.any():
            break
        coarse = halves[:, :, open_].reshape(len(coarse), -1)
        left, width = starts.reshape(2, -1)[:, open_].ravel(), width / 2
    return Converged(losses, float((uncertainty / np.maximum(1, np.abs(losses))).max()))


def _panels(log_density: Callable[[Floats], Any], left: Floats, width: float) -> Floats:
    """Return each panel's part of the loss, (R, panels)."""
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    nodes, weights = (nodes + 1) / 2, weights / 2
    parts, first, step = [], 0, 16
    while first < len(left):
        at = left[first : first + step, np.newaxis] + width * nodes
        log_q = np.asarray(log_density(at.ravel()), np.float64).reshape(-1, *at.shape)
        parts.append(-width * (log_q @ weights))
        # The first few panels tell how many rows there are, and so how much fits.
        first, step = first + step, max(16, _VALUES_AT_A_TIME // (_NODES * len(log_q)))
    return np.concatenate(parts, axis=1)
