"""Rows of logits: their softmax, its cross-entropy and gradient, in one pass that reads each row once."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from ..arguments.labels import SUM_TOLERANCE
from ..numerics.arithmetic import exact_exp, log_of_1_plus
from ..numerics.chunks import copy
from ..runtime import signatures
from ..runtime.jit import Function, helper, lazily, loop
from ..runtime.signatures import COUNTER, READ1, READ_INTS, WRITE, WRITE1
from ..runtime.units import each_unit
from ..simd.row_losses import (
    Rows,
    above,
    bad_totals,
    beside,
    class_losses,
    logs_and_inverses,
    sum_of_class_losses,
)
from .weigh import beside_the_largest, room_for, rows_together, weighing

# What labels may be.
CLASSES, PROBABILITIES = "classes", "probabilities"

# Totals below it have one exponential that is 1, and what else there is may be lost beside that.
_CERTAIN = 1.5
# Below it the logarithm of a total has lost more than eight bits.
_MORE_CERTAIN = 1.0 + 2.0**-8


class _Call(NamedTuple):
    """What a pass over N rows of C logits was given."""

    logits: Any  # (N C,)
    classes: Any
    labels: Any  # (N,) classes, (N, C) probabilities, or (0,)
    weights: Any  # (N,), or (1,) for all rows
    least: Any  # class number there may be, of which those below 0 do not count
    smoothing: Any
    scale: Any
    size: Any  # rows of a unit
    sums: Any  # (units, 2), losses and what tells that something is bad
    losses: Any  # (N,) or (0,)
    out: Any  # (N C,) or (0,)


class _Room(NamedTuple):
    """What a thread computes groups of rows in."""

    w: Any  # exponentials as `weigh` writes them
    rows: Rows
    unlabelled: Any  # (0,), the classes of rows that have none


@helper
def _make_room(classes):
    lines = np.empty((7, rows_together(classes)))  # one request for memory
    rows = Rows(lines[0], lines[1], lines[2], lines[3], lines[4], lines[5], lines[6])
    rows.means[:] = 0.0
    return _Room(np.empty(room_for(classes)), rows, np.empty(0, np.int64))


def _over_groups(labelled: bool, finish: Function) -> Function:
    """Return what weighs a unit's groups of rows, and sums what finish(call, room, first, n, labels) returns.

    That are the loss, and whether something is bad, of n rows from the first on, with classes `labels` (n,).
    """
    weigh = weighing(labelled)[0]

    @loop
    def unit_of(unit, call, room):
        flat, classes, size, sums, out = call.logits, call.classes, call.size, call.sums, call.out
        w, tops, totals, label_logits = room.w, room.rows.tops, room.rows.totals, room.rows.label_logits
        group, added = tops.shape[0], 0.0
        end = min((unit + 1) * size, flat.shape[0] // classes)
        for first in range(unit * size, end, group):
            n = min(group, end - first)
            labels = call.labels[first : first + n] if labelled else room.unlabelled
            weigh(flat, classes, first, n, end, w, tops, totals, out, labels, label_logits)
            loss, bad = finish(call, room, first, n, labels)
            added, sums[unit, 1] = added + loss, sums[unit, 1] + bad
        sums[unit, 0] = added

    return each_unit(unit_of)


@helper
def _below(zs, top):
    """Return the sum of exp(z - top) over all z (C,) below the top, to its last digits."""
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
    """out = (z - top) - log sum exp(z - top), zs and out (C,)."""
    for c in range(out.shape[0]):
        out[c] = above(zs[c], top) - log_total


def _finish_softmax(logarithm: bool) -> Function:
    write = weighing(False)[1]

    @helper
    def finish(call, room, first, n, labels):
        totals, tops, logs, nothing, _, inverses, _ = room.rows  # all means are 0
        flat, classes, out, bad = call.logits, call.classes, call.out, bad_totals(n, totals)
        logs_and_inverses(n, totals, logs, inverses)
        if logarithm:
            for r in range(n):
                row = slice((first + r) * classes, (first + r + 1) * classes)
                if totals[r] < _MORE_CERTAIN:
                    logs[r] = log_of_1_plus(_below(flat[row], tops[r]))
                _log_row(flat[row], tops[r], logs[r], out[row])
        else:
            write(room.w, n, classes, inverses, nothing, out, first, labels, nothing)
        return 0.0, bad

    return finish


@cache
def softmax_rows(dtype: np.dtype, logarithm: bool) -> Callable[[], Function]:
    """Return the compiled pass that writes the softmax of rows, or its logarithm."""

    def make() -> Function:
        take_units = _over_groups(False, _finish_softmax(logarithm))

        def probabilities_of(logits, size, sums, out, counter, most):
            """Write up to `most` units of `size` rows of logits to out, both (N, C).

            sums (units, 2), the latter 0 where no entry is bad.
            """
            flat, written, classes = logits.reshape(logits.size), out.reshape(out.size), logits.shape[1]
            room = _make_room(classes)
            weights, labels = room.rows.weights[:0], room.unlabelled
            call = _Call(flat, classes, labels, weights, 0, 0.0, 1.0, size, sums, weights, written)
            take_units(counter, most, sums.shape[0], call, room)

        return probabilities_of

    given = signatures.read(dtype), types.int64, WRITE, signatures.written(dtype), COUNTER, types.int64
    return lazily(make, types.void(*given), f"class_rows.{'log_' if logarithm else ''}softmax.{dtype}")


@cache
def cross_entropy_rows(dtype: np.dtype, labels: str, gradient: bool) -> Callable[[], Function]:
    """Return the compiled pass over rows of logits and their labels, with or without the gradient."""
    labelled = labels == CLASSES

    def make() -> Function:
        write = weighing(labelled)[1]
        finish = (_finish_classes if labelled else _finish_probabilities)(gradient, write)
        take_units = _over_groups(labelled, finish)

        def losses_of(
            logits, labels, weights, least, smoothing, scale, size, sums, losses, out, counter, most
        ):
            """sums (units, 2) = losses of up to `most` units of `size` rows, and 0 if no entry is bad.

            logits (N, C); labels (N,) classes, from `least` on, of which those below 0 do not count, or
            (N, C) probabilities; weights (N,), or (1,) for all rows. losses (N,) unless empty = those of the
            rows, and out (N, C) = the gradient of scale times their sum.
            """
            flat, written, classes = logits.reshape(logits.size), out.reshape(out.size), logits.shape[1]
            numbers = least, smoothing, scale, size
            call = _Call(flat, classes, labels, weights, *numbers, sums, losses, written)
            take_units(counter, most, sums.shape[0], call, _make_room(classes))

        return losses_of

    data = signatures.read(dtype)
    numbers = types.int64, types.float64, types.float64, types.int64
    given = data, READ_INTS if labelled else data, READ1, *numbers, WRITE, WRITE1
    signature = types.void(*given, signatures.written(dtype), COUNTER, types.int64)
    return lazily(make, signature, f"class_rows.{labels}.{dtype}{'.gradient' if gradient else ''}")


@loop
def _mean_above(zs, top):
    """Return the mean of a row's logits (C,) relative to its top."""
    mean, share = 0.0, 1.0 / zs.shape[0]
    for c in range(zs.shape[0]):
        mean += above(zs[c], top) * share  # the sum might be no float
    return mean


def _finish_classes(gradient: bool, write: Function) -> Function:
    @helper
    def finish(call, room, first, n, labels):
        rows, losses, weights = room.rows, call.losses, call.weights
        least, classes, smoothing, end = call.least, call.classes, call.smoothing, first + n
        if smoothing == 0.0 and weights.shape[0] == 1 and weights[0] == 1.0 and losses.shape[0] == 0:
            added = sum_of_class_losses(labels, least, classes, call.scale, rows)
        else:
            if weights.shape[0] > 1:
                copy(weights[first:end], rows.weights[:n])
            else:
                rows.weights[:n] = weights[0]
            if smoothing > 0.0:
                flat, tops, label_logits, means = call.logits, rows.tops, rows.label_logits, rows.means
                for r in range(n):
                    row = slice((first + r) * classes, (first + r + 1) * classes)
                    means[r] = _mean_above(flat[row], max(tops[r], label_logits[r]))
            added = class_losses(labels, least, classes, smoothing, call.scale, rows)
        if losses.shape[0] > 0:
            copy(rows.label_logits[:n], losses[first:end])
        if gradient:
            write(room.w, n, classes, rows.factors, rows.offsets, call.out, first, labels, rows.weights)
        return added, 1 if np.isnan(added) else 0

    return finish


@loop
def _mass_of(p):
    """Return the sum of masses (C,), and how many are bad."""
    total, bad = 0.0, 0
    for c in range(p.shape[0]):
        each = np.float64(p[c])
        bad += 0 if (each >= 0.0) & (each < np.inf) else 1
        total += each
    return total, bad


@loop
def _mass_beside(p, but):
    """Return the sum of masses (C,) but one."""
    total = 0.0
    for c in range(p.shape[0]):
        total += np.float64(p[c]) if c != but else 0.0
    return total


@loop
def _products_with(p, zs, top, smoothing, even):
    """Return sum_c t_c (z_c - top), in which 0 times -inf is 0; p and zs (C,)."""
    total = 0.0
    for c in range(p.shape[0]):
        target = (1.0 - smoothing) * np.float64(p[c]) + even
        total += target * above(zs[c], top) if target > 0.0 else 0.0
    return total


@loop
def _subtract(p, share, smoothing, slopes):
    """slopes (C,) -= share times what smoothing leaves of masses p (C,)."""
    for c in range(p.shape[0]):
        slopes[c] -= share * ((1.0 - smoothing) * np.float64(p[c]))


def _finish_probabilities(gradient: bool, write: Function) -> Function:
    @helper
    def finish(call, room, first, n, labels):
        flat, classes, masses, weights, _, smoothing, scale, _, _, losses, out = call
        w, rows = room.w, room.rows
        totals, tops, logs, wholes, _, factors, offsets = rows
        inverses = factors  # which are not needed before
        together = tops.shape[0]
        logs_and_inverses(n, totals, logs, inverses)
        added, bad, even = 0.0, bad_totals(n, totals), smoothing / classes
        for r in range(n):
            i, begin = first + r, (first + r) * classes
            p, zs = masses[i], flat[begin : begin + classes]
            weight = weights[i if weights.shape[0] > 1 else 0]
            mass, more = _mass_of(p)
            bad += more + (0 if abs(mass - 1.0) <= SUM_TOLERANCE else 1)
            whole = (1.0 - smoothing) * mass + smoothing
            if totals[r] < _CERTAIN:
                logs[r] = log_of_1_plus(beside_the_largest(w, r, classes, together)[1])
            loss = 0.0
            if weight > 0.0:
                inner = _products_with(p, zs, tops[r], smoothing, even)
                loss = weight * (whole * logs[r] - inner)
            added += loss
            if losses.shape[0] > 0:
                losses[i] = loss
            share = weight * scale
            factors[r], offsets[r], wholes[r] = share * inverses[r] * whole, share * even, whole
        if gradient:
            write(w, n, classes, factors, offsets, out, first, labels, rows.weights)
            for r in range(n):
                i, begin = first + r, (first + r) * classes
                share = weights[i if weights.shape[0] > 1 else 0] * scale
                p, slopes, whole = masses[i], out[begin : begin + classes], wholes[r]
                _subtract(p, share, smoothing, slopes)
                if totals[r] < _CERTAIN:  # p_c - t_c would cancel
                    c, rest = beside_the_largest(w, r, classes, together)
                    others = (1.0 - smoothing) * _mass_beside(p, c) + (classes - 1) * even
                    slopes[c] = share * (others - whole * rest / (1.0 + rest))
        return added, bad

    return finish
