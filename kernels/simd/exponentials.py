"""Exponentials of whole vector registers, relative to one number or in place, each to its row's.

A compiler chooses narrower registers for loops that it turns into vector code itself. Where no vector
code is generated plain loops do the same.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numba import types

from ..numerics.arithmetic import LOG2_E, exp2, from_order_key, order_key
from ..numerics.chunks import LANES
from ..runtime.jit import Function, helper, loop
from .code import Array
from .vector_math import VectorMath, generated

# How many numbers ahead to ask for what will be read and written.
_READ_AHEAD, _WRITE_AHEAD = 384, 128
_TOGETHER, _COLUMNS = 4, 8  # registers whose exponentials are computed side by side, and columns at most


@helper
def _power_of_e(z, top):
    if np.isnan(z) or not top < np.inf:
        return np.nan
    return exp2((z - top) * LOG2_E) if z <= top else 0.0  # nobody reads rows where it is not


def _ask_for(code: VectorMath, read: Array, at: Any, written: Array, to: Any, registers: int = 1) -> None:
    """Ask for entries of an array that will be read, and of one to be written unless it is empty.

    Among what takes long: many requests at once would wait for each other, and all else for them.
    """
    steps = range(0, registers * LANES, code.numbers_of_a_line(read))
    for step in steps:
        code.fetch(read, code.sum(at, step))
    with code.builder.if_then(code.has_any(written), likely=True):
        for step in steps:
            code.fetch(written, code.sum(to, step), True)


def _each_register(
    code: VectorMath, zs: Array, label: Any, use: Callable[[Any, Any, Callable[[Any], Any]], None]
) -> None:
    """Call use(i, numbers, once) for registers of a row, with -inf for number `label` unless it is None.

    The last one may have some numbers once more, for which `once` puts zeros.
    """
    count = code.length(zs)
    whole = code.entry(code.registers(count))

    def register(i: Any, once: Callable[[Any], Any]) -> None:
        numbers = code.numbers(zs, i)
        use(i, numbers if label is None else code.without(numbers, label, i, -np.inf), once)

    with code.indices(0, whole, LANES) as i:
        register(i, lambda x: x)
    with code.if_less(whole, count):
        last = code.sum(count, -LANES)
        new = code.lanes_from(whole, last)
        register(last, lambda x: code.either(new, x, code.all_lanes(0.0)))


@cache
def of_rows(labelled: bool) -> tuple[Function, Function]:
    """Return two functions for compiled code, for rows of a register at least, with a label or not.

    f(zs, label): the largest z_i that is not NaN, but that of the label; zs (C,), label < 0 if there is none.
    f(zs, top, w, label, out): w_i = exp(z_i - top), 0 for the label, and returns their sum; zs and w (C,),
    what follows zs is read next, and out (C,) or (0,) is written.
    """

    @loop
    def plain_top(zs, label):
        key = order_key(-np.inf)
        for i in range(zs.shape[0]):
            z = np.float64(zs[i]) if not labelled or i != label else -np.inf
            key = max(key, key if np.isnan(z) else order_key(z))
        return from_order_key(key)

    @generated(types.float64, instead=plain_top)
    def top_of(code, zs, label):
        top = code.variable(-np.inf)

        def use(i, z, once):
            top.value = code.larger(z, top.value)

        _each_register(code, zs, label if labelled else None, use)
        return code.highest(top.value)

    @loop
    def plain_powers(zs, top, w, label, out):
        total = 0.0
        for i in range(zs.shape[0]):
            w[i] = _power_of_e(np.float64(zs[i]), top) if not labelled or i != label else 0.0
            total += w[i]
        return total

    @generated(types.float64, instead=plain_powers)
    def powers(code, zs, top, w, label, out):
        total, top = code.variable(0.0), code.all_lanes(top)

        def use(i, z, once):
            _ask_for(code, zs, code.sum(i, _READ_AHEAD), out, code.sum(i, _WRITE_AHEAD))
            power = code.powers_of_e([code.minus(z, top)], keep_nan=True)[0]
            code.put(power, w, i)
            total.value = code.plus(total.value, once(power))

        _each_register(code, zs, label if labelled else None, use)
        return code.sum_of_lanes(total.value)

    return top_of, powers


@loop
def _plain_column(w, tops, totals):
    """Do for a class what `powers_of_columns` does for all; w (n,), tops and totals (n,) or longer."""
    for i in range(w.shape[0]):
        w[i] = _power_of_e(w[i], tops[i])
        totals[i] += w[i]


@helper
def _plain_columns(w, stride, classes, tops, totals, end, zs, out, at, last):
    """As `powers_of_columns`; w (C stride,), tops and totals (stride,)."""
    for i in range(end):
        totals[i] = 0.0
    for c in range(classes):
        _plain_column(w[c * stride : c * stride + end], tops, totals)


@generated(instead=_plain_columns)
def powers_of_columns(code, w, stride, classes, tops, totals, end, zs, out, at, last):
    """Write w = exp(w - tops_i) for rows i < end in whole registers, and their sums, totals_i.

    Of row i class c is at w[c stride + i]; w is (C stride,), tops and totals (stride,). zs (N C,) from
    `at` to `last` is read next, and out (N C,), unless it is empty, is written. What another thread writes
    must not be asked for. Exponentials of NaN are NaN, in rows also.
    """
    with code.indices(0, end, LANES) as i:
        code.put(code.all_lanes(0.0), totals, i)

    def columns(size, c):
        ahead = code.sum(at, code.product(c, end))

        def block(registers, first):
            rows = [code.entry(first, k) for k in range(registers)]
            soon = code.lesser(
                code.sum(ahead, code.product(rows[0], size)),
                code.sum(last, LANES - size * registers * LANES),
            )
            _ask_for(code, zs, soon, out, soon, size * registers)
            places = [code.sum(code.product(code.sum(c, k), stride), i) for i in rows for k in range(size)]
            above = [code.numbers(tops, i) for i in rows for _ in range(size)]
            numbers = [code.minus(code.numbers(w, i), top) for i, top in zip(places, above, strict=True)]
            powers = code.powers_of_e(numbers, keep_nan=True)
            for place, power in zip(places, powers, strict=True):
                code.put(power, w, place)
            for k, i in enumerate(rows):
                code.add_to(code.element(totals, i), code.total(powers[k * size : (k + 1) * size]))

        code.blocks(code.registers(end), max(1, _TOGETHER // size), block)

    code.blocks(classes, _COLUMNS, columns)


def _in_place(rate: float) -> Function:
    @loop
    def plain(numbers, n):
        for i in range(n):
            numbers[i] = exp2(numbers[i] * rate)

    @generated(instead=plain)
    def in_place(code, numbers, n):
        """Replace n numbers x, whole registers of them, by 2^(rate x); numbers (n,) or longer."""

        def block(registers, first):
            places = [code.entry(first, k) for k in range(registers)]
            replaced = code.powers([code.numbers(numbers, i) for i in places], rate)
            for place, power in zip(places, replaced, strict=True):
                code.put(power, numbers, place)

        code.blocks(code.registers(n), _TOGETHER, block)

    return in_place


powers_of_e_in_place, powers_of_2_in_place = _in_place(LOG2_E), _in_place(1.0)
