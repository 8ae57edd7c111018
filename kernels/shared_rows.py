"""Runs of points that share a row of a table: what they add to it, and their values of its polynomial.

A compiler would keep neither a row's sums nor its coefficients in vector registers. Runs are whole
vector registers long. Where no vector code is generated plain loops do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import GENERATES, helper
from .pair_loops import LANES
from .vector_code import VectorCode, powers_of_two

# Registers of points whose polynomials are evaluated side by side, for a product takes four cycles.
_SIDE_BY_SIDE = 4
_AHEAD = 512  # entries of v that are asked for before they are used


@cache
def add_run(order: int) -> Callable:
    """Return a function for compiled code that adds a run's moments to its row.

    f(w, v, begin, end, table, at, z, after): table[at + k] += sum_i w_i T_k(v_i), k < order,
    begin <= i < end; z from `after` on is what the caller reads next.
    """
    return _vector_sums(order) if GENERATES else _plain_sums(order)


@cache
def polynomial_of_run(order: int) -> Callable:
    """Return a function for compiled code that evaluates a row's polynomial at a run's points.

    f(table, at, v, begin, end, values, z, after): values_i = sum_k table[at + k] v_i^k, k < order,
    begin <= i < end; z from `after` on is what the caller reads next.
    """
    return _vector_values(order) if GENERATES else _plain_values(order)


def _plain_sums(order: int) -> Callable:
    @helper
    def add(w, v, begin, end, table, at, z, after):
        for i in range(begin, end):
            before, term = w[i] * v[i], w[i]
            for k in range(order):
                table[at + k] += term
                before, term = term, 2.0 * v[i] * term - before

    return add


def _plain_values(order: int) -> Callable:
    @helper
    def evaluate(table, at, v, begin, end, values, z, after):
        for i in range(begin, end):
            total = 0.0
            for k in range(order - 1, -1, -1):
                total = total * v[i] + table[at + k]
            values[i] = total

    return evaluate


def _vector_sums(order: int) -> Callable:
    @intrinsic
    def add(typing, w, v, begin, end, table, at, z, after):
        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            totals = [cgutils.alloca_once(builder, code.vector) for _ in range(order)]
            for total in totals:
                builder.store(code.all_lanes(0.0), total)
            with code.indices(arguments[2], arguments[3], LANES) as i:
                code.fetch(1, builder.add(i, code.integer(_AHEAD)))
                code.fetch(6, builder.add(i, arguments[7]))
                weights, places = (code.load(code.element(array, i), LANES) for array in (0, 1))
                for total, term in zip(totals, code.chebyshev(weights, places, order), strict=True):
                    builder.store(code.plus(builder.load(total), term), total)
            row = code.element(4, arguments[5])
            sums = [builder.load(total) for total in totals]
            for k, size in powers_of_two(order):
                code.add_to(code.past(row, k), code.total(code.transposed(sums[k : k + size])), size)
            return context.get_dummy_value()

        return types.void(w, v, begin, end, table, at, z, after), generate

    return add


def _vector_values(order: int) -> Callable:
    @intrinsic
    def evaluate(typing, table, at, v, begin, end, values, z, after):
        def generate(context, builder, signature, arguments):
            code = VectorCode(context, builder, signature, arguments)
            row = code.element(0, arguments[1])
            coefficients = [code.all_lanes(builder.load(code.past(row, k))) for k in range(order)]
            begin, end = arguments[3:5]
            step = code.integer(LANES * _SIDE_BY_SIDE)
            middle = builder.add(begin, builder.mul(builder.udiv(builder.sub(end, begin), step), step))
            for first, last, registers in ((begin, middle, _SIDE_BY_SIDE), (middle, end, 1)):
                with code.indices(first, last, LANES * registers) as i:
                    source, target = code.element(2, i), code.element(5, i)
                    offsets = [LANES * register for register in range(registers)]
                    for offset in offsets:
                        code.fetch(2, builder.add(i, code.integer(offset + _AHEAD)))
                        code.fetch(6, builder.add(builder.add(i, code.integer(offset)), arguments[7]))
                    places = [code.load(code.past(source, offset), LANES) for offset in offsets]
                    for offset, value in zip(offsets, code.polynomials(coefficients, places), strict=True):
                        code.store(value, code.past(target, offset))
            return context.get_dummy_value()

        return types.void(table, at, v, begin, end, values, z, after), generate

    return evaluate
