"""The loss and its gradients at 40 digits or more, from the definition alone.

Distances are exact, exponents have no limit, and there are as many digits as distances in bandwidths
have beside 40, so that this holds at any distance and in any unit.

`KERNELS` is all that tests know of a kernel's formula: an entry each, which the sums in long doubles
(ratio_oracle.py) and automatic differentiation (test_autodiff.py) read too. Its functions take as m what has
their functions and pi: mpmath, jax.numpy or `ratio_oracle.LONG`. Numbers in them are whole, and so exact.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import NamedTuple

import mpmath as mp
from numpy.polynomial import Polynomial

from kdexent import names

_DIGITS = 60
_SERIES_FROM = 1  # h/P from which smooth kernels are summed by Poisson's formula
_SUMS_FROM = 40  # h/P from which images of compact kernels are summed in closed form


class Answer(NamedTuple):
    """Of one row, in numbers of more digits."""

    loss: mp.mpf
    by_z: list
    by_x: list
    by_h: mp.mpf
    log_q: list

    @property
    def gradients(self):
        return {"z": self.by_z, "x": self.by_x, "bandwidth": self.by_h}


class Compact(NamedTuple):
    """A kernel that is 0 beyond u = 1: K and K' for 0 <= u <= 1, given v = 1 - u with all its digits."""

    value: Callable  # m, u, v; a polynomial's takes polynomials for u and v
    slope: Callable  # m, u, v
    # start, step, count: the sums of K, K' and u K' over u = start + step k; given where K is no polynomial
    progression: Callable | None = None
    reach = 1
    closed = None

    def coefficients(self):
        """Return those of a polynomial, lowest power first, as fractions."""
        u, v = (Polynomial([Fraction(c) for c in line]) for line in ((0, 1), (1, -1)))
        return [Fraction(c) for c in self.value(mp, u, v).coef]

    def value_and_slope(self, u, v):
        """Return K and K'; where K is 0 it has no slope."""
        value = self.value(mp, u, v) if v >= 0 else 0
        return (value, self.slope(mp, u, v)) if value else (mp.mpf(0), mp.mpf(0))


class Tailed(NamedTuple):
    """A kernel that is 0 nowhere, for u >= 0."""

    log_value: Callable  # m, u: log K(u)
    log_ratio: Callable  # m, a, b, gap: log K(a)/K(b), where gap = a - b has all its digits
    score: Callable  # m, u: d log K/du
    reach: float = 92  # from here on K is less than exp(-90) of its peak: the rounding of 40 digits
    transform: Callable | None = None  # m, w: the Fourier transform and its derivative
    closed: type | None = None  # h, period: a callable a -> K, dK/da, dK/dh on the circle, for mpf

    def value_and_slope(self, u, v):
        """Return K and K'."""
        value = mp.exp(self.log_value(mp, u))
        return value, value * self.score(mp, u)


def _logistic_transform(m, w):
    y = m.pi * w
    F = y / m.sinh(y)
    return F, m.pi * F * (1 / y - 1 / m.tanh(y))


def _sum_of_cosine(start, step, count):
    # sum of exp(i pi u/2) and of u exp(i pi u/2)
    ratio = mp.expjpi(step / 2)
    first = mp.expjpi(start / 2)
    plain = first * (ratio**count - 1) / (ratio - 1)
    weighted = first * (count * ratio**count / (ratio - 1) - ratio * (ratio**count - 1) / (ratio - 1) ** 2)
    moment = start * plain + step * weighted
    return mp.pi / 4 * plain.real, -(mp.pi**2) / 8 * plain.imag, -(mp.pi**2) / 8 * moment.imag


class _LaplaceOnCircle(NamedTuple):
    """A geometric series each way round."""

    h: mp.mpf
    period: mp.mpf

    def __call__(self, a):
        h, period = self.h, self.period
        near, far, whole = mp.exp(-a / h), mp.exp(-(period - a) / h), -mp.expm1(-period / h)
        value = (near + far) / (2 * h * whole)
        slope = (far - near) / (2 * h**2 * whole) if 0 < 2 * a < period else mp.mpf(0)
        log_slope = period * mp.exp(-period / h) / whole / h**2 - 1 / h
        return value, slope, (a * near + (period - a) * far) / (2 * h**3 * whole) + value * log_slope


class _CauchyOnCircle(NamedTuple):
    """The wrapped cauchy density."""

    h: mp.mpf
    period: mp.mpf

    def __call__(self, a):
        s, t = 2 * mp.pi * self.h / self.period, 2 * mp.pi * a / self.period
        if s > 10000:
            return 1 / self.period, mp.mpf(0), mp.mpf(0)
        # cosh(s) - cos(t), whose digits cancel
        below = 2 * (mp.sinh(s / 2) ** 2 + mp.sin(t / 2) ** 2)
        value = mp.sinh(s) / (self.period * below)
        rate = 2 * mp.pi / self.period
        return value, -value * rate * mp.sin(t) / below, rate * (mp.coth(s) - mp.sinh(s) / below) * value


class _VonMises:
    """The von Mises density of concentration (P / 2 pi h)^2."""

    def __init__(self, h, period):
        self.h, self.period = h, period
        # exp(-kappa) I0(kappa) and 1 - I1(kappa)/I0(kappa)
        kappa = (self.period / (2 * mp.pi * self.h)) ** 2
        if kappa < 3000:
            zero, one = mp.besseli(0, kappa), mp.besseli(1, kappa)
            self._bessel, self._less = zero * mp.exp(-kappa), (zero - one) / zero
            return
        totals, term = [mp.mpf(1), mp.mpf(1)], [mp.mpf(1), mp.mpf(1)]
        for k in range(1, 60):  # DLMF 10.40.1
            for nu in (0, 1):
                term[nu] *= -(4 * nu * nu - (2 * k - 1) ** 2) / (8 * k * kappa)
                totals[nu] += term[nu]
        self._bessel = totals[0] / mp.sqrt(2 * mp.pi * kappa)
        self._less = (totals[0] - totals[1]) / totals[0]

    def __call__(self, a):
        half = mp.pi * a / self.period
        kappa = (self.period / (2 * mp.pi * self.h)) ** 2
        sin = mp.sin(half)
        value = mp.exp(-2 * kappa * sin * sin) / (self.period * self._bessel)
        slope = -2 * kappa * sin * mp.cos(half) * 2 * mp.pi / self.period
        return value, value * slope, value * 2 * kappa / self.h * (2 * sin * sin - self._less)


def _gaussian(closed=None):
    return Tailed(
        lambda m, u: -(u * u) / 2 - m.log(2 * m.pi) / 2,
        lambda m, a, b, gap: -gap * (a + b) / 2,
        lambda m, u: -u,
        reach=14,
        transform=lambda m, w: (m.exp(-w * w / 2), -w * m.exp(-w * w / 2)),
        closed=closed,
    )


KERNELS = {
    "gaussian": _gaussian(),
    "laplace": Tailed(
        lambda m, u: -u - m.log(2 + 0 * u),
        lambda m, a, b, gap: -gap,
        lambda m, u: 0 * u - 1,
        closed=_LaplaceOnCircle,
    ),
    "logistic": Tailed(
        lambda m, u: -u - 2 * m.log1p(m.exp(-u)),
        lambda m, a, b, gap: -gap + 2 * (m.log1p(m.exp(-b)) - m.log1p(m.exp(-a))),
        lambda m, u: -m.tanh(u / 2),
        transform=_logistic_transform,
    ),
    "cauchy": Tailed(
        lambda m, u: -m.log1p(u * u) - m.log(m.pi),
        lambda m, a, b, gap: m.log((1 + b * b) / (1 + a * a)),
        lambda m, u: -2 * u / (1 + u * u),
        reach=float("inf"),
        closed=_CauchyOnCircle,
    ),
    "boxcar": Compact(lambda m, u, v: (1 + 0 * u) / 2, lambda m, u, v: 0 * u),
    "triangular": Compact(lambda m, u, v: v, lambda m, u, v: 0 * u - 1),
    "epanechnikov": Compact(lambda m, u, v: 3 * v * (1 + u) / 4, lambda m, u, v: -3 * u / 2),
    "biweight": Compact(
        lambda m, u, v: 15 * (v * (1 + u)) ** 2 / 16, lambda m, u, v: -15 * u * v * (1 + u) / 4
    ),
    "triweight": Compact(
        lambda m, u, v: 35 * (v * (1 + u)) ** 3 / 32, lambda m, u, v: -105 * u * (v * (1 + u)) ** 2 / 16
    ),
    "tricube": Compact(
        lambda m, u, v: 70 * (v * (1 + u + u * u)) ** 3 / 81,
        lambda m, u, v: -70 * u * u * (v * (1 + u + u * u)) ** 2 / 9,
    ),
    "cosine": Compact(
        lambda m, u, v: m.pi / 4 * m.sin(m.pi / 2 * v),
        lambda m, u, v: -m.pi * m.pi / 8 * m.sin(m.pi / 2 * u),
        _sum_of_cosine,
    ),
    "von_mises": _gaussian(_VonMises),  # the gaussian of the chord, but for its norm
}
names.check_entries("KERNELS in tests/oracle.py", KERNELS, names.KERNELS)


class _Density:
    """K_h(d) with its derivatives by d and h."""

    def __init__(self, kernel, h, period):
        self.kernel, self.h, self.period = KERNELS[kernel], h, period
        if period is None:
            self._sum = self._line
        elif self.kernel.closed is not None:
            self._sum = self.kernel.closed(h, period)
        elif isinstance(self.kernel, Compact):
            self._sum = self._images if h < _SUMS_FROM * period else self._many_images
        else:
            series = self.kernel.transform is not None and h >= _SERIES_FROM * period
            self._sum = self._poisson if series else self._images

    def __call__(self, d):
        """Return K, dK/dd, dK/dh for a distance."""
        if self.period is not None:
            d -= self.period * mp.nint(d / self.period)
        value, slope, widening = self._sum(abs(d))
        return value, mp.sign(d) * slope, widening

    def _line(self, a):
        h = self.h
        u, v = a / h, (h - a) / h
        value, slope = self.kernel.value_and_slope(u, v)
        return value / h, slope / h**2, -(value + u * slope) / h**2

    def _images(self, a):
        reach, totals = int(self.kernel.reach * self.h / self.period) + 2, [mp.mpf(0)] * 3
        for k in range(-reach, reach + 1):
            at = a + k * self.period
            if abs(at) - a > 300 * self.h:
                continue  # less than exp(-300) of the nearest
            value, slope, widening = self._line(abs(at))
            totals = [totals[0] + value, totals[1] + mp.sign(at) * slope, totals[2] + widening]
        return totals

    def _many_images(self, a):
        """Sum over an arithmetic progression each way."""
        h, period = self.h, self.period
        if h > period * mp.mpf(10) ** 60:  # what it differs by from a uniform density is beyond all digits
            jump = self.kernel.value(mp, mp.mpf(1), mp.mpf(0))  # at each edge
            return 1 / period, mp.mpf(0), -2 * jump / (period * h)
        totals = [mp.mpf(0)] * 3
        powers = 10 if self.kernel.progression is not None else len(self.kernel.coefficients())
        with mp.workdps(mp.mp.dps + int((powers + 2) * mp.log10(h / period)) + 20):
            for start, sign in ((a, 1), (period - a, -1)):
                count = int(mp.floor((h - start) / period)) + 1
                value, slope, moment = self._progression(start / h, period / h, count)
                totals[0] += value / h
                totals[1] += sign * slope / h**2
                totals[2] -= (value + moment) / h**2
        return totals

    def _progression(self, start, step, count):
        """Return the sums of K, K' and u K' over u = start + step k, k < count."""
        if self.kernel.progression is not None:
            return self.kernel.progression(start, step, count)
        c = [mp.mpf(cj.numerator) / cj.denominator for cj in self.kernel.coefficients()]
        at = start / step
        sums = []
        for j in range(len(c)):
            upper, lower = mp.bernpoly(j + 1, at + count), mp.bernpoly(j + 1, at)
            sums.append(step**j * (upper - lower) / (j + 1))
        value = mp.fsum(cj * s for cj, s in zip(c, sums, strict=True))
        slope = mp.fsum(j * c[j] * sums[j - 1] for j in range(1, len(c)))
        return value, slope, mp.fsum(j * cj * s for j, (cj, s) in enumerate(zip(c, sums, strict=True)))

    def _poisson(self, a):
        """Return (1 + 2 sum_n F(2 pi n h/P) cos(2 pi n a/P)) / P."""
        totals = [mp.mpf(1), mp.mpf(0), mp.mpf(0)]
        for n in range(1, 40):
            omega = 2 * mp.pi * n / self.period
            w = omega * self.h
            if w > 1000:
                break
            F, by_w = self.kernel.transform(mp, w)
            cos, sin = mp.cos(omega * a), mp.sin(omega * a)
            terms = F * cos, -F * omega * sin, by_w * omega * cos
            totals = [total + 2 * term for total, term in zip(totals, terms, strict=True)]
            if -mp.log10(F) > mp.mp.dps:
                break
        return [total / self.period for total in totals]


def _digits(x, centers, h, period):
    """Return how many digits make distances exact and their squares in bandwidths good to 60."""
    sizes = [abs(v) for v in (*x, *centers, h, period or 0) if v != 0]
    span = mp.log10(max(sizes) / min(sizes))
    far = max(abs(c - v) for c in (min(centers), max(centers)) for v in (min(x), max(x)))
    bandwidths = max(0, mp.log10(far / h)) if far > 0 else 0
    if period is not None:
        bandwidths = max(bandwidths, mp.log10(period / h))
    return int(_DIGITS + 20 + span + 2 * bandwidths)


def solve(x, z, centers, masses, h, kernel, period):
    """Return the Answer, as mpf, for one row: x, z (N,), centers, masses (M,), h and period scalars."""
    x, z, centers, masses = ([_mpf(v) for v in values] for values in (x, z, centers, masses))
    h, period = _mpf(h), None if period is None else _mpf(period)
    with mp.workdps(30):
        digits = _digits(x, centers, h, period)
    with mp.workdps(digits):
        density = _Density(kernel, h, period)
        top = max(z)
        w = [mp.exp(v - top) for v in z]
        total = mp.fsum(w)
        S = [v / total for v in w]
        loss, covered, by_h = mp.mpf(0), mp.mpf(0), mp.mpf(0)
        by_z, by_x, log_q = [mp.mpf(0)] * len(x), [mp.mpf(0)] * len(x), []
        for c, p in zip(centers, masses, strict=True):
            parts = [density(c - v) if s else (0, 0, 0) for v, s in zip(x, S, strict=True)]
            q = mp.fsum(s * part[0] for s, part in zip(S, parts, strict=True))
            log_q.append(mp.log(q) if q > 0 else -mp.inf)
            if p > 0:
                loss -= p * log_q[-1]
            if q == 0:
                continue
            covered += p
            for i, (s, (value, slope, _)) in enumerate(zip(S, parts, strict=True)):
                by_z[i] -= p * s * value / q
                by_x[i] += p * s * slope / q
            by_h -= p * mp.fsum(s * part[2] for s, part in zip(S, parts, strict=True)) / q
        by_z = [covered * s + g for s, g in zip(S, by_z, strict=True)]
        return Answer(loss, by_z, by_x, by_h, log_q)


def loss_and_grad(x, z, centers, masses, h, kernel, period):
    """Return L and its gradients by z, x and h as floats, correct to the last digit."""
    answer = solve(x, z, centers, masses, h, kernel, period)
    by_z, by_x = ([float(v) for v in gradient] for gradient in (answer.by_z, answer.by_x))
    return float(answer.loss), by_z, by_x, float(answer.by_h)


def _mpf(value):
    """Return a float or a long double, exactly."""
    if type(value).__name__ == "longdouble":
        high = float(value)
        with mp.workprec(2200):
            return mp.mpf(high) + (mp.mpf(float(value - type(value)(high))) if abs(high) < mp.inf else 0)
    return mp.mpf(float(value))
