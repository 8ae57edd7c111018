"""The gaussian on equal bins without an exponential per pair.

Around the middle c of a run of bins at distance k delta from it, with v = (x - c)/h and s = delta/h,

    exp(-((c + k delta - x)/h)^2 / 2) = exp(-v^2/2) t^k exp(-(k s)^2/2),   t = exp(v s),

so a run costs each point two exponentials and then one multiplication a bin: the forward sums are
power sums in t, and the adjoint is a polynomial in t (Horner). Powers run from the middle outwards,
in t to the right and in 1/t to the left, and a run spans at most 2 * span bandwidths, so that a
point which underflows at the middle of a run is negligible at its ends.

On a circle every image of a point that reaches the interval is a point of its own.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import FLOAT32, FLOAT64, Floats
from ...formula import INVERSE_BANDWIDTH, PERIOD
from ...numerics.arithmetic import LOG2_E, exp2, exp2_single
from ...numerics.chunks import (
    CHUNK,
    LANES,
    ROOM,
    all_of,
    chunk_of,
    integers_of,
    load_chunk,
    multiply_rest_into,
    near_interval,
    numbers_of,
    own_row,
    row_in,
    total_weight,
    weigh,
    weight,
    words_of,
)
from ...runtime.jit import Function, elementwise, helper, loop
from ...simd.exponentials import powers_of_2_in_place
from ..sums.loops import compiled
from .pairs import WayLoops, adjoint_signature, both_signature, forward_signature, make_both

_STEP = 8  # bins a pass over a chunk
_REACH = 39.0  # bandwidths beyond which nothing is left in the linear domain
_IMAGES = 7  # of a point that can matter while h < P/4
_FAR = 1e6  # bandwidths that stand for any larger distance, in float32


class _Precision(NamedTuple):
    """What runs are in float64 or float32."""

    real: type
    power: Function  # 2^x
    powers: Function  # numbers, n: replace n of them, whole registers, by 2^x
    longest: int  # bins on each side of the middle, at most
    span: float  # bandwidths on each side, at most
    # A point counts at the middle of a run while log2 of its density there exceeds this, which is while
    # its powers do not become subnormal: |v| below 31.1 and 14. At the ends of the run what is left out
    # is below 1e-141 and 2e-22. Densities are lifted by a power of two in float32 to make room for that.
    smallest: float
    lift: float
    clamp: float  # beyond this v the point itself has underflowed; its powers must still be finite
    anchored: float  # bandwidths that powers t are moved along from run to run; s is at most span / _STEP


@loop
def _powers_single(numbers, n):
    for j in range(n):
        numbers[j] = exp2_single(numbers[j])


_DOUBLE = _Precision(np.float64, exp2, powers_of_2_in_place, 16, 5.6, -698.0, 0.0, 40.0, 900.0)
_SINGLE = _Precision(np.float32, exp2_single, _powers_single, 24, 4.0, -142.0, 100.0, 14.5, 70.0)

_SPANS = _DOUBLE.span, _SINGLE.span

# Density below which a bin is not trusted to runs; in float32, for each point of the row.
FLOOR = 1e-120
FLOOR_PER_POINT_SINGLE = 2e-15


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of loops is."""
    return words_of(*[ROOM] * 10, _SINGLE.longest + 1, _STEP)


@elementwise
def applies(spacing: Floats, bandwidth: Floats, bins: int, single: bool) -> NDArray[np.bool_]:
    """Return for which rows bins are close enough together for a run to be worth its exponentials."""
    if single:  # against float64's runs, longer ones pay
        return (bins >= 2 * _STEP) & (2 * _STEP * spacing <= _SPANS[1] * bandwidth)
    return (bins >= _STEP) & (_STEP * spacing <= _SPANS[0] * bandwidth)


@helper
def _half_length(spacing_in_h, span, longest):
    """Return how many bins a run has on each side of its middle."""
    return min(longest, int(span / spacing_in_h) // _STEP * _STEP)


# Arrays of a chunk are (ROOM,), owner (0,) on the line; x, z (R or 1, n); bins, and density and weights of a
# row, (M,); scale (longest + 1,), v (_STEP,) of a polynomial. Those of whole loops are as in `pairs`.
@helper
def _load_images(x, z, r, start, top, ends, h, period, xb, wb, owner):
    """Fill a chunk with images of points that reach the bins from end to end.

    wb receives log2 of the weights, owner the point of each image. Return the length and the next point.
    """
    first, last = ends
    xr, zr = own_row(x, r), own_row(z, r)
    middle = 0.5 * (first + last)
    reach = min(0.5 * (last - first) + _REACH * h, 3.0 * period)
    n = 0
    i = start
    while i < x.shape[1] and n + _IMAGES <= CHUNK:
        v = near_interval(x[xr, i], middle, period)
        k = np.ceil((middle - reach - v) / period)
        while v + k * period <= middle + reach:
            xb[n] = v + k * period
            wb[n] = (z[zr, i] - top) * LOG2_E
            owner[n] = i
            n += 1
            k += 1.0
        i += 1
    padded = (n + LANES - 1) // LANES * LANES
    for j in range(n, padded):
        xb[j] = middle
        wb[j] = -np.inf
        owner[j] = start
    return padded, i


def _passes(circle: bool, precision: _Precision) -> tuple[Function, Function, Function]:
    """Return what forward and adjoint share: powers of points, their offsets, and what loads a chunk."""
    powers, limit = precision.powers, precision.clamp + precision.anchored

    @loop
    def powers_of_points(xb, anchor, inverse_h, s, up, down, n):
        """up_j, down_j = t_j, 1/t_j seen from the anchor; a point out of reach counts as at the end of it."""
        for j in range(n):
            v = (xb[j] - anchor) * inverse_h
            up[j] = min(max(v, -limit), limit) * (s * LOG2_E)
        for j in range(n):
            v = (anchor - xb[j]) * inverse_h
            down[j] = min(max(v, -limit), limit) * (s * LOG2_E)
        powers(up, n)
        powers(down, n)

    @loop
    def offsets(xb, anchor, inverse_h, high, low, n):
        """high_j + low_j = distances from the anchor in bandwidths, as two float32 numbers."""
        for j in range(n):
            v = min(max((xb[j] - anchor) * inverse_h, -_FAR), _FAR)
            high[j] = v
            low[j] = v - np.float64(np.float32(v))

    @loop
    def load(x, z, r, start, top, bins, inverse_h, period, xb, wb, owner):
        """Fill a chunk from the point `start` on; return its length and the next point."""
        if circle:
            ends = bins[0], bins[bins.shape[0] - 1]
            return _load_images(x, z, r, start, top, ends, 1.0 / inverse_h, period, xb, wb, owner)
        return load_chunk(x, z, r, start, top, 0.0, 0.0, xb, wb), min(start + CHUNK, x.shape[1])

    return powers_of_points, offsets, load


def _make_forward(circle: bool, single: bool) -> Function:
    precision = _SINGLE if single else _DOUBLE
    real, power, powers, longest, span, smallest, lift, clamp, anchored = precision
    powers_of_points, offsets, load = _passes(circle, precision)
    smallest, lift, zero, one = real(smallest), real(lift), real(0), real(1)
    half_log2_e = real(-0.5 * LOG2_E)

    # Two functions alike but for where they read: one array that may be the other is not vectorised.
    def power_loop(first: bool) -> Function:
        @loop
        def powers_of(e, work, t, moved, ceiling, n, k):
            """Return sum_j a_j t_j^i for i = 0 .. 7, and leave the next power in work.

            Of the first powers, a_j = e_j t_j^k, k = 0 or 1; of the next ones, a_j = work_j.
            """
            s0, s1, s2, s3 = zero, zero, zero, zero
            s4, s5, s6, s7 = zero, zero, zero, zero
            for j in range(n):
                b = t[j] * moved
                b = b if b < ceiling else ceiling
                a = e[j] * (b if k == 1 else one) if first else work[j]
                s0 += a
                a *= b
                s1 += a
                a *= b
                s2 += a
                a *= b
                s3 += a
                a *= b
                s4 += a
                a *= b
                s5 += a
                a *= b
                s6 += a
                a *= b
                s7 += a
                work[j] = a * b
            return s0, s1, s2, s3, s4, s5, s6, s7

        return powers_of

    first_powers, next_powers = power_loop(True), power_loop(False)

    @loop
    def power_sums(e, work, t, moved, ceiling, n, density, m, count, direction, scale, k):
        """density[m + i direction] += scale[k + i] sum_j e_j t_j^(k + i) for i < count, k = 0 or 1."""
        for i in range(0, count, _STEP):
            if i == 0:
                sums = first_powers(e, work, t, moved, ceiling, n, k)
            else:
                sums = next_powers(e, work, t, moved, ceiling, n, k)
            for o in range(min(_STEP, count - i)):
                density[m + (i + o) * direction] += sums[o] * scale[k + i + o]

    def forward(x, z, top, centers, params, density, mass, memory):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j."""
        memory = all_of(memory)
        xb, wb, owner = chunk_of(memory), chunk_of(memory), integers_of(memory, ROOM)
        e, work = chunk_of(memory).view(real), chunk_of(memory).view(real)
        up, down = chunk_of(memory).view(real), chunk_of(memory).view(real)
        high, low, w = chunk_of(memory).view(real), chunk_of(memory).view(real), chunk_of(memory).view(real)
        scale = numbers_of(memory, longest + 1)  # exp(-(k s)^2/2)
        M = density.shape[1]
        for r in range(density.shape[0]):
            bins, pr = row_in(centers, r), own_row(params, r)
            inverse_h, period = params[pr, INVERSE_BANDWIDTH], params[pr, PERIOD]
            s = (bins[M - 1] - bins[0]) / (M - 1) * inverse_h
            half = _half_length(s, span, longest)
            ceiling = power(clamp * (s * LOG2_E))
            for k in range(half + 1):
                scale[k] = exp2((-0.5 * LOG2_E) * (k * s) ** 2 - np.float64(lift))
            row = row_in(density, r)
            start = 0
            while start < x.shape[1]:
                before = start
                n, start = load(x, z, r, start, top[r], bins, inverse_h, period, xb, wb, owner)
                of_chunk = weigh(wb, n)
                if circle:
                    of_chunk = total_weight(row_in(z, r)[before:start], top[r])
                mass[r] += of_chunk
                if single:
                    for j in range(n):
                        w[j] = wb[j]
                anchor = np.inf
                for begin in range(0, M, 2 * half):
                    size = min(2 * half, M - begin)
                    middle = begin + size // 2
                    c = bins[middle]
                    if not abs(c - anchor) * inverse_h <= anchored:
                        anchor = c
                        powers_of_points(xb, anchor, inverse_h, s, up, down, n)
                        if single:
                            offsets(xb, anchor, inverse_h, high, low, n)
                    offset = (c - anchor) * inverse_h
                    if single:
                        offset_high = real(offset)
                        offset_low = real(offset - np.float64(offset_high))
                        for j in range(n):
                            v = (high[j] - offset_high) + (low[j] - offset_low)
                            exponent = half_log2_e * (v * v)
                            e[j] = w[j] * power(exponent + lift) if exponent > smallest else zero
                    else:
                        for j in range(n):
                            v = (xb[j] - c) * inverse_h
                            exponent = half_log2_e * (v * v)
                            e[j] = exponent if exponent > smallest else -np.inf
                        powers(e, n)
                        for j in range(n):
                            e[j] *= wb[j]
                    rise = power(-offset * (s * LOG2_E))
                    fall = power(offset * (s * LOG2_E))
                    power_sums(e, work, up, rise, ceiling, n, row, middle, begin + size - middle, 1, scale, 0)
                    power_sums(e, work, down, fall, ceiling, n, row, middle - 1, middle - begin, -1, scale, 1)

    return forward


def _make_adjoint(circle: bool, single: bool) -> Function:
    precision = _SINGLE if single else _DOUBLE
    real, power, powers, longest, span, _, _, clamp, anchored = precision
    powers_of_points, offsets, load = _passes(circle, precision)
    half_log2_e, zero = real(-0.5 * LOG2_E), real(0)

    @loop
    def polynomial(values, t, moved, ceiling, n, weights, m, count, direction, scale, k, v):
        """values_j = sum_i weights[m + i direction] scale[k + i] t_j^i for i < count."""
        last = (count - 1) // _STEP * _STEP
        for i in range(last, -1, -_STEP):
            for o in range(_STEP):
                v[o] = weights[m + (i + o) * direction] * scale[k + i + o] if i + o < count else 0.0
            v0, v1, v2, v3, v4, v5, v6, v7 = v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]
            fresh = i == last
            for j in range(n):
                b = t[j] * moved
                b = b if b < ceiling else ceiling
                a = (zero if fresh else values[j]) * b + v7
                a = a * b + v6
                a = a * b + v5
                a = a * b + v4
                a = a * b + v3
                a = a * b + v2
                a = a * b + v1
                values[j] = a * b + v0

    def adjoint(x, z, top, centers, params, weights, share, by_z, memory):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        memory = all_of(memory)
        xb, wb, sums, owner = chunk_of(memory), chunk_of(memory), chunk_of(memory), integers_of(memory, ROOM)
        right, left = chunk_of(memory).view(real), chunk_of(memory).view(real)
        up, down = chunk_of(memory).view(real), chunk_of(memory).view(real)
        high, low = chunk_of(memory).view(real), chunk_of(memory).view(real)
        scale = numbers_of(memory, longest + 1)  # exp(-(k s)^2/2)
        v = numbers_of(memory, _STEP).view(real)
        M = weights.shape[1]
        for r in range(by_z.shape[0]):
            bins, pr = row_in(centers, r), own_row(params, r)
            inverse_h, period = params[pr, INVERSE_BANDWIDTH], params[pr, PERIOD]
            s = (bins[M - 1] - bins[0]) / (M - 1) * inverse_h
            half = _half_length(s, span, longest)
            ceiling = power(clamp * (s * LOG2_E))
            for k in range(half + 1):
                scale[k] = exp2((-0.5 * LOG2_E) * (k * s) ** 2)
            row = row_in(weights, r)
            start = 0
            while start < x.shape[1]:
                before = start
                n, start = load(x, z, r, start, top[r], bins, inverse_h, period, xb, wb, owner)
                weigh(wb, n)
                for j in range(n):
                    sums[j] = 0.0
                anchor = np.inf
                for begin in range(0, M, 2 * half):
                    size = min(2 * half, M - begin)
                    middle = begin + size // 2
                    c = bins[middle]
                    if not abs(c - anchor) * inverse_h <= anchored:
                        anchor = c
                        powers_of_points(xb, anchor, inverse_h, s, up, down, n)
                        if single:
                            offsets(xb, anchor, inverse_h, high, low, n)
                    offset = (c - anchor) * inverse_h
                    rise = power(-offset * (s * LOG2_E))
                    fall = power(offset * (s * LOG2_E))
                    polynomial(
                        right, up, rise, ceiling, n, row, middle, begin + size - middle, 1, scale, 0, v
                    )
                    if size > 1:
                        polynomial(
                            left, down, fall, ceiling, n, row, middle - 1, middle - begin, -1, scale, 1, v
                        )
                        for j in range(n):
                            b = down[j] * fall
                            right[j] += left[j] * (b if b < ceiling else ceiling)
                    if single:
                        offset_high = real(offset)
                        offset_low = real(offset - np.float64(offset_high))
                        for j in range(n):
                            u = (high[j] - offset_high) + (low[j] - offset_low)
                            sums[j] += power(half_log2_e * (u * u)) * right[j]
                    else:
                        for j in range(n):
                            u = (xb[j] - c) * inverse_h
                            left[j] = half_log2_e * (u * u)
                        powers(left, n)
                        for j in range(n):
                            sums[j] += left[j] * right[j]
                if circle:
                    zr = own_row(z, r)
                    for i in range(before, start):
                        by_z[r, i] = share[r] * weight(z[zr, i], top[r])
                    for j in range(n):
                        by_z[r, owner[j]] -= wb[j] * sums[j]
                else:
                    multiply_rest_into(wb, share[r], sums, row_in(by_z, r)[before:start])

    return adjoint


@cache
def run_loops(circle: bool, single: bool) -> WayLoops:
    """Return the loops, each compiled when it is first asked for."""
    dtype = FLOAT32 if single else FLOAT64
    both = make_both(_make_forward, _make_adjoint), both_signature(dtype)
    made = (_make_forward, forward_signature(dtype)), (_make_adjoint, adjoint_signature(dtype)), both
    key = f"{'circle' if circle else 'line'}.{dtype.name}"
    return compiled(WayLoops, "gaussian_runs", key, (circle, single), *made)
