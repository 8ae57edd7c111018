"""All between the two passes over points, from cells' moments to what points take, compiled as one.

Many small arrays go from step to step here, and to call each step from Python takes longer than the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats
from ...formula import Variant
from ...numerics.matmul import multiply
from ...runtime.jit import lazily, loop
from ...runtime.signatures import FLAGS, INTS, READ, READ1, WRITE, WRITE1, WRITE3, record
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


def _make_weigh() -> Callable:
    def weigh(narrow, spec, tables, masses, weights):
        """masses (cells,) of all levels and weights (cells, P) of their nodes, of the narrowest's moments."""
        moments = np.empty(weights.shape)
        for cell in range(tables.cells):
            for k in range(moments.shape[1]):
                moments[cell, k] = narrow[cell, k]
        merge(spec, tables.down, moments)
        for cell in range(masses.shape[0]):
            masses[cell] = moments[cell, 0]
        if tables.growing:
            see_grown(spec, tables.cells, masses)
        multiply(moments, tables.from_moments, weights)

    return weigh


def _make_give() -> Callable:
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


weigh = lazily(_make_weigh, types.void(READ, INTS, _TABLES, WRITE1, WRITE), "cell_middle.weigh")
give = lazily(_make_give, types.float64(READ, WRITE1, INTS, _TABLES, WRITE), "cell_middle.give")


_weigh, _give, _certify = loop(_make_weigh()), loop(_make_give()), loop(make_certify())


def _make_middle(variant: Variant) -> Callable:
    densities, values = loop(make_over_bins(variant, False)), loop(make_over_bins(variant, True))

    def middle(narrow, tables, group, beyond, p, tolerance, shift, adjoint, density, error, certain, powers):
        """Moments (cells, P) to density and error (M,), what `certify` makes of them, powers as of `give`.

        p (M,), and `certain` the arrays that `certify` writes. Return what it returns, and `give`.
        """
        count, order = group.positions.shape[0] // tables.from_moments.shape[0], tables.from_moments.shape[0]
        masses, of_nodes = np.empty(count), np.empty((count, order))
        _weigh(narrow, group.spec, tables, masses, of_nodes)
        densities(group, of_nodes.reshape(-1), masses, beyond, density, error)
        log_q, weights, weak = certain
        loss, uncertain, count_weak = _certify(
            density, error, p, tolerance, FLOOR, shift, log_q, weights, weak
        )
        doubt = 0.0
        if adjoint:
            of_nodes, doubts = np.zeros((count, order)), np.zeros(count)
            values(group, of_nodes.reshape(-1), doubts, 0.0, weights, error)
            doubt = _give(of_nodes, doubts, group.spec, tables, powers)
        return loss, uncertain, count_weak, doubt

    return middle


@cache
def middle(variant: Variant) -> Callable[[], Callable]:
    """Return the compiled steps of a variant between the passes over points."""
    one = types.float64
    certain = types.Tuple((WRITE1, WRITE1, FLAGS))
    steps = READ, _TABLES, BINS, one, READ1, one, one, types.boolean, WRITE1, WRITE1, certain, WRITE
    signature = types.Tuple((one, one, types.int64, one))(*steps)
    return lazily(lambda: _make_middle(variant), signature, f"cell_middle.{variant.key}")
