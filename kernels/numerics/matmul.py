"""Products with small matrices, without a library that would wake threads of its own."""

import numpy as np
from numba import types

from ..arguments.arrays import Floats
from ..runtime.jit import Function, helper, lazily
from ..runtime.signatures import READ, WRITE


@helper
def add_multiple(sums, factor, row):
    """sums (L,) += factor row, row (L,)."""
    for j in range(sums.shape[0]):
        sums[j] += factor * row[j]


def _make_product() -> Function:
    def product(rows, matrix, result):
        """result (n, L) = rows (n, K) times matrix (K, L)."""
        for i in range(rows.shape[0]):
            row = result[i]
            row[:] = 0.0
            for k in range(matrix.shape[0]):
                add_multiple(row, rows[i, k], matrix[k])

    return product


multiply = helper(_make_product())
product = lazily(_make_product, types.void(READ, READ, WRITE), "products.product")


def times(rows: Floats, matrix: Floats) -> Floats:
    """Return rows (n, K) times a small matrix (K, L)."""
    result = np.empty((rows.shape[0], matrix.shape[1]))
    product()(np.ascontiguousarray(rows), np.ascontiguousarray(matrix), result)
    return result
