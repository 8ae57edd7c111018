"""Exponentials of whole vector registers, relative to one number or in place, each to its row's.

A compiler chooses narrower registers for loops that it turns into vector code itself. Where no vector
code is generated plain loops do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..numerics.arithmetic import LOG2_E, exp2, from_order_key, order_key
from ..numerics.chunks import LANES
from ..runtime.jit import GENERATES, helper, loop
from .vector_math import VectorMath

# How many numbers ahead to ask for what will be read and written.
_READ_AHEAD, _WRITE_AHEAD = 384, 128
_TOGETHER, _COLUMNS = 4, 8  # registers whose exponentials are computed side by side, and columns at most


@helper
def _power_of_e(z, top):
    if np.isnan(z) or not top < np.inf:
        return np.nan
    return exp2((z - top) * LOG2_E) if z <= top else 0.0  # nobody reads rows where it is not


def _plain_row(labelled: bool) -> Callable:
    @loop
    def powers(zs, top, w, but, out):
        total = 0.0
        for i in range(zs.shape[0]):
            w[i] = _power_of_e(np.float64(zs[i]), top) if not labelled or i != but else 0.0
            total += w[i]
        return total

    return powers


def _plain_columns() -> Callable:
    @loop
    def column_of(w, tops, totals):
        for i in range(w.shape[0]):
            w[i] = _power_of_e(w[i], tops[i])
            totals[i] += w[i]

    @helper
    def powers(w, stride, classes, tops, totals, end, zs, out, at, last):
        for i in range(end):
            totals[i] = 0.0
        for c in range(classes):
            column_of(w[c * stride : c * stride + end], tops, totals)

    return powers


def _ask_for(code: VectorMath, read: int, at: Any, written: int, to: Any, registers: int = 1) -> None:
    """Ask for entries of an array that will be read, and of one to be written unless it is empty.

    Among what takes long: many requests at once would wait for each other, and all else for them.
    """
    step = code.numbers_of_a_line(read)
    steps = [code.integer(k) for k in range(0, registers * LANES, step)]
    for more in steps:
        code.fetch(read, code.sum(at, more))
    with code.if_any(written):
        for more in steps:
            code.fetch(written, code.sum(to, more), True)


def _each_register(code: VectorMath, labelled: bool, but: Any, use: Callable[[Any, Any, Any], None]) -> None:
    """Call use(i, numbers, new) for registers of a row, the first array, with -inf for number `but`.

    The last one may have some numbers once more: those are not new.
    """
    count = code.length(0)
    whole = code.entry(code.registers(count), 0)

    def some(i: Any, new: Any) -> None:
        numbers = code.numbers(0, i, LANES)
        use(i, code.without(numbers, but, i, -np.inf) if labelled else numbers, new)

    with code.indices(code.integer(0), whole, LANES) as i:
        some(i, None)
    with code.if_less(whole, count):
        last = code.sum(count, code.integer(-LANES))
        some(last, code.lanes_from(whole, last))


def _vector_row(labelled: bool) -> Callable:
    @intrinsic
    def powers(typing, zs, top, w, but, out):
        def generate(context, builder, signature, arguments):
            code = VectorMath(context, builder, signature, arguments)
            nothing = code.all_lanes(0.0)
            total = cgutils.alloca_once_value(builder, nothing)
            top = code.all_lanes(arguments[1])

            def use(i, z, new):
                _ask_for(
                    code,
                    0,
                    code.sum(i, code.integer(_READ_AHEAD)),
                    4,
                    code.sum(i, code.integer(_WRITE_AHEAD)),
                )
                power = code.power_of_e(code.minus(z, top), keep_nan=True)
                code.store(power, code.element(2, i))
                power = power if new is None else code.either(new, power, nothing)
                builder.store(code.plus(builder.load(total), power), total)

            _each_register(code, labelled, arguments[3], use)
            return code.sum_of_lanes(builder.load(total))

        return types.float64(zs, top, w, but, out), generate

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

                def some(registers, first):
                    rows = [code.entry(first, k) for k in range(registers)]
                    soon = code.lesser(
                        code.sum(ahead, builder.mul(rows[0], code.integer(size))),
                        code.sum(last, code.integer(LANES - size * registers * LANES)),
                    )
                    _ask_for(code, 6, soon, 7, soon, size * registers)
                    places, numbers = [], []
                    for i in rows:
                        top = code.load(code.element(3, i), LANES)
                        for k in range(size):
                            at = builder.mul(code.sum(c, code.integer(k)), stride)
                            places.append(code.element(0, code.sum(at, i)))
                            numbers.append(code.minus(code.load(places[-1], LANES), top))
                    powers = code.powers_of_e(numbers, keep_nan=True)
                    for place, power in zip(places, powers, strict=True):
                        code.store(power, place)
                    for k, i in enumerate(rows):
                        total = code.total(powers[k * size : (k + 1) * size])
                        code.add_to(code.element(4, i), total, LANES)

                code.parts(code.registers(end), max(1, _TOGETHER // size), some)

            code.parts(classes, _COLUMNS, part)
            return context.get_dummy_value()

        return types.void(w, stride, classes, tops, totals, end, zs, out, at, last), generate

    return powers


def _plain_top(labelled: bool) -> Callable:
    @loop
    def top_of(zs, but):
        key = order_key(-np.inf)
        for i in range(zs.shape[0]):
            z = np.float64(zs[i]) if not labelled or i != but else -np.inf
            key = max(key, key if np.isnan(z) else order_key(z))
        return from_order_key(key)

    return top_of


def _vector_top(labelled: bool) -> Callable:
    @intrinsic
    def top_of(typing, zs, but):
        def generate(context, builder, signature, arguments):
            code = VectorMath(context, builder, signature, arguments)
            top = cgutils.alloca_once_value(builder, code.all_lanes(-np.inf))

            def use(i, z, new):
                builder.store(code.larger(z, builder.load(top)), top)

            _each_register(code, labelled, arguments[1], use)
            return code.highest(builder.load(top))

        return types.float64(zs, but), generate

    return top_of


@cache
def of_rows(labelled: bool) -> tuple[Callable, Callable]:
    """Return two functions for compiled code, for rows of a register at least, with a label or not.

    f(zs, but): the largest z_i that is not NaN, but that of the label.
    f(zs, top, w, but, out): w_i = exp(z_i - top), 0 for the label, and returns their sum; what follows zs is
    read next, and `out` is written.
    """
    if GENERATES:
        return _vector_top(labelled), _vector_row(labelled)
    return _plain_top(labelled), _plain_row(labelled)


# For compiled code. f(w, stride, classes, tops, totals, end, zs, out, at, last): for rows i < end in whole
# registers, of which class c is at w[c stride + i], w = exp(w - tops_i), and totals_i their sum; zs from `at`
# to `last` is read next, and `out`, unless it is empty, is written. What another thread writes must not be
# asked for. Exponentials of NaN are NaN, in rows also.
powers_of_columns = _vector_columns() if GENERATES else _plain_columns()
