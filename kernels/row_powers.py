"""Rows of logits as exponentials relative to the largest of each, and back to rows.

Short rows are computed side by side, so that vector registers hold one class of several rows; long rows
one after another, while memory is asked for what the next ones need.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from .arithmetic import LOG2_E, exp2
from .jit import helper, loop
from .pair_loops import LANES
from .powers import powers_of_columns, powers_of_row, top_of_numbers
from .short_rows import passes

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


@loop
def copy(zs, w):
    """Write numbers in float64."""
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


@loop
def _write_row(w, factor, less, out):
    for c in range(out.shape[0]):
        out[c] = w[c] * factor - less


@cache
def weighing(double: bool, labelled: bool) -> tuple[Callable, Callable]:
    """Return what weighs some rows and what writes them: in float64 or not, with labels or not."""
    columns, rows_of_columns = passes(labelled)

    @helper
    def weigh(flat, classes, first, n, last, w, tops, totals, written, labels, own):
        """Write exp(z - top) of some rows to w, their tops, totals and the logits of their labels.

        Returns 0 unless an entry may be bad. Row r's class c is at w[c R + r], R the length of tops, where
        rows are short, and at w[r C + c] otherwise. Of short rows whole vector registers: what the last lack
        comes to something, which nobody reads. Rows up to `last` are this thread's next ones.
        """
        begin, bad = first * classes, 0
        if classes <= _SHORT:
            stride, end = tops.shape[0], (n + LANES - 1) // LANES * LANES
            seen = columns(flat[begin : begin + n * classes], n, classes, w, stride, tops, labels, own)
            bad += 0 if seen < np.inf else 1
            powers_of_columns(
                w, stride, classes, tops, totals, end, flat, written, begin + n * classes, last * classes - 1
            )
        else:
            for r in range(n):
                span = slice(begin + r * classes, begin + (r + 1) * classes)
                row, mine, out = flat[span], w[r * classes : (r + 1) * classes], written[span]
                if double:
                    tops[r] = _top_of(row)
                    totals[r] = _one_row(row, tops[r], mine, out)
                else:
                    copy(row, mine)
                    tops[r] = _top_of(mine)
                    totals[r] = _one_row(mine, tops[r], mine, mine[:0])
                bad += 0 if abs(tops[r]) < np.inf else 1
            if labelled:
                for r in range(n):
                    own[r] = flat[begin + r * classes + min(max(labels[r], np.int64(0)), classes - 1)]
        return bad

    @helper
    def write(w, n, classes, factors, less, out, begin, labels, shares):
        """out = w factor - less, by row, and less the row's share where its label is."""
        if classes <= _SHORT:
            mine = out[begin : begin + n * classes]
            rows_of_columns(w, n, classes, factors.shape[0], factors, less, mine, labels, shares)
            return
        for r in range(n):
            row = r * classes
            _write_row(w[row : row + classes], factors[r], less[r], out[begin + row : begin + row + classes])
            if labelled and (labels[r] >= 0) & (labels[r] < classes):
                at = row + labels[r]
                out[begin + at] = w[at] * factors[r] - (less[r] + shares[r])

    return weigh, write
