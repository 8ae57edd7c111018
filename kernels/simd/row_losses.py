"""What the totals of rows of exponentials make: logarithms, and losses of the rows' classes.

Eight rows at a time, in vector registers: of loops over as many arrays as these are a compiler makes no
vector code, because some might overlap. Where none is generated, and for what is left over, plain loops do
the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..numerics.arithmetic import exact_exp, log_of_1_plus, log_ratio
from ..numerics.chunks import LANES, sum_of
from ..runtime.jit import GENERATES, helper, loop
from .vector_math import VectorMath

_TOGETHER = 4  # registers whose numbers are computed side by side


@helper
def above(z, top):
    """Return z - top, before anything is added: what is small beside the top would be lost."""
    return np.float64(z) - top


@loop
def _logs_from(first, n, totals, logs, inverses):
    for r in range(first, n):
        logs[r], inverses[r] = log_ratio(totals[r], 1.0), 1.0 / totals[r]


@loop
def bad_totals(n, totals):
    """Return how many of n totals are of bad rows: not finite, or of nothing."""
    bad = 0
    for r in range(n):
        bad += 0 if (totals[r] > 0.0) & (totals[r] < np.inf) else 1
    return bad


@helper
def _lost(x, y, difference):
    """Return x - y less the difference that was rounded."""
    back = difference - x
    return (x - (difference - back)) - (y + back)


@helper
def beside(others, top, own):
    """Return what a row's loss and gradient are made of, from its own logit and what the others come to.

    These are max(d, 0), d = top - own; e^min(d/2, 0), and once more with what rounding d lost: their product
    makes powers relative to the larger of the two; the others' total times the latter; and all of what comes
    beside a 1, relative to the larger.
    """
    d = top - own
    if d > 0.0:
        return d, 1.0, 1.0, others, (others - 1.0) + exact_exp(-d)
    half = exact_exp(0.5 * d)
    exact = half + half * _lost(top, own, d) if half > 0.0 else 0.0
    once = others * exact
    return 0.0, half, exact, once, once * half


@helper
def _losses_from(
    first, labels, least, classes, totals, tops, own, means, smoothing, scale, factors, less, shares
):
    n, bad, even = labels.shape[0], 0, smoothing / classes
    for r in range(first, n):
        below, half, exact, once, rest = beside(totals[r], tops[r], own[r])
        good = (own[r] < np.inf) & (1.0 + rest > 0.0) & (labels[r] >= least) & (labels[r] < classes)
        bad += 0 if good else 1
        log_total = log_of_1_plus(rest) if good else np.nan
        weight = shares[r] if labels[r] >= 0 else 0.0
        loss = 0.0
        if weight > 0.0:
            if smoothing < 1.0:
                # A product that is normal may have a factor that is not.
                tiny = (below == 0.0) & (1.0 + rest == 1.0)
                part = (1.0 - smoothing) * weight  # which may be all that is a number
                loss += part * half * once if tiny else part * (below + log_total)
            loss += weight * (smoothing * (log_total - means[r]))
        own[r] = loss
        share = weight * scale
        inverse = share * half / (1.0 + rest)
        factors[r], less[r] = inverse * exact, share * even
        shares[r] = share * (smoothing - even) - inverse * once
    return sum_of(own[first:n], n - first) if bad == 0 else np.nan


@intrinsic
def _logs_in_registers(typing, n, totals, logs, inverses):
    def generate(context, builder, signature, arguments):
        code = VectorMath(context, builder, signature, arguments)
        with code.indices(code.integer(0), arguments[0], LANES) as r:
            total = code.load(code.element(1, r), LANES)
            code.store(code.logs([total])[0], code.element(2, r))
            code.store(code.quotient(code.all_lanes(1.0), total), code.element(3, r))
        return context.get_dummy_value()

    return types.void(n, totals, logs, inverses), generate


@intrinsic
def _losses_in_registers(
    typing, n, labels, least, classes, totals, tops, own, means, smoothing, scale, factors, less, shares
):
    def generate(context, builder, signature, arguments):
        code = VectorMath(context, builder, signature, arguments)
        smoothing, scale = (code.all_lanes(arguments[i]) for i in (8, 9))
        even = code.quotient(smoothing, code.all_lanes(code.number(arguments[3])))
        nothing, one = code.all_lanes(0.0), code.all_lanes(1.0)
        unsmoothed = code.minus(one, smoothing)
        some, besides = code.above(unsmoothed, nothing), code.minus(smoothing, even)
        added = cgutils.alloca_once_value(builder, nothing)

        def part(size, first):
            rows = _rows(code, size, first)
            each = _beside_in_registers(code, rows)
            totals = [code.plus(one, beside.rest) for beside in each]
            inverses = [code.quotient(one, total) for total in totals]
            logs = code.logs_of_1_and([beside.rest for beside in each], inverses)
            for r, beside, total, inverse, log_total in zip(rows, each, totals, inverses, logs, strict=True):
                mean, weight = (code.load(code.element(i, r), LANES) for i in (7, 12))
                weight = code.either(code.not_negative(beside.label), weight, nothing)
                part_of_it = code.times(unsmoothed, weight)
                of_class = code.times(part_of_it, code.plus(beside.below, log_total))
                tiny = code.times(code.times(part_of_it, beside.half), beside.once)
                of_class = code.either(code.above(code.plus(beside.below, total), one), of_class, tiny)
                of_class = code.either(some, of_class, nothing)
                of_all = code.times(weight, code.times(smoothing, code.minus(log_total, mean)))
                loss = code.either(code.above(weight, nothing), code.plus(of_class, of_all), nothing)
                share = code.times(weight, scale)
                factor = code.times(code.times(share, beside.half), inverse)
                slope = code.minus(code.times(share, besides), code.times(factor, beside.once))
                code.store(loss, code.element(6, r))
                code.store(code.times(factor, beside.exact), code.element(10, r))
                code.store(code.times(share, even), code.element(11, r))
                code.store(slope, code.element(12, r))
                loss = _or_nan_if_bad(code, loss, beside, total)
                builder.store(code.plus(builder.load(added), loss), added)

        code.parts(code.registers(arguments[0]), _TOGETHER, part)
        return code.sum_of_lanes(builder.load(added))

    about = labels, least, classes, totals, tops, own, means
    return types.float64(n, *about, smoothing, scale, factors, less, shares), generate


@intrinsic
def _sum_in_registers(typing, n, labels, least, classes, totals, tops, own, scale, factors, less, shares):
    def generate(context, builder, signature, arguments):
        code = VectorMath(context, builder, signature, arguments)
        scale, nothing, one = code.all_lanes(arguments[7]), code.all_lanes(0.0), code.all_lanes(1.0)
        product = cgutils.alloca_once_value(builder, nothing)  # less 1
        added = cgutils.alloca_once_value(builder, nothing)

        def part(size, first):
            rows = _rows(code, size, first)
            for r, beside in zip(rows, _beside_in_registers(code, rows), strict=True):
                counts, total = code.not_negative(beside.label), code.plus(one, beside.rest)
                share = code.times(code.either(counts, scale, nothing), beside.half)
                factor = code.quotient(share, total)
                code.store(code.times(factor, beside.exact), code.element(8, r))
                code.store(nothing, code.element(9, r))
                code.store(code.minus(nothing, code.times(factor, beside.once)), code.element(10, r))
                rest, so_far = code.either(counts, beside.rest, nothing), builder.load(product)
                more = code.times(rest, code.plus(one, so_far))
                builder.store(code.plus(more, so_far), product)
                below = code.either(counts, beside.below, nothing)
                below = _or_nan_if_bad(code, below, beside, total)
                builder.store(code.plus(builder.load(added), below), added)

        code.parts(code.registers(arguments[0]), _TOGETHER, part)
        product = builder.load(product)
        inverse = code.quotient(one, code.plus(one, product))
        logs = code.logs_of_1_and([product], [inverse])[0]
        return code.sum_of_lanes(code.plus(logs, builder.load(added)))

    about = n, labels, least, classes, totals, tops, own
    return types.float64(*about, scale, factors, less, shares), generate


def _rows(code: VectorMath, size: int, first: Any) -> list[Any]:
    """Return the first rows of some registers."""
    return [code.entry(first, k) for k in range(size)]


class _Beside(NamedTuple):
    """What `beside` returns, the own logits, and labels, with those that are none."""

    below: Any
    half: Any
    exact: Any
    once: Any
    rest: Any
    own: Any
    label: Any
    known: Any


def _beside_in_registers(code: VectorMath, rows: list[Any]) -> list[_Beside]:
    """Return what `beside` does, of the arguments from `labels` to `own`."""
    nothing, one, halves = code.all_lanes(0.0), code.all_lanes(1.0), code.all_lanes(0.5)
    given = [[code.load(code.element(i, r), LANES) for i in (4, 5, 6)] for r in rows]
    above = [code.minus(top, own) for _, top, own in given]
    nearer = [code.times(halves, code.negative(code.magnitude(d))) for d in above]
    powers = code.exact_powers_of_e(nearer)
    found = []
    for r, (others, top, own), d, half in zip(rows, given, above, powers, strict=True):
        behind, back = code.above(d, nothing), code.minus(d, top)
        lost = code.minus(code.minus(top, code.minus(d, back)), code.plus(own, back))
        lost = code.either(code.above(half, nothing), lost, nothing)
        exact = code.either(behind, one, code.plus(half, code.times(half, lost)))
        far = code.plus(code.minus(others, one), code.times(half, half))
        once, nearer_half = code.times(others, exact), code.either(behind, one, half)
        below, rest = code.either(behind, d, nothing), code.either(behind, far, code.times(once, nearer_half))
        label = code.integers(1, r)
        known = code.within(label, code.argument(2), code.argument(3))
        found.append(_Beside(below, nearer_half, exact, once, rest, own, label, known))
    return found


def _or_nan_if_bad(code: VectorMath, x: Any, beside: _Beside, total: Any) -> Any:
    """Return x, or NaN where a row is bad: a logit is NaN or +inf, nothing counts, or its label is none."""
    finite, some = code.above(code.all_lanes(np.inf), beside.own), code.above(total, code.all_lanes(0.0))
    return code.either(code.and_all(beside.known, finite, some), x, code.all_lanes(np.nan))


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
def class_losses(labels, least, classes, totals, tops, own, means, smoothing, scale, factors, less, shares):
    """Return the sum of weighted losses of rows, NaN if one is bad; write them and what makes the gradient.

    Labels are from `least` on, less than `classes`. totals_r is the sum of the exponentials of row r's logits
    but its class's, relative to tops_r. own_r is the logit of its class and becomes its loss. The gradient is
    factors_r times the exponentials, less less_r; shares_r is its weight, and becomes its class's entry of
    the gradient, which all others make up. means_r is the mean of logits above the largest, or 0 without
    smoothing, and a row whose label is negative does not count.
    """
    n, added = labels.shape[0], 0.0
    whole = _in_registers(n)
    # Arguments of their own: a tuple of arrays would count references to each.
    if whole > 0:
        added += _first_losses(
            whole, labels, least, classes, totals, tops, own, means, smoothing, scale, factors, less, shares
        )
    if whole < n:
        added += _losses_from(
            whole, labels, least, classes, totals, tops, own, means, smoothing, scale, factors, less, shares
        )
    return added


@helper
def sum_of_class_losses(labels, least, classes, totals, tops, own, means, scale, factors, less, shares):
    """Return what `class_losses` does, and write the same but losses, where all weigh 1, not smoothed.

    One logarithm of the product of many totals, of which each is at most the number of classes C: as there
    are at most 2^13 / C rows, eight side by side, products stay below 2^542. It is kept less 1, which is all
    that there is of it where all rows are certain.
    """
    n, added = labels.shape[0], 0.0
    whole = _in_registers(n)
    if whole > 0:
        added += _first_sum(whole, labels, least, classes, totals, tops, own, scale, factors, less, shares)
    if whole < n:
        for r in range(whole, n):
            shares[r] = 1.0
        added += _losses_from(
            whole, labels, least, classes, totals, tops, own, means, 0.0, scale, factors, less, shares
        )
    return added
