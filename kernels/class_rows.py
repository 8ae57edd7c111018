"""Rows of logits: their softmax, its cross-entropy and gradient, in one pass that reads each row once.

Short rows are computed side by side, so that vector registers hold one class of several rows; long rows
one after another, while memory is asked for what the next ones need.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from . import row_types
from .arithmetic import LOG2_E, exp2, log_ratio
from .jit import helper, lazily, loop
from .labels import SUM_SLACK
from .pair_loops import LANES, READ1, READ_INTS, WRITE1, sum_of
from .powers import powers_of_column, powers_of_row, top_of_numbers
from .problem import FLOAT64
from .short_rows import passes
from .units import COUNTER, take_unit, unit_done, wait_for_others

_CHUNK = 2**11  # numbers that stay in the first cache with what they are computed from
_SHORT = 48  # classes of rows that are computed side by side, one class after another
# What labels may be.
CLASSES, PROBABILITIES = "classes", "probabilities"

_COUNTS = types.Array(types.int64, 1, "C")


def room_for(classes: int) -> int:
    """Return how many numbers a thread computes in."""
    return max(_CHUNK, classes) + LANES


@helper
def rows_together(classes):
    """Return how many rows are computed together: whole vector registers of short ones."""
    rows = max(1, _CHUNK // classes)
    return rows // LANES * LANES if classes <= _SHORT else rows


@loop
def _bad_of(zs):
    """Return how many logits are NaN or +inf."""
    bad = 0
    for i in range(zs.shape[0]):
        bad += 0 if np.float64(zs[i]) < np.inf else 1
    return bad


# What has a sign is no index of a vector register's load: hence parts of arrays.


@loop
def _copy(zs, w):
    for c in range(zs.shape[0]):
        w[c] = np.float64(zs[c])


@helper
def _top_of(zs):
    """Return the largest logit of a row, or +inf if one is NaN."""
    whole = zs.shape[0] // LANES * LANES
    top = top_of_numbers(zs, whole)
    for c in range(whole, zs.shape[0]):
        top = max(top, zs[c] if zs[c] < np.inf else np.inf)
    return top


@helper
def _one_row(zs, top, w, out):
    """Write exp(z - top) of a row; return its sum. `out` is where it goes in the end, or empty."""
    whole = zs.shape[0] // LANES * LANES
    total = powers_of_row(zs, top, w, whole, out)
    for c in range(whole, zs.shape[0]):
        w[c] = exp2((zs[c] - top) * LOG2_E)
        total += w[c]
    return total


@helper
def _above(z, top):
    """Return z - top, before anything is added: what is small beside the top would be lost."""
    return np.float64(z) - top


@helper
def _log_row(zs, top, log_total, out):
    """out = (z - top) - log sum exp(z - top)."""
    for c in range(out.shape[0]):
        out[c] = _above(zs[c], top) - log_total


@loop
def _write_row(w, factor, less, out):
    for c in range(out.shape[0]):
        out[c] = w[c] * factor - less


@cache
def _weighing(double: bool) -> tuple[Callable, Callable]:
    """Return what weighs some rows and what writes them, for numbers in float64 or not."""
    columns, rows_of_columns = passes(double)

    @helper
    def weigh(flat, classes, first, n, w, tops, totals, written):
        """Write exp(z - top) of some rows to w, and their tops and totals; return how many entries are bad.

        Row r's class c is at w[c R + r], R the length of tops, where rows are short, and at w[r C + c]
        otherwise. Of short rows whole vector registers: what the last lack comes to something, which
        nobody reads.
        """
        begin, bad = first * classes, 0
        if classes <= _SHORT:
            zs, stride = flat[begin : begin + n * classes], tops.shape[0]
            bad += _bad_of(zs)
            for r in range(stride):
                tops[r], totals[r] = -np.inf, 0.0
            columns(zs, n, classes, w, stride, tops)
            end = (n + LANES - 1) // LANES * LANES
            for c in range(classes):
                column = slice(c * stride, (c + 1) * stride)
                powers_of_column(w[column], tops, totals, end, flat, written, begin + classes * n + c * n)
        else:
            for r in range(n):
                span = slice(begin + r * classes, begin + (r + 1) * classes)
                row, mine, out = flat[span], w[r * classes : (r + 1) * classes], written[span]
                if double:
                    tops[r] = _top_of(row)
                    totals[r] = _one_row(row, tops[r], mine, out)
                else:
                    _copy(row, mine)
                    tops[r] = _top_of(mine)
                    totals[r] = _one_row(mine, tops[r], mine, mine[:0])
        for r in range(n):
            bad += 0 if abs(tops[r]) < np.inf else 1
        return bad

    @helper
    def write(w, n, classes, factors, less, out, begin):
        """out = w factor - less, by row."""
        if classes <= _SHORT:
            rows_of_columns(w, n, classes, factors.shape[0], factors, less, out[begin : begin + n * classes])
            return
        for r in range(n):
            row = r * classes
            _write_row(w[row : row + classes], factors[r], less[r], out[begin + row : begin + row + classes])

    return weigh, write


@loop
def _logs_of(totals, logs, inverses):
    for r in range(totals.shape[0]):
        logs[r], inverses[r] = log_ratio(totals[r], 1.0), 1.0 / totals[r]


@cache
def softmax_rows(dtype: np.dtype, logarithm: bool) -> Callable[[], Callable]:
    """Return the compiled pass that writes the softmax of rows, or its logarithm."""
    data, written = row_types.read(dtype), row_types.written(dtype)

    def make() -> Callable:
        weigh, write = _weighing(dtype == FLOAT64)

        def rows_of(logits, size, out, bad, room, counter, most):
            """Write up to `most` units of `size` rows; bad (units,) = how many entries of each are bad."""
            classes = logits.shape[1]
            group = rows_together(classes)
            units = -(-logits.shape[0] // size)
            flat, written = logits.reshape(logits.size), out.reshape(out.size)
            w, tops, totals = np.empty(room), np.empty(group), np.empty(group)
            logs, inverses, nothing = np.empty(group), np.empty(group), np.zeros(group)
            for _ in range(most):
                unit = take_unit(counter)
                if unit >= units:
                    return wait_for_others(counter, units)
                end = min((unit + 1) * size, logits.shape[0])
                for first in range(unit * size, end, group):
                    n = min(group, end - first)
                    bad[unit] += weigh(flat, classes, first, n, w, tops, totals, written)
                    _logs_of(totals[:n], logs, inverses)
                    if logarithm:
                        for r in range(n):
                            row = slice((first + r) * classes, (first + r + 1) * classes)
                            _log_row(flat[row], tops[r], logs[r], written[row])
                    else:
                        write(w, n, classes, inverses, nothing, written, first * classes)
                unit_done(counter)

        return rows_of

    name = f"class_rows.{'log_' if logarithm else ''}softmax.{dtype}"
    return lazily(
        make, types.void(data, types.int64, written, _COUNTS, types.int64, COUNTER, types.int64), name
    )


@cache
def cross_entropy_rows(dtype: np.dtype, labels: str, gradient: bool) -> Callable[[], Callable]:
    """Return the compiled pass over rows of logits and their labels, with or without the gradient."""
    data = row_types.read(dtype)
    makes = _make_classes if labels == CLASSES else _make_probabilities
    signature = types.void(
        data,
        READ_INTS if labels == CLASSES else data,
        READ1,
        types.float64,
        types.float64,
        types.int64,
        WRITE1,
        _COUNTS,
        WRITE1,
        row_types.written(dtype),
        types.int64,
        COUNTER,
        types.int64,
    )
    name = f"class_rows.{labels}.{dtype}{'.gradient' if gradient else ''}"
    return lazily(lambda: _make_units(makes, gradient, dtype), signature, name)


def _make_units(make_rows: Callable, gradient: bool, dtype: np.dtype) -> Callable:
    weigh, write = _weighing(dtype == FLOAT64)
    some_rows = make_rows(gradient, SUM_SLACK[dtype], write)

    def rows_of(logits, labels, weights, smoothing, scale, size, sums, bad, losses, out, room, counter, most):
        """sums (units,) = losses of up to `most` units of `size` rows, bad (units,) = entries that are bad.

        losses (N,) unless empty = those of the rows, and `out` = the gradient of scale times their sum.
        """
        classes = logits.shape[1]
        group = rows_together(classes)
        units = -(-logits.shape[0] // size)
        flat, written = logits.reshape(logits.size), out.reshape(out.size)
        w, tops, totals = np.empty(room), np.empty(group), np.empty(group)
        logs, inverses = np.empty(group), np.empty(group)
        factors, less, own = np.empty(group), np.empty(group), np.empty(group)
        for _ in range(most):
            unit = take_unit(counter)
            if unit >= units:
                return wait_for_others(counter, units)
            end, added = min((unit + 1) * size, logits.shape[0]), 0.0
            for first in range(unit * size, end, group):
                n = min(group, end - first)
                bad[unit] += weigh(flat, classes, first, n, w, tops, totals, written)
                _logs_of(totals[:n], logs, inverses)
                about = flat, classes, labels, weights, smoothing, scale, first, n
                more, loss = some_rows(*about, w, tops, logs, inverses, factors, less, own, losses, written)
                bad[unit], added = bad[unit] + more, added + loss
            sums[unit] = added
            unit_done(counter)

    return rows_of


@helper
def _own_losses(zs, classes, labels, tops, logs, own):
    """own = log sum exp(z) - z of each row's class."""
    for r in range(own.shape[0]):
        at = np.uint64(r * classes + max(labels[r], np.int64(0)))
        own[r] = logs[r] - _above(zs[at], tops[r])


@loop
def _smooth(zs, top, log_total, smoothing, own):
    """Return a row's loss with labels that are smoothed."""
    mean = 0.0
    for c in range(zs.shape[0]):
        mean += _above(zs[c], top)
    loss = (1.0 - smoothing) * own if smoothing < 1.0 else 0.0
    return loss + smoothing * (log_total - mean / zs.shape[0])


@loop
def _weigh_losses(own, labels, weights, scale, even, inverses, factors, less):
    """Multiply losses by weights, and write what the gradient's exponentials are multiplied with."""
    step = np.uint64(1 if weights.shape[0] > 1 else 0)
    for r in range(own.shape[0]):
        weight = weights[np.uint64(r) * step] if labels[r] >= 0 else 0.0
        own[r] = weight * own[r] if weight > 0.0 else 0.0
        factors[r], less[r] = weight * scale * inverses[r], weight * scale * even


def _make_classes(gradient: bool, slack: float, write: Callable) -> Callable:
    @helper
    def some_rows(
        flat,
        classes,
        labels,
        weights,
        smoothing,
        scale,
        first,
        n,
        w,
        tops,
        logs,
        inverses,
        factors,
        less,
        own,
        losses,
        out,
    ):
        even, end = smoothing / classes, first + n
        zs, mine = flat[first * classes : end * classes], labels[first:end]
        _own_losses(zs, classes, mine, tops, logs, own[:n])
        if smoothing > 0.0:
            for r in range(n):
                own[r] = _smooth(zs[r * classes : (r + 1) * classes], tops[r], logs[r], smoothing, own[r])
        share = weights[first:end] if weights.shape[0] > 1 else weights
        _weigh_losses(own[:n], mine, share, scale, even, inverses, factors, less)
        if losses.shape[0] > 0:
            losses[first:end] = own[:n]
        if gradient:
            write(w, n, classes, factors, less, out, first * classes)
            for r in range(n):
                i = first + r
                y = labels[i]
                if y >= 0:
                    share_of_it = weights[i if weights.shape[0] > 1 else 0] * scale
                    at = y * tops.shape[0] + r if classes <= _SHORT else r * classes + y
                    # The difference of what is left, which keeps its digits where p is close to 1.
                    out[i * classes + y] = share_of_it * (w[at] * inverses[r] - (1.0 - smoothing + even))
        return 0, sum_of(own, n)

    return some_rows


def _make_probabilities(gradient: bool, slack: float, write: Callable) -> Callable:
    @loop
    def mass_of(p):
        total, bad = 0.0, 0
        for c in range(p.shape[0]):
            each = np.float64(p[c])
            bad += 0 if (each >= 0.0) & (each < np.inf) else 1
            total += each
        return total, bad

    @loop
    def products_with(p, zs, top, smoothing, even):
        """Return sum_c t_c (z_c - top), in which 0 times -inf is 0."""
        total = 0.0
        for c in range(p.shape[0]):
            target = (1.0 - smoothing) * np.float64(p[c]) + even
            total += target * _above(zs[c], top) if target > 0.0 else 0.0
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
        weights,
        smoothing,
        scale,
        first,
        n,
        w,
        tops,
        logs,
        inverses,
        factors,
        less,
        own,
        losses,
        out,
    ):
        added, bad, even = 0.0, 0, smoothing / classes
        tolerance = slack * math.sqrt(np.float64(classes))
        for r in range(n):
            i, begin = first + r, (first + r) * classes
            p = labels[i]
            weight = weights[i if weights.shape[0] > 1 else 0]
            mass, more = mass_of(p)
            bad += more + (0 if abs(mass - 1.0) <= tolerance else 1)
            loss = 0.0
            if weight > 0.0:
                whole = (1.0 - smoothing) * mass + smoothing
                inner = products_with(p, flat[begin : begin + classes], tops[r], smoothing, even)
                loss = weight * (whole * logs[r] - inner)
            added += loss
            if losses.shape[0] > 0:
                losses[i] = loss
            factors[r], less[r] = weight * scale * inverses[r], weight * scale * even
        if gradient:
            write(w, n, classes, factors, less, out, first * classes)
            for r in range(n):
                i, begin = first + r, (first + r) * classes
                share = weights[i if weights.shape[0] > 1 else 0] * scale
                subtract(labels[i], share, smoothing, out[begin : begin + classes])
        return bad, added

    return some_rows
