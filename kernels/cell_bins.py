"""Bins and the nodes of cells: what a bin sees of the cells' weights, and what nodes get of bins'."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from .arithmetic import SMALLEST, exp2
from .cell_levels import MOST_RUNS, ORDER, cells_seen
from .families import FORMULAS, IMAGES, PERIOD, Variant
from .jit import lazily
from .pair_loops import READ, READ1, WRITE1, distance_of, parameters_of, shift_of


class BinLoops(NamedTuple):
    """The compiled loops of one variant."""

    densities: Callable[[], Callable]
    widenings: Callable[[], Callable]
    values: Callable[[], Callable]
    slopes: Callable[[], Callable]


_SPEC = types.Array(types.int64, 1, "C", readonly=True)


@cache
def bin_loops(variant: Variant) -> BinLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    common = (READ1, READ1, _SPEC, READ1, READ)
    forward = types.void(*common, READ1, READ1, READ1, WRITE1, WRITE1)
    adjoint = types.void(*common, READ1, READ1, WRITE1, WRITE1)

    def compiled(name: str, make: Callable, signature: object) -> Callable[[], Callable]:
        derived = name in ("widenings", "slopes")
        return lazily(lambda: make(variant, derived), signature, f"cell_bins.{name}.{variant.key}")

    return BinLoops(
        compiled("densities", _make_forward, forward),
        compiled("widenings", _make_forward, forward),
        compiled("values", _make_adjoint, adjoint),
        compiled("slopes", _make_adjoint, adjoint),
    )


# Both take centers and places (M,), these in pitches from the origin, what bins see, the nodes'
# positions (nodes,) on the line, and the formula's parameters (1, PARAMETERS).


def _make_forward(variant: Variant, derived: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def forward(centers, places, spec, positions, params, weights, mass, accuracy, density, error):
        """density (M,) = sum over nodes of weight K or dK/dh; error (M,) = sum over cells of mass accuracy.

        weights (nodes,), mass (cells,), and accuracy by a cell's place among those around the bin's own.
        """
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        order, farthest = spec[ORDER], accuracy.shape[0] // 2
        runs = np.empty((MOST_RUNS, 2), np.int64)
        for m in range(centers.shape[0]):
            c, total, doubt = centers[m], 0.0, 0.0
            column = np.int64(np.floor(places[m]))
            for run in range(cells_seen(places[m], spec, runs)):
                first, last = runs[run, 0], runs[run, 1]
                # Unsigned, because what may be negative is no index of a vector register's load.
                begin, end = np.uint64(first * order), np.uint64(last * order)
                for image in range(count):
                    shift = shift_of(image, period)
                    for j in range(begin, end):
                        e, f, _, f_h = formula(distance(c, positions[j], period, shift), p)
                        if derived:
                            reached = (e > SMALLEST) & (f > 0.0)
                            total += weights[j] * (exp2(e) * f_h) if reached else 0.0
                        else:
                            total += weights[j] * exp2(e) * f
                begin, end = np.uint64(first), np.uint64(last)
                if farthest == 0:
                    for cell in range(begin, end):
                        doubt += mass[cell] * accuracy[0]
                else:
                    offset = np.uint64(first - column + farthest)
                    for i in range(end - begin):
                        doubt += mass[begin + i] * accuracy[offset + i]
            density[m], error[m] = total, doubt

    return forward


def _make_adjoint(variant: Variant, derived: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def adjoint(centers, places, spec, positions, params, weights, accuracy, values, doubts):
        """values (nodes,) += sum over bins of weight K or dK/dd, doubts (cells,) += of weight accuracy."""
        p = parameters_of(params, 0)
        period = p[PERIOD]
        count = int(p[IMAGES]) if images else 1
        order, farthest = spec[ORDER], accuracy.shape[0] // 2
        runs = np.empty((MOST_RUNS, 2), np.int64)
        for m in range(centers.shape[0]):
            c, weight = centers[m], weights[m]
            if weight == 0.0:
                continue
            column = np.int64(np.floor(places[m]))
            for run in range(cells_seen(places[m], spec, runs)):
                first, last = runs[run, 0], runs[run, 1]
                # Unsigned, because what may be negative is no index of a vector register's load.
                begin, end = np.uint64(first * order), np.uint64(last * order)
                for image in range(count):
                    shift = shift_of(image, period)
                    for j in range(begin, end):
                        e, f, f_d, _ = formula(distance(c, positions[j], period, shift), p)
                        if derived:
                            reached = (e > SMALLEST) & (f > 0.0)
                            values[j] += weight * (exp2(e) * f_d) if reached else 0.0
                        else:
                            values[j] += weight * exp2(e) * f
                begin, end = np.uint64(first), np.uint64(last)
                if farthest == 0:
                    for cell in range(begin, end):
                        doubts[cell] += weight * accuracy[0]
                else:
                    offset = np.uint64(first - column + farthest)
                    for i in range(end - begin):
                        doubts[begin + i] += weight * accuracy[offset + i]

    return adjoint
