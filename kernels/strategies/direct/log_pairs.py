"""All pairs of bins and points in the logarithmic domain, for bins that all points are far from.

Sums are relative to the point that adds most to a bin. Every maker returns a loop over the rows
of one block of points, as those of `pair_loops` are.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...families import exponent_of, has_whole_slopes, log_formula_of
from ...formula import INVERSE_BANDWIDTH, Variant
from ...numerics.arithmetic import LN_2, LOG2_E, SMALLEST, exp2, from_order_key, order_key
from ...numerics.chunks import CHUNK, load_points, room, row_and_middle
from ..sums.images import distance_between, distance_of, reader_of, shift_of


def make_nearest(variant: Variant) -> Callable:
    distance, read = distance_of(variant), reader_of(variant)

    def nearest(x, z, centers, params, row_start, bins, near):
        """near (bins,) = the smallest distance of a point that is not masked, or itself if less."""
        xb, zb = room(np.float64), room(np.float64)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            _, period, _ = read(params, r)
            row, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c = row[bins[b]]
                    key = order_key(near[b])
                    for j in range(n):
                        d = distance_between(distance(c, xb[j], period, 0.0))
                        key = min(key, order_key(d if zb[j] > -np.inf else np.inf))
                    near[b] = from_order_key(key)

    return nearest


def make_highest(variant: Variant) -> Callable:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, read = distance_of(variant), reader_of(variant)

    def highest(x, z, top, centers, params, row_start, bins, near, peak, at, logit):
        """Write the distance `at` and `logit` of the point that adds most to a bin, if more than exp(peak).

        peak (bins,) is relative to a point of the largest logit, top (R,), at the distance `near` (bins,).
        """
        xb, zb, exponents = room(np.float64), room(np.float64), room(np.float64)
        for r in range(top.shape[0]):
            if row_start[r] == row_start[r + 1]:
                continue
            p, period, images = read(params, r)
            row, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c, closest = row[bins[b]], near[b]
                    for image in range(images):
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


def make_log_forward(variant: Variant) -> Callable:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, read = distance_of(variant), reader_of(variant)

    def log_forward(x, z, centers, params, row_start, bins, at, logit, level, total):
        """level (bins,) = log 2^e, total (bins,) += sum_j exp(z_j - logit) f_j 2^(e_j - e), e of `at`.

        For the bins of row r, bins[row_start[r]:row_start[r + 1]], whose `at` and `logit` are those of the
        point that adds most.
        """
        xb, zb = room(np.float64), room(np.float64)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p, period, images = read(params, r)
            row, middle = row_and_middle(centers, r)
            for b in range(row_start[r], row_start[r + 1]):
                e, _, _, _ = formula(at[b], p)
                level[b] = e * LN_2
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c, near, high = row[bins[b]], at[b], logit[b]
                    if high == -np.inf:
                        continue
                    added = 0.0
                    for image in range(images):
                        shift = shift_of(image, period)
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, _, _ = formula(d, p)
                            t = exponent(zb[j], high, near, far, far - near, p) * LOG2_E
                            added += exp2(min(t, 1000.0)) * f
                    total[b] += added

    return log_forward


def make_log_adjoint(variant: Variant) -> Callable:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, read, whole = distance_of(variant), reader_of(variant), has_whole_slopes(variant.formula)

    def log_adjoint(x, z, centers, params, row_start, bins, at, logit, weights, by_z, by_x, by_h):
        """Add what the bins of `log_forward` contribute to all gradients, weights p/total."""
        xb, zb = room(np.float64), room(np.float64)
        sums, slopes = room(np.float64), room(np.float64)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p, period, images = read(params, r)
            row, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for j in range(n):
                    sums[j], slopes[j] = 0.0, 0.0
                for b in range(row_start[r], row_start[r + 1]):
                    c, near, high, weight = row[bins[b]], at[b], logit[b], weights[b]
                    if weight == 0.0:
                        continue
                    for image in range(images):
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
