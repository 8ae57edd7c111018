"""Short rows of numbers, eight at a time, turned into columns and back in vector registers.

A compiler would read and write the numbers of a column one by one, because rows lie apart. Where no
vector code is generated, and for what is left over, plain loops do the same.
"""

from functools import cache
from typing import Any

import numpy as np

from ..numerics.chunks import LANES
from ..runtime.jit import GENERATES, Function, helper, loop
from .vector_math import VectorMath, generated

# That -inf is relative to where there is nothing else.
LOWEST = float(-np.finfo(np.float64).max)
# Terms of eight rows that are turned at once; halves of registers are put together where they are read.
_SIZE = 4

# What has a sign is no index of a vector register's load: hence unsigned indices.


@loop
def _take_column(zs, c, classes, first, w, tops, labels, label_logits):
    """Do for class c and rows from `first` on what `columns` does; w (n,), others as in `passes`."""
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        w[r] = np.float64(zs[np.uint64(r) * step + at])
    for r in range(first, labels.shape[0]):
        if (labels[r] == c) | (c == 0):
            w[r], label_logits[r] = label_logits[r], w[r]
    for r in range(first, w.shape[0]):
        tops[r] = w[r] if w[r] > tops[r] else tops[r]


@loop
def _give_column(w, c, classes, first, factors, offsets, out, labels, label_slopes):
    """Do for class c and rows from `first` on what `rows` does; w (n,), others as in `passes`."""
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        value = w[r] * factors[r] - offsets[r]
        if labels.shape[0] > 0 and (labels[r] == c) | (c == 0):
            value, label_slopes[r] = label_slopes[r], value
        out[np.uint64(r) * step + at] = value


def _here(code: VectorMath, label: Any, c: Any, size: int) -> list[Any]:
    """Return where classes from c on change places: where one is the label, and everywhere for class 0."""
    after = code.integers_from(c, label)
    here = [code.equal(after, k) for k in range(size)]
    return [code.or_all(here[0], code.same(c, 0)), *here[1:]]


@cache
def passes(labelled: bool) -> tuple[Function, Function]:
    """Return two functions for compiled code, for n rows of C classes of which each has a label or not.

    columns(zs, n, classes, w, stride, tops, labels, label_logits): w[c stride + r] = zs[r C + c], and tops_r
    the largest that is not NaN. label_logits_r is the row's label's, whose place class 0 takes, and class 0's
    own place is not used; it is class 0's where the label is no class.
    rows(w, n, classes, stride, factors, offsets, out, labels, label_slopes): out[r C + c] = w[c stride + r]
    factors_r - offsets_r, and label_slopes_r for the row's label, in whose place class 0 is. What
    `label_slopes` holds then is undefined.
    zs and out (n C,), w (C stride,), labels (n,), all others (stride,). Without labels, `labels` is empty and
    what there is of labels is not used.
    """

    @generated()
    def take(code, zs, n, classes, w, stride, tops, labels, label_logits):
        """Do for n rows, a multiple of eight, what `columns` does."""
        top, kept = code.variable(LOWEST), code.variable(LOWEST)
        with code.indices(0, n, LANES) as r:
            top.value = kept.value = code.all_lanes(LOWEST)
            label = code.integers(labels, r) if labelled else None
            first = code.product(r, classes)

            def block(size, c):
                rows = [code.sum(first, code.sum(code.product(lane, classes), c)) for lane in range(LANES)]
                columns = code.gathered([code.numbers(zs, row, size) for row in rows])
                places = _here(code, label, c, size) if labelled else []
                for k, column in enumerate(columns):
                    others = column
                    if labelled:
                        others = code.either(places[k], kept.value, column)
                        kept.value = code.either(places[k], column, kept.value)
                    code.put(others, w, code.sum(code.product(code.sum(c, k), stride), r))
                    top.value = code.larger(others, top.value)

            code.blocks(classes, _SIZE, block)
            code.put(top.value, tops, r)
            if labelled:
                code.put(kept.value, label_logits, r)

    @generated()
    def give(code, w, n, classes, stride, factors, offsets, out, labels, label_slopes):
        """Do for n rows, a multiple of eight, what `rows` does."""
        with code.indices(0, n, LANES) as r:
            factor, offset = code.numbers(factors, r), code.numbers(offsets, r)
            if labelled:
                label, kept = code.integers(labels, r), code.variable(code.numbers(label_slopes, r))
            first = code.product(r, classes)

            def block(size, c):
                columns = []
                places = _here(code, label, c, size) if labelled else []
                for k in reversed(range(size)):
                    power = code.numbers(w, code.sum(code.product(code.sum(c, k), stride), r))
                    other = column = code.minus(code.times(power, factor), offset)
                    if labelled:
                        column = code.either(places[k], kept.value, other)
                        kept.value = code.either(places[k], other, kept.value)
                    columns.append(column)
                for lane, row in enumerate(code.transposed(columns[::-1])):
                    code.put(row, out, code.sum(code.sum(first, code.product(lane, classes)), c))

            code.blocks(classes, _SIZE, block, backwards=True)

    @helper
    def columns(zs, n, classes, w, stride, tops, labels, label_logits):
        whole = n // LANES * LANES if GENERATES else 0
        if GENERATES:
            take(zs, whole, classes, w, stride, tops, labels, label_logits)
        if whole < n:
            for r in range(whole, tops.shape[0]):
                tops[r] = LOWEST
                if labelled:
                    label_logits[r] = LOWEST
            for c in range(classes):
                column = w[c * stride : c * stride + n]
                _take_column(zs, c, classes, whole, column, tops, labels, label_logits)

    @helper
    def rows(w, n, classes, stride, factors, offsets, out, labels, label_slopes):
        whole = n // LANES * LANES if GENERATES else 0
        if GENERATES:
            give(w, whole, classes, stride, factors, offsets, out, labels, label_slopes)
        if whole < n:
            for c in range(classes - 1, -1, -1):
                column = w[c * stride : c * stride + n]
                _give_column(column, c, classes, whole, factors, offsets, out, labels, label_slopes)

    return columns, rows
