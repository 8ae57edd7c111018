"""Windows of a few equal bins: every point looks at the bins around it, without being sorted.

Bins are numbered with some more on each side, whose sums are dropped, so that a point's first bin
alone says which bins it looks at.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numba import types

from ...families import FORMULAS
from ...formula import IMAGES, INVERSE_BANDWIDTH, Variant, parameters_of
from ...formula import PERIOD as FAMILY_PERIOD
from ...numerics.arithmetic import SMALLEST, exp2
from ...numerics.chunks import CHUNK, LANES, room
from ...runtime.jit import helper, lazily
from ...runtime.signatures import COUNTER, READ, READ1, READ_INTS, WRITE, WRITE1
from ...runtime.units import take_unit, unit_done, wait_for_others
from ...simd.ahead import to_read
from ..sums.images import distance_of, shift_of
from ..sums.partials import finish, look, look_at_points, rescale, start_lane, weigh_seen, weights_of
from ..sums.places import COPIES, PERIOD, locator


@cache
def near_loops(variant: Variant, circle: bool) -> tuple[Callable[[], Callable], Callable[[], Callable]]:
    """Return the forward and the adjoint pass over a block, each compiled when it is first asked for."""
    data, units = (READ1, READ1), (COUNTER, types.int64)
    fixed = (READ1, READ1, types.int64, READ, types.boolean)
    key = f"{variant.key}.{'circle' if circle else 'line'}"
    return (
        lazily(
            lambda: _make_forward(variant, circle),
            types.void(*data, READ_INTS, *fixed, WRITE, WRITE, *units),
            f"window_near.forward.{key}",
        ),
        lazily(
            lambda: _make_adjoint(variant, circle),
            types.void(
                *data,
                types.int64,
                types.float64,
                *fixed,
                READ1,
                types.float64,
                WRITE1,
                WRITE1,
                WRITE1,
                *units,
            ),
            f"window_near.adjoint.{key}",
        ),
    )


@helper
def _look_up(centers, cell, number, n, x, z, after, place):
    """place_j = centers[cell_j + number]; x and z from `after` on are what the caller reads next."""
    whole = n // LANES * LANES
    for first in range(0, whole, LANES):
        if number == 0:
            to_read(x, after + first)
            to_read(z, after + first)
        for j in range(first, first + LANES):
            place[j] = centers[np.uint64(cell[j] + number)]
    for j in range(whole, n):
        place[j] = centers[np.uint64(cell[j] + number)]


def _make_forward(variant: Variant, circle: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula].value, distance_of(variant), variant.images
    distances, cells = locator("even", circle)

    @helper
    def add_lane(x, z, g, centers, looks, params, derived, state, density, widening):
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        at, terms, place = room(np.float64), room(np.float64), room(np.float64)
        p = parameters_of(params, 0)
        period = p[FAMILY_PERIOD]
        count = int(p[IMAGES]) if images else 1
        copies, turn = int(g[COPIES]), g[PERIOD]
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            xs, zs = x[start : start + n], z[start : start + n]
            look_at_points(xs, state)
            factor = look(zs, state)
            rescale(density, factor)
            rescale(widening, factor)
            weigh_seen(zs, state, w)
            distances(xs, n, g, d)
            for copy in range(copies):
                cells(d, n, copy * turn, g, 1, cell, v)
                for j in range(n):
                    at[j] = d[j] + copy * turn
                for number in range(looks):
                    # Few arrays to a loop, or it is not vectorised.
                    _look_up(centers, cell, number, n, x, z, start + CHUNK, place)
                    for j in range(n):
                        terms[j] = 0.0
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            e, f, _, _ = formula(distance(place[j], at[j], period, shift), p)
                            terms[j] += w[j] * exp2(e) * f
                    for j in range(n):
                        density[np.uint64(cell[j] + number)] += terms[j]
                    if not derived:
                        continue
                    for j in range(n):
                        terms[j] = 0.0
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            e, f, _, f_h = formula(distance(place[j], at[j], period, shift), p)
                            reached = (e > SMALLEST) & (f > 0.0)
                            terms[j] += w[j] * exp2(e) * f_h if reached else 0.0
                    for j in range(n):
                        widening[np.uint64(cell[j] + number)] += terms[j] * p[INVERSE_BANDWIDTH]

    def forward(x, z, ends, g, centers, looks, params, derived, states, sums, counter, most):
        """sums (lanes, 2 bins) += densities and widenings from the points that look at a bin.

        In up to `most` lanes, points ends[l] .. ends[l + 1] each.
        """
        bins, lanes = centers.shape[0], states.shape[0]
        for _ in range(most):
            lane = take_unit(counter)
            if lane >= lanes:
                return wait_for_others(counter, lanes)
            begin, end = ends[lane], ends[lane + 1]
            fixed = g, centers, looks, params, derived, states[lane]
            start_lane(sums[lane], states[lane])
            add_lane(x[begin:end], z[begin:end], *fixed, sums[lane, :bins], sums[lane, bins : 2 * bins])
            unit_done(counter)

    return forward


def _make_adjoint(variant: Variant, circle: bool) -> Callable:
    formula, distance, images = FORMULAS[variant.formula].value, distance_of(variant), variant.images
    distances, cells = locator("even", circle)

    @helper
    def of_block(x, z, top, g, centers, looks, params, derived, weights, share, by_z, by_x):
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        at, sums, slopes = room(np.float64), room(np.float64), room(np.float64)
        place, weight = room(np.float64), room(np.float64)
        p = parameters_of(params, 0)
        period = p[FAMILY_PERIOD]
        count, largest = int(p[IMAGES]) if images else 1, 0.0
        copies, turn = int(g[COPIES]), g[PERIOD]
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            xs = x[start : start + n]
            weights_of(z[start : start + n], n, top, w)
            distances(xs, n, g, d)
            for j in range(n):
                sums[j], slopes[j] = 0.0, 0.0
            for copy in range(copies):
                cells(d, n, copy * turn, g, 1, cell, v)
                for j in range(n):
                    at[j] = d[j] + copy * turn
                for number in range(looks):
                    _look_up(centers, cell, number, n, x, z, start + CHUNK, place)
                    for j in range(n):
                        weight[j] = weights[np.uint64(cell[j] + number)]
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            e, f, _, _ = formula(distance(place[j], at[j], period, shift), p)
                            sums[j] += weight[j] * exp2(e) * f
                        if not derived:
                            continue
                        for j in range(n):
                            e, f, f_d, _ = formula(distance(place[j], at[j], period, shift), p)
                            reached = (e > SMALLEST) & (f > 0.0)
                            slopes[j] += weight[j] * exp2(e) * f_d if reached else 0.0
            largest = max(largest, finish(w, sums, share, -1.0, by_z[start : start + n]))
            if derived:
                finish(w, slopes, 0.0, p[INVERSE_BANDWIDTH], by_x[start : start + n])
        return largest

    def adjoint(
        x,
        z,
        size,
        top,
        g,
        centers,
        looks,
        params,
        derived,
        weights,
        share,
        by_z,
        by_x,
        largest,
        counter,
        most,
    ):
        """by_z = w_i (share - sum_m weights_m K) over the bins looked at.

        In up to `most` blocks of `size` points. With `derived`, by_x = w_i sum_m weights_m dK/dd.
        largest (blocks,) = the largest |by_z| of each.
        """
        blocks = -(-x.shape[0] // size)
        for _ in range(most):
            block = take_unit(counter)
            if block >= blocks:
                return wait_for_others(counter, blocks)
            begin, end = block * size, min((block + 1) * size, x.shape[0])
            about = top, g, centers, looks, params, derived, weights, share, by_z[begin:end]
            by_it = by_x[begin:end] if derived else by_x
            largest[block] = of_block(x[begin:end], z[begin:end], *about, by_it)
            unit_done(counter)

    return adjoint
