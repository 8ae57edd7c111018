"""Rows of logits as exponentials relative to the largest of each, and back to rows.

A row's own logit, that of its label, is left out of both: where it is by far the largest, what the others
come to is all that loss and gradient are made of, and would be lost beside its 1.

Short rows are computed side by side, so that vector registers hold one class of several rows; long rows
one after another, while memory is asked for what the next ones need.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from ..numerics.chunks import LANES
from ..runtime.jit import helper, loop
from ..simd.exponentials import of_rows, powers_of_columns
from ..simd.transpose import LOWEST, passes

_CHUNK = 2**13  # numbers that stay in the second cache with what they are computed from
_SHORT = 48  # classes of rows that are computed side by side, one class after another


def room_for(classes: int) -> int:
    """Return how many numbers a thread computes in."""
    return max(_CHUNK, classes) + LANES


@helper
def rows_together(classes):
    """Return how many rows are computed together: whole vector registers of short ones."""
    rows = max(1, _CHUNK // classes)
    # An odd number of registers, so that entries of all columns do not fall on the same cache lines.
    return (rows // LANES - 1 | 1) * LANES if classes <= _SHORT else rows


# What has a sign is no index of a vector register's load: hence parts of arrays.


# One order of summing: code from the disk may call another copy of a function than code compiled here.
@helper
def beside_the_largest(w, r, classes, together):
    """Return the class of row r whose exponential is 1, the only one, and what the others come to.

    It is one of rows that were weighed, of which `together` are short ones side by side.
    """
    short = classes <= _SHORT
    first, step = np.uint64(r if short else r * classes), np.uint64(together if short else 1)
    largest, total = 0, 0.0
    for c in range(classes):
        power = w[first + np.uint64(c) * step]
        largest = largest if power < 1.0 else c
        total += power if power < 1.0 else 0.0
    return largest, total


@loop
def copy(zs, w):
    """Write numbers in float64."""
    for c in range(zs.shape[0]):
        w[c] = np.float64(zs[c])


@loop
def _write_row(w, factor, less, out):
    for c in range(out.shape[0]):
        out[c] = w[c] * factor - less


@cache
def weighing(labelled: bool) -> tuple[Callable, Callable]:
    """Return what weighs some rows and what writes them, with labels or without."""
    columns, rows_of_columns = passes(labelled)
    top_of, powers_of = of_rows(labelled)

    @helper
    def weigh(flat, classes, first, n, last, w, tops, totals, written, labels, own):
        """Write exp(z - top) of some rows to w but for labels, whose logits go to `own`; and tops and totals.

        Row r's class c is at w[c R + r], R the length of tops, where rows are short: class 0 in its label's
        place, if it has one, and nothing in its own. It is at w[r C + c] otherwise: 0 for its label. Of short
        rows whole vector registers: what the last lack comes to something, which nobody reads. Rows up to
        `last` are this thread's next ones. Totals of bad rows are not finite, or own logits are.
        """
        begin = first * classes
        if classes <= _SHORT:
            stride, end = tops.shape[0], (n + LANES - 1) // LANES * LANES
            columns(flat[begin : begin + n * classes], n, classes, w, stride, tops, labels, own)
            skipped = 1 if labelled else 0
            powers_of_columns(
                w[skipped * stride :],
                stride,
                classes - skipped,
                tops,
                totals,
                end,
                flat,
                written,
                begin + n * classes,
                last * classes - 1,
            )
        else:
            for r in range(n):
                span, but = slice(begin + r * classes, begin + (r + 1) * classes), np.int64(-1)
                if labelled:
                    but = labels[r]
                    own[r] = np.float64(flat[begin + r * classes + but]) if 0 <= but < classes else -np.inf
                row, mine = flat[span], w[r * classes : (r + 1) * classes]
                tops[r] = max(top_of(row, but), LOWEST)
                totals[r] = powers_of(row, tops[r], mine, but, written[span])

    @helper
    def write(w, n, classes, factors, less, out, begin, labels, own):
        """out = w factor - less, by row, and `own` for its label. What `own` holds then is undefined."""
        if classes <= _SHORT:
            mine = out[begin : begin + n * classes]
            rows_of_columns(w, n, classes, factors.shape[0], factors, less, mine, labels, own)
            return
        for r in range(n):
            row = r * classes
            _write_row(w[row : row + classes], factors[r], less[r], out[begin + row : begin + row + classes])
            if labelled and (labels[r] >= 0) & (labels[r] < classes):
                out[begin + row + labels[r]] = own[r]

    return weigh, write
