"""From the sums of a tile to its losses: log q, the loss, and the weights p/q that the adjoint takes."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numba import types

from ...numerics.chunks import own_row
from ...runtime.jit import lazily
from ...runtime.signatures import READ, READ1, WRITE, WRITE1


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
