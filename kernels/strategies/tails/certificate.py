"""Which bins' densities are certain enough, and what these give: log q, weights of the adjoint, the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from ...numerics.chunks import own_row
from ...runtime.jit import lazily
from ...runtime.signatures import FLAGS, READ, READ1, WRITE, WRITE1

# Densities below this may have lost something to underflow.
_FLOOR = 1e-200

Floats = NDArray[np.float64]


class Certain(NamedTuple):
    """What `certify` says of the bins."""

    log_q: Floats
    weights: Floats
    weak: NDArray[np.bool_]
    loss: float
    relative: float
    weak_bins: int


def room_for(bins: int) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return arrays for log q, weights and which bins are weak."""
    return np.empty(bins), np.empty(bins), np.empty(bins, bool)


def make_certify() -> Callable:
    def certify(density, error, p, tolerance, shift, log_q, weights, weak):
        """For bins (M,) of mass p > 0 whose error is within tolerance, write log q and weights = p / density.

        Others of mass > 0 are weak, and get weight 0. Return the loss of those that are not, their largest
        relative error, and how many are weak.
        """
        loss, relative, count = 0.0, 0.0, 0
        for m in range(density.shape[0]):
            d = density[m]
            good = (error[m] <= tolerance * d) & (d >= _FLOOR)
            weak[m] = (p[m] > 0.0) & (not good)
            log_q[m], weights[m] = 0.0, 0.0
            if weak[m]:
                count += 1
            elif p[m] > 0.0:
                log_q[m], weights[m] = math.log(d) + shift, p[m] / d
                loss -= p[m] * log_q[m]
                relative = max(relative, error[m] / d)
        return loss, relative, count

    return certify


certify = lazily(
    make_certify,
    types.Tuple((types.float64, types.float64, types.int64))(
        READ1,
        READ1,
        READ1,
        types.float64,
        types.float64,
        WRITE1,
        WRITE1,
        FLAGS,
    ),
    "certify",
)


def _make_finish() -> Callable:
    def finish(density, mass, log_scale, masses, floor, log_q, weights, losses):
        """For bins of density (R, M) from `floor` on, write log q and weights = p/density; add -p log q.

        Other bins get log q = -inf and weight 0. Return how many there are.
        """
        weak = 0
        for r in range(density.shape[0]):
            p = masses[own_row(masses, r)]
            shift = log_scale[r if log_scale.shape[0] > 1 else 0] - math.log(mass[r])
            loss = 0.0
            for m in range(density.shape[1]):
                if density[r, m] >= floor:
                    log_q[r, m] = math.log(density[r, m]) + shift
                    weights[r, m] = p[m] / density[r, m]
                    if p[m] > 0.0:
                        loss -= p[m] * log_q[r, m]
                else:
                    log_q[r, m] = -np.inf
                    weights[r, m] = 0.0
                    weak += 1
            losses[r] = loss
        return weak

    return finish


finish = lazily(
    _make_finish,
    types.int64(READ, READ1, READ1, READ, types.float64, WRITE, WRITE, WRITE1),
    "finish",
)
