"""Rows of logits: their softmax, its cross-entropy and gradient, in one pass that reads each row once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from ..arguments.labels import SUM_TOLERANCE
from ..numerics.arithmetic import exact_exp, log_of_1_plus
from ..runtime import signatures
from ..runtime.jit import helper, lazily, loop
from ..runtime.signatures import COUNTER, INTS, READ1, READ_INTS, WRITE1
from ..runtime.units import take_unit, unit_done, wait_for_others
from ..simd.row_losses import above, bad_totals, beside, class_losses, logs_of, sum_of_class_losses
from .weigh import beside_the_largest, copy, rows_together, weighing

# What labels may be.
CLASSES, PROBABILITIES = "classes", "probabilities"

# Totals below it have one exponential that is 1, and what else there is may be lost beside that.
_CERTAIN = 1.5
# Below it the logarithm of a total has lost more than eight bits.
_MORE_CERTAIN = 1.0 + 2.0**-8


@helper
def _below(zs, top):
    """Return the sum of exp(z - top) over all z below the top, to its last digits."""
    second = -np.inf
    for c in range(zs.shape[0]):
        z = np.float64(zs[c])
        second = z if (z > second) & (z < top) else second
    if second == -np.inf:
        return 0.0
    total = 0.0
    for c in range(zs.shape[0]):
        z = np.float64(zs[c])
        total += exact_exp(z - second) if z < top else 0.0
    return beside(total, second, top)[4]


@helper
def _log_row(zs, top, log_total, out):
    """out = (z - top) - log sum exp(z - top)."""
    for c in range(out.shape[0]):
        out[c] = above(zs[c], top) - log_total


@cache
def softmax_rows(dtype: np.dtype, logarithm: bool) -> Callable[[], Callable]:
    """Return the compiled pass that writes the softmax of rows, or its logarithm."""
    data, written = signatures.read(dtype), signatures.written(dtype)

    def make() -> Callable:
        weigh, write = weighing(False)

        def rows_of(logits, size, out, bad, room, counter, most):
            """Write up to `most` units of `size` rows; bad (units,) = 0 if no entry is bad."""
            classes = logits.shape[1]
            group = rows_together(classes)
            units = -(-logits.shape[0] // size)
            flat, written = logits.reshape(logits.size), out.reshape(out.size)
            w, tops, totals = np.empty(room), np.empty(group), np.empty(group)
            logs, inverses, nothing = np.empty(group), np.empty(group), np.zeros(group)
            unlabelled = np.empty(0, np.int64)
            for _ in range(most):
                unit = take_unit(counter)
                if unit >= units:
                    return wait_for_others(counter, units)
                end = min((unit + 1) * size, logits.shape[0])
                for first in range(unit * size, end, group):
                    n = min(group, end - first)
                    weigh(flat, classes, first, n, end, w, tops, totals, written, unlabelled, nothing)
                    bad[unit] += bad_totals(n, totals)
                    logs_of(n, totals, logs, inverses)
                    if logarithm:
                        for r in range(n):
                            row = slice((first + r) * classes, (first + r + 1) * classes)
                            if totals[r] < _MORE_CERTAIN:
                                logs[r] = log_of_1_plus(_below(flat[row], tops[r]))
                            _log_row(flat[row], tops[r], logs[r], written[row])
                    else:
                        write(w, n, classes, inverses, nothing, written, first * classes, unlabelled, nothing)
                unit_done(counter)

        return rows_of

    name = f"class_rows.{'log_' if logarithm else ''}softmax.{dtype}"
    return lazily(make, types.void(data, types.int64, written, INTS, types.int64, COUNTER, types.int64), name)


@cache
def cross_entropy_rows(dtype: np.dtype, labels: str, gradient: bool) -> Callable[[], Callable]:
    """Return the compiled pass over rows of logits and their labels, with or without the gradient."""
    data = signatures.read(dtype)
    signature = types.void(
        data,
        READ_INTS if labels == CLASSES else data,
        types.int64,
        READ1,
        types.float64,
        types.float64,
        types.int64,
        WRITE1,
        INTS,
        WRITE1,
        signatures.written(dtype),
        types.int64,
        COUNTER,
        types.int64,
    )
    name = f"class_rows.{labels}.{dtype}{'.gradient' if gradient else ''}"
    return lazily(lambda: _make_units(labels, gradient), signature, name)


def _make_units(labels: str, gradient: bool) -> Callable:
    labelled = labels == CLASSES
    make_rows, numbers_of = (_make_classes, _some_of) if labelled else (_make_probabilities, _none_of)
    weigh, write = weighing(labelled)
    some_rows = make_rows(gradient, write)

    def rows_of(
        logits, labels, least, weights, smoothing, scale, size, sums, bad, losses, out, room, counter, most
    ):
        """sums (units,) = losses of up to `most` units of `size` rows, bad (units,) = 0 if no entry is bad.

        A class number may be from `least` on, and does not count below 0.
        losses (N,) unless empty = those of the rows, and `out` = the gradient of scale times their sum.
        """
        classes = logits.shape[1]
        group = rows_together(classes)
        units = -(-logits.shape[0] // size)
        flat, written = logits.reshape(logits.size), out.reshape(out.size)
        w, tops, totals = np.empty(room), np.empty(group), np.empty(group)
        means, own = np.zeros(group), np.empty(group)
        factors, less, shares = np.empty(group), np.empty(group), np.empty(group)
        unlabelled = np.empty(0, np.int64)
        for _ in range(most):
            unit = take_unit(counter)
            if unit >= units:
                return wait_for_others(counter, units)
            end, added = min((unit + 1) * size, logits.shape[0]), 0.0
            for first in range(unit * size, end, group):
                n = min(group, end - first)
                mine = numbers_of(labels, unlabelled, first, n)
                weigh(flat, classes, first, n, end, w, tops, totals, written, mine, own)
                # Arguments of their own: a tuple of arrays would count references to each.
                more, loss = some_rows(
                    flat,
                    classes,
                    labels,
                    mine,
                    least,
                    weights,
                    smoothing,
                    scale,
                    first,
                    n,
                    w,
                    tops,
                    totals,
                    means,
                    factors,
                    less,
                    shares,
                    own,
                    losses,
                    written,
                )
                bad[unit], added = bad[unit] + more, added + loss
            sums[unit] = added
            unit_done(counter)

    return rows_of


@helper
def _some_of(labels, unlabelled, first, n):
    return labels[first : first + n]


@helper
def _none_of(labels, unlabelled, first, n):
    return unlabelled


@loop
def _mean_above(zs, top):
    """Return the mean of a row's logits relative to its top."""
    mean, part = 0.0, 1.0 / zs.shape[0]
    for c in range(zs.shape[0]):
        mean += above(zs[c], top) * part  # the sum might be no float
    return mean


def _make_classes(gradient: bool, write: Callable) -> Callable:
    @helper
    def some_rows(
        flat,
        classes,
        labels,
        mine,
        least,
        weights,
        smoothing,
        scale,
        first,
        n,
        w,
        tops,
        totals,
        means,
        factors,
        less,
        shares,
        own,
        losses,
        out,
    ):
        end = first + n
        if smoothing == 0.0 and weights.shape[0] == 1 and weights[0] == 1.0 and losses.shape[0] == 0:
            added = sum_of_class_losses(
                mine, least, classes, totals, tops, own, means, scale, factors, less, shares
            )
        else:
            if weights.shape[0] > 1:
                copy(weights[first:end], shares[:n])
            else:
                shares[:n] = weights[0]
            if smoothing > 0.0:
                for r in range(n):
                    row = slice((first + r) * classes, (first + r + 1) * classes)
                    means[r] = _mean_above(flat[row], max(tops[r], own[r]))
            added = class_losses(
                mine, least, classes, totals, tops, own, means, smoothing, scale, factors, less, shares
            )
        if losses.shape[0] > 0:
            copy(own[:n], losses[first:end])
        if gradient:
            write(w, n, classes, factors, less, out, first * classes, mine, shares)
        return 1 if np.isnan(added) else 0, added

    return some_rows


def _make_probabilities(gradient: bool, write: Callable) -> Callable:
    @loop
    def mass_of(p):
        total, bad = 0.0, 0
        for c in range(p.shape[0]):
            each = np.float64(p[c])
            bad += 0 if (each >= 0.0) & (each < np.inf) else 1
            total += each
        return total, bad

    @loop
    def mass_beside(p, but):
        total = 0.0
        for c in range(p.shape[0]):
            total += np.float64(p[c]) if c != but else 0.0
        return total

    @loop
    def products_with(p, zs, top, smoothing, even):
        """Return sum_c t_c (z_c - top), in which 0 times -inf is 0."""
        total = 0.0
        for c in range(p.shape[0]):
            target = (1.0 - smoothing) * np.float64(p[c]) + even
            total += target * above(zs[c], top) if target > 0.0 else 0.0
        return total

    @loop
    def subtract(p, share, smoothing, by):
        for c in range(p.shape[0]):
            by[c] -= share * ((1.0 - smoothing) * np.float64(p[c]))

    @helper
    def some_rows(
        flat,
        classes,
        labels,
        mine,
        least,
        weights,
        smoothing,
        scale,
        first,
        n,
        w,
        tops,
        totals,
        means,
        factors,
        less,
        shares,
        own,
        losses,
        out,
    ):
        logs, inverses = own, factors  # which are not needed before
        logs_of(n, totals, logs, inverses)
        added, bad, even = 0.0, bad_totals(n, totals), smoothing / classes
        for r in range(n):
            i, begin = first + r, (first + r) * classes
            p, zs = labels[i], flat[begin : begin + classes]
            weight = weights[i if weights.shape[0] > 1 else 0]
            mass, more = mass_of(p)
            bad += more + (0 if abs(mass - 1.0) <= SUM_TOLERANCE else 1)
            whole = (1.0 - smoothing) * mass + smoothing
            if totals[r] < _CERTAIN:
                rest = beside_the_largest(w, r, classes, tops.shape[0])[1]
                logs[r] = log_of_1_plus(rest)
            loss = 0.0
            if weight > 0.0:
                inner = products_with(p, zs, tops[r], smoothing, even)
                loss = weight * (whole * logs[r] - inner)
            added += loss
            if losses.shape[0] > 0:
                losses[i] = loss
            share = weight * scale
            factors[r], less[r] = share * inverses[r] * whole, share * even
            means[r] = whole
        if gradient:
            write(w, n, classes, factors, less, out, first * classes, mine, shares)
            for r in range(n):
                i, begin = first + r, (first + r) * classes
                share = weights[i if weights.shape[0] > 1 else 0] * scale
                p, by, whole = labels[i], out[begin : begin + classes], means[r]
                subtract(p, share, smoothing, by)
                if totals[r] < _CERTAIN:  # p_c - t_c would cancel
                    c, rest = beside_the_largest(w, r, classes, tops.shape[0])
                    others = (1.0 - smoothing) * mass_beside(p, c) + (classes - 1) * even
                    by[c] = share * (others - whole * rest / (1.0 + rest))
        return bad, added

    return some_rows
