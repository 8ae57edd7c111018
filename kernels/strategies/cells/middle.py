"""All between the two passes over points, from cells' moments to what points take, compiled as one.

Many small arrays go from step to step here, and to call each step from Python takes longer than the step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...formula import Variant
from ...numerics.matmul import multiply
from ...runtime.jit import lazily, loop
from ...runtime.signatures import FLAGS, INTS, READ, READ1, READ3, WRITE, WRITE1
from ..tails.certificate import make_certify
from .bin_sums import BINS, make_adjoint, make_forward
from .levels import distribute, distribute_doubts, merge, see_grown


class CellTables(NamedTuple):
    """What compiled code needs of cells, beside the specification of what bins see, which may change."""

    cells: int  # narrowest ones
    growing: bool
    up: np.ndarray
    down: np.ndarray
    from_moments: np.ndarray
    to_weights: np.ndarray
    to_powers: np.ndarray


_TABLES = (types.int64, types.boolean, READ3, READ3, READ, READ, READ)


def _make_weigh() -> Callable:
    def weigh(narrow, spec, cells, growing, up, down, from_moments, to_weights, to_powers, masses, weights):
        """masses (cells,) of all levels and weights (cells, P) of their nodes, of the narrowest's moments."""
        moments = np.empty(weights.shape)
        for cell in range(cells):
            for k in range(moments.shape[1]):
                moments[cell, k] = narrow[cell, k]
        merge(spec, down, moments)
        for cell in range(masses.shape[0]):
            masses[cell] = moments[cell, 0]
        if growing:
            see_grown(spec, cells, masses)
        multiply(moments, from_moments, weights)

    return weigh


def _make_give() -> Callable:
    def give(values, doubts, spec, cells, growing, up, down, from_moments, to_weights, to_powers, powers):
        """powers (at least cells, P) of v that nodes' values (cells, P) make of the narrowest cells.

        Return the largest of the cells' doubts, to which wider cells' are added.
        """
        coefficients = np.empty(values.shape)
        multiply(values, to_weights, coefficients)
        distribute(spec, up, coefficients)
        multiply(coefficients[:cells], to_powers, powers[:cells])
        distribute_doubts(spec, doubts)
        largest = 0.0
        for cell in range(cells):
            largest = max(largest, doubts[cell])
        return largest

    return give


weigh = lazily(_make_weigh, types.void(READ, INTS, *_TABLES, WRITE1, WRITE), "cell_middle.weigh")
give = lazily(_make_give, types.float64(READ, WRITE1, INTS, *_TABLES, WRITE), "cell_middle.give")


def _make_middle(variant: Variant) -> Callable:
    weigh, give, certify = loop(_make_weigh()), loop(_make_give()), loop(make_certify())
    densities, values = loop(make_forward(variant, False)), loop(make_adjoint(variant, False))

    def middle(
        narrow,
        cells,
        growing,
        up,
        down,
        from_moments,
        to_weights,
        to_powers,
        first,
        last,
        stride,
        step,
        centers,
        places,
        spec,
        positions,
        params,
        accuracy,
        relative,
        beyond,
        p,
        tolerance,
        shift,
        adjoint_follows,
        density,
        error,
        log_q,
        weights,
        weak,
        powers,
    ):
        """Moments to densities (M,) and their errors, what `certify` makes of these, and powers as of `give`.

        Return what `certify` does, and `give`.
        """
        tables = cells, growing, up, down, from_moments, to_weights, to_powers
        order = from_moments.shape[0]
        count = positions.shape[0] // order
        masses, of_nodes = np.empty(count), np.empty((count, order))
        weigh(narrow, spec, *tables, masses, of_nodes)
        bins = first, last, stride, step, centers, places, spec, positions, params
        about = of_nodes.reshape(-1), masses, accuracy, relative, beyond
        densities(*bins, *about, density, error)
        loss, uncertain, count_weak = certify(density, error, p, tolerance, shift, log_q, weights, weak)
        doubt = 0.0
        if adjoint_follows:
            of_nodes, doubts = np.zeros((count, order)), np.zeros(count)
            values(*bins, weights, accuracy, of_nodes.reshape(-1), doubts)
            doubt = give(of_nodes, doubts, spec, *tables, powers)
        return loss, uncertain, count_weak, doubt

    return middle


@cache
def middle(variant: Variant) -> Callable[[], Callable]:
    """Return the compiled steps of a variant between the passes over points."""
    one = types.float64
    result = types.Tuple((one, one, types.int64, one))
    certified = (READ1, one, one, types.boolean, WRITE1, WRITE1, WRITE1, WRITE1, FLAGS)
    signature = result(READ, *_TABLES, *BINS, READ1, one, one, *certified, WRITE)
    return lazily(lambda: _make_middle(variant), signature, f"cell_middle.{variant.key}")
