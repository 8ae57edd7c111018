"""Kernels on a circle of period P: closed forms, the Fourier series, or the images near enough to matter.

Distances are those of the near way round, 0 <= a <= P/2. The chord (P/pi) sin(pi a/P) takes the place of
the distance in two families: von_mises is the gaussian of it, and the wrapped cauchy again a cauchy.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest

import numpy as np
from numpy.polynomial import Polynomial

from kdexent.names import COMPACT, KERNELS, check_entries

from .families import (
    LINE,
    PROFILES,
    TAILS,
    Floats,
    Kernel,
    Parts,
    compact,
    half_difference_of_squares,
    in_bandwidths,
    log_cauchy_ratio,
)

_WIDE = 4  # h/P from which on compact kernels are 1/P and a correction


def make_kernel(kernel: str, h: Floats, period: float | None) -> Kernel:
    """Return a kernel with bandwidths (R, 1, 1), on the line or on the circle."""
    if period is None:
        return LINE[kernel](h)
    if kernel in CIRCLE:
        return CIRCLE[kernel](h, period)
    # From here on images are many, and a wide kernel is nearly constant.
    is_wide = (h >= (_WIDE if kernel in COMPACT else 1 / 2) * period).ravel()
    wide = _wide_compact if kernel in COMPACT else _fourier_series
    narrow = _near_compact if kernel in COMPACT else _near_images
    if is_wide.all():
        return wide(kernel, h, period)
    if not is_wide.any():
        return narrow(kernel, h, period)
    return _rows_apart(is_wide, wide(kernel, h[is_wide], period), narrow(kernel, h[~is_wide], period))


def _rows_apart(first: np.ndarray, one: Kernel, other: Kernel) -> Kernel:
    """Return the kernel that is `one` in the rows that come first and `other` in the rest."""

    def together(name: str, *distances: Floats) -> Parts:
        distances = np.broadcast_arrays(*distances)
        parts = (getattr(one, name)(*(a[first] for a in distances)),)
        others = (getattr(other, name)(*(a[~first] for a in distances)),)
        if name != "log_value":
            parts, others = *parts, *others
        values = []
        for in_first, in_rest in zip_longest(parts, others, fillvalue=0.0):
            values.append(np.empty(distances[0].shape))
            values[-1][first], values[-1][~first] = in_first, in_rest
        return tuple(values)

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        by_a, by_h = together("slopes", a)
        return by_a, by_h

    unit = np.empty((len(first), 1, 1))
    unit[first], unit[~first] = one.unit, other.unit
    return Kernel(
        lambda a: together("log_value", a)[0],
        lambda a, b, gap: together("log_ratio", a, b, gap),
        slopes,
        unit,
    )


def _near_compact(kernel: str, h: Floats, period: float) -> Kernel:
    return compact(PROFILES[kernel], h, period * np.arange(int(h.max() / period + 1 / 2) + 1, dtype=float))


def _near_images(kernel: str, h: Floats, period: float) -> Kernel:
    """Return log K of the nearest image, plus the logarithm of the sum over all relative to it."""
    line, reach = LINE[kernel](h), int(TAILS[kernel].images(float(h.max() / period)))

    def images(a: Floats) -> list[tuple[int, Floats, Floats]]:
        """Return for each image which way it moves with a, its distance, and K there relative to K(a)."""
        found = [(1, a, np.ones_like(a))]
        for shift in period * np.arange(1, reach + 1):
            found.append((1, a + shift, np.exp(sum(line.log_ratio(a + shift, a, np.full_like(a, shift))))))
            found.append((-1, shift - a, np.exp(sum(line.log_ratio(shift - a, a, shift - 2 * a)))))
        return found

    def log_sum(a: Floats) -> Floats:
        return np.log(sum(share for _, _, share in images(a)))

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        total, by_a, by_h = np.zeros_like(a), np.zeros_like(a), np.zeros_like(a)
        for way, distance, share in images(a):
            slope, widening = line.slopes(distance)
            total += share
            by_a += np.where(share > 0, share * way * slope, 0)
            by_h += np.where(share > 0, share * widening, 0)
        return by_a / total, by_h / total

    return Kernel(
        lambda a: line.log_value(a) + log_sum(a),
        lambda a, b, gap: (*line.log_ratio(a, b, gap), log_sum(a) - log_sum(b)),
        slopes,
        line.unit,
    )


def _fourier_series(kernel: str, h: Floats, period: float) -> Kernel:
    """Return log of (1 + 2 sum_n F(2 pi n h/P) cos(2 pi n d/P)) / P, for h >= P/2 (Poisson summation)."""
    n = np.arange(1, 6, dtype=float).reshape(-1, 1, 1, 1)
    w = 2 * np.pi * n * np.minimum(h / period, 1e3)  # beyond, all F are 0
    coefficient, slope = TAILS[kernel].transform(w)

    def angle(a: Floats) -> Floats:
        return 2 * np.pi * n * (a / period)

    def value(a: Floats) -> Floats:
        series: Floats = (coefficient * np.cos(angle(a))).sum(axis=0)
        return 1 + 2 * series

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        by_a = -2 * (coefficient * w * np.sin(angle(a))).sum(axis=0)
        by_h = 2 * (slope * w * np.cos(angle(a))).sum(axis=0)
        below = value(a) * np.maximum(h, 1)
        return by_a / below, by_h / below

    return Kernel(
        lambda a: np.log(value(a)) - np.log(period),
        lambda a, b, gap: (np.log(value(a) / value(b)),),
        slopes,
        np.minimum(h, 1),
    )


def _laplace_on_circle(h: Floats, period: float) -> Kernel:
    """Return log of (exp(-a/h) + exp(-(P-a)/h)) / (2h (1 - exp(-P/h)))."""
    turn = np.clip(period / h, 1e-300, 800)
    log_norm = np.log(2) + np.log(np.minimum(h, period)) + np.log(-np.expm1(-turn) / np.minimum(turn, 1))

    def far(a: Floats) -> Floats:
        """Return the way round the far side, relative to the near one."""
        return np.exp(-(period - 2 * a) / h)

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        ratio, wide = far(a), np.maximum(h, 1)
        u = in_bandwidths((a + (period - a) * ratio) / (1 + ratio), h)
        # At a = 0 the slopes of both sides cancel; so they do at P/2.
        score = -np.sign(a) * np.tanh((period - 2 * a) / h / 2)
        return score / wide, (u - 1 + turn * np.exp(-turn) / -np.expm1(-turn)) / wide

    return Kernel(
        lambda a: -a / h + np.log1p(far(a)) - log_norm,
        lambda a, b, gap: (-gap / h, np.log1p(far(a)) - np.log1p(far(b))),
        slopes,
        np.minimum(h, 1),
    )


def _chord(a: Floats, period: float) -> Floats:
    """Return (P/pi) sin(pi a/P), which for tiny a is a."""
    turn = a / period
    return np.where(np.abs(turn) < 1e-9, a, period / np.pi * np.sin(np.pi * turn))


def _cosine(a: Floats, period: float) -> Floats:
    """Return cos(pi a/P), which is the derivative of the chord."""
    return np.sin(np.pi / 2 * ((period - 2 * a) / period))


def _cauchy_on_circle(h: Floats, period: float) -> Kernel:
    """Return log of sinh(s) / (P (cosh(s) - cos(2 pi a/P))), s = 2 pi h/P.

    That is the cauchy kernel of bandwidth (P/pi) tanh(s/2) at the distance chord / cosh(s/2).
    """
    half = np.clip(np.pi * (h / period), 1e-300, 350)  # s/2; beyond, the kernel is 1/P to rounding
    t, sech = np.tanh(half), 1 / np.cosh(np.pi * (h / period))
    bandwidth = np.maximum(np.where(half < 1, h * (t / half), period / np.pi * t), 5e-324)
    log_norm = np.where(half < 1, np.log(np.pi) + np.log(h) + np.log(t / half), np.log(period) + np.log(t))

    def reduced(a: Floats) -> Floats:
        return _chord(a, period) * sech

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        far = np.hypot(bandwidth, reduced(a))
        chord, cos = _chord(a, period) / far, _cosine(a, period)
        tall = bandwidth / far
        score = -2 * chord * sech**2 * cos / far
        return score, half / t * sech**2 * (chord**2 - (tall * cos) ** 2) / h

    return Kernel(
        lambda a: log_cauchy_ratio(reduced(a), 0, bandwidth) - log_norm,
        lambda a, b, gap: (log_cauchy_ratio(reduced(a), reduced(b), bandwidth),),
        slopes,
        np.ones_like(h),
    )


def _von_mises(h: Floats, period: float) -> Kernel:
    """Return log of exp(kappa cos(2 pi a/P)) / (P I0(kappa)), kappa = (P / (2 pi h))^2.

    That is exp(-v^2/2) up to a constant, v = chord/h, whose integral is had by the trapezoidal rule: it
    converges exponentially for a function that is periodic or has decayed to nothing at the end.
    """
    at = np.linspace(0, 1 / 2, 201).reshape(-1, 1, 1, 1)
    share = np.minimum(1, 80 * (h / period))  # of the circle on which there is anything
    v = at * np.minimum(period / h, 80) * np.sinc(at * share)
    log_width = np.log(np.minimum(period, 80 * h))
    density = np.exp(-v * v / 2)
    density[[0, -1]] /= 2
    log_norm = log_width + np.log(density.sum(axis=0) / 200)
    mean_square = (density * v * v).sum(axis=0) / density.sum(axis=0)

    def log_ratio(a: Floats, b: Floats, gap: Floats) -> Parts:
        # sin^2 a - sin^2 b = sin(a - b) sin(a + b)
        around = np.minimum(a + b, (period / 2 - a) + (period / 2 - b))
        return (-half_difference_of_squares(_chord(gap, period), _chord(around, period), h),)

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        v, wide = in_bandwidths(_chord(a, period), h), np.maximum(h, 1)
        return -v * _cosine(a, period) / wide, v * (v / wide) - mean_square / wide

    unit = np.minimum(h, 1)
    return Kernel(lambda a: -((_chord(a, period) / h) ** 2) / 2 - log_norm, log_ratio, slopes, unit)


CIRCLE: dict[str, Callable[[Floats, float], Kernel]] = {
    "laplace": _laplace_on_circle,
    "cauchy": _cauchy_on_circle,
    "von_mises": _von_mises,
}
check_entries("TAILS in reference/families.py, or CIRCLE here,", {*TAILS, *CIRCLE}, {*KERNELS} - COMPACT)


def _wide_compact(kernel: str, h: Floats, period: float) -> Kernel:
    """Return log of 1/P times one plus what the kernel's knots add (Euler and Maclaurin's formula).

    The sum of K over points a step of D = P/h apart differs from its integral by the sum over knots y and
    over jumps J_j in the j-th derivative there of -J_j D^(j+1) B_(j+1)(t) / (j+1)!, where y + t D is the next
    point after y and B are the Bernoulli polynomials: all of it, for a polynomial.
    """
    step, rest = period / h, np.fmod(h, period)
    shape = PROFILES[kernel].in_powers()
    jumps = []
    for j in range(1, shape.degree() + 1):
        at_0, at_1 = shape.deriv(j)(0.0), shape.deriv(j)(1.0)
        by_knot = ((1, -at_1), (-1, (-1) ** j * at_1), (0, (1 - (-1) ** j) * at_0))
        # |B_j(t)|/j! <= 4 / (2 pi)^j
        largest = 4 / (2 * np.pi * _WIDE) ** (j + 1)
        jumps += [(j, y, jump) for y, jump in by_knot if abs(jump) > 1e-12 and abs(jump) * largest > 1e-18]
    edge = 2 * shape(1.0) if abs(shape(1.0)) > 1e-12 else 0.0
    bernoulli = [Polynomial([1.0])]  # divided by (j+1)!: each integrates the one before, and to 0
    for _ in range(max((j for j, *_ in jumps), default=0) + 1):
        integral = bernoulli[-1].integ()
        bernoulli.append(integral - integral.integ()(1.0))

    def of_jumps(a: Floats) -> Floats:
        """Return what a jump of K by 1/2 at each edge adds: counted, so that both are in reach."""
        counted = (a <= rest).astype(float) + (period - a <= rest)
        return (counted / 2 - rest / period) * step

    def deviation(a: Floats) -> Floats:
        terms = (jump * step ** (j + 1) * bernoulli[j + 1](turn(a, y)) for j, y, jump in jumps)
        return -sum(terms, start=-edge * of_jumps(a) if edge else np.zeros_like(a))

    def turn(a: Floats, y: int) -> Floats:
        turned: Floats = np.mod((a - y * rest) / period, 1)
        return turned

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        by_a, by_h, wide = np.zeros_like(a), np.zeros_like(a), np.maximum(h, 1)
        for j, y, jump in jumps:
            t = turn(a, y)
            slope = jump * step**j * bernoulli[j](t)
            by_a -= slope
            by_h += (j + 1) * jump * step ** (j + 1) * bernoulli[j + 1](t) + y * slope
        height = 1 + deviation(a)
        # Between two jumps their number does not change with h, and what it adds is in proportion to 1/h.
        from_jumps = edge * ((1 + of_jumps(a)) / height) / wide if edge else 0.0
        return by_a / (height * wide), by_h / (height * wide) - from_jumps

    return Kernel(
        lambda a: np.log1p(deviation(a)) - np.log(period),
        lambda a, b, gap: (np.log1p(deviation(a)) - np.log1p(deviation(b)),),
        slopes,
        np.minimum(h, 1),
    )
