"""What the totals of rows of exponentials make: logarithms, and losses of the rows' classes.

Eight rows at a time, in vector registers: of loops over as many arrays as these are a compiler makes no
vector code, because some might overlap. Where none is generated, and for what is left over, plain loops do
the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .arithmetic import log_ratio
from .jit import GENERATES, helper, loop
from .pair_loops import LANES, sum_of
from .vector_math import VectorMath


@helper
def above(z, top):
    """Return z - top, before anything is added: what is small beside the top would be lost."""
    return np.float64(z) - top


@loop
def _logs_from(first, n, totals, logs, inverses):
    for r in range(first, n):
        logs[r], inverses[r] = log_ratio(totals[r], 1.0), 1.0 / totals[r]


@helper
def _losses_from(first, labels, totals, tops, own, means, smoothing, scale, even, factors, less, shares):
    n = labels.shape[0]
    for r in range(first, n):
        log_total = log_ratio(totals[r], 1.0)
        loss = (1.0 - smoothing) * (log_total - above(own[r], tops[r])) if smoothing < 1.0 else 0.0
        loss += smoothing * (log_total - means[r])
        weight = shares[r] if labels[r] >= 0 else 0.0
        own[r] = weight * loss if weight > 0.0 else 0.0
        share = weight * scale
        factors[r], less[r], shares[r] = share / totals[r], share * even, share * (1.0 - smoothing)
    return sum_of(own[first:n], n - first)


@intrinsic
def _logs_in_registers(typing, n, totals, logs, inverses):
    def generate(context, builder, signature, arguments):
        code = VectorMath(context, builder, signature, arguments)
        with code.indices(code.integer(0), arguments[0], LANES) as r:
            total = code.load(code.element(1, r), LANES)
            code.store(code.log(total), code.element(2, r))
            code.store(code.quotient(code.all_lanes(1.0), total), code.element(3, r))
        return context.get_dummy_value()

    return types.void(n, totals, logs, inverses), generate


@intrinsic
def _losses_in_registers(
    typing, n, labels, totals, tops, own, means, smoothing, scale, even, factors, less, shares
):
    def generate(context, builder, signature, arguments):
        code = VectorMath(context, builder, signature, arguments)
        smoothing, scale, even = (code.all_lanes(arguments[i]) for i in (6, 7, 8))
        nothing, rest = code.all_lanes(0.0), code.minus(code.all_lanes(1.0), smoothing)
        some = code.above(rest, nothing)
        added = cgutils.alloca_once_value(builder, nothing)
        with code.indices(code.integer(0), arguments[0], LANES) as r:
            total, top, own, mean, weight = (code.load(code.element(i, r), LANES) for i in (2, 3, 4, 5, 11))
            log_total = code.log(total)
            of_class = code.times(rest, code.minus(log_total, code.minus(own, top)))
            of_all = code.times(smoothing, code.minus(log_total, mean))
            loss = code.plus(code.either(some, of_class, nothing), of_all)
            weight = code.either(code.not_negative(code.integers(1, r)), weight, nothing)
            loss = code.either(code.above(weight, nothing), code.times(weight, loss), nothing)
            share = code.times(weight, scale)
            code.store(loss, code.element(4, r))
            code.store(code.quotient(share, total), code.element(9, r))
            code.store(code.times(share, even), code.element(10, r))
            code.store(code.times(share, rest), code.element(11, r))
            builder.store(code.plus(builder.load(added), loss), added)
        return code.sum_of_lanes(builder.load(added))

    arrays = labels, totals, tops, own, means
    return types.float64(n, *arrays, smoothing, scale, even, factors, less, shares), generate


@intrinsic
def _sum_in_registers(typing, n, labels, totals, tops, own, weight, scale, factors, less, shares):
    def generate(context, builder, signature, arguments):
        code = VectorMath(context, builder, signature, arguments)
        weight, nothing = code.all_lanes(arguments[5]), code.all_lanes(0.0)
        share = code.times(weight, code.all_lanes(arguments[6]))
        product = cgutils.alloca_once_value(builder, code.all_lanes(1.0))
        added = cgutils.alloca_once_value(builder, nothing)
        with code.indices(code.integer(0), arguments[0], LANES) as r:
            total, top, own = (code.load(code.element(i, r), LANES) for i in (2, 3, 4))
            counts = code.not_negative(code.integers(1, r))
            factor = code.either(counts, total, code.all_lanes(1.0))
            below = code.either(counts, code.minus(own, top), nothing)
            mine = code.either(counts, share, nothing)
            builder.store(code.times(builder.load(product), factor), product)
            builder.store(code.minus(builder.load(added), below), added)
            code.store(code.quotient(mine, total), code.element(7, r))
            code.store(nothing, code.element(8, r))
            code.store(mine, code.element(9, r))
        losses = code.plus(code.log(builder.load(product)), builder.load(added))
        losses = code.either(code.above(weight, nothing), code.times(weight, losses), nothing)
        return code.sum_of_lanes(losses)

    return types.float64(n, labels, totals, tops, own, weight, scale, factors, less, shares), generate


# Called without the typing context that they are written with.
_first_logs: Callable = _logs_in_registers
_first_losses: Callable = _losses_in_registers
_first_sum: Callable = _sum_in_registers


@helper
def _in_registers(n):
    """Return how many of n rows are computed in whole registers: the first ones."""
    return n // LANES * LANES if GENERATES else 0


@helper
def logs_of(n, totals, logs, inverses):
    """Write the logarithms and the inverses of n totals."""
    whole = _in_registers(n)
    if whole > 0:
        _first_logs(whole, totals, logs, inverses)
    if whole < n:
        _logs_from(whole, n, totals, logs, inverses)


@helper
def class_losses(labels, totals, tops, own, means, smoothing, scale, even, factors, less, shares):
    """Return the sum of weighted losses of rows, and write them and what makes the gradient.

    own_r is the logit of row r's class and becomes its loss, shares_r its weight and becomes its target's
    part in the gradient, which is factors_r times the exponentials, less less_r for every class. means_r is
    the mean of logits above the top, or 0 without smoothing, and a row whose label is negative does not
    count.
    """
    n, added = labels.shape[0], 0.0
    whole = _in_registers(n)
    # Arguments of their own: a tuple of arrays would count references to each.
    if whole > 0:
        added += _first_losses(
            whole, labels, totals, tops, own, means, smoothing, scale, even, factors, less, shares
        )
    if whole < n:
        added += _losses_from(
            whole, labels, totals, tops, own, means, smoothing, scale, even, factors, less, shares
        )
    return added


@helper
def sum_of_class_losses(labels, totals, tops, own, means, weight, scale, factors, less, shares):
    """Return what `class_losses` does, and write the same but losses, where all weigh the same, not smoothed.

    One logarithm of the product of many totals, of which each is at most the number of classes C: as there
    are at most 2^13 / C rows, eight side by side, products stay below 2^542.
    """
    n, added = labels.shape[0], 0.0
    whole = _in_registers(n)
    if whole > 0:
        added += _first_sum(whole, labels, totals, tops, own, weight, scale, factors, less, shares)
    if whole < n:
        for r in range(whole, n):
            shares[r] = weight
        added += _losses_from(whole, labels, totals, tops, own, means, 0.0, scale, 0.0, factors, less, shares)
    return added
