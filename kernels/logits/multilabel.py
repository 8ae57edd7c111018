"""Rows of labels that exclude nothing: their cross-entropy with the sigmoid of logits, and its gradient."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from ..numerics.arithmetic import exact_exp, log_of_1_and
from ..runtime import signatures
from ..runtime.jit import Function, helper, lazily, loop
from ..runtime.signatures import COUNTER, READ1, WRITE
from ..runtime.units import each_unit


@helper
def _against(z, y, smoothing):
    """Return how much of a target a logit speaks against: 1 - t from 0 on, and t below."""
    return (1.0 - smoothing) * (1.0 - y if z >= 0.0 else y) + 0.5 * smoothing


@helper
def _loss_of(z, y, weight, smoothing):
    """Return the loss of one label, and 1 where its logit is bad."""
    against = _against(z, y, smoothing)
    loss = (against * abs(z) if against != 0.0 else 0.0) + log_of_1_and(exact_exp(-abs(z)))
    return weight * loss if (y >= 0.0) & (weight > 0.0) else 0.0, 0 if z < np.inf else 1


# Apart from the losses' own loop: why is said at `chunks.total_weight`.
@loop
def _total_of(zs, ys, weight, smoothing):
    """Return the sum of a row's losses, and how many logits are bad; zs and ys (C,)."""
    total, bad = 0.0, 0
    for c in range(zs.shape[0]):
        loss, more = _loss_of(np.float64(zs[c]), np.float64(ys[c]), weight, smoothing)
        total += loss
        bad += more
    return total, bad


@loop
def _losses_of(zs, ys, weight, smoothing, losses):
    """Write a row's losses (C,); return how many logits are bad; zs and ys (C,)."""
    bad = 0
    for c in range(zs.shape[0]):
        losses[c], more = _loss_of(np.float64(zs[c]), np.float64(ys[c]), weight, smoothing)
        bad += more
    return bad


@loop
def _slopes_of(zs, ys, share, smoothing, slopes):
    """Write the slopes (C,) of a row's losses, times `share`; zs and ys (C,)."""
    for c in range(zs.shape[0]):
        z, y = np.float64(zs[c]), np.float64(ys[c])
        low = exact_exp(-abs(z))
        slope = _against(z, y, smoothing) - low / (1.0 + low)  # of |z|: no 1 that hides the rest
        slopes[c] = share * (slope if z >= 0.0 else -slope) if y >= 0.0 else 0.0


@cache
def sigmoid_rows(dtype: np.dtype, gradient: bool) -> Callable[[], Function]:
    """Return the compiled pass over rows of logits and labels, with or without the gradient."""

    def make() -> Function:
        @loop
        def unit_losses(unit, logits, labels, weights, smoothing, scale, size, sums, losses, out):
            """Do a unit of what `losses_of` does, with arrays as there."""
            total = 0.0
            for i in range(unit * size, min((unit + 1) * size, logits.shape[0])):
                weight = weights[i if weights.shape[0] > 1 else 0]
                if losses.shape[0] > 0:
                    sums[unit, 1] += _losses_of(logits[i], labels[i], weight, smoothing, losses[i])
                else:
                    loss, bad = _total_of(logits[i], labels[i], weight, smoothing)
                    total, sums[unit, 1] = total + loss, sums[unit, 1] + bad
                if gradient:
                    _slopes_of(logits[i], labels[i], weight * scale, smoothing, out[i])
            sums[unit, 0] = total

        take_units = each_unit(unit_losses)

        def losses_of(logits, labels, weights, smoothing, scale, size, sums, losses, out, counter, most):
            """sums (units, 2) = losses of up to `most` units of `size` rows, and how many logits are bad.

            logits and labels (N, C), labels below 0 do not count; weights (N,), or (1,) for all rows. losses
            (N, C) unless empty = those of the labels, instead of sums, and out (N, C) = the gradient of scale
            times their sum.
            """
            given = logits, labels, weights, smoothing, scale, size, sums, losses, out
            take_units(counter, most, sums.shape[0], *given)

        return losses_of

    data, written = signatures.read(dtype), signatures.written(dtype)
    given = data, data, READ1, types.float64, types.float64, types.int64
    signature = types.void(*given, WRITE, WRITE, written, COUNTER, types.int64)
    return lazily(make, signature, f"label_rows.{dtype}{'.gradient' if gradient else ''}")
