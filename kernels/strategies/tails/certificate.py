"""Which bins' densities are certain enough, and what these give: log q, weights of the adjoint, the loss."""

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...numerics.arithmetic import from_order_key, log, order_key
from ...numerics.chunks import all_of, numbers_of, row_in, words_of
from ...runtime.jit import Function, elementwise, lazily, loop
from ...runtime.signatures import READ, READ1, WRITE, WRITE1
from ...simd.registers import logs_of

# Densities below this may have lost something to underflow.
FLOOR = 1e-200


class Certain(NamedTuple):
    """What `certify` says of the bins."""

    log_q: Floats
    weights: Floats
    weak: NDArray[np.bool_]
    loss: float
    relative: float
    weak_bins: int


def room_for(bins: int) -> tuple[Floats, Floats]:
    """Return arrays for log q and weights."""
    return np.empty(bins), np.empty(bins)


@elementwise
def is_weak(weight: Floats, p: Floats) -> NDArray[np.bool_]:
    """Return whether a bin of mass p has the weight that `certify` gives those it is not certain of."""
    weak: NDArray[np.bool_] = (weight == 0.0) & (p > 0.0)
    return weak


def certain_of(p: Floats, log_q: Floats, weights: Floats, results: tuple[float, float, int]) -> Certain:
    """Return what `certify` wrote, which bins (M,) of masses p (M,) are weak, and what it returned."""
    return Certain(log_q, weights, is_weak(weights, p), *results)


def make_certify() -> Function:
    def certify(density, error, p, tolerance, floor, shift, log_q, weights):
        """For bins of mass p > 0 and density >= floor known within tolerance, write log q and p / density.

        Others of mass > 0 are weak, and get weight 0. Return the loss of those that are not, their largest
        relative error, and how many are weak. All arrays are (M,).
        """
        bins, count = density.shape[0], 0
        for m in range(bins):
            good = (error[m] <= tolerance * density[m]) & (density[m] >= floor)
            weights[m] = density[m] if good else np.inf  # which marks the others
            count += (p[m] > 0.0) & (not good)
        logs_of(weights, bins, log_q)
        for m in range(bins):
            log_q[m] = log_q[m] + shift if (p[m] > 0.0) & (weights[m] < np.inf) else 0.0
            weights[m] = p[m] / weights[m]
        loss = 0.0
        for m in range(bins):
            loss -= p[m] * log_q[m]
        key = order_key(0.0)
        for m in range(bins):
            key = max(key, order_key(error[m] / density[m] if weights[m] > 0.0 else 0.0))
        return loss, from_order_key(key), count

    return certify


_CERTIFIED = types.float64, types.float64, types.int64
certify = lazily(
    make_certify,
    types.Tuple(_CERTIFIED)(READ1, READ1, READ1, *(types.float64,) * 3, WRITE1, WRITE1),
    "certify",
)


def words_of_finish(bins: int) -> int:
    """Return of how many numbers the memory of `finish` is."""
    return words_of(bins)


def make_finish() -> Function:
    certify = loop(make_certify())

    def finish(density, mass, log_scale, masses, floor, weights, losses, memory):
        """What `certify` does for rows of exact density (R, M): write weights (R, M) and losses (R,).

        mass (R,), log_scale (R or 1,), masses (R or 1, M). Return how many bins are weak.
        """
        bins, count = density.shape[1], 0
        memory = all_of(memory)
        log_q = numbers_of(memory, bins)
        for r in range(density.shape[0]):
            d, p = row_in(density, r), row_in(masses, r)
            shift = row_in(log_scale, r) - log(mass[r])
            losses[r], _, below = certify(d, d, p, np.inf, floor, shift, log_q, row_in(weights, r))
            count += below
        return count

    return finish


finish = lazily(
    make_finish, types.int64(READ, READ1, READ1, READ, types.float64, WRITE, WRITE1, WRITE1), "finish"
)
