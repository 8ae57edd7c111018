"""All pairs of bins and points, exact: compiled loops for one formula.

Two ways through the same sums. The linear one adds densities, w_j 2^e f with w_j = exp(z_j - max z),
and is right for every bin whose sum exceeds LINEAR_FLOOR: what underflow loses is below 1e-220 of
the largest weight. Bins below it take the logarithmic way, relative to the point that adds most to each:
its exponent is far from all others' zero, and only what theirs are above or below it decides.

Points go through chunks that stay in the L1 cache, padded with points of weight zero to whole
vector registers, so that the compiler uses them for every loop over points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from .arithmetic import LARGEST, LN_2, LOG2_E, SMALLEST, exp2, from_order_key, order_key
from .families import (
    FORMULAS,
    IMAGES,
    INVERSE_BANDWIDTH,
    PARAMETERS,
    PERIOD,
    Variant,
    exponent_of,
    has_whole_slopes,
    log_formula_of,
)
from .jit import helper, lazily, loop

LINEAR_FLOOR = 1e-200
PAIRS_PER_BLOCK = 2**18
CHUNK = 512
LANES = 8
# Length of a chunk's arrays. A power of two would put the same entry of two arrays at addresses
# 4096 bytes apart, where a store delays the loads that follow it.
ROOM = CHUNK + 72
_LINE = 64  # bytes of a cache line

assert PARAMETERS == 22  # `parameters_of` writes them out


@helper
def room(dtype):
    """Return an uninitialised array for a chunk which starts at a cache line."""
    array = np.empty(ROOM + _LINE, dtype)
    skip = (_LINE - array.ctypes.data % _LINE) % _LINE // array.itemsize
    return array[skip : skip + ROOM]


@helper
def parameters_of(p, r):
    """Return row r of the parameters as a tuple, which the compiler keeps in registers."""
    return (
        p[r, 0],
        p[r, 1],
        p[r, 2],
        p[r, 3],
        p[r, 4],
        p[r, 5],
        p[r, 6],
        p[r, 7],
        p[r, 8],
        p[r, 9],
        p[r, 10],
        p[r, 11],
        p[r, 12],
        p[r, 13],
        p[r, 14],
        p[r, 15],
        p[r, 16],
        p[r, 17],
        p[r, 18],
        p[r, 19],
        p[r, 20],
        p[r, 21],
    )


@helper
def own_row(array, r):
    """Return the row of `array` that row r of the call uses: its own, or the one there is."""
    return r if array.shape[0] > 1 else 0


@helper
def near_interval(v, middle, period):
    """Return v, moved by whole periods if it is more than one period from the middle."""
    return middle + np.fmod(v - middle, period) if abs(v - middle) > period else v


@helper
def middle_of(centers):
    """Return the middle of the bins; on a circle they lie at most half a period from it."""
    lowest = highest = centers[0]
    for c in centers:
        lowest = min(lowest, c)
        highest = max(highest, c)
    return 0.5 * (lowest + highest)


@helper
def _as_it_is(z, top):
    return np.float64(z)


@helper
def _log2_of_weight(z, top):
    return (z - top) * LOG2_E


def _loading(convert: Callable) -> Callable:
    """Return what copies a chunk of a row: points into xb, and of each logit what `convert` makes."""

    @helper
    def load(x, z, r, start, top, middle, period, xb, zb):
        """Return the padded length."""
        xr, zr = own_row(x, r), own_row(z, r)
        n = min(CHUNK, x.shape[1] - start)
        points, logits = x[xr, start : start + n], z[zr, start : start + n]
        if period > 0.0:
            for j in range(n):
                xb[j] = near_interval(points[j], middle, period)
        else:
            for j in range(n):
                xb[j] = points[j]
        for j in range(n):
            zb[j] = convert(logits[j], top)
        padded = (n + LANES - 1) // LANES * LANES
        for j in range(n, padded):
            xb[j] = xb[n - 1]
            zb[j] = -np.inf
        return padded

    return load


load_points, load_chunk = _loading(_as_it_is), _loading(_log2_of_weight)


@helper
def times_last(product, factor):
    """Return product times factor: where products may be reordered, part of it could underflow first."""
    return product * factor


@helper
def weight(z, top):
    """Return exp(z - top), exactly 0 for a masked point."""
    return exp2((z - top) * LOG2_E)


@loop
def total_weight(zs, top):
    """Return sum_j exp(z_j - top).

    A sum over points is taken in a loop that writes to no array. Where one loop does both, the compiler
    asks at run time whether what it writes may lie over what it reads, for indices below 0 too, and then
    adds one by one: the last bits depend on where arrays happen to lie.
    """
    total = 0.0
    for j in range(zs.shape[0]):
        total += weight(zs[j], top)
    return total


@loop
def sum_of(values, n):
    """Return the sum of the first n values."""
    total = 0.0
    for j in range(n):
        total += values[j]
    return total


@loop
def weigh(zb, n):
    """Replace logarithms of weights by weights, exactly 0 for masked points, and return their sum."""
    total = 0.0
    for j in range(n):
        zb[j] = exp2(zb[j])
        total += zb[j]
    return total


@helper
def shift_of(image, period):
    """Return how far image number 0, 1, 2, 3 ... lies behind the nearest one: 0, -P, P, -2P ..."""
    k = (image + 1) // 2
    return -k * period if image % 2 == 1 else k * period


@helper
def _to_circle(d, period):
    """Return d in [-P/2, P/2] for d in [-3P/2, 3P/2]."""
    return d - math.copysign(period, d) if abs(d) > 0.5 * period else d


@helper
def distance_between(d):
    """Return |d|, or the largest float for what is beyond any."""
    return min(abs(d), LARGEST)


def distance_of(variant: Variant) -> Callable:
    """Return the distance of a bin from a point's image that lies `shift` behind the nearest one."""

    @helper
    def on_line(c, x, period, shift):
        return c - x

    @helper
    def on_circle(c, x, period, shift):
        return _to_circle(c - x, period)

    @helper
    def of_image(c, x, period, shift):
        d = _to_circle(c - x, period)
        return d + (shift if d > 0.0 else -shift)

    return of_image if variant.images else on_circle if variant.circle else on_line


class PairLoops(NamedTuple):
    """The compiled loops of one variant; `adjoint` is the z-gradient alone, `full_adjoint` all three."""

    forward: Callable[[], Callable]
    adjoint: Callable[[], Callable]
    full_adjoint: Callable[[], Callable]
    nearest: Callable[[], Callable]
    highest: Callable[[], Callable]
    level: Callable[[], Callable]
    log_forward: Callable[[], Callable]
    log_adjoint: Callable[[], Callable]


class ShortLoops(NamedTuple):
    """Faster loops for some problems, each in the place of `PairLoops`' of the same name."""

    forward: Callable[[], Callable]
    adjoint: Callable[[], Callable]


READ = types.Array(types.float64, 2, "C", readonly=True)
READ1 = types.Array(types.float64, 1, "C", readonly=True)
WRITE = types.Array(types.float64, 2, "C")
WRITE1 = types.Array(types.float64, 1, "C")
READ_INTS = types.Array(types.int64, 1, "C", readonly=True)


def _block(real: types.Float) -> tuple[types.Type, ...]:
    data = types.Array(real, 2, "C", readonly=True)
    return data, data, READ1, READ, READ


def forward_signature(real: types.Float = types.float64) -> Any:
    """Return the types of a forward loop over data of type `real`."""
    return types.void(*_block(real), WRITE, WRITE1)


def adjoint_signature(real: types.Float = types.float64) -> Any:
    """Return the types of an adjoint loop over data of type `real`."""
    return types.void(*_block(real), READ, READ1, types.Array(real, 2, "C"))


@cache
def pair_loops(variant: Variant) -> PairLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    data = READ, READ
    bins = READ, READ, READ_INTS, READ_INTS
    makers = {
        "forward": (_make_forward, forward_signature()),
        "adjoint": (_make_adjoint, adjoint_signature()),
        "full_adjoint": (
            _make_full_adjoint,
            types.void(*_block(types.float64), READ, READ1, WRITE, WRITE, WRITE1),
        ),
        "nearest": (_make_nearest, types.void(*data, *bins, WRITE1)),
        "highest": (_make_highest, types.void(*data, READ1, *bins, READ1, WRITE1, WRITE1, WRITE1)),
        "level": (_make_level, types.void(READ1, READ, READ_INTS, WRITE1)),
        "log_forward": (_make_log_forward, types.void(*data, *bins, READ1, READ1, WRITE1)),
        "log_adjoint": (
            _make_log_adjoint,
            types.void(*data, *bins, READ1, READ1, READ1, WRITE, WRITE, WRITE1),
        ),
    }

    def compiled(name: str) -> Callable[[], Callable]:
        make, signature = makers[name]
        return lazily(lambda: make(variant), signature, f"pair_loops.{name}.{variant.key}")

    return PairLoops(*map(compiled, PairLoops._fields))


# Every maker but `_make_level` returns a loop over the rows of one block of points: x, z (R or 1, n), centers
# (R or 1, M), params (R or 1, PARAMETERS), and for most top (R,), the largest logit of each row. Sums add to
# their outputs.


def _make_forward(variant: Variant) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def forward(x, z, top, centers, params, density, mass):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j."""
        xb, wb = room(np.float64), room(np.float64)
        for r in range(density.shape[0]):
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            count = int(p[IMAGES]) if images else 1
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                mass[r] += weigh(wb, n)
                for m in range(density.shape[1]):
                    c = centers[cr, m]
                    total = 0.0
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            e, f, _, _ = formula(distance(c, xb[j], period, shift), p)
                            total += wb[j] * exp2(e) * f
                    density[r, m] += total

    return forward


def _make_adjoint(variant: Variant) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def adjoint(x, z, top, centers, params, weights, share, by_z):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        xb, wb = room(np.float64), room(np.float64)
        sums = room(np.float64)
        for r in range(by_z.shape[0]):
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            count = int(p[IMAGES]) if images else 1
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                weigh(wb, n)
                for j in range(n):
                    sums[j] = share[r]
                for m in range(weights.shape[1]):
                    c, weight = centers[cr, m], weights[r, m]
                    if weight == 0.0:
                        continue
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            e, f, _, _ = formula(distance(c, xb[j], period, shift), p)
                            sums[j] -= weight * exp2(e) * f
                for j in range(min(CHUNK, x.shape[1] - start)):
                    by_z[r, start + j] = wb[j] * sums[j]

    return adjoint


def _make_full_adjoint(variant: Variant) -> Callable:
    formula, distance, images = FORMULAS[variant.formula], distance_of(variant), variant.images

    def full_adjoint(x, z, top, centers, params, weights, share, by_z, by_x, by_h):
        """As `adjoint`; by_x (R, n) = w_i sum_m weights_m dK/dd, by_h (R,) -= sum_im w_i weights_m dK/dh."""
        xb, wb = room(np.float64), room(np.float64)
        sums, slopes = room(np.float64), room(np.float64)
        for r in range(by_z.shape[0]):
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            count = int(p[IMAGES]) if images else 1
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                weigh(wb, n)
                for j in range(n):
                    sums[j], slopes[j] = share[r], 0.0
                for m in range(weights.shape[1]):
                    c, weight = centers[cr, m], weights[r, m]
                    if weight == 0.0:
                        continue
                    for image in range(count):
                        shift = shift_of(image, period)
                        widening = 0.0
                        for j in range(n):
                            e, f, f_d, f_h = formula(distance(c, xb[j], period, shift), p)
                            k = weight * exp2(e)
                            # Where K vanishes its derivatives do, though f_d and f_h may have overflowed.
                            reached = (e > SMALLEST) & (f > 0.0)
                            sums[j] -= k * f
                            slopes[j] += k * f_d if reached else 0.0
                            widening += wb[j] * (k * f_h) if reached else 0.0
                        by_h[r] -= widening * p[INVERSE_BANDWIDTH]
                for j in range(min(CHUNK, x.shape[1] - start)):
                    by_z[r, start + j] = wb[j] * sums[j]
                    by_x[r, start + j] = times_last(wb[j] * slopes[j], p[INVERSE_BANDWIDTH])

    return full_adjoint


def _make_nearest(variant: Variant) -> Callable:
    distance = distance_of(variant)

    def nearest(x, z, centers, params, row_start, bins, near):
        """near (bins,) = the smallest distance of a point that is not masked, or itself if less."""
        xb, zb = room(np.float64), room(np.float64)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c = centers[cr, bins[b]]
                    key = order_key(near[b])
                    for j in range(n):
                        d = distance_between(distance(c, xb[j], period, 0.0))
                        key = min(key, order_key(d if zb[j] > -np.inf else np.inf))
                    near[b] = from_order_key(key)

    return nearest


def _make_highest(variant: Variant) -> Callable:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, images = distance_of(variant), variant.images

    def highest(x, z, top, centers, params, row_start, bins, near, peak, at, logit):
        """Write the distance `at` and `logit` of the point that adds most to a bin, if more than exp(peak).

        peak (bins,) is relative to a point of the largest logit, top (R,), at the distance `near` (bins,).
        """
        xb, zb, exponents = room(np.float64), room(np.float64), room(np.float64)
        for r in range(top.shape[0]):
            if row_start[r] == row_start[r + 1]:
                continue
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            count = int(p[IMAGES]) if images else 1
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c, closest = centers[cr, bins[b]], near[b]
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, _, _ = formula(d, p)
                            e = exponent(zb[j], top[r], closest, far, far - closest, p)
                            exponents[j] = e if f > 0.0 else -np.inf
                        key = order_key(peak[b])
                        for j in range(n):
                            key = max(key, order_key(exponents[j]))
                        largest = from_order_key(key)
                        if not largest > peak[b]:
                            continue
                        for j in range(n):
                            if exponents[j] == largest:
                                at[b] = distance_between(distance(c, xb[j], period, shift))
                                logit[b] = zb[j]
                                break
                        peak[b] = largest

    return highest


def _make_log_forward(variant: Variant) -> Callable:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, images = distance_of(variant), variant.images

    def log_forward(x, z, centers, params, row_start, bins, at, logit, total):
        """total (bins,) += sum_j exp(z_j - logit) f_j 2^(e_j - e), e that of the distance `at`.

        For the bins of row r, bins[row_start[r]:row_start[r + 1]], whose `at` and `logit` are those of the
        point that adds most.
        """
        xb, zb = room(np.float64), room(np.float64)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            count = int(p[IMAGES]) if images else 1
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c, near, high = centers[cr, bins[b]], at[b], logit[b]
                    if high == -np.inf:
                        continue
                    added = 0.0
                    for image in range(count):
                        shift = shift_of(image, period)
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, _, _ = formula(d, p)
                            t = exponent(zb[j], high, near, far, far - near, p) * LOG2_E
                            added += exp2(min(t, 1000.0)) * f
                    total[b] += added

    return log_forward


def _make_log_adjoint(variant: Variant) -> Callable:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, images, whole = distance_of(variant), variant.images, has_whole_slopes(variant.formula)

    def log_adjoint(x, z, centers, params, row_start, bins, at, logit, weights, by_z, by_x, by_h):
        """Add what the bins of `log_forward` contribute to all gradients, weights p/total."""
        xb, zb = room(np.float64), room(np.float64)
        sums, slopes = room(np.float64), room(np.float64)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p = parameters_of(params, own_row(params, r))
            cr = own_row(centers, r)
            period, middle = p[PERIOD], middle_of(centers[cr])
            count = int(p[IMAGES]) if images else 1
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for j in range(n):
                    sums[j], slopes[j] = 0.0, 0.0
                for b in range(row_start[r], row_start[r + 1]):
                    c, near, high, weight = centers[cr, bins[b]], at[b], logit[b], weights[b]
                    if weight == 0.0:
                        continue
                    for image in range(count):
                        shift = shift_of(image, period)
                        widening = 0.0
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, f_d, f_h = formula(d, p)
                            t = exponent(zb[j], high, near, far, far - near, p) * LOG2_E
                            reached = (t > SMALLEST) & (f > 0.0)
                            k = weight * exp2(t)
                            sums[j] += k * f if reached else 0.0
                            slopes[j] += k * f_d if reached else 0.0
                            widening += k * f_h if reached else 0.0
                        by_h[r] -= widening * p[INVERSE_BANDWIDTH]
                for j in range(min(CHUNK, x.shape[1] - start)):
                    by_z[r, start + j] -= sums[j]
                    by_x[r, start + j] += slopes[j] * (1.0 if whole else p[INVERSE_BANDWIDTH])

    return log_adjoint


def _make_level(variant: Variant) -> Callable:
    formula = log_formula_of(variant.formula)

    def level(at, params, row, levels):
        """levels (bins,) = log 2^e at the distances `at`, for bins of rows row (bins,)."""
        for b in range(at.shape[0]):
            e, _, _, _ = formula(at[b], parameters_of(params, own_row(params, row[b])))
            levels[b] = e * LN_2

    return level
