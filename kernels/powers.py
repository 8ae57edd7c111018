"""Exponentials of whole vector registers, relative to one number or in place, each to its row's.

A compiler chooses narrower registers for loops that it turns into vector code itself. Where no vector
code is generated plain loops do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .arithmetic import LOG2_E, exp2, from_order_key, order_key
from .jit import GENERATES, helper, loop
from .pair_loops import LANES
from .vector_math import VectorMath

# How many numbers ahead to ask for what will be read and written.
_READ_AHEAD, _WRITE_AHEAD = 384, 128
_TOGETHER = 4  # columns whose exponentials are computed side by side


def _plain_row() -> Callable:
    @loop
    def powers(zs, top, w, end, out):
        total = 0.0
        for i in range(end):
            w[i] = exp2((zs[i] - top) * LOG2_E)
            total += w[i]
        return total

    return powers


def _plain_columns() -> Callable:
    @loop
    def column_of(w, tops, totals):
        for i in range(w.shape[0]):
            w[i] = exp2((w[i] - tops[i]) * LOG2_E)
            totals[i] += w[i]

    @helper
    def powers(w, stride, classes, tops, totals, end, zs, out, at, last):
        for i in range(end):
            totals[i] = 0.0
        for c in range(classes):
            column_of(w[c * stride : c * stride + end], tops, totals)

    return powers


def _ask_for(code: VectorMath, read: int, at: Any, written: int, to: Any) -> None:
    """Ask for entries of an array that will be read, and of one to be written unless it is empty.

    Among what takes long: many requests at once would wait for each other, and all else for them.
    """
    code.fetch(read, at)
    with code.if_any(written):
        code.fetch(written, to, True)


def _vector_row() -> Callable:
    @intrinsic
    def powers(typing, zs, top, w, end, out):
        def generate(context, builder, signature, arguments):
            code = VectorMath(context, builder, signature, arguments)
            total = cgutils.alloca_once_value(builder, code.all_lanes(0.0))
            top = code.all_lanes(arguments[1])
            with code.indices(code.integer(0), arguments[3], LANES) as i:
                _ask_for(
                    code,
                    0,
                    code.sum(i, code.integer(_READ_AHEAD)),
                    4,
                    code.sum(i, code.integer(_WRITE_AHEAD)),
                )
                power = code.power_of_e(code.minus(code.load(code.element(0, i), LANES), top))
                code.store(power, code.element(2, i))
                builder.store(code.plus(builder.load(total), power), total)
            return code.sum_of_lanes(builder.load(total))

        return types.float64(zs, top, w, end, out), generate

    return powers


def _vector_columns() -> Callable:
    @intrinsic
    def powers(typing, w, stride, classes, tops, totals, end, zs, out, at, last):
        def generate(context, builder, signature, arguments):
            code = VectorMath(context, builder, signature, arguments)
            stride, classes, end, start, last = (arguments[i] for i in (1, 2, 5, 8, 9))
            with code.indices(code.integer(0), end, LANES) as i:
                code.store(code.all_lanes(0.0), code.element(4, i))

            def part(size, c):
                ahead = code.sum(start, builder.mul(c, end))
                with code.indices(code.integer(0), end, LANES) as i:
                    for k in range(size):
                        line = code.sum(builder.mul(i, code.integer(size)), code.integer(k * LANES))
                        soon = code.lesser(code.sum(ahead, line), last)
                        _ask_for(code, 6, soon, 7, soon)
                    places = [
                        code.element(0, code.sum(builder.mul(code.sum(c, code.integer(k)), stride), i))
                        for k in range(size)
                    ]
                    top = code.load(code.element(3, i), LANES)
                    each = code.powers_of_e([code.minus(code.load(place, LANES), top) for place in places])
                    for place, power in zip(places, each, strict=True):
                        code.store(power, place)
                    code.add_to(code.element(4, i), code.total(each), LANES)

            code.parts(classes, _TOGETHER, part)
            return context.get_dummy_value()

        return types.void(w, stride, classes, tops, totals, end, zs, out, at, last), generate

    return powers


def _plain_top() -> Callable:
    @loop
    def top_of(zs, end):
        bad, key = 0, order_key(-np.inf)
        for i in range(end):
            bad += 0 if zs[i] < np.inf else 1
            key = max(key, order_key(zs[i]))
        return from_order_key(key) if bad == 0 else np.inf

    return top_of


def _vector_top() -> Callable:
    @intrinsic
    def top_of(typing, zs, end):
        def generate(context, builder, signature, arguments):
            code = VectorMath(context, builder, signature, arguments)
            top = cgutils.alloca_once_value(builder, code.all_lanes(-np.inf))
            with code.indices(code.integer(0), arguments[1], LANES) as i:
                z = code.load(code.element(0, i), LANES)
                z = code.or_if_nan(z, np.inf)
                builder.store(code.larger(z, builder.load(top)), top)
            return code.highest(builder.load(top))

        return types.float64(zs, end), generate

    return top_of


# For compiled code, on whole vector registers.
# f(zs, end): the largest, +inf for NaN.
# f(zs, top, w, end, out): w_i = exp(z_i - top), i < end, and returns their sum; what follows zs is read
# next, and `out`, unless it is empty, is written.
# f(w, stride, classes, tops, totals, end, zs, out, at, last): for the rows i < end of which class c is at
# w[c stride + i], w = exp(w - tops_i), and totals_i their sum; zs from `at` to `last` is read next, and
# `out`, unless it is empty, is written. What another thread writes must not be asked for.
top_of_numbers = _vector_top() if GENERATES else _plain_top()
powers_of_row = _vector_row() if GENERATES else _plain_row()
powers_of_columns = _vector_columns() if GENERATES else _plain_columns()
