"""Partial sums over points, each relative to a logit that it met first.

Data are read once, where finding the largest logit beforehand would read them twice.
"""

import math

import numpy as np
from numba import types

from ...arguments.arrays import Floats
from ...numerics.arithmetic import LOG2_E, exp2
from ...runtime.jit import Function, helper, lazily, loop
from ...runtime.signatures import READ, WRITE1
from ...simd.scatter import tables
from .blocks import RowData
from .scan import ends_of, look_at_logits

# What a pass knows of its partial: the logit that weights are relative to, the largest one, sum_j w_j, and
# how many entries are bad; where points lie, if it sees them; whether its sums were set to 0.
REFERENCE, LARGEST, MASS, BAD, LOWEST, HIGHEST, BEGUN = range(7)
_STATE = 7  # a `state` is (_STATE,) or longer
# Logits this far above the reference do not overflow sums.
_ABOVE = 256.0


@loop
def weights_of(zs, n, top, w):
    """Write w_j = exp(z_j - top), w (n,) or longer, and return their sum; zs (n,)."""
    total = 0.0
    for j in range(n):
        w[j] = exp2((zs[j] - top) * LOG2_E)
        total += w[j]
    return total


@helper
def start_partial(sums, state):
    """Set sums (size,) to 0 before the first points: whoever adds to them has them in its cache then."""
    if state[BEGUN] == 0.0:
        sums[:] = 0.0
        state[BEGUN] = 1.0


@helper
def look_at_points(xs, state):
    """Take note of where points xs (n,) lie, and of those that are not finite."""
    low, high, bad = ends_of(xs)
    state[BAD] += bad
    state[LOWEST] = min(state[LOWEST], low)
    state[HIGHEST] = max(state[HIGHEST], high)


@helper
def look(zs, state):
    """Take note of logits zs (n,); return by what to multiply sums so far for their new reference."""
    largest, bad = look_at_logits(zs)
    state[BAD] += bad
    state[LARGEST] = max(state[LARGEST], largest)
    if largest <= state[REFERENCE] + _ABOVE:
        return 1.0
    factor = exp2((state[REFERENCE] - largest) * LOG2_E)
    state[MASS] *= factor
    state[REFERENCE] = largest
    return factor


@helper
def rescale(sums, factor):
    """Multiply sums (size,) by a factor that is 1 nearly always."""
    if factor != 1.0:
        for i in range(sums.shape[0]):
            sums[i] *= factor


@helper
def reference_of(state):
    """Return the logit that weights are relative to, of a state (_STATE,): any, while all are masked."""
    return state[REFERENCE] if state[REFERENCE] > -np.inf else 0.0


def _make_total() -> Function:
    def total(states, sums, result):
        """result (size,) = all partials' sums (partials, size) relative to the largest logit.

        By states (partials, ..). Return the largest logit, sum_j w_j, the number of bad entries, and the ends
        of the points.
        """
        top, mass, bad, low, high = -np.inf, 0.0, 0.0, np.inf, -np.inf
        for partial in range(states.shape[0]):
            top, bad = max(top, states[partial, LARGEST]), bad + states[partial, BAD]
            low, high = min(low, states[partial, LOWEST]), max(high, states[partial, HIGHEST])
        if top > -np.inf:
            for partial in range(states.shape[0]):
                if states[partial, BEGUN] == 0.0:  # no points, and sums that nobody set to 0
                    continue
                scale = math.exp(states[partial, REFERENCE] - top)
                mass += scale * states[partial, MASS]
                for i in range(result.shape[0]):
                    result[i] += scale * sums[partial, i]
        return top, mass, bad, low, high

    return total


add_up = loop(_make_total())
TOTALS = types.UniTuple(types.float64, 5)
total = lazily(_make_total, TOTALS(READ, READ, WRITE1), "partials.total")


class Partials:
    """One row's partial sums (partials, at least size) and their states (partials, ..), to be filled in."""

    def __init__(self, row: RowData, count: int, size: int) -> None:
        self.count, self._row, self._size = count, row, size
        self._known = row.top_if_known is not None
        self.states, self.sums = tables(count, _STATE), tables(count, size, np.empty)
        self.states[:, : LARGEST + 1] = row.top if self._known else -np.inf
        self.states[:, LOWEST], self.states[:, HIGHEST] = np.inf, -np.inf

    def total(self) -> tuple[Floats, float]:
        """Return all partials' sums (size,) and sum_j w_j, relative to the row's largest logit."""
        result = np.zeros(self.sums.shape[1])
        return result[: self._size], self.note(*total()(self.states, self.sums, result))

    def note(self, top: float, mass: float, bad: float, low: float, high: float) -> float:
        """Take note of what `total` returned, for the row; return sum_j w_j."""
        if not self._known:
            self._row.note(top, bad, (low, high))
        return mass


@loop
def finish(w, sums, share, sign, by):
    """by_i (n,) = w_i (share + sign sums_i); return the largest magnitude; w and sums (n,) or longer."""
    key = np.int64(0)  # of integers, whose comparison vectorises
    for j in range(by.shape[0]):
        value = w[j] * (share + sign * sums[j])
        by[j] = value
        key = max(key, np.float64(abs(value)).view(np.int64))
    return np.int64(key).view(np.float64)
