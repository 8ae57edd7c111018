"""Runs of points that share a row of a table: what they add to it, and what they take from it.

A point's logit lies wherever the point does in its block, and so does what it takes; its place in the
cell lies with those of its run. Terms and values stay in vector registers, which a compiler would do
neither for a row's sums nor for its coefficients. Runs are filled up to whole vector registers with
repetitions of their first point. Where no vector code is generated plain loops do the same.
"""

from functools import cache
from typing import Any

from numba import types

from ..numerics.arithmetic import LOG2_E, exp2
from ..numerics.chunks import LANES
from ..runtime.jit import Function, helper
from .code import FACTOR, Array, powers_of_two
from .vector_math import VectorMath, generated

_AHEAD = 256  # entries that are asked for before they are used


@cache
def add_run(order: int) -> Function:
    """Return a function for compiled code that adds a run's moments to its row.

    f(z, points, v, begin, end, top, wide, at, kept, after): to the row `at` is added w_i T_k(v_i), k < order,
    begin <= i < end, w_i = exp(z[points_i] - top), in numbers that `together` understands: LANES for each.
    kept_i = w_i, unless it has no entries; z from `after` + i on is what the caller reads next.
    z (n,) of a block, points, v and kept (entries,), wide (size LANES,).
    """

    @helper
    def plain(z, points, v, begin, end, top, wide, at, kept, after):
        for i in range(begin, end):
            term = exp2((z[points[i]] - top) * LOG2_E)
            if kept.shape[0] > 0:
                kept[i] = term
            before = term * v[i]
            for k in range(order):
                wide[(at + k) * LANES] += term
                before, term = term, 2.0 * v[i] * term - before

    @generated(instead=plain)
    def add(code, z, points, v, begin, end, top, wide, at, kept, after):
        totals = [code.variable(0.0) for _ in range(order)]
        keeps = code.has_any(kept)
        with code.indices(begin, end, LANES) as i:
            _ask_for_more(code, i, points, v)
            code.fetch(z, code.sum(i, after))
            logits = code.collected(z, code.entries(points, i))
            each = code.powers_of_e([code.minus(logits, code.all_lanes(top))])[0]
            with code.builder.if_then(keeps, likely=True):
                code.put(each, kept, i)
            w = code.before_end(each, i, end)
            low, high = code.chebyshev_factors(w, code.numbers(v, i), order)
            for k, total in enumerate(totals):
                term = low[k % FACTOR] if k < FACTOR else code.times(low[k % FACTOR], high[k // FACTOR])
                total.value = code.plus(total.value, term)
        row = code.element(wide, code.product(at, LANES))
        for k, total in enumerate(totals):
            code.add_to(code.past(row, LANES * k), total.value)

    return add


@cache
def together(order: int) -> Function:
    """Return a function for compiled code that brings the numbers of `add_run` into one row.

    f(wide, table, at): table[at + k] += the moments k < order of all that was added to wide at `at`;
    table (size,), wide (size LANES,).
    """

    @helper
    def plain(wide, table, at):
        for k in range(order):
            table[at + k] += wide[(at + k) * LANES]

    @generated(instead=plain)
    def bring(code, wide, table, at):
        source, target = code.element(wide, code.product(at, LANES)), code.element(table, at)
        sums = code.chebyshev_sums([code.load(code.past(source, LANES * k), LANES) for k in range(order)])
        for k, size in powers_of_two(order):
            code.add_to(code.past(target, k), code.total(code.transposed(sums[k : k + size])))

    return bring


@cache
def take_run(order: int, copies: bool) -> Function:
    """Return a function for compiled code that writes what a run's points take from its row.

    f(kept, points, v, begin, end, scale, table, at, by, after):
    by[points_i] = scale kept_i sum_k table[at + k] v_i^k, k < order, begin <= i < end, or += where points
    have copies; `by` from `after` + i on is what the caller writes next. Returns the largest magnitude.
    kept, points and v (entries,), table (size,), by (n,) of a block.
    """

    @helper
    def plain(kept, points, v, begin, end, scale, table, at, by, after):
        largest = 0.0
        for i in range(begin, end):
            total = 0.0
            for k in range(order - 1, -1, -1):
                total = total * v[i] + table[at + k]
            total *= scale * kept[i]
            largest = max(largest, abs(total))
            by[points[i]] = by[points[i]] + total if copies else total
        return largest

    @generated(types.float64, instead=plain)
    def take(code, kept, points, v, begin, end, scale, table, at, by, after):
        row, largest = code.element(table, at), code.variable(0.0)
        coefficients = [code.all_lanes(code.load(code.past(row, k), 1)) for k in range(order)]
        with code.indices(begin, end, LANES) as i:
            _ask_for_more(code, i, points, v)
            code.fetch(kept, code.sum(i, _AHEAD))
            code.fetch(by, code.sum(i, after), True)
            weights, places = code.numbers(kept, i), code.numbers(v, i)
            # Repetitions write the same once more, but may not add it.
            weights = code.before_end(weights, i, end) if copies else weights
            factors = code.times(weights, code.all_lanes(scale))
            value = code.times(factors, code.polynomials(coefficients, [places])[0])
            largest.value = code.larger(code.magnitude(value), largest.value)
            code.spread(value, by, code.entries(points, i), copies)
        return code.highest(largest.value)

    return take


def _ask_for_more(code: VectorMath, i: Any, *arrays: Array) -> None:
    """Ask for entries of arrays that come soon."""
    for array in arrays:
        code.fetch(array, code.sum(i, _AHEAD))
