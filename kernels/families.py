"""Every kernel family in compiled arithmetic: its formula, derivatives, scale and images.

A formula takes a distance d and a row's parameters p, and returns (e, f, f_d, f_h) with

    K_h(d) = C 2^e f,   dK_h/dd = C 2^e f_d,   dK_h/dh = C 2^e f_h

where log C is the row's `log_scale`. Keeping the exponent e apart lets the same formula serve sums
of densities and sums of logarithms: 2^e may underflow, e does not, and f stays near 1 except at the
edge of a compact kernel.

On a circle a formula is either that of the wrapped kernel itself (`*_circle`, `fourier`,
`von_mises`) or the line's, summed over the images near enough to matter.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arithmetic import LOG2_E, exp2, sin_half_pi
from .jit import helper
from .names import COMPACT

Floats = NDArray[np.float64]

# Where each row parameter stands.
INVERSE_BANDWIDTH = 0
INVERSE_PERIOD = 1
_BANDWIDTH = 2  # on the line
_RATE = 3  # on the line: v^2 or |v| is the exponent in powers of two, v = rate d
_FIRST, _SECOND, _THIRD = 2, 3, 4  # on the circle, a formula's own
_SERIES = 2  # Fourier: coefficients of K, then of dK/dh
_TERMS = 8  # of the Fourier series
PERIOD = 20
IMAGES = 21
PARAMETERS = 22

# exp(-39) is below the rounding of 1.
_NEGLIGIBLE = 39.0
# From this h/P on the Fourier series of gaussian and logistic needs at most _TERMS terms.
_FOURIER_FROM = 0.25


@helper
def gaussian(d, p):
    u, v = d * p[0], d * p[3]
    return -v * v, 1.0, -u * p[0], (u * u - 1.0) * p[0]


@helper
def laplace(d, p):
    u = abs(d) * p[0]
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    return -abs(d) * p[3], 1.0, -sign * p[0], (u - 1.0) * p[0]


@helper
def logistic(d, p):
    u = abs(d) * p[0]
    e = -abs(d) * p[3]
    tail = exp2(e)
    f = 1.0 / ((1.0 + tail) * (1.0 + tail))
    slope = f * (1.0 - tail) / (1.0 + tail)
    return e, f, -math.copysign(slope, d) * p[0], (u * slope - f) * p[0]


@helper
def cauchy(d, p):
    u = d * p[0]
    f = 1.0 / (1.0 + u * u)
    return 0.0, f, -2.0 * u * f * f * p[0], (1.0 - 2.0 * f) * f * p[0]


@helper
def boxcar(d, p):
    # |d| <= h is exact where d * (1/h) may round to the other side of 1.
    f = 1.0 if abs(d) <= p[2] else 0.0
    return 0.0, f, 0.0, -f * p[0]


@helper
def triangular(d, p):
    u = abs(d) * p[0]
    v = 1.0 - u
    inside = 1.0 if v > 0.0 else 0.0
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    return 0.0, v if v > 0.0 else 0.0, -sign * inside * p[0], (u - v) * inside * p[0]


@helper
def _square_to_edge(u):
    v = (1.0 - u) * (1.0 + u)
    return v if v > 0.0 else 0.0


@helper
def epanechnikov(d, p):
    u = d * p[0]
    v = _square_to_edge(abs(u))
    inside = 1.0 if v > 0.0 else 0.0
    return 0.0, v, -2.0 * u * inside * p[0], (2.0 * u * u - v) * inside * p[0]


@helper
def biweight(d, p):
    u = d * p[0]
    v = _square_to_edge(abs(u))
    return 0.0, v * v, -4.0 * u * v * p[0], (4.0 * u * u - v) * v * p[0]


@helper
def triweight(d, p):
    u = d * p[0]
    v = _square_to_edge(abs(u))
    return 0.0, v * v * v, -6.0 * u * v * v * p[0], (6.0 * u * u - v) * v * v * p[0]


@helper
def tricube(d, p):
    u = d * p[0]
    a = abs(u)
    v = (1.0 - a) * (1.0 + a + a * a)
    v = v if v > 0.0 else 0.0
    return 0.0, v * v * v, -9.0 * u * a * v * v * p[0], (9.0 * a * a * a - v) * v * v * p[0]


@helper
def cosine(d, p):
    u = abs(d) * p[0]
    edge = 1.0 - u
    inside = 1.0 if edge > 0.0 else 0.0
    f = sin_half_pi(edge if edge > 0.0 else 0.0)
    slope = 0.5 * math.pi * sin_half_pi(u if u < 1.0 else 1.0) * inside
    return 0.0, f, -math.copysign(slope, d) * p[0], (u * slope - f * inside) * p[0]


@helper
def laplace_circle(d, p):
    # p: 1/h, 1/P, P/h, d log C/dh, log2(e)/h
    near = abs(d) * p[0]
    far = p[2] - near
    ratio = exp2((near - far) * LOG2_E)  # the far way round, relative to the near one
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    f_h = (1.0 + ratio) * p[3] + (near + far * ratio) * p[0]
    return -abs(d) * p[4], 1.0 + ratio, -sign * (1.0 - ratio) * p[0], f_h


@helper
def cauchy_circle(d, p):
    # p: 1/h, 1/P, tanh(s/2), cosh(s/2)^-2, s = 2 pi h/P
    y = d * p[1]
    sin = sin_half_pi(2.0 * y)
    cos = sin_half_pi(1.0 - 2.0 * abs(y))
    below = p[2] * p[2] + sin * sin * p[3]
    f = 1.0 / below
    scale = math.pi * p[1] * p[3] * f * f
    return 0.0, f, -2.0 * scale * sin * cos, scale * (sin * sin - (p[2] * cos) ** 2) / p[2]


@helper
def von_mises(d, p):
    # p: 1/h, 1/P, kappa, 1 - I1(kappa)/I0(kappa), 2 kappa log2(e)
    y = d * p[1]
    sin = sin_half_pi(2.0 * y)
    cos = sin_half_pi(1.0 - 2.0 * abs(y))
    f_d = -4.0 * math.pi * p[1] * p[2] * sin * cos
    return -p[4] * sin * sin, 1.0, f_d, 2.0 * p[2] * p[0] * (2.0 * sin * sin - p[3])


@helper
def fourier(d, p):
    # p: 1/h, 1/P, then K and dK/dh as polynomials in cos(2 pi d/P), lowest power first
    y = d * p[1]
    sin = sin_half_pi(2.0 * y)
    cos = sin_half_pi(1.0 - 2.0 * abs(y))
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
    return 0.0, f, -4.0 * math.pi * p[1] * sin * cos * slope, f_h


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
    p[:, _RATE] = (math.sqrt(LOG2_E / 2) if kernel == "gaussian" else LOG2_E) / h
    if period is None:
        return RowParameters(Variant(kernel), p, math.log(_NORM[kernel]) - np.log(h))
    p[:, INVERSE_PERIOD], p[:, PERIOD] = 1 / period, period
    if kernel in _CIRCLE:
        formula, log_scale = _CIRCLE[kernel](p, h, period)
        return RowParameters(Variant(formula, circle=True), p, log_scale)
    if takes_series(kernel, h, period).any():
        _fourier_parameters(kernel, p, h, period)
        return RowParameters(Variant("fourier", circle=True), p, np.full(h.shape, -math.log(period)))
    p[:, IMAGES] = _image_count(kernel, h / period)
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
    whole = -np.expm1(-period / h)
    p[:, _FIRST], p[:, _THIRD] = period / h, LOG2_E / h
    p[:, _SECOND] = -1 / h + period / h**2 * np.exp(-period / h) / whole
    return "laplace_circle", -np.log(2 * h * whole)


def _cauchy_parameters(p: Floats, h: Floats, period: float) -> tuple[str, Floats]:
    half = np.minimum(math.pi * h / period, 350.0)  # beyond, the kernel is 1/P to rounding
    p[:, _FIRST], p[:, _SECOND] = np.tanh(half), 1 / np.cosh(half) ** 2
    return "cauchy_circle", np.log(p[:, _FIRST]) - math.log(period)


def _von_mises_parameters(p: Floats, h: Floats, period: float) -> tuple[str, Floats]:
    p[:, _FIRST] = (period / (2 * math.pi * h)) ** 2
    p[:, _THIRD] = 2 * LOG2_E * p[:, _FIRST]
    log_bessel, p[:, _SECOND] = scaled_bessel(p[:, _FIRST])
    return "von_mises", -math.log(period) - log_bessel


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


# Fourier transform of K at w = 2 pi n h/P and its derivative.
_TRANSFORM = {"gaussian": _gaussian_transform, "logistic": _logistic_transform}


def _fourier_parameters(kernel: str, p: Floats, h: Floats, period: float) -> None:
    """Write 1 + 2 sum_n F(2 pi n h/P) cos(2 pi n d/P), and its h-derivative, in powers of the cosine."""
    omega = 2 * math.pi / period * np.arange(1, _TERMS + 1)
    value, slope = _TRANSFORM[kernel](omega * h[:, np.newaxis])
    by_h = slope * omega
    powers = np.zeros((_TERMS + 1, _TERMS + 1))
    for n in range(_TERMS + 1):
        powers[n, : n + 1] = np.polynomial.chebyshev.cheb2poly([0] * n + [1])
    size = _TERMS + 1
    p[:, _SERIES : _SERIES + size] = powers[0] + 2 * value @ powers[1:]
    p[:, _SERIES + size : _SERIES + 2 * size] = 2 * by_h @ powers[1:]
