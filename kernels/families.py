"""Every kernel family in compiled arithmetic: its formula, derivatives, scale and images.

A formula takes a distance d and a row's parameters p, and returns (e, f, f_d, f_h) with

    K_h(d) = C 2^e f,   h dK_h/dd = C 2^e f_d,   h dK_h/dh = C 2^e f_h

where log C is the row's `log_scale`. Derivatives are by d and h in bandwidths, for sums of them to stay in
range; who sums them divides by h. Keeping the exponent e apart lets the same formula serve sums
of densities and sums of logarithms: 2^e may underflow, e does not, and f stays near 1 except at the
edge of a compact kernel.

Where every point is far from a bin the ratios of their kernel values decide, and e loses digits that
these need: rises of e, from one distance to another, are formulas of their own (`rise_of`).

On a circle a formula is either that of the wrapped kernel itself (`*_circle`, `fourier`,
`von_mises`) or the line's, summed over the images near enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arguments import checks
from .names import COMPACT
from .numerics.arithmetic import LARGEST, LN_2, LOG2_E, SMALLEST_NORMAL, chord, exp2, parts, sin_half_pi
from .runtime.jit import helper

Floats = NDArray[np.float64]

# Where each row parameter stands.
INVERSE_BANDWIDTH = 0
INVERSE_PERIOD = 1
_BANDWIDTH = 2  # on the line
RATE_OF_SINE = 2  # on the circle: that of d, for the sine of the half angle in its place
_RATE = 3  # v^2 or |v| is the exponent in powers of two, v = rate d
_FIRST, _SECOND, _THIRD = 4, 5, 6  # on the circle, a formula's own
_POWER, _FACTOR = 7, 8  # rate = 2^power factor, for cauchy
_SERIES = 2  # Fourier: coefficients of K, then of dK/dh
_TERMS = 8  # of the Fourier series
PERIOD = 20
IMAGES = 21
PARAMETERS = 22

# exp(-39) is below the rounding of 1.
_NEGLIGIBLE = 39.0
_MOST_IMAGES = 2.0**21
# From this sqrt(kappa) on exp(-kappa) I0(kappa) is 1 / sqrt(2 pi kappa), for the square of any float.
_GAUSSIAN_FROM = 1e100
# From this h/P on the Fourier series of gaussian and logistic needs at most _TERMS terms.
_FOURIER_FROM = 0.25
# From this h/P on the series is 1, and has no slope.
_WIDEST = 1e300


@helper
def gaussian(d, p):
    u, v = d * p[0], d * p[3]
    return -v * v, 1.0, -u, u * u - 1.0


@helper
def laplace(d, p):
    u = abs(d) * p[0]
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    return -abs(d) * p[3], 1.0, -sign, u - 1.0


@helper
def _one_minus(power, y):
    """Return 1 - exp(-y), y >= 0, whose power is at hand, to 5e-14: digits are left where y is small."""
    s = 1.0 / 24.0 - y * (1.0 / 120.0)
    s = 1.0 / 6.0 - y * s
    s = 0.5 - y * s
    return y * (1.0 - y * s) if y < 0.004 else 1.0 - power


@helper
def logistic(d, p):
    u = abs(d) * p[0]
    e = -abs(d) * p[3]
    tail = exp2(e)
    f = 1.0 / ((1.0 + tail) * (1.0 + tail))
    slope = f * _one_minus(tail, u) / (1.0 + tail)
    return e, f, -math.copysign(slope, d), u * slope - f


@helper
def cauchy(d, p):
    u = d * p[0]
    f = 1.0 / (1.0 + u * u)
    return 0.0, f, -2.0 * u * f * f, (1.0 - 2.0 * f) * f


@helper
def boxcar(d, p):
    # |d| <= h is exact where d * (1/h) may round to the other side of 1.
    f = 1.0 if abs(d) <= p[2] else 0.0
    return 0.0, f, 0.0, -f


@helper
def _to_edge(d, p):
    """Return 1 - |d|/h; the difference is exact near the edge, where it decides K."""
    return (p[2] - abs(d)) * p[0]


@helper
def triangular(d, p):
    u, v = abs(d) * p[0], _to_edge(d, p)
    inside = 1.0 if v > 0.0 else 0.0
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    return 0.0, v if v > 0.0 else 0.0, -sign * inside, (u - v) * inside


@helper
def _square_to_edge(d, p):
    """Return 1 - (d/h)^2 inside [-h, h] and 0 outside."""
    v = _to_edge(d, p) * (1.0 + abs(d) * p[0])
    return v if v > 0.0 else 0.0


@helper
def epanechnikov(d, p):
    u, v = d * p[0], _square_to_edge(d, p)
    inside = 1.0 if v > 0.0 else 0.0
    return 0.0, v, -2.0 * u * inside, (2.0 * u * u - v) * inside


@helper
def biweight(d, p):
    u, v = d * p[0], _square_to_edge(d, p)
    return 0.0, v * v, -4.0 * u * v, (4.0 * u * u - v) * v


@helper
def triweight(d, p):
    u, v = d * p[0], _square_to_edge(d, p)
    return 0.0, v * v * v, -6.0 * u * v * v, (6.0 * u * u - v) * v * v


@helper
def tricube(d, p):
    u = d * p[0]
    a = abs(u)
    v = _to_edge(d, p) * (1.0 + a + a * a)
    v = v if v > 0.0 else 0.0
    return 0.0, v * v * v, -9.0 * u * a * v * v, (9.0 * a * a * a - v) * v * v


@helper
def cosine(d, p):
    u, edge = abs(d) * p[0], _to_edge(d, p)
    inside = 1.0 if edge > 0.0 else 0.0
    f = sin_half_pi(edge if edge > 0.0 else 0.0)
    slope = 0.5 * math.pi * sin_half_pi(u if u < 1.0 else 1.0) * inside
    return 0.0, f, -math.copysign(slope, d), u * slope - f * inside


@helper
def laplace_circle(d, p):
    # K = exp(-|d|/h) (1 + ratio), ratio the other way round over the near one. Where the circle is short the
    # parts of dK/dh nearly cancel, with T = P/(2h) and w = T - |d|/h: T / tanh T - 1 - w tanh w is theirs.
    # p: 1/h, 1/P, -, log2(e)/h, T / tanh T - 1 for T < 1, else less T, and 0 or 1
    # How much farther it is the other way round; from 1e5 on that is nothing.
    beyond = min((p[20] - 2.0 * abs(d)) * p[0], 1e5)
    ratio = exp2(-beyond * LOG2_E)
    less = _one_minus(ratio, beyond)
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    short = (1.0 + ratio) * p[4] - 0.5 * beyond * less
    long = (1.0 + ratio) * (abs(d) * p[0] + p[4]) + beyond * ratio
    f_h = short if p[5] == 0.0 else long
    return -abs(d) * p[3], 1.0 + ratio, -sign * less, f_h


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
def fourier(d, p):
    # p: 1/h, 1/P, then K and h dK/dh as polynomials in cos(2 pi d/P), lowest power first
    sin = sin_half_pi(2.0 * d * p[1])
    cos = _cosine_of_half(d, p)
    c = 1.0 - 2.0 * sin * sin
    f, slope, f_h = p[10], 0.0, p[19]
    slope = slope * c + f
    f = f * c + p[9]
    f_h = f_h * c + p[18]
    slope = slope * c + f
    f = f * c + p[8]
    f_h = f_h * c + p[17]
    slope = slope * c + f
    f = f * c + p[7]
    f_h = f_h * c + p[16]
    slope = slope * c + f
    f = f * c + p[6]
    f_h = f_h * c + p[15]
    slope = slope * c + f
    f = f * c + p[5]
    f_h = f_h * c + p[14]
    slope = slope * c + f
    f = f * c + p[4]
    f_h = f_h * c + p[13]
    slope = slope * c + f
    f = f * c + p[3]
    f_h = f_h * c + p[12]
    slope = slope * c + f
    f = f * c + p[2]
    f_h = f_h * c + p[11]
    return 0.0, f, -4.0 * math.pi * min(p[1] / p[0], _WIDEST) * sin * cos * slope, f_h


_FAR = 2.0**400  # |u| from which on u^2 may overflow


@helper
def _cauchy_ratio(d, rate, p):
    """Return e, f and (df/dd) / f of 2^e f = 1 / (1 + u^2) for u = d rate, and the share of 1 in 1 + u^2."""
    u = d * rate
    if not abs(u) < _FAR:  # and u itself
        k, m = parts(abs(d))
        root = 1.0 / (m * p[_FACTOR])
        return -2.0 * (k + p[_POWER]), root * root, -2.0 / d, 0.0
    f = 1.0 / (1.0 + u * u)
    return 0.0, f, -2.0 * u * f * rate, f


@helper
def _cauchy_at_any_distance(d, p):
    e, f, slope, near = _cauchy_ratio(d, p[0], p)
    return e, f, slope * f, (1.0 - 2.0 * near) * f


@helper
def _cauchy_circle_at_any_distance(d, p):
    e, f, slope, near = _cauchy_ratio(chord(d, p[1]), p[3], p)
    return e, f, slope * f * _cosine_of_half(d, p), f * (2.0 * (1.0 - near) * p[5] - p[4])


# Rises: the logarithm of 2^e at distance `far` less that at `near`, from far - near, whose digits are all
# there, and without a factor that rounds: logits may cancel it. At most 0 from the nearest point on.


@helper
def _rise_of_square(near, far, more, p):
    # Past any float the sum counts as the largest one, for 0 times it to be 0.
    return -0.5 * (more * p[0]) * min((near + far) * p[0], LARGEST)


@helper
def _rise_of_distance(near, far, more, p):
    return -more * p[0]


@helper
def _rise_of_chord(near, far, more, p):
    # sin^2 a - sin^2 b = sin(a - b) sin(a + b), and a + b is counted from half a turn where that is nearer.
    together, left = near + far, 2.0 * (0.5 * p[20] - near) - more
    across = chord(together if together < left else left, p[1])
    return -0.5 * (chord(more, p[1]) * p[0]) * min(across * p[0], LARGEST)


_RISES = {
    "gaussian": _rise_of_square,
    "laplace": _rise_of_distance,
    "logistic": _rise_of_distance,
    "laplace_circle": _rise_of_distance,
    "von_mises": _rise_of_chord,
}


class Variant(NamedTuple):
    """A formula and the domain it is compiled for."""

    formula: str
    circle: bool = False  # distances are taken the near way round
    images: bool = False  # and the formula is summed over a row's images

    @property
    def key(self) -> str:
        return self.formula + (".images" if self.images else ".circle" if self.circle else "")


FORMULAS = {
    "gaussian": gaussian,
    "laplace": laplace,
    "logistic": logistic,
    "cauchy": cauchy,
    "boxcar": boxcar,
    "triangular": triangular,
    "epanechnikov": epanechnikov,
    "biweight": biweight,
    "triweight": triweight,
    "tricube": tricube,
    "cosine": cosine,
    "laplace_circle": laplace_circle,
    "cauchy_circle": cauchy_circle,
    "von_mises": von_mises,
    "fourier": fourier,
}

_AT_ANY_DISTANCE = {"cauchy": _cauchy_at_any_distance, "cauchy_circle": _cauchy_circle_at_any_distance}


def log_formula_of(name: str) -> Callable:
    """Return the formula for sums in the logarithmic domain: 2^e f neither under- nor overflows."""
    return _AT_ANY_DISTANCE.get(name, FORMULAS[name])


def has_whole_slopes(name: str) -> bool:
    """Return whether slopes of `log_formula_of` are dK/dd, not h dK/dd: 1/d is a float where h/d is none."""
    return name in _AT_ANY_DISTANCE


@cache
def rise_of(name: str) -> Callable:
    """Return the helper for the difference of log 2^e at two distances, to some ulp of itself.

    It takes both distances, at least 0 and finite, the second less the first, and the row's parameters.
    """
    if name in _RISES:
        return _RISES[name]
    formula = log_formula_of(name)

    @helper
    def rise(near, far, more, p):
        e, _, _, _ = formula(far, p)
        before, _, _, _ = formula(near, p)
        return (e - before) * LN_2

    return rise


@cache
def exponent_of(name: str) -> Callable:
    """Return the helper for a point's logit and log 2^e over those of another, nearer or farther, point.

    It takes the logit and that of the other, and then what `rise_of` does. A helper, because where sums may
    be added up in any order the difference of two large logits would be taken apart.
    """
    rise = rise_of(name)

    @helper
    def exponent(z, other, near, far, more, p):
        return (z - other) + rise(near, far, more, p)

    return exponent


_NORM = {
    "gaussian": 1 / math.sqrt(2 * math.pi),
    "laplace": 1 / 2,
    "logistic": 1.0,
    "cauchy": 1 / math.pi,
    "boxcar": 1 / 2,
    "triangular": 1.0,
    "epanechnikov": 3 / 4,
    "biweight": 15 / 16,
    "triweight": 35 / 32,
    "tricube": 70 / 81,
    "cosine": math.pi / 4,
}


# Kernels whose exponent is a square.
_SQUARES = ("gaussian", "von_mises")


class RowParameters(NamedTuple):
    """A formula, and what it needs to know of each row."""

    variant: Variant
    parameters: Floats  # (rows, PARAMETERS)
    log_scale: Floats  # (rows,)


def takes_series(kernel: str, h: Floats, period: float | None) -> NDArray[np.bool_]:
    """Return which bandwidths (S,) are so wide that the kernel is evaluated by its Fourier series."""
    if period is None or kernel not in _TRANSFORM:
        return np.zeros(h.shape, bool)
    return h >= _FOURIER_FROM * period


def row_parameters(kernel: str, h: Floats, period: float | None) -> RowParameters:
    """Return the formula for rows with bandwidths (S,) which all take the series, or none of them."""
    p = np.zeros((h.shape[0], PARAMETERS))
    p[:, INVERSE_BANDWIDTH], p[:, _BANDWIDTH] = 1 / h, h
    p[:, _RATE] = (math.sqrt(LOG2_E / 2) if kernel in _SQUARES else LOG2_E) / h
    if period is None:
        if kernel == "cauchy":
            p[:, _FACTOR], p[:, _POWER] = np.frexp(1 / h)
        return RowParameters(Variant(kernel), p, math.log(_NORM[kernel]) - np.log(h))
    p[:, INVERSE_PERIOD], p[:, PERIOD] = 1 / period, period
    if kernel in _CIRCLE:
        formula, log_scale = _CIRCLE[kernel](p, h, period)
        return RowParameters(Variant(formula, circle=True), p, log_scale)
    if takes_series(kernel, h, period).any():
        _fourier_parameters(kernel, p, h, period)
        return RowParameters(Variant("fourier", circle=True), p, np.full(h.shape, -math.log(period)))
    images = _image_count(kernel, h / period)
    rule = f"must be at most 2^20 periods for kernel {kernel!r}, whose images are summed"
    checks.require("bandwidth", h.max(initial=0.0), images.max(initial=0) <= _MOST_IMAGES, rule)
    p[:, IMAGES] = images
    variant = Variant(kernel, circle=True, images=True)
    return RowParameters(variant, p, math.log(_NORM[kernel]) - np.log(h))


def _image_count(kernel: str, ratio: Floats) -> Floats:
    """Return how many images of d, in the order 0, -1, 1, -2, 2 ... periods from it, matter.

    d is at most half a period; image -k is then at least (k - 1/2) P away, image k at least k P, and
    both are negligible beside image 0 once their density is exp(-39) of its. `ratio` is h/P.
    """
    if kernel == "gaussian":
        behind, ahead = 0.5 + np.sqrt(0.25 + 2 * _NEGLIGIBLE * ratio**2), math.sqrt(2 * _NEGLIGIBLE) * ratio
    elif kernel == "logistic":
        behind, ahead = 1 + _NEGLIGIBLE * ratio, _NEGLIGIBLE * ratio
    else:
        assert kernel in COMPACT
        behind, ahead = ratio + 0.5, ratio
    return np.maximum(2 * np.floor(behind), 2 * np.floor(ahead) + 1)


def _laplace_parameters(p: Floats, h: Floats, period: float) -> tuple[str, Floats]:
    half = np.minimum(0.5 * (period / h), LARGEST)
    bounded = np.clip(half, 0.1, 350.0)
    s = np.minimum(half, 0.1) ** 2
    series = 1 / 4725 - s * (2 / 93555 - s * (1382 / 638512875))
    series = s * (1 / 3 - s * (1 / 45 - s * (2 / 945 - s * series)))
    p[:, _SECOND] = half >= 1
    p[:, _FIRST] = np.where(half < 0.1, series, bounded / np.tanh(bounded) - 1)
    p[:, _FIRST] = np.where(half < 1, p[:, _FIRST], 2 * bounded / np.expm1(2 * bounded) - 1)
    # 2h (1 - exp(-P/h)), which is 2P where h is far beyond P.
    whole = np.where(half < SMALLEST_NORMAL, period, -np.expm1(-2 * half) * h)
    return "laplace_circle", -math.log(2) - np.log(whole)


def _cauchy_parameters(p: Floats, h: Floats, period: float) -> tuple[str, Floats]:
    y = np.maximum(math.pi * (h / period), SMALLEST_NORMAL)
    bounded = np.minimum(y, 350.0)  # beyond, the kernel is 1/P to rounding
    p[:, _THIRD] = bounded / np.sinh(bounded)
    p[:, _RATE] = p[:, _THIRD] / h
    p[:, _FACTOR], p[:, _POWER] = np.frexp(p[:, _RATE])
    p[:, RATE_OF_SINE] = p[:, _RATE] * (period / math.pi)
    p[:, _FIRST], p[:, _SECOND] = 2 * bounded / np.sinh(2 * bounded), bounded / np.tanh(bounded)
    # C = 1/(P tanh y), which for small y is that of the line.
    small = np.minimum(y, 1.0)
    on_line = math.log(_NORM["cauchy"]) - np.log(h) - np.log(np.tanh(small) / small)
    return "cauchy_circle", np.where(y < 1, on_line, -math.log(period) - np.log(np.tanh(bounded)))


def _von_mises_parameters(p: Floats, h: Floats, period: float) -> tuple[str, Floats]:
    root = period / (2 * math.pi) / h
    kappa = np.minimum(root, _GAUSSIAN_FROM) ** 2
    log_bessel, rest = scaled_bessel(kappa)
    p[:, RATE_OF_SINE], p[:, _FIRST] = p[:, _RATE] * (period / math.pi), 2 * kappa * rest
    on_line = math.log(_NORM["gaussian"]) - np.log(h)
    return "von_mises", np.where(root < _GAUSSIAN_FROM, -math.log(period) - log_bessel, on_line)


_CIRCLE: dict[str, Callable[[Floats, Floats, float], tuple[str, Floats]]] = {
    "laplace": _laplace_parameters,
    "cauchy": _cauchy_parameters,
    "von_mises": _von_mises_parameters,
}


def scaled_bessel(kappa: Floats) -> tuple[Floats, Floats]:
    """Return log(exp(-kappa) I0(kappa)) and 1 - I1(kappa)/I0(kappa).

    By the power series (DLMF 10.25.2) below 20 and by Hankel's expansion (DLMF 10.40.1) above, where
    its terms fall below 1e-17 before they grow; the difference is summed term by term.
    """
    small, large = np.minimum(kappa, 20), np.maximum(kappa, 20)
    zero = total_zero = np.ones_like(kappa)
    one = total_one = small / 2
    for k in range(1, 60):
        zero = zero * (small / (2 * k)) ** 2
        one = one * small**2 / (4 * k * (k + 1))
        total_zero, total_one = total_zero + zero, total_one + one
    hankel_zero = hankel_one = total = np.ones_like(kappa)
    difference = np.zeros_like(kappa)
    for k in range(1, 31):
        hankel_zero = hankel_zero * (2 * k - 1) ** 2 / (8 * large * k)
        hankel_one = hankel_one * (2 * k - 3) * (2 * k + 1) / (8 * large * k)
        total, difference = total + hankel_zero, difference + (hankel_zero - hankel_one)
    log_bessel = np.where(
        kappa < 20, np.log(total_zero) - small, np.log(total) - np.log(2 * math.pi * large) / 2
    )
    return log_bessel, np.where(kappa < 20, 1 - total_one / total_zero, difference / total)


def _gaussian_transform(w: Floats) -> tuple[Floats, Floats]:
    value = np.exp(-w * w / 2)
    return value, -w * value


def _logistic_transform(w: Floats) -> tuple[Floats, Floats]:
    y = np.minimum(math.pi * w, 700.0)  # beyond, below 1e-300
    value = y / np.sinh(y)
    return value, value * (1 / y - 1 / np.tanh(y)) * math.pi


_NOTHING_LEFT = 1e4  # of any transform from this w on
# Fourier transform of K at w = 2 pi n h/P and its derivative.
_TRANSFORM = {"gaussian": _gaussian_transform, "logistic": _logistic_transform}


def _fourier_parameters(kernel: str, p: Floats, h: Floats, period: float) -> None:
    """Write 1 + 2 sum_n F(2 pi n h/P) cos(2 pi n d/P), and h its h-derivative, in powers of the cosine."""
    omega = 2 * math.pi / period * np.arange(1, _TERMS + 1)
    at = np.minimum(omega * h[:, np.newaxis], _NOTHING_LEFT)
    value, slope = np.where(at < _NOTHING_LEFT, _TRANSFORM[kernel](at), 0.0)
    by_h = slope * at
    powers = np.zeros((_TERMS + 1, _TERMS + 1))
    for n in range(_TERMS + 1):
        powers[n, : n + 1] = np.polynomial.chebyshev.cheb2poly([0] * n + [1])
    size = _TERMS + 1
    p[:, _SERIES : _SERIES + size] = powers[0] + 2 * value @ powers[1:]
    p[:, _SERIES + size : _SERIES + 2 * size] = 2 * by_h @ powers[1:]
