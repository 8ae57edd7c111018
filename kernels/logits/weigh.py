"""Rows of logits as exponentials relative to the largest of each, and back to rows.

The logit of a row's label is left out of both: where it is by far the largest, what the others come to is
all that loss and gradient are made of, and would be lost beside its 1.

Short rows are computed side by side, so that vector registers hold one class of several rows; long rows
one after another, while memory is asked for what the next ones need.
"""

from functools import cache

import numpy as np

from ..numerics.chunks import LANES
from ..runtime.jit import Function, helper, loop
from ..simd.exponentials import of_rows, powers_of_columns
from ..simd.transpose import LOWEST, passes

_CHUNK = 2**13  # numbers that stay in the second cache with what they are computed from
_SHORT = 48  # classes of rows that are computed side by side, one class after another


@helper
def room_for(classes):
    """Return how many numbers a thread computes in."""
    return max(_CHUNK, classes) + LANES


@helper
def rows_together(classes):
    """Return how many rows are computed together: whole vector registers of short ones."""
    rows = max(1, _CHUNK // classes)
    # An odd number of registers, so that entries of all columns do not fall on the same cache lines.
    return (rows // LANES - 1 | 1) * LANES if classes <= _SHORT else rows


@helper
def beside_the_largest(w, r, classes, together):
    """Return the class of row r whose exponential is 1, the only one, and what the others come to.

    It is one of rows that were weighed, w (room_for(C),) as `weigh` says, of which `together` are short ones
    side by side.
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
def _write_row(w, factor, offset, out):
    """out (C,) = w factor - offset, w (C,)."""
    for c in range(out.shape[0]):
        out[c] = w[c] * factor - offset


@cache
def weighing(labelled: bool) -> tuple[Function, Function]:
    """Return what weighs a group of rows and what writes them, with labels or without."""
    columns, rows_of_columns = passes(labelled)
    top_of, powers_of = of_rows(labelled)

    @helper
    def weigh(flat, classes, first, n, last, w, tops, totals, written, labels, label_logits):
        """Write exp(z - top) of n rows to w but for labels, whose logits are apart; and tops and totals.

        Row r's class c is at w[c R + r], R the length of tops, where rows are short: class 0 in its label's
        place, if it has one, and nothing in its own. It is at w[r C + c] otherwise: 0 for its label. Of short
        rows whole vector registers: what the last lack comes to something, which nobody reads. Rows up to
        `last` are this thread's next ones. Totals of bad rows are not finite, or the labels' logits are.

        flat and written (N C,), w (room_for(C),), labels (n,) or none, others (rows_together(C),).
        """
        begin = first * classes
        if classes <= _SHORT:
            stride, end = tops.shape[0], (n + LANES - 1) // LANES * LANES
            columns(flat[begin : begin + n * classes], n, classes, w, stride, tops, labels, label_logits)
            skipped = 1 if labelled else 0
            powers = w[skipped * stride :]
            after, until = begin + n * classes, last * classes - 1
            powers_of_columns(
                powers, stride, classes - skipped, tops, totals, end, flat, written, after, until
            )
        else:
            for r in range(n):
                span, label = slice(begin + r * classes, begin + (r + 1) * classes), np.int64(-1)
                if labelled:
                    label = labels[r]
                    there = 0 <= label < classes
                    label_logits[r] = np.float64(flat[begin + r * classes + label]) if there else -np.inf
                row, powers = flat[span], w[r * classes : (r + 1) * classes]
                tops[r] = max(top_of(row, label), LOWEST)
                totals[r] = powers_of(row, tops[r], powers, label, written[span])

    @helper
    def write(w, n, classes, factors, offsets, out, first, labels, label_slopes):
        """out = w factor - offset, in n rows from the first on, and for their labels the slopes of these.

        out (N C,), others as in `weigh`. What label_slopes holds then is undefined.
        """
        begin = first * classes
        if classes <= _SHORT:
            rows = out[begin : begin + n * classes]
            rows_of_columns(w, n, classes, factors.shape[0], factors, offsets, rows, labels, label_slopes)
            return
        for r in range(n):
            start, at = r * classes, begin + r * classes
            # What has a sign is no index of a vector register's load: hence slices.
            _write_row(w[start : start + classes], factors[r], offsets[r], out[at : at + classes])
            if labelled and (labels[r] >= 0) & (labels[r] < classes):
                out[at + labels[r]] = label_slopes[r]

    return weigh, write
