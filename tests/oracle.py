"""The loss and its gradients at 40 digits or more, from the definition alone.

Distances are exact, exponents have no limit, and there are as many digits as distances in bandwidths
have beside 40, so that this holds at any distance and in any unit.
"""

from __future__ import annotations

from typing import NamedTuple

import mpmath as mp

from kdexent.names import COMPACT

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


# K(u) and K'(u) for u >= 0.
def _gaussian(u):
    value = mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi)
    return value, -u * value


def _laplace(u):
    value = mp.exp(-u) / 2
    return value, -value


def _logistic(u):
    tail = mp.exp(-u)
    value = tail / (1 + tail) ** 2
    return value, -value * (1 - tail) / (1 + tail)


def _cauchy(u):
    value = 1 / (mp.pi * (1 + u * u))
    return value, -2 * u * value / (1 + u * u)


def _polynomial(*coefficients):
    """Return a compact kernel that is a polynomial in u >= 0, given lowest power first."""

    def kernel(u):
        value, slope = mp.mpf(0), mp.mpf(0)
        for c in reversed(kernel.coefficients):
            slope = slope * u + value
            value = value * u + c
        return value, slope

    kernel.coefficients = [mp.mpf(numerator) / denominator for numerator, denominator in coefficients]
    return kernel


def _cosine(u):
    return mp.pi / 4 * mp.cos(mp.pi * u / 2), -(mp.pi**2) / 8 * mp.sin(mp.pi * u / 2)


def _powers(scale, step, power):
    """Return the coefficients of scale (1 - u^step)^power as pairs of integers."""
    numerator, denominator = scale
    pairs = [(0, 1)] * (step * power + 1)
    for k in range(power + 1):
        pairs[step * k] = ((-1) ** k * int(mp.binomial(power, k)) * numerator, denominator)
    return pairs


def _make_kernels():
    with mp.workdps(2000):
        return {
            "gaussian": _gaussian,
            "laplace": _laplace,
            "logistic": _logistic,
            "cauchy": _cauchy,
            "boxcar": _polynomial((1, 2)),
            "triangular": _polynomial((1, 1), (-1, 1)),
            "epanechnikov": _polynomial(*_powers((3, 4), 2, 1)),
            "biweight": _polynomial(*_powers((15, 16), 2, 2)),
            "triweight": _polynomial(*_powers((35, 32), 2, 3)),
            "tricube": _polynomial(*_powers((70, 81), 3, 3)),
            "cosine": _cosine,
        }


KERNELS = _make_kernels()


class _Density:
    """K_h(d) with its derivatives by d and h."""

    def __init__(self, kernel, h, period):
        self.kernel, self.h, self.period = kernel, h, period
        if period is None:
            self._sum = self._line
        elif kernel in ("von_mises", "cauchy", "laplace"):
            self._sum = getattr(self, f"_{kernel}")
            if kernel == "von_mises":
                self._concentration()
        elif kernel in COMPACT:
            self._sum = self._images if h < _SUMS_FROM * period else self._many_images
        else:
            self._sum = self._images if h < _SERIES_FROM * period else self._poisson
        # exp(-90) is less than the rounding of 40 digits.
        reach = {"gaussian": 14, "logistic": 92}.get(kernel, 1)
        self._reach = None if period is None else reach * h / period

    def __call__(self, d):
        """Return K, dK/dd, dK/dh for a distance."""
        if self.period is not None:
            d -= self.period * mp.nint(d / self.period)
        value, slope, widening = self._sum(abs(d))
        return value, mp.sign(d) * slope, widening

    def _line(self, a):
        u = a / self.h
        if self.kernel in COMPACT and (u > 1 or (u == 1 and self.kernel != "boxcar")):
            return mp.mpf(0), mp.mpf(0), mp.mpf(0)
        value, slope = KERNELS[self.kernel](u)
        h = self.h
        return value / h, slope / h**2, -(value + u * slope) / h**2

    def _images(self, a):
        reach, totals = int(self._reach) + 2, [mp.mpf(0)] * 3
        for k in range(-reach, reach + 1):
            at = a + k * self.period
            if abs(at) - a > 300 * self.h:
                continue  # less than exp(-300) of the nearest
            value, slope, widening = self._line(abs(at))
            totals = [totals[0] + value, totals[1] + mp.sign(at) * slope, totals[2] + widening]
        return totals

    def _many_images(self, a):
        """Sum a polynomial (or the cosine) over an arithmetic progression each way."""
        h, period = self.h, self.period
        if h > period * mp.mpf(10) ** 60:  # what it differs by from a uniform density is beyond all digits
            return 1 / period, mp.mpf(0), -1 / (period * h) if self.kernel == "boxcar" else mp.mpf(0)
        totals = [mp.mpf(0)] * 3
        with mp.workdps(mp.mp.dps + int(12 * mp.log10(h / period)) + 20):
            for start, sign in ((a, 1), (period - a, -1)):
                count = int(mp.floor((h - start) / period)) + 1
                value, slope, moment = self._progression(start / h, period / h, count)
                totals[0] += value / h
                totals[1] += sign * slope / h**2
                totals[2] -= (value + moment) / h**2
        return totals

    def _progression(self, start, step, count):
        """Return the sums of K, K' and u K' over u = start + step k, k < count."""
        if self.kernel == "cosine":
            # sum of exp(i pi u/2) and of u exp(i pi u/2)
            ratio = mp.expjpi(step / 2)
            first = mp.expjpi(start / 2)
            plain = first * (ratio**count - 1) / (ratio - 1)
            weighted = first * (
                count * ratio**count / (ratio - 1) - ratio * (ratio**count - 1) / (ratio - 1) ** 2
            )
            moment = start * plain + step * weighted
            return mp.pi / 4 * plain.real, -(mp.pi**2) / 8 * plain.imag, -(mp.pi**2) / 8 * moment.imag
        at = start / step
        sums = []
        for j in range(len(KERNELS[self.kernel].coefficients)):
            upper, lower = mp.bernpoly(j + 1, at + count), mp.bernpoly(j + 1, at)
            sums.append(step**j * (upper - lower) / (j + 1))
        c = KERNELS[self.kernel].coefficients
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
            if self.kernel == "gaussian":
                F = mp.exp(-w * w / 2)
                by_w = -w * F
            else:
                y = mp.pi * w
                F = y / mp.sinh(y)
                by_w = mp.pi * F * (1 / y - mp.coth(y))
            cos, sin = mp.cos(omega * a), mp.sin(omega * a)
            terms = F * cos, -F * omega * sin, by_w * omega * cos
            totals = [total + 2 * term for total, term in zip(totals, terms, strict=True)]
            if -mp.log10(F) > mp.mp.dps:
                break
        return [total / self.period for total in totals]

    def _laplace(self, a):
        """Return a geometric series each way round."""
        h, period = self.h, self.period
        near, far, whole = mp.exp(-a / h), mp.exp(-(period - a) / h), -mp.expm1(-period / h)
        value = (near + far) / (2 * h * whole)
        slope = (far - near) / (2 * h**2 * whole) if 0 < 2 * a < period else mp.mpf(0)
        log_slope = period * mp.exp(-period / h) / whole / h**2 - 1 / h
        return value, slope, (a * near + (period - a) * far) / (2 * h**3 * whole) + value * log_slope

    def _cauchy(self, a):
        s, t = 2 * mp.pi * self.h / self.period, 2 * mp.pi * a / self.period
        if s > 10000:
            return 1 / self.period, mp.mpf(0), mp.mpf(0)
        # cosh(s) - cos(t), whose digits cancel
        below = 2 * (mp.sinh(s / 2) ** 2 + mp.sin(t / 2) ** 2)
        value = mp.sinh(s) / (self.period * below)
        rate = 2 * mp.pi / self.period
        return value, -value * rate * mp.sin(t) / below, rate * (mp.coth(s) - mp.sinh(s) / below) * value

    def _concentration(self):
        """Return exp(-kappa) I0(kappa) and 1 - I1(kappa)/I0(kappa)."""
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

    def _von_mises(self, a):
        half = mp.pi * a / self.period
        kappa = (self.period / (2 * mp.pi * self.h)) ** 2
        sin = mp.sin(half)
        value = mp.exp(-2 * kappa * sin * sin) / (self.period * self._bessel)
        slope = -2 * kappa * sin * mp.cos(half) * 2 * mp.pi / self.period
        return value, value * slope, value * 2 * kappa / self.h * (2 * sin * sin - self._less)


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
