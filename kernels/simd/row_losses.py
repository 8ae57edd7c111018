"""What the totals of rows of exponentials make: logarithms, and losses of the rows' classes.

Eight rows at a time, in vector registers: of loops over as many arrays as these are a compiler makes no
vector code, because some might overlap. Where none is generated, and for what is left over, plain loops do
the same.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import types

from ..numerics.arithmetic import exact_exp, log_of_1_plus
from ..numerics.chunks import LANES, sum_of
from ..runtime.jit import GENERATES, helper, loop
from .code import Array
from .registers import logs_of
from .vector_math import VectorMath, generated

_TOGETHER = 4  # registers whose numbers are computed side by side


class Rows(NamedTuple):
    """What the losses of a group of rows are computed from and in: arrays (n,) or longer."""

    totals: Any  # of exponentials of all classes but the label, relative to the top
    tops: Any
    label_logits: Any  # then the losses
    means: Any  # of all logits, relative to the largest; 0 without smoothing
    weights: Any  # then the label's entries of the gradient
    factors: Any  # the gradient is these times the exponentials, less the offsets
    offsets: Any


@helper
def above(z, top):
    """Return z - top, before anything is added: what is small beside the top would be lost."""
    return np.float64(z) - top


@loop
def bad_totals(n, totals):
    """Return how many of n totals (n,) or longer are of bad rows: not finite, or of nothing."""
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
def beside(others, top, logit):
    """Return what a row's loss and gradient are made of, from its label's logit and what the others come to.

    These are max(d, 0), d = top - logit; e^min(d/2, 0), and once more with what rounding d lost: their
    product makes powers relative to the larger of the two; the others' total times the latter; and all of
    what comes beside a 1, relative to the larger.
    """
    d = top - logit
    if d > 0.0:
        return d, 1.0, 1.0, others, (others - 1.0) + exact_exp(-d)
    half = exact_exp(0.5 * d)
    exact = half + half * _lost(top, logit, d) if half > 0.0 else 0.0
    once = others * exact
    return 0.0, half, exact, once, once * half


@helper
def _losses_from(first, labels, least, classes, smoothing, scale, rows):
    """As `class_losses` from row `first` on; labels (n,)."""
    totals, tops, label_logits, means, weights, factors, offsets = rows
    n, bad, even = labels.shape[0], 0, smoothing / classes
    for r in range(first, n):
        logit = label_logits[r]
        below, half, exact, once, rest = beside(totals[r], tops[r], logit)
        good = (logit < np.inf) & (1.0 + rest > 0.0) & (labels[r] >= least) & (labels[r] < classes)
        bad += 0 if good else 1
        log_total = log_of_1_plus(rest) if good else np.nan
        weight = weights[r] if labels[r] >= 0 else 0.0
        loss = 0.0
        if weight > 0.0:
            if smoothing < 1.0:
                # A product that is normal may have a factor that is not.
                tiny = (below == 0.0) & (1.0 + rest == 1.0)
                unsmoothed = (1.0 - smoothing) * weight  # which may be all that is a number
                loss += unsmoothed * half * once if tiny else unsmoothed * (below + log_total)
            loss += weight * (smoothing * (log_total - means[r]))
        label_logits[r] = loss
        share = weight * scale
        inverse = share * half / (1.0 + rest)
        factors[r], offsets[r] = inverse * exact, share * even
        weights[r] = share * (smoothing - even) - inverse * once
    return sum_of(label_logits[first:n], n - first) if bad == 0 else np.nan


@generated(types.float64)
def _losses_in_registers(code, n, labels, least, classes, smoothing, scale, rows):
    """As `class_losses` for n rows, a multiple of eight; labels (n,) or longer."""
    smoothing, scale = code.all_lanes(smoothing), code.all_lanes(scale)
    even = code.quotient(smoothing, code.all_lanes(code.number(classes)))
    nothing, one = code.all_lanes(0.0), code.all_lanes(1.0)
    unsmoothed = code.minus(one, smoothing)
    counts, besides = code.above(unsmoothed, nothing), code.minus(smoothing, even)
    added = code.variable(0.0)

    def block(size, first):
        each = _beside_in_registers(code, size, first, labels, least, classes, rows)
        totals = [code.plus(one, beside.rest) for beside in each]
        inverses = [code.quotient(one, total) for total in totals]
        logs = code.logs_of_1_and([beside.rest for beside in each], inverses)
        for beside, total, inverse, log_total in zip(each, totals, inverses, logs, strict=True):
            r = beside.first
            weight = code.either(code.not_negative(beside.label), code.numbers(rows.weights, r), nothing)
            of_label = code.times(unsmoothed, weight)
            tiny = code.times(code.times(of_label, beside.half), beside.once)
            of_label = code.times(of_label, code.plus(beside.below, log_total))
            of_label = code.either(code.above(code.plus(beside.below, total), one), of_label, tiny)
            of_label = code.either(counts, of_label, nothing)
            of_all = code.minus(log_total, code.numbers(rows.means, r))
            of_all = code.times(weight, code.times(smoothing, of_all))
            loss = code.either(code.above(weight, nothing), code.plus(of_label, of_all), nothing)
            share = code.times(weight, scale)
            factor = code.times(code.times(share, beside.half), inverse)
            slope = code.minus(code.times(share, besides), code.times(factor, beside.once))
            code.put(loss, rows.label_logits, r)
            code.put(code.times(factor, beside.exact), rows.factors, r)
            code.put(code.times(share, even), rows.offsets, r)
            code.put(slope, rows.weights, r)
            added.value = code.plus(added.value, _or_nan_if_bad(code, loss, beside, total))

    code.blocks(code.registers(n), _TOGETHER, block)
    return code.sum_of_lanes(added.value)


@generated(types.float64)
def _sum_in_registers(code, n, labels, least, classes, scale, rows):
    """As `sum_of_class_losses` for n rows, a multiple of eight; labels (n,) or longer."""
    scale, nothing, one = code.all_lanes(scale), code.all_lanes(0.0), code.all_lanes(1.0)
    product, added = code.variable(0.0), code.variable(0.0)  # the product less 1

    def block(size, first):
        for beside in _beside_in_registers(code, size, first, labels, least, classes, rows):
            r, counts, total = beside.first, code.not_negative(beside.label), code.plus(one, beside.rest)
            share = code.times(code.either(counts, scale, nothing), beside.half)
            factor = code.quotient(share, total)
            code.put(code.times(factor, beside.exact), rows.factors, r)
            code.put(nothing, rows.offsets, r)
            code.put(code.minus(nothing, code.times(factor, beside.once)), rows.weights, r)
            rest, so_far = code.either(counts, beside.rest, nothing), product.value
            product.value = code.plus(code.times(rest, code.plus(one, so_far)), so_far)
            below = code.either(counts, beside.below, nothing)
            added.value = code.plus(added.value, _or_nan_if_bad(code, below, beside, total))

    code.blocks(code.registers(n), _TOGETHER, block)
    inverse = code.quotient(one, code.plus(one, product.value))
    logs = code.logs_of_1_and([product.value], [inverse])[0]
    return code.sum_of_lanes(code.plus(logs, added.value))


class _Beside(NamedTuple):
    """What `beside` returns for the rows from the first on, their labels' logits, and labels."""

    first: Any
    below: Any
    half: Any
    exact: Any
    once: Any
    rest: Any
    logit: Any
    label: Any
    known: Any  # which labels may be


def _beside_in_registers(
    code: VectorMath, size: int, first: Any, labels: Array, least: Any, classes: Any, rows: Rows
) -> list[_Beside]:
    """Return what `beside` does, for some registers of rows."""
    nothing, one, halves = code.all_lanes(0.0), code.all_lanes(1.0), code.all_lanes(0.5)
    firsts = [code.entry(first, k) for k in range(size)]
    arrays = rows.totals, rows.tops, rows.label_logits
    given = [[code.numbers(array, r) for array in arrays] for r in firsts]
    above = [code.minus(top, logit) for _, top, logit in given]
    nearer = [code.times(halves, code.negative(code.magnitude(d))) for d in above]
    powers = code.powers_of_e(nearer, exact=True)
    registers = []
    for r, (others, top, logit), d, half in zip(firsts, given, above, powers, strict=True):
        behind, back = code.above(d, nothing), code.minus(d, top)
        lost = code.minus(code.minus(top, code.minus(d, back)), code.plus(logit, back))
        lost = code.either(code.above(half, nothing), lost, nothing)
        exact = code.either(behind, one, code.plus(half, code.times(half, lost)))
        far = code.plus(code.minus(others, one), code.times(half, half))
        once, nearer_half = code.times(others, exact), code.either(behind, one, half)
        below, rest = code.either(behind, d, nothing), code.either(behind, far, code.times(once, nearer_half))
        label = code.integers(labels, r)
        known = code.within(label, least, classes)
        registers.append(_Beside(r, below, nearer_half, exact, once, rest, logit, label, known))
    return registers


def _or_nan_if_bad(code: VectorMath, x: Any, beside: _Beside, total: Any) -> Any:
    """Return x, or NaN where a row is bad: a logit is NaN or +inf, nothing counts, or its label is none."""
    finite, counts = code.above(code.all_lanes(np.inf), beside.logit), code.above(total, code.all_lanes(0.0))
    return code.either(code.and_all(beside.known, finite, counts), x, code.all_lanes(np.nan))


@helper
def _in_registers(n):
    """Return how many of n rows are computed in whole registers: the first ones."""
    return n // LANES * LANES if GENERATES else 0


@loop
def logs_and_inverses(n, totals, logs, inverses):
    """Write the logarithms and the inverses of n totals; all (n,) or longer."""
    logs_of(totals, n, logs)
    for r in range(n):
        inverses[r] = 1.0 / totals[r]


@helper
def class_losses(labels, least, classes, smoothing, scale, rows):
    """Return the sum of weighted losses of `rows`, NaN if one is bad; write them and what makes the gradient.

    labels (n,) are from `least` on, less than `classes`; a row whose label is negative does not count.
    """
    n, added = labels.shape[0], 0.0
    whole = _in_registers(n)
    if whole > 0:
        added += _losses_in_registers(whole, labels, least, classes, smoothing, scale, rows)
    if whole < n:
        added += _losses_from(whole, labels, least, classes, smoothing, scale, rows)
    return added


@helper
def sum_of_class_losses(labels, least, classes, scale, rows):
    """Return what `class_losses` does of labels (n,) that all weigh 1, not smoothed; write all but losses.

    One logarithm of the product of many totals, of which each is at most the number of classes C: as there
    are at most 2^13 / C rows, eight side by side, products stay below 2^542. It is kept less 1, which is all
    that there is of it where all rows are certain.
    """
    n, added = labels.shape[0], 0.0
    whole = _in_registers(n)
    if whole > 0:
        added += _sum_in_registers(whole, labels, least, classes, scale, rows)
    if whole < n:
        weights = rows.weights
        for r in range(whole, n):
            weights[r] = 1.0
        added += _losses_from(whole, labels, least, classes, 0.0, scale, rows)
    return added
