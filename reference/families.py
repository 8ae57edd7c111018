"""Every kernel family as its formula: log K_h, ratios of its values, and the derivatives of the logarithm.

Kernels are even, so all are functions of a distance a = |d| >= 0 and of u = a/h. On a circle of period P
the kernel is the sum over all images d + kP; `wrapped` has those.

What decides a gradient is the ratio of two values of K. Far away log K has lost the digits of that ratio,
which is why each family says what log K(a)/K(b) is in terms of the gap a - b.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from kdexent.names import CIRCLE_ONLY, COMPACT, KERNELS, check_entries

Floats = NDArray[np.float64]
Parts = tuple[Floats, ...]


class Kernel(NamedTuple):
    """A kernel whose bandwidths (R, 1, 1) are known, as functions of distances (R, M, N).

    `slopes` leaves a factor 1/unit to its caller, which sums first: no term then overflows unless the sum
    does. The parts of `log_ratio` are to be added to other numbers one after another, the largest first:
    what comes to little may be all that is left.
    """

    log_value: Callable[[Floats], Floats]  # a: log K(a)
    log_ratio: Callable[[Floats, Floats, Floats], Parts]  # a, b, a - b: log K(a)/K(b); -inf where K(a) is 0
    slopes: Callable[[Floats], tuple[Floats, Floats]]  # a: unit times d log K/da and d log K/dh
    unit: Floats  # (R, 1, 1), at most 1


class Profile(NamedTuple):
    """A compact kernel: K(u) = scale base^power where v = 1 - u >= 0, and 0 elsewhere."""

    scale: float
    power: int
    # u, v: v by itself keeps its digits near the edge. It takes arrays and, without a series, polynomials.
    base: Callable[[Any, Any], Any]
    slope: Callable[[Floats], Floats]  # d base/du
    series: Polynomial | None = None  # base in powers of u, if it is no polynomial

    def value(self, u: Floats, v: Floats) -> Floats:
        """Return K(u)."""
        value: Floats = self.scale * self.base(u, v) ** self.power
        return value

    def derivative(self, u: Floats, v: Floats) -> Floats:
        """Return dK/du."""
        by_base: Floats = self.scale * self.power * self.base(u, v) ** (self.power - 1)
        return by_base * self.slope(u)

    def in_powers(self) -> Polynomial:
        """Return K(u), 0 <= u <= 1, as a polynomial."""
        base = self.base(Polynomial([0, 1]), Polynomial([1, -1])) if self.series is None else self.series
        return self.scale * base**self.power


def _square_to_edge(u: Any, v: Any) -> Any:
    return v * (1 + u)


def _cosine_series() -> Polynomial:
    """Return cos(pi u/2) in powers of u."""
    terms = np.cumprod([1, *(-((np.pi / 2) ** 2) / ((2 * k - 1) * 2 * k) for k in range(1, 16))])
    return Polynomial(np.ravel(np.column_stack([terms, np.zeros_like(terms)])))


PROFILES = {
    "boxcar": Profile(1 / 2, 1, lambda u, v: 1 + 0 * u, np.zeros_like),
    "triangular": Profile(1, 1, lambda u, v: v, lambda u: -np.ones_like(u)),
    "epanechnikov": Profile(3 / 4, 1, _square_to_edge, lambda u: -2 * u),
    "biweight": Profile(15 / 16, 2, _square_to_edge, lambda u: -2 * u),
    "triweight": Profile(35 / 32, 3, _square_to_edge, lambda u: -2 * u),
    "tricube": Profile(70 / 81, 3, lambda u, v: v * (1 + u + u * u), lambda u: -3 * u * u),
    "cosine": Profile(
        np.pi / 4,
        1,
        lambda u, v: np.sin(np.pi / 2 * v),
        lambda u: -np.pi / 2 * np.sin(np.pi / 2 * u),
        _cosine_series(),
    ),
}
check_entries("PROFILES in reference/families.py", PROFILES, COMPACT)


def log_quotient(a: Floats, b: Floats) -> Floats:
    """Return log(a/b) for b > 0, also where a/b is no float."""
    (fraction_a, exponent_a), (fraction_b, exponent_b) = np.frexp(a), np.frexp(b)
    quotient: Floats = np.log(fraction_a / fraction_b) + (exponent_a - exponent_b) * np.log(2)
    return quotient


def half_difference_of_squares(gap: Floats, total: Floats, h: Floats) -> Floats:
    """Return (a^2 - b^2) / 2h^2 from gap = a - b and total = a + b."""
    return np.where(gap == 0, 0, (gap / h) * (total / h) / 2)


def in_bandwidths(a: Floats, h: Floats) -> Floats:
    """Return u = a/h; where the quotient is beyond any float, only the sign of what it gives matters."""
    return np.minimum(a / h, np.finfo(np.float64).max)


def gaussian(h: Floats) -> Kernel:
    def slopes(a: Floats) -> tuple[Floats, Floats]:
        u, wide = in_bandwidths(a, h), np.maximum(h, 1)
        return -u / wide, u * (u / wide) - 1 / wide

    return Kernel(
        lambda a: -((a / h) ** 2) / 2 - np.log(2 * np.pi) / 2 - np.log(h),
        lambda a, b, gap: (-half_difference_of_squares(gap, a + b, h),),
        slopes,
        np.minimum(h, 1),
    )


def laplace(h: Floats) -> Kernel:
    def slopes(a: Floats) -> tuple[Floats, Floats]:
        u, wide = in_bandwidths(a, h), np.maximum(h, 1)
        return -np.sign(a) / wide, (u - 1) / wide

    unit = np.minimum(h, 1)
    return Kernel(lambda a: -a / h - np.log(2) - np.log(h), lambda a, b, gap: (-gap / h,), slopes, unit)


def logistic(h: Floats) -> Kernel:
    def below(a: Floats) -> Floats:
        return 2 * np.log1p(np.exp(-a / h))

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        u, wide = in_bandwidths(a, h), np.maximum(h, 1)
        score = -np.tanh(u / 2)
        return score / wide, -(1 + u * score) / wide

    return Kernel(
        lambda a: -a / h - below(a) - np.log(h),
        lambda a, b, gap: (-gap / h, below(b) - below(a)),
        slopes,
        np.minimum(h, 1),
    )


class Tail(NamedTuple):
    """What the circle needs of a kernel that has no closed form there."""

    # w: the Fourier transform of K, which must be rounding from w = 18 on, and its derivative.
    transform: Callable[[Floats], tuple[Floats, Floats]]
    images: Callable[[float], float]  # h/P: up to which image they are more than rounding of the nearest


_NEGLIGIBLE = 39  # exp(-39) is below the rounding of 1


# The k-th image is at least (|k| - 1/2) P away, the nearest at most P/2.
def images_of_squares(ratio: float) -> float:
    images: float = 1 / 2 + np.sqrt(1 / 4 + 2 * _NEGLIGIBLE * ratio**2)
    return images


def images_of_distances(ratio: float) -> float:
    return 1 + _NEGLIGIBLE * ratio


def gaussian_transform(w: Floats) -> tuple[Floats, Floats]:
    value = np.exp(-w * w / 2)
    return value, -w * value


def logistic_transform(w: Floats) -> tuple[Floats, Floats]:
    # Past y = 700 the transform is below 1e-300 and sinh about to overflow.
    y = np.minimum(np.pi * w, 700)
    value = y / np.sinh(y)
    return value, value * (1 / y - 1 / np.tanh(y)) * np.pi


TAILS = {
    "gaussian": Tail(gaussian_transform, images_of_squares),
    "logistic": Tail(logistic_transform, images_of_distances),
}


def cauchy(h: Floats) -> Kernel:
    def slopes(a: Floats) -> tuple[Floats, Floats]:
        far = np.hypot(h, a)
        return -2 * (a / far) / far, ((a / far) ** 2 - (h / far) ** 2) / h

    return Kernel(
        lambda a: log_cauchy_ratio(a, 0, h) - np.log(np.pi) - np.log(h),
        lambda a, b, gap: (log_cauchy_ratio(a, b, h),),
        slopes,
        np.ones_like(h),
    )


def log_cauchy_ratio(a: Floats, b: Floats | float, h: Floats) -> Floats:
    """Return log of (h^2 + b^2) / (h^2 + a^2), which varies so slowly that no gap is needed."""
    return 2 * log_quotient(np.hypot(h, b), np.hypot(h, a))


def compact(profile: Profile, h: Floats, shifts: Floats) -> Kernel:
    """Return the sum over images a + k P and k P - a, given the shifts k P >= 0 (only 0 on the line)."""

    def images(a: Floats) -> list[tuple[int, NDArray[np.bool_], Floats, Floats]]:
        """Return for each image which way it moves with a, whether it is in reach, u and 1 - u."""
        found = []
        for shift in shifts:
            for way in (1, -1) if shift > 0 else (1,):
                edge = (h - shift) - way * a
                inside = edge >= 0
                u, v = (inside * distance / h for distance in (shift + way * a, edge))
                found.append((way, inside, u, v))
        return found

    def density(a: Floats) -> Floats:
        terms = (inside * profile.value(u, v) for _, inside, u, v in images(a))
        return sum(terms, start=np.zeros_like(a))

    def log_ratio(a: Floats, b: Floats, gap: Floats) -> Parts:
        below = density(b)
        return (np.log(density(a) / np.where(below > 0, below, 1)),)

    def slopes(a: Floats) -> tuple[Floats, Floats]:
        total, by_a, moment = density(a), np.zeros_like(a), np.zeros_like(a)
        for way, inside, u, v in images(a):
            slope = inside * profile.derivative(u, v)
            by_a += way * slope
            moment += u * slope
        total, wide = np.where(total > 0, total, 1), np.maximum(h, 1)
        return by_a / total / wide, -(1 + moment / total) / wide

    return Kernel(lambda a: np.log(density(a)) - np.log(h), log_ratio, slopes, np.minimum(h, 1))


LINE: dict[str, Callable[[Floats], Kernel]] = {
    "gaussian": gaussian,
    "laplace": laplace,
    "logistic": logistic,
    "cauchy": cauchy,
    **{name: partial(compact, profile, shifts=np.zeros(1)) for name, profile in PROFILES.items()},
}
check_entries("LINE in reference/families.py", LINE, {*KERNELS} - CIRCLE_ONLY)
