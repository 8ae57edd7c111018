"""Short rows of numbers, eight at a time, turned into columns and back in vector registers.

A compiler would read and write the numbers of a column one by one, because rows lie apart. Where no
vector code is generated, and for what is left over, plain loops do the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import types
from numba.extending import intrinsic

from .jit import GENERATES, helper, loop
from .pair_loops import LANES
from .vector_code import VectorCode

# What has a sign is no index of a vector register's load: hence unsigned indices.


@loop
def _take_column(zs, c, classes, first, w, tops):
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        z = np.float64(zs[np.uint64(r) * step + at])
        w[r] = z
        tops[r] = z if z > tops[r] else tops[r]


@loop
def _give_column(w, c, classes, first, factors, less, out):
    step, at = np.uint64(classes), np.uint64(c)
    for r in range(first, w.shape[0]):
        out[np.uint64(r) * step + at] = w[r] * factors[r] - less[r]


def _take(size: int) -> Callable:
    @intrinsic
    def take(typing, zs, at, classes, w, to, stride, tops, r):
        """w[to + k stride + l] = zs[at + l classes + k], k < size, of eight rows l; raise tops to them."""

        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            at, classes, to, stride, r = (arguments[i] for i in (1, 2, 4, 5, 7))
            rows = [
                code.load(code.element(0, builder.add(at, builder.mul(code.integer(lane), classes))), size)
                for lane in range(LANES)
            ]
            where = code.element(6, r)
            top = code.load(where, LANES)
            for k, column in enumerate(code.gathered(rows)):
                code.store(column, code.element(3, builder.add(to, builder.mul(code.integer(k), stride))))
                top = code.larger(column, top)
            code.store(top, where)
            return context.get_dummy_value()

        return types.void(zs, at, classes, w, to, stride, tops, r), generate

    return take


def _give(size: int) -> Callable:
    @intrinsic
    def give(typing, w, at, stride, factors, less, r, out, to, classes):
        """out[to + l classes + k] = w[at + k stride + l] factor_l - less_l, k < size, of eight rows l."""

        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            at, stride, r, to, classes = (arguments[i] for i in (1, 2, 5, 7, 8))
            factor, less = (code.load(code.element(array, r), LANES) for array in (3, 4))
            columns = []
            for k in range(size):
                power = code.load(
                    code.element(0, builder.add(at, builder.mul(code.integer(k), stride))), LANES
                )
                columns.append(code.minus(code.times(power, factor), less))
            for lane, row in enumerate(code.transposed(columns)):
                place = builder.add(to, builder.mul(code.integer(lane), classes))
                code.store(row, code.element(6, place))
            return context.get_dummy_value()

        return types.void(w, at, stride, factors, less, r, out, to, classes), generate

    return give


def _in_registers() -> tuple[Callable, Callable]:
    take8, take4, take2, take1 = (_take(size) for size in (8, 4, 2, 1))
    give8, give4, give2, give1 = (_give(size) for size in (8, 4, 2, 1))

    @helper
    def columns(zs, n, classes, w, stride, tops):
        whole = n // LANES * LANES
        for r in range(0, whole, LANES):
            c = 0
            while c + 8 <= classes:
                take8(zs, r * classes + c, classes, w, c * stride + r, stride, tops, r)
                c += 8
            if classes & 4:
                take4(zs, r * classes + c, classes, w, c * stride + r, stride, tops, r)
                c += 4
            if classes & 2:
                take2(zs, r * classes + c, classes, w, c * stride + r, stride, tops, r)
                c += 2
            if classes & 1:
                take1(zs, r * classes + c, classes, w, c * stride + r, stride, tops, r)
        if whole < n:
            for c in range(classes):
                _take_column(zs, c, classes, whole, w[c * stride : c * stride + n], tops)

    @helper
    def rows(w, n, classes, stride, factors, less, out):
        whole = n // LANES * LANES
        for r in range(0, whole, LANES):
            c = 0
            while c + 8 <= classes:
                give8(w, c * stride + r, stride, factors, less, r, out, r * classes + c, classes)
                c += 8
            if classes & 4:
                give4(w, c * stride + r, stride, factors, less, r, out, r * classes + c, classes)
                c += 4
            if classes & 2:
                give2(w, c * stride + r, stride, factors, less, r, out, r * classes + c, classes)
                c += 2
            if classes & 1:
                give1(w, c * stride + r, stride, factors, less, r, out, r * classes + c, classes)
        if whole < n:
            for c in range(classes):
                _give_column(w[c * stride : c * stride + n], c, classes, whole, factors, less, out)

    return columns, rows


def _one_by_one() -> tuple[Callable, Callable]:
    @helper
    def columns(zs, n, classes, w, stride, tops):
        for c in range(classes):
            _take_column(zs, c, classes, 0, w[c * stride : c * stride + n], tops)

    @helper
    def rows(w, n, classes, stride, factors, less, out):
        for c in range(classes):
            _give_column(w[c * stride : c * stride + n], c, classes, 0, factors, less, out)

    return columns, rows


def passes(double: bool) -> tuple[Callable, Callable]:
    """Return two functions for compiled code, for numbers in float64 or not.

    columns(zs, n, classes, w, stride, tops): w[c stride + r] = zs[r classes + c], tops_r raised to them.
    rows(w, n, classes, stride, factors, less, out): out[r classes + c] = w[c stride + r] factors_r - less_r.
    """
    return _in_registers() if GENERATES and double else _one_by_one()
