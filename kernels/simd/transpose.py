"""Short rows of numbers, eight at a time, turned into columns and back in vector registers.

A compiler would read and write the numbers of a column one by one, because rows lie apart. Where no
vector code is generated, and for what is left over, plain loops do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..numerics.chunks import LANES
from ..runtime.jit import GENERATES, helper, loop
from .code import VectorCode

# That -inf is relative to where there is nothing else.
LOWEST = float(-np.finfo(np.float64).max)
# Terms of eight rows that are turned at once; halves of registers are put together where they are read.
_SIZE = 4

# What has a sign is no index of a vector register's load: hence unsigned indices.


@loop
def _take_column(zs, c, classes, first, w, tops, labels, own):
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        w[r] = np.float64(zs[np.uint64(r) * step + at])
    for r in range(first, labels.shape[0]):
        if (labels[r] == c) | (c == 0):
            w[r], own[r] = own[r], w[r]
    for r in range(first, w.shape[0]):
        tops[r] = w[r] if w[r] > tops[r] else tops[r]


@loop
def _give_column(w, c, classes, first, factors, less, out, labels, own):
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        value = w[r] * factors[r] - less[r]
        if labels.shape[0] > 0 and (labels[r] == c) | (c == 0):
            value, own[r] = own[r], value
        out[np.uint64(r) * step + at] = value


def _take(labelled: bool) -> Callable:
    @intrinsic
    def take(typing, zs, n, classes, w, stride, tops, labels, own):
        """Do for n rows, a multiple of eight, what `columns` does."""

        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            n, classes, stride = arguments[1], arguments[2], arguments[4]
            top, mine = (cgutils.alloca_once(builder, code.vector) for _ in range(2))
            with code.indices(code.integer(0), n, LANES) as r:
                builder.store(code.all_lanes(LOWEST), top)
                builder.store(code.all_lanes(LOWEST), mine)
                label = code.integers(6, r) if labelled else None
                first = builder.mul(r, classes)

                def part(size, c):
                    starts = [
                        builder.add(first, builder.add(builder.mul(code.integer(lane), classes), c))
                        for lane in range(LANES)
                    ]
                    columns = code.gathered([code.numbers(0, start, size) for start in starts])
                    places = _here(code, label, c, size) if labelled else []
                    for k, column in enumerate(columns):
                        at, others = builder.add(c, code.integer(k)), column
                        if labelled:
                            here = places[k]
                            others = code.either(here, builder.load(mine), column)
                            builder.store(code.either(here, column, builder.load(mine)), mine)
                        code.store(others, code.element(3, builder.add(builder.mul(at, stride), r)))
                        builder.store(code.larger(others, builder.load(top)), top)

                code.parts(classes, _SIZE, part)
                code.store(builder.load(top), code.element(5, r))
                if labelled:
                    code.store(builder.load(mine), code.element(7, r))
            return context.get_dummy_value()

        return types.void(zs, n, classes, w, stride, tops, labels, own), generate

    return take


def _give(labelled: bool) -> Callable:
    @intrinsic
    def give(typing, w, n, classes, stride, factors, less, out, labels, own):
        """Do for n rows, a multiple of eight, what `rows` does."""

        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            n, classes, stride = arguments[1:4]
            with code.indices(code.integer(0), n, LANES) as r:
                factor, minus = (code.load(code.element(array, r), LANES) for array in (4, 5))
                if labelled:
                    label, mine = code.integers(7, r), code.load(code.element(8, r), LANES)
                    own = cgutils.alloca_once(builder, code.vector)
                    builder.store(mine, own)
                first = builder.mul(r, classes)

                def part(size, c):
                    columns = []
                    places = _here(code, label, c, size) if labelled else []
                    for k in reversed(range(size)):
                        at = builder.add(c, code.integer(k))
                        power = code.load(code.element(0, builder.add(builder.mul(at, stride), r)), LANES)
                        column = code.minus(code.times(power, factor), minus)
                        if labelled:
                            here, other = places[k], column
                            column = code.either(here, builder.load(own), other)
                            builder.store(code.either(here, other, builder.load(own)), own)
                        columns.append(column)
                    for lane, row in enumerate(code.transposed(columns[::-1])):
                        start = builder.add(first, builder.mul(code.integer(lane), classes))
                        code.put_numbers(row, 6, builder.add(start, c))

                code.parts(classes, _SIZE, part, backwards=True)
            return context.get_dummy_value()

        return types.void(w, n, classes, stride, factors, less, out, labels, own), generate

    return give


def _here(code: VectorCode, label: Any, c: Any, size: int) -> list[Any]:
    """Return where classes from c on change places: where one is the label, and everywhere for class 0."""
    after = code.integers_from(c, label)
    here = [code.equal(after, code.integer(k)) for k in range(size)]
    return [code.or_all(here[0], code.same(c, code.integer(0))), *here[1:]]


def _in_registers(labelled: bool) -> tuple[Callable, Callable]:
    take, give = _take(labelled), _give(labelled)
    first_of = _first_of(labelled)

    @helper
    def columns(zs, n, classes, w, stride, tops, labels, own):
        whole = n // LANES * LANES
        take(zs, whole, classes, w, stride, tops, labels, own)
        if whole < n:
            first_of(tops, own, whole)
            for c in range(classes):
                _take_column(zs, c, classes, whole, w[c * stride : c * stride + n], tops, labels, own)

    @helper
    def rows(w, n, classes, stride, factors, less, out, labels, own):
        whole = n // LANES * LANES
        give(w, whole, classes, stride, factors, less, out, labels, own)
        if whole < n:
            for c in range(classes - 1, -1, -1):
                column = w[c * stride : c * stride + n]
                _give_column(column, c, classes, whole, factors, less, out, labels, own)

    return columns, rows


@cache
def _first_of(labelled: bool) -> Callable:
    @helper
    def first_of(tops, own, first):
        for r in range(first, tops.shape[0]):
            tops[r] = LOWEST
            if labelled:
                own[r] = LOWEST

    return first_of


def _one_by_one(labelled: bool) -> tuple[Callable, Callable]:
    first_of = _first_of(labelled)

    @helper
    def columns(zs, n, classes, w, stride, tops, labels, own):
        first_of(tops, own, 0)
        for c in range(classes):
            _take_column(zs, c, classes, 0, w[c * stride : c * stride + n], tops, labels, own)

    @helper
    def rows(w, n, classes, stride, factors, less, out, labels, own):
        for c in range(classes - 1, -1, -1):
            column = w[c * stride : c * stride + n]
            _give_column(column, c, classes, 0, factors, less, out, labels, own)

    return columns, rows


def passes(labelled: bool) -> tuple[Callable, Callable]:
    """Return two functions for compiled code, for rows of which each has a label or not.

    columns(zs, n, classes, w, stride, tops, labels, own): w[c stride + r] = zs[r classes + c], and tops_r the
    largest that is not NaN. own_r is the row's label's, whose place class 0 takes, and class 0's own place is
    not used; it is class 0's where the label is no class.
    rows(w, n, classes, stride, factors, less, out, labels, own): out[r classes + c] = w[c stride + r]
    factors_r - less_r, and own_r for the row's label, in whose place class 0 is. What `own` holds then is
    undefined.
    Without labels, `labels` is empty and `own` is not used.
    """
    return _in_registers(labelled) if GENERATES else _one_by_one(labelled)
