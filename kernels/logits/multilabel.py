"""Rows of labels that exclude nothing: their cross-entropy with the sigmoid of logits, and its gradient."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from ..numerics.arithmetic import exact_exp, log_of_1_and
from ..runtime import signatures
from ..runtime.jit import helper, lazily, loop
from ..runtime.signatures import COUNTER, INTS, READ1, WRITE, WRITE1
from ..runtime.units import take_unit, unit_done, wait_for_others


@helper
def _against(z, y, smoothing):
    """Return the part of a target that a logit speaks against: 1 - t from 0 on, and t below."""
    return (1.0 - smoothing) * (1.0 - y if z >= 0.0 else y) + 0.5 * smoothing


@helper
def _loss_of(z, y, weight, smoothing):
    """Return the loss of one label, and 1 where its logit is bad."""
    against = _against(z, y, smoothing)
    loss = (against * abs(z) if against != 0.0 else 0.0) + log_of_1_and(exact_exp(-abs(z)))
    return weight * loss if (y >= 0.0) & (weight > 0.0) else 0.0, 0 if z < np.inf else 1


# Apart from the losses' own loop: why is said at `pair_loops.total_weight`.
@loop
def _total_of(zs, ys, weight, smoothing):
    """Return the sum of a row's losses, and how many logits are bad."""
    total, bad = 0.0, 0
    for c in range(zs.shape[0]):
        loss, more = _loss_of(np.float64(zs[c]), np.float64(ys[c]), weight, smoothing)
        total += loss
        bad += more
    return total, bad


@loop
def _losses_of(zs, ys, weight, smoothing, losses):
    """Write a row's losses; return how many logits are bad."""
    bad = 0
    for c in range(zs.shape[0]):
        losses[c], more = _loss_of(np.float64(zs[c]), np.float64(ys[c]), weight, smoothing)
        bad += more
    return bad


@loop
def _slopes_of(zs, ys, share, smoothing, by):
    for c in range(zs.shape[0]):
        z, y = np.float64(zs[c]), np.float64(ys[c])
        low = exact_exp(-abs(z))
        slope = _against(z, y, smoothing) - low / (1.0 + low)  # of |z|: no 1 that hides the rest
        by[c] = share * (slope if z >= 0.0 else -slope) if y >= 0.0 else 0.0


@cache
def sigmoid_rows(dtype: np.dtype, gradient: bool) -> Callable[[], Callable]:
    """Return the compiled pass over rows of logits and labels, with or without the gradient."""
    data, written = signatures.read(dtype), signatures.written(dtype)

    def make() -> Callable:
        def rows_of(logits, labels, weights, smoothing, scale, size, sums, bad, losses, out, counter, most):
            """sums (units,) = losses of up to `most` units of `size` rows, bad (units,) = bad logits in them.

            Labels below 0 do not count. losses (N, C) unless empty = those of the labels, instead of sums,
            and `out` = the gradient of scale times their sum.
            """
            units = -(-logits.shape[0] // size)
            for _ in range(most):
                unit = take_unit(counter)
                if unit >= units:
                    return wait_for_others(counter, units)
                total = 0.0
                for i in range(unit * size, min((unit + 1) * size, logits.shape[0])):
                    weight = weights[i if weights.shape[0] > 1 else 0]
                    if losses.shape[0] > 0:
                        bad[unit] += _losses_of(logits[i], labels[i], weight, smoothing, losses[i])
                    else:
                        added, more = _total_of(logits[i], labels[i], weight, smoothing)
                        total, bad[unit] = total + added, bad[unit] + more
                    if gradient:
                        _slopes_of(logits[i], labels[i], weight * scale, smoothing, out[i])
                sums[unit] = total
                unit_done(counter)

        return rows_of

    signature = types.void(
        data,
        data,
        READ1,
        types.float64,
        types.float64,
        types.int64,
        WRITE1,
        INTS,
        WRITE,
        written,
        COUNTER,
        types.int64,
    )
    return lazily(make, signature, f"label_rows.{dtype}{'.gradient' if gradient else ''}")
