"""Windows of a few equal bins: every point looks at the bins around it, without being sorted.

Bins are numbered with some more on each side, whose sums are dropped, so that a point's first bin
alone says which bins it looks at.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats
from ...families import FORMULAS
from ...formula import INVERSE_BANDWIDTH, Variant
from ...numerics.arithmetic import SMALLEST, exp2
from ...numerics.chunks import LANES
from ...runtime.jit import Function, helper
from ...runtime.signatures import READ1, WRITE, WRITE1, record
from ...simd.ahead import to_read
from ..sums.images import distance_of, reader_of, shift_of
from ..sums.loops import Loops, compiled
from ..sums.passes import adding, adjoint_signature, forward_signature, taking
from ..sums.places import EVEN, locator


class NearBins(NamedTuple):
    """Bins as points see them that look at the bins around them."""

    centers: Floats  # (bins and those beside them,)
    looks: int  # bins that each point looks at
    params: Floats  # of the formula (1, PARAMETERS)


_BINS = record(NearBins, WRITE1, types.int64, WRITE)


@cache
def near_loops(variant: Variant, circle: bool) -> Loops:
    """Return the passes over a row, each compiled when it is first asked for."""
    key = f"{variant.key}.{'circle' if circle else 'line'}"
    made = (
        (_make_forward, forward_signature(_BINS, types.boolean)),
        (_make_adjoint, adjoint_signature(_BINS, READ1)),
    )
    return compiled(Loops, "window_near", key, (variant, circle), *made)


@helper
def _look_up(bins, cell, number, n, x, z, after, place):
    """place_j (ROOM,) = centers[cell_j + number]; x, z (n,) from `after` on are what is read next."""
    for first in range(0, n, LANES):
        if number == 0:
            to_read(x, after + first)
            to_read(z, after + first)
        for j in range(first, first + LANES):
            place[j] = bins.centers[np.uint64(cell[j] + number)]


def _make_forward(variant: Variant, circle: bool) -> Function:
    formula, distance, read = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)

    @helper
    def add(w, places, shift_of_copy, rooms, n, data, after, sums, bins, derived):
        """sums (2 bins,) += densities and, if `derived`, widenings of the points that look there."""
        (d, cell, _), (at, terms, place), (x, z) = places, rooms, data
        size = bins.centers.shape[0]
        p, period, images = read(bins.params, 0)
        for j in range(n):
            at[j] = d[j] + shift_of_copy
        for number in range(bins.looks):
            # Few arrays to a loop, or it is not vectorised.
            _look_up(bins, cell, number, n, x, z, after, place)
            for j in range(n):
                terms[j] = 0.0
            for image in range(images):
                shift = shift_of(image, period)
                for j in range(n):
                    e, f, _, _ = formula(distance(place[j], at[j], period, shift), p)
                    terms[j] += w[j] * exp2(e) * f
            for j in range(n):
                sums[np.uint64(cell[j] + number)] += terms[j]
            if not derived:
                continue
            for j in range(n):
                terms[j] = 0.0
            for image in range(images):
                shift = shift_of(image, period)
                for j in range(n):
                    e, f, _, f_h = formula(distance(place[j], at[j], period, shift), p)
                    reached = (e > SMALLEST) & (f > 0.0)
                    terms[j] += w[j] * exp2(e) * f_h if reached else 0.0
            for j in range(n):
                sums[np.uint64(size + cell[j] + number)] += terms[j] * p[INVERSE_BANDWIDTH]

    return adding(locator(EVEN, circle), 1, add)


def _make_adjoint(variant: Variant, circle: bool) -> Function:
    formula, distance, read = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)

    @helper
    def take(sums, slopes, sloping, places, shift_of_copy, rooms, n, data, after, bins, weights):
        """Over the bins that a point looks at, of weights (bins,): sums, slopes (ROOM,) of K, h dK/dd."""
        (d, cell, _), (at, place, weight), (x, z, _) = places, rooms, data
        p, period, images = read(bins.params, 0)
        for j in range(n):
            at[j] = d[j] + shift_of_copy
        for number in range(bins.looks):
            _look_up(bins, cell, number, n, x, z, after, place)
            for j in range(n):
                weight[j] = weights[np.uint64(cell[j] + number)]
            for image in range(images):
                shift = shift_of(image, period)
                for j in range(n):
                    e, f, _, _ = formula(distance(place[j], at[j], period, shift), p)
                    sums[j] += weight[j] * exp2(e) * f
                if not sloping:
                    continue
                for j in range(n):
                    e, f, f_d, _ = formula(distance(place[j], at[j], period, shift), p)
                    reached = (e > SMALLEST) & (f > 0.0)
                    slopes[j] += weight[j] * exp2(e) * f_d if reached else 0.0

    return taking(locator(EVEN, circle), 1, take)
