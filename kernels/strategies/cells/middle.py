"""All between the two passes over points, from cells' moments to what points take, in three compiled steps.

Many small arrays go from step to step here, and to call more of them from Python takes longer than they do.
The first and the last know no kernel, and are compiled once for all.
"""

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats
from ...formula import Variant
from ...numerics.matmul import multiply
from ...runtime.jit import Function, lazily, loop
from ...runtime.signatures import INTS, READ, READ1, WRITE, WRITE1, WRITE3, record
from ..sums.partials import TOTALS, add_up
from ..tails.certificate import FLOOR, make_certify
from .bin_sums import BINS, make_over_bins
from .levels import distribute, distribute_doubts, merge, see_grown


class CellTables(NamedTuple):
    """What compiled code needs of cells, beside the specification of what bins see, which may change."""

    cells: int  # narrowest ones
    growing: bool
    up: Floats  # as of Levels (children, P, P)
    down: Floats
    from_moments: Floats  # to nodes' weights (P, P)
    to_weights: Floats  # the same, transposed
    to_powers: Floats  # of T_k (P, P)


_TABLES = record(CellTables, types.int64, types.boolean, WRITE3, WRITE3, WRITE, WRITE, WRITE)


def _make_weigh() -> Function:
    def weigh(states, sums, spec, tables, masses, weights):
        """masses (cells,) of all levels and weights (cells, P) of their nodes, of partial sums of moments.

        states and sums (partials, ..) of the narrowest cells. Return what `total` does.
        """
        moments, narrow = np.empty(weights.shape), np.zeros(sums.shape[1])
        totals = add_up(states, sums, narrow)
        for cell in range(tables.cells):
            for k in range(moments.shape[1]):
                moments[cell, k] = narrow[cell * moments.shape[1] + k]
        merge(spec, tables.down, moments)
        for cell in range(masses.shape[0]):
            masses[cell] = moments[cell, 0]
        if tables.growing:
            see_grown(spec, tables.cells, masses)
        multiply(moments, tables.from_moments, weights)
        return totals

    return weigh


def _make_give() -> Function:
    def give(values, doubts, spec, tables, powers):
        """powers (at least cells, P) of v that nodes' values (cells, P) make of the narrowest cells.

        Return the largest of the cells' doubts (cells,), to which wider cells' are added.
        """
        coefficients = np.empty(values.shape)
        multiply(values, tables.to_weights, coefficients)
        distribute(spec, tables.up, coefficients)
        multiply(coefficients[: tables.cells], tables.to_powers, powers[: tables.cells])
        distribute_doubts(spec, doubts)
        largest = 0.0
        for cell in range(tables.cells):
            largest = max(largest, doubts[cell])
        return largest

    return give


weigh = lazily(_make_weigh, TOTALS(READ, READ, INTS, _TABLES, WRITE1, WRITE), "cell_middle.weigh")
give = lazily(_make_give, types.float64(READ, WRITE1, INTS, _TABLES, WRITE), "cell_middle.give")
_certify = loop(make_certify())


def _make_middle(variant: Variant) -> Function:
    densities, values = loop(make_over_bins(variant, False)), loop(make_over_bins(variant, True))

    def middle(group, weights, masses, beyond, p, tolerance, shift, density, error, certain, given, doubts):
        """Weights (nodes,) and masses (cells,) to density and error (M,), and what `certify` makes of them.

        p (M,), and `certain` the arrays that `certify` writes. Unless given (nodes,) is empty, add what bins
        give nodes to it and to doubts (cells,). Return what `certify` returns.
        """
        densities(group, weights, masses, beyond, density, error)
        log_q, weights_of_bins = certain
        results = _certify(density, error, p, tolerance, FLOOR, shift, log_q, weights_of_bins)
        if given.shape[0] > 0:
            values(group, given, doubts, 0.0, weights_of_bins, error)
        return results

    return middle


@cache
def middle(variant: Variant) -> Callable[[], Function]:
    """Return the compiled steps of a variant between the passes over points."""
    one = types.float64
    certain = types.UniTuple(WRITE1, 2)
    steps = BINS, READ1, READ1, one, READ1, one, one, WRITE1, WRITE1, certain, WRITE1, WRITE1
    signature = types.Tuple((one, one, types.int64))(*steps)
    return lazily(lambda: _make_middle(variant), signature, f"cell_middle.{variant.key}")
