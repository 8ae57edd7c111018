"""Kernels on a circle of period P, wrapped: closed forms, the Fourier series, and how many images matter."""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from .arguments.arrays import Floats
from .formula import FACTOR, FIRST, POWER, RATE, RATE_OF_SINE, SECOND, SERIES, TERMS, THIRD, Formula
from .numerics.arithmetic import (
    LARGEST,
    LOG2_E,
    SMALLEST_NORMAL,
    chord,
    either,
    exp2,
    factor_and_power,
    one_minus,
    parts,
    sin_half_pi,
)
from .numerics.bessel import scaled_bessel
from .numerics.chebyshev import chebyshev
from .runtime.jit import Function, elementwise, helper, lazily, plain
from .runtime.signatures import READ1, WRITE

# A Fourier transform at w = 2 pi n h/P, with its derivative.
Transform = Callable[[Floats], tuple[Floats, Floats]]

# From this sqrt(kappa) on exp(-kappa) I0(kappa) is 1 / sqrt(2 pi kappa), for the square of any float.
_GAUSSIAN_FROM = 1e100
# From this h/P on the Fourier series of gaussian and logistic needs at most TERMS terms.
_FOURIER_FROM = 0.25
# From this h/P on the series is 1, and has no slope.
_WIDEST = 1e300
_NOTHING_LEFT = 1e4  # of any transform from this w = 2 pi n h/P on


@helper
def laplace_circle(d, p):
    # K = exp(-|d|/h) (1 + ratio), ratio the other way round over the near one. Where the circle is short the
    # parts of dK/dh nearly cancel, with T = P/(2h) and w = T - |d|/h: T / tanh T - 1 - w tanh w is theirs.
    # p: 1/h, 1/P, -, log2(e)/h, T / tanh T - 1 for T < 1, else less T, and 0 or 1
    # How much farther it is the other way round; from 1e5 on that is nothing.
    beyond = min((p[20] - 2.0 * abs(d)) * p[0], 1e5)
    ratio = exp2(-beyond * LOG2_E)
    complement = one_minus(ratio, beyond)
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    short = (1.0 + ratio) * p[4] - 0.5 * beyond * complement
    long = (1.0 + ratio) * (abs(d) * p[0] + p[4]) + beyond * ratio
    f_h = short if p[5] == 0.0 else long
    return -abs(d) * p[3], 1.0 + ratio, -sign * complement, f_h


@helper
def _cosine_of_half(d, p):
    """Return cos(pi d/P), of which digits are left where d is half a period."""
    return sin_half_pi((p[20] - 2.0 * abs(d)) * p[1])


@helper
def cauchy_circle(d, p):
    # With y = pi h/P and the chord (P/pi) sin(pi d/P) in place of d: u = chord y / (h sinh y).
    # p: 1/h, 1/P, rate of the sine, y / (h sinh y), 2y / sinh 2y, y / tanh y, y / sinh y
    u = chord(d, p[1]) * p[3]
    f = 1.0 / (1.0 + u * u)
    f_d = -2.0 * u * f * f * _cosine_of_half(d, p) * p[6]
    return 0.0, f, f_d, f * (2.0 * u * u * f * p[5] - p[4])


@helper
def von_mises(d, p):
    # The gaussian of the chord. p: 1/h, 1/P, rate of the sine, rate, 2 kappa (1 - I1(kappa)/I0(kappa))
    along = chord(d, p[1])
    u, v = along * p[0], along * p[3]
    return -v * v, 1.0, -u * _cosine_of_half(d, p), u * u - p[4]


@helper
def _polynomial(c, a):
    """Return sum_k a_k c^k of nine coefficients, and its derivative."""
    f, slope = a[8], 0.0
    slope, f = slope * c + f, f * c + a[7]
    slope, f = slope * c + f, f * c + a[6]
    slope, f = slope * c + f, f * c + a[5]
    slope, f = slope * c + f, f * c + a[4]
    slope, f = slope * c + f, f * c + a[3]
    slope, f = slope * c + f, f * c + a[2]
    slope, f = slope * c + f, f * c + a[1]
    slope, f = slope * c + f, f * c + a[0]
    return f, slope


@helper
def fourier(d, p):
    # p: 1/h, 1/P, then K and h dK/dh as polynomials in cos(2 pi d/P), lowest power first
    sin = sin_half_pi(2.0 * d * p[1])
    cos = _cosine_of_half(d, p)
    c = 1.0 - 2.0 * sin * sin
    f, slope = _polynomial(c, p[2:11])
    f_h, _ = _polynomial(c, p[11:20])
    return 0.0, f, -4.0 * math.pi * min(p[1] / p[0], _WIDEST) * sin * cos * slope, f_h


_FAR = 2.0**400  # |u| from which on u^2 may overflow


@helper
def cauchy_ratio(d, rate, p):
    """Return e, f and (df/dd) / f of 2^e f = 1 / (1 + u^2) for u = d rate, and the share of 1 in 1 + u^2."""
    u = d * rate
    if not abs(u) < _FAR:  # and u itself
        k, m = parts(abs(d))
        root = 1.0 / (m * p[FACTOR])
        return -2.0 * (k + p[POWER]), root * root, -2.0 / d, 0.0
    f = 1.0 / (1.0 + u * u)
    return 0.0, f, -2.0 * u * f * rate, f


@helper
def _cauchy_circle_at_any_distance(d, p):
    e, f, slope, near = cauchy_ratio(chord(d, p[1]), p[3], p)
    return e, f, slope * f * _cosine_of_half(d, p), f * (2.0 * (1.0 - near) * p[5] - p[4])


@helper
def _rise_of_chord(near, far, more, p):
    # sin^2 a - sin^2 b = sin(a - b) sin(a + b), and a + b is counted from half a turn where that is nearer.
    together, left = near + far, 2.0 * (0.5 * p[20] - near) - more
    across = chord(together if together < left else left, p[1])
    return -0.5 * (chord(more, p[1]) * p[0]) * min(across * p[0], LARGEST)


@plain
def _square(v):
    """Return v^2, rounded alike wherever it is computed."""
    return v * v


@helper
def _von_mises_of_sine(s, p):
    return -_square(s * p[2]), 1.0


@helper
def _cauchy_of_sine(s, p):
    return 0.0, 1.0 / (1.0 + _square(s * p[2]))


@helper
def _fourier_of_sine(s, p):
    f, _ = _polynomial(1.0 - 2.0 * s * s, p[2:11])
    return 0.0, f


@helper
def rise_of_distance(near, far, more, p):
    return -more * p[0]


class OnCircle(NamedTuple):
    """A closed form on the circle: the formula, and what writes its parameters and returns log C."""

    name: str
    formula: Formula
    # Of rows' parameters (PARAMETERS, S), h (S,) and period: log C (S,). Compiled, of those of one row.
    parameters: Callable[[Floats, Floats, float], Floats]


@elementwise
def _laplace_parameters(p: Floats, h: Floats, period: float) -> Floats:
    half = np.minimum(0.5 * (period / h), LARGEST)
    bounded = np.minimum(np.maximum(half, 0.1), 350.0)
    s = np.minimum(half, 0.1) ** 2
    series = 1 / 4725 - s * (2 / 93555 - s * (1382 / 638512875))
    series = s * (1 / 3 - s * (1 / 45 - s * (2 / 945 - s * series)))
    p[SECOND] = half >= 1
    short = either(half < 0.1, series, bounded / np.tanh(bounded) - 1)
    p[FIRST] = either(half < 1, short, 2 * bounded / np.expm1(2 * bounded) - 1)
    # 2h (1 - exp(-P/h)), which is 2P where h is far beyond P.
    whole: Floats = either(half < SMALLEST_NORMAL, period, -np.expm1(-2 * half) * h)
    return -math.log(2) - np.log(whole)


@elementwise
def _cauchy_parameters(p: Floats, h: Floats, period: float) -> Floats:
    y = np.maximum(math.pi * (h / period), SMALLEST_NORMAL)
    bounded = np.minimum(y, 350.0)  # beyond, the kernel is 1/P to rounding
    p[THIRD] = bounded / np.sinh(bounded)
    p[RATE] = p[THIRD] / h
    p[FACTOR], p[POWER] = factor_and_power(p[RATE])
    p[RATE_OF_SINE] = p[RATE] * (period / math.pi)
    p[FIRST], p[SECOND] = 2 * bounded / np.sinh(2 * bounded), bounded / np.tanh(bounded)
    # C = 1/(P tanh y), which for small y is that of the line.
    small = np.minimum(y, 1.0)
    on_line = math.log(1 / math.pi) - np.log(h) - np.log(np.tanh(small) / small)
    log_scale: Floats = either(y < 1, on_line, -math.log(period) - np.log(np.tanh(bounded)))
    return log_scale


@elementwise
def _von_mises_parameters(p: Floats, h: Floats, period: float) -> Floats:
    root = period / (2 * math.pi) / h
    kappa = np.minimum(root, _GAUSSIAN_FROM) ** 2
    log_bessel, rest = scaled_bessel(kappa)
    p[RATE_OF_SINE], p[FIRST] = p[RATE] * (period / math.pi), 2 * kappa * rest
    on_line = math.log(1 / math.sqrt(2 * math.pi)) - np.log(h)
    log_scale: Floats = either(root < _GAUSSIAN_FROM, -math.log(period) - log_bessel, on_line)
    return log_scale


LAPLACE = OnCircle(
    "laplace_circle",
    Formula(laplace_circle, rise=rise_of_distance, scans=True),
    _laplace_parameters,
)
CAUCHY = OnCircle(
    "cauchy_circle",
    Formula(cauchy_circle, _cauchy_circle_at_any_distance, of_half_sine=_cauchy_of_sine),
    _cauchy_parameters,
)
VON_MISES = OnCircle(
    "von_mises",
    Formula(von_mises, rise=_rise_of_chord, power=True, of_half_sine=_von_mises_of_sine),
    _von_mises_parameters,
)
FOURIER = Formula(fourier, of_half_sine=_fourier_of_sine)


@elementwise
def is_wide(h: Floats, period: float) -> NDArray[np.bool_]:
    """Return which bandwidths (S,), or whether one, are so wide that few terms of the series are enough."""
    return h >= _FOURIER_FROM * period


_, _, _POWERS_OF_COSINE = chebyshev(TERMS + 1)


def make_fourier_parameters(transform: Transform) -> Function:
    """Return what writes those of one row."""

    def of_row(p, h, period):
        """Write 1 + 2 sum_n F(2 pi n h/P) cos(2 pi n d/P), and h its h-derivative, in powers of the cosine.

        p (PARAMETERS,).
        """
        for k in range(TERMS + 1):
            p[SERIES + k], p[SERIES + TERMS + 1 + k] = _POWERS_OF_COSINE[0, k], 0.0
        for n in range(1, TERMS + 1):
            at = 2.0 * math.pi / period * n * h
            if at >= _NOTHING_LEFT:
                break
            value, slope = transform(at)
            for k in range(n + 1):
                p[SERIES + k] += 2.0 * value * _POWERS_OF_COSINE[n, k]
                p[SERIES + TERMS + 1 + k] += 2.0 * slope * at * _POWERS_OF_COSINE[n, k]

    return of_row


@cache
def fourier_parameters(kernel: str, transform: Transform) -> Callable[[], Function]:
    """Return what writes those of rows, whose functions are the kernel's."""

    def make() -> Function:
        of_row = helper(make_fourier_parameters(transform))

        def of_rows(p, h, period):
            """As `of_row`, p (S, PARAMETERS) and h (S,)."""
            for s in range(h.shape[0]):
                of_row(p[s], h[s], period)

        return of_rows

    return lazily(make, types.void(WRITE, READ1, types.float64), f"fourier_parameters.{kernel}")
