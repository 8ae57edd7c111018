"""Vector code does what the plain loops beside it do, for every order."""

import numba
import numpy as np
import pytest
from problems import random_problem

from kdexent import shared_rows, table_rows
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
@pytest.mark.parametrize(("begin", "end"), [(0, 64), (8, 48), (16, 24), (8, 8)])
def test_points_that_share_a_row(order, begin, end):
    v, w, _, table = points(order)
    add, take = shared_rows.add_run(order), shared_rows.polynomial_of_run(order)

    @numba.njit
    def both(v, w, begin, end, table, values):
        take(table, order, v, begin, end, values, w, 64)
        add(w, v, begin, end, table, order, w, 64)

    expected, expected_values = table.copy(), np.zeros(64)
    shared_rows._plain_values(order)(table, order, v, begin, end, expected_values, w, 64)
    shared_rows._plain_sums(order)(w, v, begin, end, expected, order, w, 64)
    values = np.zeros(64)
    both(v, w, begin, end, table, values)
    np.testing.assert_allclose(values, expected_values, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(table, expected, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_tables_start_rows_at_cache_lines(count):
    array = table_rows.tables(count, 13)
    assert array.shape == (count, 16)
    assert not array.any()
    assert all(row.ctypes.data % 64 == 0 for row in array)
