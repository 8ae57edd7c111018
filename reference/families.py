"""Every kernel family as its formula: log K_h(d) and the derivatives of the logarithm.

A line kernel is a function of u = d/h. On a circle of period P the kernel is the sum
over all images d + kP, from a closed form, the Fourier series or the images near enough to matter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kdexent.names import CIRCLE_ONLY, COMPACT

Floats = NDArray[np.float64]
_SLAB = 64  # images evaluated at a time


class LogKernel(NamedTuple):
    """log K_h(d), and a function that returns its derivatives by d and by h, all of the shape of d."""

    value: Floats
    slopes: Callable[[], tuple[Floats, Floats]]


class LineKernel(NamedTuple):
    """A kernel on the line: log K(u), and its score d log K/du (zero where K is)."""

    log_value: Callable[[Floats], Floats]
    score: Callable[[Floats], Floats]


def _log(values: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.log(values)


def _square_to_edge(u: Floats) -> Floats:
    """Return 1 - u^2 inside [-1, 1] and 0 outside."""
    return np.maximum(0, (1 - np.abs(u)) * (1 + np.abs(u)))


def _cube_to_edge(u: Floats) -> Floats:
    """Return 1 - |u|^3 inside [-1, 1] and 0 outside."""
    a = np.abs(u)
    return np.maximum(0, (1 - a) * (1 + a + a * a))


def _sine_to_edge(u: Floats) -> Floats:
    """Return cos(pi u/2) inside [-1, 1] and 0 outside; the sine keeps its digits near the edge."""
    return np.sin(np.pi / 2 * np.maximum(0, 1 - np.abs(u)))


def _inside(u: Floats, numerator: Floats, denominator: Floats) -> Floats:
    """Return numerator / denominator where |u| < 1 and 0 elsewhere."""
    return np.divide(numerator, denominator, out=np.zeros_like(u), where=np.abs(u) < 1)


LINE = {
    "gaussian": LineKernel(
        lambda u: -u * u / 2 - np.log(2 * np.pi) / 2,
        lambda u: -u,
    ),
    "laplace": LineKernel(
        lambda u: -np.abs(u) - np.log(2),
        lambda u: -np.sign(u),
    ),
    "logistic": LineKernel(
        lambda u: -np.abs(u) - 2 * np.log1p(np.exp(-np.abs(u))),
        lambda u: -np.tanh(u / 2),
    ),
    "cauchy": LineKernel(
        lambda u: -np.log1p(u * u) - np.log(np.pi),
        lambda u: -2 * u / (1 + u * u),
    ),
    "boxcar": LineKernel(
        lambda u: np.where(np.abs(u) <= 1, np.log(1 / 2), -np.inf),
        np.zeros_like,
    ),
    "triangular": LineKernel(
        lambda u: _log(np.maximum(0, 1 - np.abs(u))),
        lambda u: _inside(u, -np.sign(u), 1 - np.abs(u)),
    ),
    "epanechnikov": LineKernel(
        lambda u: np.log(3 / 4) + _log(_square_to_edge(u)),
        lambda u: _inside(u, -2 * u, _square_to_edge(u)),
    ),
    "biweight": LineKernel(
        lambda u: np.log(15 / 16) + 2 * _log(_square_to_edge(u)),
        lambda u: _inside(u, -4 * u, _square_to_edge(u)),
    ),
    "triweight": LineKernel(
        lambda u: np.log(35 / 32) + 3 * _log(_square_to_edge(u)),
        lambda u: _inside(u, -6 * u, _square_to_edge(u)),
    ),
    "tricube": LineKernel(
        lambda u: np.log(70 / 81) + 3 * _log(_cube_to_edge(u)),
        lambda u: _inside(u, -9 * u * np.abs(u), _cube_to_edge(u)),
    ),
    "cosine": LineKernel(
        lambda u: np.log(np.pi / 4) + _log(_sine_to_edge(u)),
        lambda u: _inside(u, -np.pi / 2 * np.sin(np.pi / 2 * u), _sine_to_edge(u)),
    ),
}


def log_kernel(kernel: str, d: Floats, h: Floats, period: float | None) -> LogKernel:
    """Return log K_h(d) for distances d (R, ...) and one bandwidth for each row, h (R, 1, ...)."""
    if period is None:
        return _on_line(LINE[kernel], d, h)
    d = d - period * np.round(d / period)
    if kernel in CIRCLE:
        return CIRCLE[kernel](d, h, period)
    if kernel in FOURIER:
        smooth = (h >= period / 2).ravel()
        if smooth.all():
            return _fourier_series(FOURIER[kernel], d, h, period)
        if smooth.any():
            return _rows_apart(kernel, d, h, period, smooth)
    return _sum_of_images(kernel, d, h, period)


def image_count(kernel: str, h: float, period: float) -> int:
    """Return n such that the images k = -n .. n give the wrapped kernel to rounding.

    The k-th image is at least (|k| - 1/2) P away, the nearest at most P/2; exp(-39) is below rounding.
    """
    if kernel in CIRCLE or (kernel in FOURIER and h >= period / 2):
        return 0
    if kernel == "gaussian":
        return int(1 / 2 + np.sqrt(1 / 4 + 2 * 39 * (h / period) ** 2))
    if kernel == "logistic":
        return int(1 + 39 * h / period)
    assert kernel in COMPACT
    return int(np.floor(h / period + 1 / 2))


def _on_line(line: LineKernel, d: Floats, h: Floats) -> LogKernel:
    u = d / h

    def slopes() -> tuple[Floats, Floats]:
        score = line.score(u)
        return score / h, -(1 + u * score) / h

    return LogKernel(line.log_value(u) - np.log(h), slopes)


def _rows_apart(kernel: str, d: Floats, h: Floats, period: float, smooth: NDArray[np.bool_]) -> LogKernel:
    """Evaluate the rows that take the Fourier series and those that take images each by itself."""
    parts = [(rows, log_kernel(kernel, d[rows], h[rows], period)) for rows in (smooth, ~smooth)]

    def together(values: list[Floats]) -> Floats:
        whole = np.empty_like(d)
        for (rows, _), part in zip(parts, values, strict=True):
            whole[rows] = part
        return whole

    def slopes() -> tuple[Floats, Floats]:
        by_distance, by_bandwidth = zip(*(part.slopes() for _, part in parts), strict=True)
        return together(list(by_distance)), together(list(by_bandwidth))

    return LogKernel(together([part.value for _, part in parts]), slopes)


def _sum_of_images(kernel: str, d: Floats, h: Floats, period: float) -> LogKernel:
    """Return the logarithm of sum_k K_h(d + kP); its slopes are weighted by each image's share."""
    reach = image_count(kernel, float(h.max()), period)
    shifts = period * np.arange(-reach, reach + 1, dtype=float).reshape(-1, *(1,) * d.ndim)
    slabs = [shifts[start : start + _SLAB] for start in range(0, len(shifts), _SLAB)]

    def images(slab: Floats) -> LogKernel:
        return _on_line(LINE[kernel], d + slab, h)

    value = np.full_like(d, -np.inf)
    for slab in slabs:
        terms = images(slab).value
        top = terms.max(axis=0)
        top = np.where(np.isfinite(top), top, 0)
        value = np.logaddexp(value, top + _log(np.exp(terms - top).sum(axis=0)))

    def slopes() -> tuple[Floats, Floats]:
        by_distance, by_bandwidth = np.zeros_like(d), np.zeros_like(d)
        total = np.where(np.isfinite(value), value, 0)
        for slab in slabs:
            part = images(slab)
            share = np.exp(part.value - total)
            slope, widening = part.slopes()
            by_distance += (share * slope).sum(axis=0)
            by_bandwidth += (share * widening).sum(axis=0)
        return by_distance, by_bandwidth

    return LogKernel(value, slopes)


def _gaussian_transform(w: Floats) -> tuple[Floats, Floats]:
    value = np.exp(-w * w / 2)
    return value, -w * value


def _logistic_transform(w: Floats) -> tuple[Floats, Floats]:
    # Past y = 700 the transform is below 1e-300 and sinh about to overflow.
    y = np.minimum(np.pi * w, 700)
    value = y / np.sinh(y)
    return value, value * (1 / y - 1 / np.tanh(y)) * np.pi


# The Fourier transform of K at w = 2 pi n h/P, with its derivative by w.
FOURIER = {"gaussian": _gaussian_transform, "logistic": _logistic_transform}


def _fourier_series(transform: Callable, d: Floats, h: Floats, period: float) -> LogKernel:
    """Return log of (1 + 2 sum_n F(2 pi n h/P) cos(2 pi n d/P)) / P, for h >= P/2 (Poisson summation)."""
    omega = 2 * np.pi / period * np.arange(1, 6).reshape(-1, *(1,) * d.ndim)
    coefficient, slope = transform(omega * h)
    value = 1 + 2 * (coefficient * np.cos(omega * d)).sum(axis=0)

    def slopes() -> tuple[Floats, Floats]:
        by_distance = -2 * (coefficient * omega * np.sin(omega * d)).sum(axis=0)
        by_bandwidth = 2 * (slope * omega * np.cos(omega * d)).sum(axis=0)
        return by_distance / value, by_bandwidth / value

    return LogKernel(np.log(value / period), slopes)


def _laplace_on_circle(d: Floats, h: Floats, period: float) -> LogKernel:
    """Return log of (exp(-a/h) + exp(-(P-a)/h)) / (2h (1 - exp(-P/h))), a = |d|."""
    near, far = np.abs(d), period - np.abs(d)
    ratio = np.exp(-(far - near) / h)  # the far way round, relative to the near one
    whole = -np.expm1(-period / h)

    def slopes() -> tuple[Floats, Floats]:
        by_distance = -np.sign(d) * (1 - ratio) / (1 + ratio) / h
        mean = (near + far * ratio) / (1 + ratio)
        return by_distance, mean / h**2 - 1 / h + period / h**2 * np.exp(-period / h) / whole

    return LogKernel(-near / h + np.log1p(ratio) - np.log(2 * h * whole), slopes)


def _cauchy_on_circle(d: Floats, h: Floats, period: float) -> LogKernel:
    """Return log of sinh(s) / (P (cosh(s) - cos(2 pi d/P))), s = 2 pi h/P, both over 2 cosh(s/2)^2."""
    half = np.minimum(np.pi * h / period, 350)  # beyond, the kernel is 1/P to rounding
    t, sech2 = np.tanh(half), 1 / np.cosh(half) ** 2
    sin = np.sin(np.pi * d / period)
    below = t * t + sin * sin * sech2

    def slopes() -> tuple[Floats, Floats]:
        cos = np.cos(np.pi * d / period)
        by_distance = -2 * np.pi / period * sech2 * sin * cos / below
        by_bandwidth = np.pi / period * sech2 / t * (sin**2 - (t * cos) ** 2) / below
        return by_distance, by_bandwidth

    return LogKernel(np.log(t / (period * below)), slopes)


def _von_mises(d: Floats, h: Floats, period: float) -> LogKernel:
    """Return log of exp(kappa cos(2 pi d/P)) / (P I0(kappa)), kappa = (P / (2 pi h))^2."""
    kappa = (period / (2 * np.pi * h)) ** 2
    log_scaled_bessel, mean_one_minus_cos = _bessel_ratio(kappa)
    sin = np.sin(np.pi * d / period)
    one_minus_cos = 2 * sin * sin

    def slopes() -> tuple[Floats, Floats]:
        by_distance = -kappa * 2 * np.pi / period * np.sin(2 * np.pi * d / period)
        return by_distance, 2 * kappa / h * (one_minus_cos - mean_one_minus_cos)

    return LogKernel(-kappa * one_minus_cos - np.log(period) - log_scaled_bessel, slopes)


def _bessel_ratio(kappa: Floats) -> tuple[Floats, Floats]:
    """Return log(exp(-kappa) I0(kappa)) and 1 - I1(kappa)/I0(kappa).

    Both are means over the angle of exp(-kappa (1 - cos t)), by the trapezoidal rule, which converges
    exponentially for a function that is periodic or has decayed to nothing at the end.
    """
    t = np.linspace(0, 1, 201) * np.minimum(np.pi, 40 / np.sqrt(kappa))[..., np.newaxis]
    step = t[..., 1]
    one_minus_cos = 2 * np.sin(t / 2) ** 2
    density = np.exp(-kappa[..., np.newaxis] * one_minus_cos)
    density[..., [0, -1]] /= 2
    total = density.sum(axis=-1)
    return np.log(total * step / np.pi), (density * one_minus_cos).sum(axis=-1) / total


CIRCLE = {"laplace": _laplace_on_circle, "cauchy": _cauchy_on_circle, "von_mises": _von_mises}
assert CIRCLE.keys() >= CIRCLE_ONLY
