"""The loss and its gradients in `np.longdouble`, by ratios of kernel values: one row at a time.

What decides the gradient of a bin is the ratio of two kernel values, and that comes from the difference of
two distances, which is one of two data points: no digits are lost far away. Where a long double has 64 bits
(x86) and 15 of exponent, all is exact to far below the rounding of float64, and no square overflows.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from oracle import KERNELS, Answer, Compact

Real = np.longdouble
PI = Real("3.14159265358979323846264338327950288419716939937510582")
AVAILABLE = np.finfo(Real).nmant >= 63 and np.finfo(Real).maxexp >= 2**14
_PAIRS = 2**18
_NO_TRANSFORM = 3000  # a Fourier transform is 0 there
# What the entries of `oracle.KERNELS` need for long doubles.
_FUNCTIONS = ("cos", "cosh", "exp", "expm1", "log", "log1p", "sin", "sinh", "sqrt", "tan", "tanh")
LONG = SimpleNamespace(**{name: getattr(np, name) for name in _FUNCTIONS}, pi=PI)


class Kernel(NamedTuple):
    """A kernel of one bandwidth, by the distance a >= 0."""

    log_value: object  # a -> log K(a)
    log_ratio: object  # (a, b, gap) -> log K(a)/K(b), gap = a - b
    slopes: object  # a -> d log K/da, d log K/dh


def _log(values):
    with np.errstate(divide="ignore"):
        return np.log(values)


def _tailed(shape, h):
    def slopes(a):
        u = a / h
        score = shape.score(LONG, u)
        return score / h, -(1 + u * score) / h

    return Kernel(
        lambda a: shape.log_value(LONG, a / h) - np.log(h),
        lambda a, b, gap: shape.log_ratio(LONG, a / h, b / h, gap / h),
        slopes,
    )


def _compact(shape, h, shifts):
    """Sum over images: (period k) for k in shifts, which is [0] on the line."""

    def terms(a):
        for shift in shifts:
            for side in (1, -1) if shift > 0 else (1,):
                # |a + side shift| and h less that, each rounded once.
                distance = shift + a if side > 0 else shift - a
                edge = (h - shift) - side * a
                inside = edge >= 0
                yield side, inside, np.where(inside, distance / h, 0), np.where(inside, edge / h, 0)

    def density(a):
        return sum(np.where(inside, shape.value(LONG, u, v), 0) for _, inside, u, v in terms(a))

    def slopes(a):
        by_a, by_h = 0 * a, 0 * a
        for side, inside, u, v in terms(a):
            slope = shape.slope(LONG, u, v)
            by_a += np.where(inside, side * slope, 0)
            by_h -= np.where(inside, shape.value(LONG, u, v) + u * slope, 0)
        total = density(a)
        total = np.where(total > 0, total, 1)
        return by_a / h / total, by_h / h / total

    def log_ratio(a, b, gap):
        below = density(b)
        return _log(density(a) / np.where(below > 0, below, 1))

    return Kernel(lambda a: _log(density(a)) - np.log(h), log_ratio, slopes)


def _images(line, reach, period):
    """Return the sum over images of a kernel with tails: the nearest one, times a factor near 1."""
    shifts = [period * k for k in range(1, reach + 1)]

    def factors(a):
        yield 1, a, np.ones_like(a)
        for shift in shifts:
            yield 1, a + shift, np.exp(line.log_ratio(a + shift, a, shift + 0 * a))
            yield -1, shift - a, np.exp(line.log_ratio(shift - a, a, shift - 2 * a))

    def log_factor(a):
        return np.log(sum(factor for _, _, factor in factors(a)))

    def slopes(a):
        total = by_a = by_h = 0 * a
        for side, distance, factor in factors(a):
            slope, widening = line.slopes(distance)
            total, by_a, by_h = total + factor, by_a + side * factor * slope, by_h + factor * widening
        return by_a / total, by_h / total

    return Kernel(
        lambda a: line.log_value(a) + log_factor(a),
        lambda a, b, gap: line.log_ratio(a, b, gap) + log_factor(a) - log_factor(b),
        slopes,
    )


def _series(shape, h, period):
    """Return 1/P (1 + 2 sum F(2 pi n h/P) cos(2 pi n d/P)), by Poisson's summation."""
    n = np.arange(1, 25).astype(Real)[:, np.newaxis, np.newaxis]
    w = 2 * PI / period * n * h
    with np.errstate(under="ignore"):
        F, by_w = shape.transform(LONG, np.minimum(w, Real(_NO_TRANSFORM)))
        G = w * by_w

    def value(a):
        return 1 + 2 * (F * np.cos(2 * PI / period * n * a)).sum(axis=0)

    def slopes(a):
        by_a = -2 * (F * 2 * PI / period * n * np.sin(2 * PI / period * n * a)).sum(axis=0)
        by_h = 2 * (G / h * np.cos(2 * PI / period * n * a)).sum(axis=0)
        return by_a / value(a), by_h / value(a)

    return Kernel(
        lambda a: np.log(value(a)) - np.log(period), lambda a, b, gap: np.log(value(a) / value(b)), slopes
    )


def _laplace_circle(h, period):
    whole = -np.expm1(-period / h)

    def other_way(a):
        return np.exp(-(period - 2 * a) / h)

    def slopes(a):
        ratio = other_way(a)
        mean = (a + (period - a) * ratio) / (1 + ratio)
        by_h = (mean / h - 1 + period / h * np.exp(-period / h) / whole) / h
        return -np.tanh((period - 2 * a) / (2 * h)) / h, by_h

    return Kernel(
        lambda a: -a / h + np.log1p(other_way(a)) - np.log(2 * h * whole),
        lambda a, b, gap: -gap / h + np.log1p(other_way(a)) - np.log1p(other_way(b)),
        slopes,
    )


def _cauchy_circle(h, period):
    half = np.minimum(PI * h / period, Real(5000))
    t, sech = np.tanh(half), 1 / np.cosh(half)

    def parts(a):
        sin, cos = np.sin(PI * a / period), np.sin(PI * (period / 2 - a) / period)
        return sin, cos, t * t + (sin * sech) ** 2

    def slopes(a):
        sin, cos, below = parts(a)
        by_a = -2 * PI / period * sech**2 * sin * cos / below
        return by_a, PI / period * sech**2 / t * (sin**2 - (t * cos) ** 2) / below

    return Kernel(
        lambda a: np.log(t / parts(a)[2]) - np.log(period),
        lambda a, b, gap: np.log(parts(b)[2] / parts(a)[2]),
        slopes,
    )


def _von_mises(h, period):
    def chord(y):
        return period / PI * np.sin(PI * y / period)

    # Normalised by the trapezoidal rule over the part of the half circle where there is anything.
    v2 = (chord(np.linspace(0, 1, 401).astype(Real) * min(period / 2, 40 * h)) / h) ** 2
    density = np.exp(-v2 / 2)
    density[[0, -1]] /= 2
    log_norm = np.log(density.sum() * min(period / 2, 40 * h) / 200)
    mean = (density * v2).sum() / density.sum()

    def log_ratio(a, b, gap):
        total = a + b
        total = np.where(total > period / 2, (period / 2 - a) + (period / 2 - b), total)
        return -chord(gap) / h * (chord(total) / h) / 2

    def slopes(a):
        v = chord(a) / h
        return -v * np.sin(PI * (period / 2 - a) / period) / h, (v * v - mean) / h

    return Kernel(lambda a: -((chord(a) / h) ** 2) / 2 - log_norm, log_ratio, slopes)


# Of those whose images and whose Fourier series are too many.
_CLOSED = {"laplace": _laplace_circle, "cauchy": _cauchy_circle, "von_mises": _von_mises}


def make_kernel(kernel, h, period):
    shape = KERNELS[kernel]
    if period is None:
        return _compact(shape, h, [Real(0)]) if isinstance(shape, Compact) else _tailed(shape, h)
    if kernel in _CLOSED:
        return _CLOSED[kernel](h, period)
    if isinstance(shape, Compact):
        return _compact(shape, h, [period * k for k in range(int(h / period + Real(0.5)) + 1)])
    if h >= period / 4 and shape.transform is not None:
        return _series(shape, h, period)
    return _images(_tailed(shape, h), int(shape.reach * h / period) + 2, period)


def near_way(angles, period):
    """Return angles less whole turns, in [-P/2, P/2], exactly."""
    rest = np.fmod(angles, period)
    rest = np.where(rest > period / 2, rest - period, rest)
    return np.where(rest < -period / 2, rest + period, rest)


def _distances(c, x, period):
    if period is None:
        return c[:, np.newaxis] - x
    return near_way(near_way(c, period)[:, np.newaxis] - near_way(x, period), period)


def _gaps(d, reference, x, period):
    """Return |d_i| - |d_r|: with both on one side it is a difference of two data points."""
    d_r = np.take_along_axis(d, reference, axis=1)
    if period is None:
        between = x[reference] - x
    else:
        x = near_way(x, period)
        between = near_way(x[reference] - x, period)
        between = between + period * np.rint((d - d_r - between) / period)
    sign, sign_r = np.where(d < 0, -1, 1), np.where(d_r < 0, -1, 1)
    return np.where(sign == sign_r, sign * between, sign * (d + d_r)), np.abs(d_r)


def solve(x, z, centers, masses, h, kernel, period):
    """Return the Answer for one row: x, z (N,), centers, masses (M,), h and period scalars."""
    x, z, c, p = (np.asarray(values).astype(Real) for values in (x, z, centers, masses))
    h, period = Real(h), None if period is None else Real(period)
    made = make_kernel(kernel, h, period)
    z = z - z.max()
    log_mass = np.log(np.exp(z).sum())
    loss, covered = Real(0), Real(0)
    by_z, by_x, by_h = np.zeros_like(x), np.zeros_like(x), Real(0)
    log_q = np.empty_like(c)
    step = max(1, _PAIRS // len(x))
    for start in range(0, len(c), step):
        bins = slice(start, start + step)
        d = _distances(c[bins], x, period)
        a = np.abs(d)
        own = made.log_value(a)
        best = np.argmin(np.where(z > -np.inf, a, np.inf), axis=1)[:, np.newaxis]
        for _ in range(3):
            gap, a_r = _gaps(d, best, x, period)
            with np.errstate(invalid="ignore"):
                terms = (z - z[best]) + made.log_ratio(a, a_r, gap)
            terms = np.where((z > -np.inf) & (own > -np.inf), terms, -np.inf)
            best = np.argmax(terms, axis=1)[:, np.newaxis]
        top = np.take_along_axis(terms, best, axis=1)
        reached = top[:, 0] > -np.inf
        share = np.exp(terms - np.where(np.isfinite(top), top, 0))
        total = share.sum(axis=1, keepdims=True)
        own_top = np.take_along_axis(own, best, axis=1) + (z[best] - log_mass)
        log_q[bins] = np.where(reached, (own_top + _log(total))[:, 0], -np.inf)
        r = share / np.where(total > 0, total, 1) * p[bins, np.newaxis]
        q, weight = log_q[bins], p[bins]
        loss -= np.where(weight > 0, weight * np.where(weight > 0, q, 0), 0).sum()
        covered += weight[reached].sum()
        by_z -= r.sum(axis=0)
        slope, widening = made.slopes(a)
        some = r > 0
        by_x += np.where(some, r * np.where(some, np.sign(d) * slope, 0), 0).sum(axis=0)
        by_h -= np.where(some, r * np.where(some, widening, 0), 0).sum()
    by_z = by_z + covered * np.exp(z - log_mass)
    return Answer(loss, by_z, by_x, by_h, log_q)
