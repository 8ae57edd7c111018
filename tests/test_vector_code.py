"""Vector code does what the plain loops beside it do, for every order."""

import mpmath
import numba
import numpy as np
import pytest
from problems import random_problem

from kdexent import powers, shared_rows, short_rows, table_rows
from kdexent.arithmetic import log_of_1_and, log_ratio
from kdexent.names import ORDERS

orders = pytest.mark.parametrize("order", ORDERS["cells"])


def points(order, count=64):
    """Return v, w, the rows of points, several of which share a row, and a table."""
    v, w = (np.tanh(part) for part in random_problem(order, count))
    rows = np.random.default_rng(order).integers(0, 5, count) * order
    rows[16:24] = order  # all eight of one
    return v, w, rows, random_problem(order + 1, 5 * order)[0]


@orders
def test_points_with_rows_of_their_own(order):
    v, w, rows, table = points(order)
    add, take = table_rows.add_moments(order), table_rows.add_polynomials(order)

    @numba.njit
    def both(v, w, rows, table, sums):
        for first in range(0, v.shape[0], 8):
            take(table, rows, v, first, sums)
        for first in range(0, v.shape[0], 8):
            add(w, v, rows, first, table)

    plain_add, plain_take = table_rows._plain_moments(order), table_rows._plain_polynomials(order)
    expected, expected_sums = table.copy(), w.copy()
    for first in range(0, 64, 8):
        plain_take(table, rows, v, first, expected_sums)
        plain_add(w, v, rows, first, expected)
    sums = w.copy()
    both(v, w, rows, table, sums)
    np.testing.assert_allclose(sums, expected_sums, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(table, expected, rtol=1e-13, atol=1e-13)


@orders
@pytest.mark.parametrize(("begin", "end"), [(0, 64), (8, 48), (16, 24), (8, 8), (8, 45), (16, 17)])
@pytest.mark.parametrize("copies", [False, True])
def test_points_that_share_a_row(order, begin, end, copies):
    v, z, _, table = points(order)
    places = np.random.default_rng(order).permutation(64).astype(np.uint16)
    filled_up = -(-end // 8) * 8
    v[end:filled_up], places[end:filled_up] = v[begin], places[begin]
    add, bring = shared_rows.add_run(order), shared_rows.together(order)
    take = shared_rows.take_run(order, copies)

    @numba.njit
    def all_of_them(z, places, v, begin, end, wide, moments, kept, table, by):
        add(z, places, v, begin, end, 0.5, wide, order, kept, 64)
        add(z, places, v, begin, end, 0.5, wide, order, kept[:0], 64)
        bring(wide, moments, order)
        return take(kept, places, v, begin, end, 3.0, table, order, by, 64)

    w = np.exp(z[places[begin:end]] - 0.5)
    polynomial = np.polynomial.chebyshev.Chebyshev
    terms = np.array([polynomial.basis(k)(v[begin:end]) for k in range(order)])
    expected, expected_by = table.copy(), np.full(64, 0.25)
    expected[order : 2 * order] += 2 * terms @ w
    taken = 3 * w * np.polynomial.Polynomial(table[order : 2 * order])(v[begin:end])
    expected_by[places[begin:end]] = taken + (0.25 if copies else 0)
    moments, by = table.copy(), np.full(64, 0.25)
    wide, kept = np.zeros(8 * len(table)), np.zeros(64)
    largest = all_of_them(z, places, v, begin, end, wide, moments, kept, table, by)
    np.testing.assert_allclose(moments, expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(by, expected_by, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(kept[begin:end], w, rtol=1e-14)
    np.testing.assert_allclose(largest, np.abs(taken).max(initial=0), rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tables_start_rows_at_cache_lines(count):
    array = table_rows.tables(count, 13)
    assert array.shape == (count, 16)
    assert not array.any()
    assert all(row.ctypes.data % 64 == 0 for row in array)


@pytest.mark.parametrize("classes", [1, 2, 3, 5, 8, 10, 13, 47])
@pytest.mark.parametrize("rows", [1, 7, 8, 30])
def test_short_rows_become_columns_and_rows_again(rows, classes):
    stride = -(-rows // 8) * 8
    zs, expected = np.random.default_rng(classes).normal(size=(2, rows, classes))
    factors, less = np.random.default_rng(rows).normal(size=(2, stride))
    columns, write = short_rows.passes(True)

    @numba.njit
    def both(zs, rows, classes, stride, w, tops, factors, less, out):
        columns(zs, rows, classes, w, stride, tops)
        write(w, rows, classes, stride, factors, less, out)

    w, tops, out = np.zeros((classes, stride)), np.full(stride, -np.inf), np.empty((rows, classes))
    both(zs.ravel(), rows, classes, stride, w.ravel(), tops, factors, less, out.ravel())
    np.testing.assert_array_equal(w[:, :rows], zs.T)
    np.testing.assert_array_equal(tops[:rows], zs.max(axis=1))
    expected = zs * factors[:rows, np.newaxis] - less[:rows, np.newaxis]
    np.testing.assert_allclose(out, expected, rtol=1e-14, atol=1e-15)


def test_exponentials_of_whole_registers():
    zs, tops = np.random.default_rng(0).normal(size=(2, 64)) * 50

    @numba.njit
    def all_of_them(zs, top, tops, w, column, totals):
        powers.powers_of_column(column, tops, totals, 64, zs, zs[:0], 0)
        return powers.top_of_numbers(zs, 64), powers.powers_of_row(zs, top, w, 64, w)

    w, column, totals = np.empty(64), zs.copy(), np.ones(64)
    largest, total = all_of_them(zs, 3.0, tops, w, column, totals)
    assert largest == zs.max()
    np.testing.assert_allclose(w, np.exp(zs - 3), rtol=1e-13)
    np.testing.assert_allclose(total, w.sum(), rtol=1e-14)
    np.testing.assert_allclose(column, np.exp(zs - tops), rtol=1e-13)
    np.testing.assert_array_equal(totals, 1 + column)
    for bad in (np.nan, np.inf):
        assert all_of_them(np.append(zs[1:], bad), 0.0, tops, w, column, totals)[0] == np.inf


def test_logarithms():
    x, y = np.exp(np.random.default_rng(0).uniform(-700, 700, (2, 5_000)))
    y[:2_000] = x[:2_000] * (1 + np.random.default_rng(1).normal(size=2_000) * 1e-3)
    x[0], y[1], x[2:4], y[3] = 5e-324, 1e-310, 1.7e308, 5e-324
    small = np.random.default_rng(2).uniform(0, 1, 5_000) ** 8

    @numba.njit
    def logs(x, y, small, ratios, ones):
        for i in range(x.shape[0]):
            ratios[i], ones[i] = log_ratio(x[i], y[i]), log_of_1_and(small[i])

    ratios, ones = np.empty((2, 5_000))
    logs(x, y, small, ratios, ones)
    expected = np.array([float(mpmath.log(mpmath.mpf(a) / mpmath.mpf(b))) for a, b in zip(x, y, strict=True)])
    np.testing.assert_allclose(ratios, expected, rtol=5e-16, atol=2e-16)
    np.testing.assert_allclose(ones, np.log1p(small), rtol=5e-16)
