"""Short rows of numbers, eight at a time, turned into columns and back in vector registers.

A compiler would read and write the numbers of a column one by one, because rows lie apart. Where no
vector code is generated, and for what is left over, plain loops do the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import GENERATES, helper, loop
from .pair_loops import LANES
from .vector_code import VectorCode

# Terms of eight rows that are turned at once; halves of registers are put together where they are read.
_SIZE = 4

# What has a sign is no index of a vector register's load: hence unsigned indices.


@loop
def _take_column(zs, c, classes, first, w, tops, labels, own):
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        z = np.float64(zs[np.uint64(r) * step + at])
        w[r] = z
        tops[r] = z if z > tops[r] else tops[r]
    for r in range(first, labels.shape[0]):
        own[r] = w[r] if labels[r] == c else own[r]


@loop
def _give_column(w, c, classes, first, factors, less, out, labels, shares):
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        out[np.uint64(r) * step + at] = w[r] * factors[r] - less[r]
    for r in range(first, labels.shape[0]):
        if labels[r] == c:
            out[np.uint64(r) * step + at] = w[r] * factors[r] - (less[r] + shares[r])


@loop
def _sum_of(zs):
    total = 0.0
    for i in range(zs.shape[0]):
        total += np.float64(zs[i])
    return total


@loop
def _none_of(tops, first, n):
    """Return 0, or NaN if a top is infinite."""
    none = 0.0
    for r in range(first, n):
        none += 0.0 if abs(tops[r]) < np.inf else np.nan
    return none


def _take(labelled: bool) -> Callable:
    @intrinsic
    def take(typing, zs, n, classes, w, stride, tops, labels, own):
        """Do for n rows, a multiple of eight, what `columns` does."""

        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            n, classes, stride = arguments[1], arguments[2], arguments[4]
            seen = cgutils.alloca_once_value(builder, code.all_lanes(0.0))
            lowest = cgutils.alloca_once_value(builder, code.all_lanes(0.0))
            top, mine = (cgutils.alloca_once(builder, code.vector) for _ in range(2))
            with code.indices(code.integer(0), n, LANES) as r:
                builder.store(code.all_lanes(-np.inf), top)
                builder.store(code.all_lanes(0.0), mine)
                label = code.integers(6, r) if labelled else None
                first = builder.mul(r, classes)

                def part(size, c):
                    starts = [
                        builder.add(first, builder.add(builder.mul(code.integer(lane), classes), c))
                        for lane in range(LANES)
                    ]
                    columns = code.gathered([code.numbers(0, start, size) for start in starts])
                    for k, column in enumerate(columns):
                        at = builder.add(c, code.integer(k))
                        code.store(column, code.element(3, builder.add(builder.mul(at, stride), r)))
                        builder.store(code.larger(column, builder.load(top)), top)
                        if labelled:
                            here = code.equal(label, at)
                            builder.store(code.either(here, column, builder.load(mine)), mine)
                    builder.store(code.plus(builder.load(seen), code.total(columns)), seen)

                code.parts(classes, _SIZE, part)
                code.store(builder.load(top), code.element(5, r))
                builder.store(code.smaller(builder.load(top), builder.load(lowest)), lowest)
                if labelled:
                    code.store(builder.load(mine), code.element(7, r))
            # The lowest top less itself is NaN for a row of nothing but -inf.
            none = code.minus(builder.load(lowest), builder.load(lowest))
            return code.sum_of_lanes(code.plus(builder.load(seen), none))

        return types.float64(zs, n, classes, w, stride, tops, labels, own), generate

    return take


def _give(labelled: bool) -> Callable:
    @intrinsic
    def give(typing, w, n, classes, stride, factors, less, out, labels, shares):
        """Do for n rows, a multiple of eight, what `rows` does."""

        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            n, classes, stride = arguments[1:4]
            with code.indices(code.integer(0), n, LANES) as r:
                factor, minus = (code.load(code.element(array, r), LANES) for array in (4, 5))
                if labelled:
                    label, share = code.integers(7, r), code.load(code.element(8, r), LANES)
                    both = code.plus(minus, share)
                first = builder.mul(r, classes)

                def part(size, c):
                    columns = []
                    for k in range(size):
                        at = builder.add(c, code.integer(k))
                        power = code.load(code.element(0, builder.add(builder.mul(at, stride), r)), LANES)
                        taken = code.either(code.equal(label, at), both, minus) if labelled else minus
                        columns.append(code.minus(code.times(power, factor), taken))
                    for lane, row in enumerate(code.transposed(columns)):
                        start = builder.add(first, builder.mul(code.integer(lane), classes))
                        code.put_numbers(row, 6, builder.add(start, c))

                code.parts(classes, _SIZE, part)
            return context.get_dummy_value()

        return types.void(w, n, classes, stride, factors, less, out, labels, shares), generate

    return give


def _in_registers(labelled: bool) -> tuple[Callable, Callable]:
    take, give = _take(labelled), _give(labelled)

    @helper
    def columns(zs, n, classes, w, stride, tops, labels, own):
        whole = n // LANES * LANES
        seen = take(zs, whole, classes, w, stride, tops, labels, own)
        if whole < n:
            _first_of(tops, own, whole)
            for c in range(classes):
                _take_column(zs, c, classes, whole, w[c * stride : c * stride + n], tops, labels, own)
            seen += _sum_of(zs[whole * classes : n * classes]) + _none_of(tops, whole, n)
        return seen

    @helper
    def rows(w, n, classes, stride, factors, less, out, labels, shares):
        whole = n // LANES * LANES
        give(w, whole, classes, stride, factors, less, out, labels, shares)
        if whole < n:
            for c in range(classes):
                column = w[c * stride : c * stride + n]
                _give_column(column, c, classes, whole, factors, less, out, labels, shares)

    return columns, rows


@helper
def _first_of(tops, own, first):
    for r in range(first, tops.shape[0]):
        tops[r], own[r] = -np.inf, 0.0


def _one_by_one() -> tuple[Callable, Callable]:
    @helper
    def columns(zs, n, classes, w, stride, tops, labels, own):
        _first_of(tops, own, 0)
        for c in range(classes):
            _take_column(zs, c, classes, 0, w[c * stride : c * stride + n], tops, labels, own)
        return _sum_of(zs[: n * classes]) + _none_of(tops, 0, n)

    @helper
    def rows(w, n, classes, stride, factors, less, out, labels, shares):
        for c in range(classes):
            column = w[c * stride : c * stride + n]
            _give_column(column, c, classes, 0, factors, less, out, labels, shares)

    return columns, rows


def passes(labelled: bool) -> tuple[Callable, Callable]:
    """Return two functions for compiled code, for rows of which each has a label or not.

    columns(zs, n, classes, w, stride, tops, labels, own): w[c stride + r] = zs[r classes + c], tops_r the
    largest of row r, own_r the one of its label. Returns a number that is NaN or +inf if one of zs
    is, or all of a row are -inf.
    rows(w, n, classes, stride, factors, less, out, labels, shares): out[r classes + c] = w[c stride + r]
    factors_r - less_r, and less shares_r for the row's label c.
    Without labels, `labels` is empty and `own` and `shares` are not used.
    """
    return _in_registers(labelled) if GENERATES else _one_by_one()
