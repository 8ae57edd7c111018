"""Every kernel, an entry each: its formula, derivatives, scale, how it falls off, and what it is on a circle.

Where every point is far from a bin the ratios of their kernel values decide, and the exponent of a formula
loses digits that these need: rises of it, from one distance to another, are formulas of their own.

On a circle a formula is either that of the wrapped kernel itself, as `wrapped` has it, or the line's,
summed over the images near enough to matter.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .arguments import checks
from .arguments.arrays import Floats
from .formula import (
    BANDWIDTH,
    FACTOR,
    IMAGES,
    INVERSE_BANDWIDTH,
    INVERSE_PERIOD,
    PARAMETERS,
    PERIOD,
    POWER,
    RATE,
    Formula,
    RowParameters,
    Spans,
    Variant,
)
from .names import CIRCLE_ONLY, COMPACT, KERNELS, check_entries
from .numerics.arithmetic import LARGEST, LN_2, LOG2_E, exp2, factor_and_power, one_minus, sin_half_pi
from .runtime.jit import Function, elementwise, helper
from .wrapped import (
    CAUCHY,
    FOURIER,
    LAPLACE,
    VON_MISES,
    OnCircle,
    Transform,
    cauchy_ratio,
    fourier_parameters,
    is_wide,
    rise_of_distance,
)

_NEGLIGIBLE = 39.0  # exp(-39) is below the rounding of 1
MOST_IMAGES = 2.0**21


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
def logistic(d, p):
    u = abs(d) * p[0]
    e = -abs(d) * p[3]
    tail = exp2(e)
    f = 1.0 / ((1.0 + tail) * (1.0 + tail))
    slope = f * one_minus(tail, u) / (1.0 + tail)
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
def _one(c):
    return (1.0,)


@helper
def _line(c):
    return 0.0, 1.0, c


@helper
def _line_at(x, side):
    return 1.0 + side * x, -side


@helper
def _parabola(c):
    return 1.0 - c * c, 2.0 * c, -1.0


@helper
def _parabola_at(x, side):
    return x, x * x


@helper
def _arc(c):
    return (0.0, *_arc_at(c, 0.0))


@helper
def _arc_at(x, side):
    """Return cos and sin of pi x/2 for |x| <= FARTHEST."""
    quarter = 0.25 * x
    cosine, sine = sin_half_pi(1.0 - abs(quarter)), sin_half_pi(quarter)
    cosine, sine = 1.0 - 2.0 * sine * sine, 2.0 * sine * cosine
    return 1.0 - 2.0 * sine * sine, 2.0 * sine * cosine


@helper
def _cauchy_at_any_distance(d, p):
    e, f, slope, near = cauchy_ratio(d, p[0], p)
    return e, f, slope * f, (1.0 - 2.0 * near) * f


@helper
def _rise_of_square(near, far, more, p):
    # Past any float the sum counts as the largest one, for 0 times it to be 0.
    return -0.5 * (more * p[0]) * min((near + far) * p[0], LARGEST)


@helper
def _logistic_of_exponentials(rise, fall):
    return 1.0 / (2.0 + (rise + fall))


@elementwise
def _gaussian_transform(w: Floats) -> tuple[Floats, Floats]:
    value = np.exp(-w * w / 2)
    return value, -w * value


@elementwise
def _logistic_transform(w: Floats) -> tuple[Floats, Floats]:
    y = np.minimum(math.pi * w, 700.0)  # beyond, below 1e-300
    value = y / np.sinh(y)
    return value, value * (1 / y - 1 / np.tanh(y)) * math.pi


class Decay(NamedTuple):
    """How a kernel falls off."""

    # How many bandwidths away K is less than a small part of its peak.
    reach: Callable[[float], float]
    # Of h/P: from how many turns behind and ahead on images are negligible beside the nearest. Image -k is at
    # least k - 1/2 turns away, image k at least k.
    images: Callable[[Floats], tuple[Floats, Floats]]


@elementwise
def _images_of_gaussian(ratio: Floats) -> tuple[Floats, Floats]:
    return 0.5 + np.sqrt(0.25 + 2 * _NEGLIGIBLE * ratio**2), math.sqrt(2 * _NEGLIGIBLE) * ratio


@elementwise
def _images_of_exponential(ratio: Floats) -> tuple[Floats, Floats]:
    return 1 + _NEGLIGIBLE * ratio, _NEGLIGIBLE * ratio


@elementwise
def _images_of_compact(ratio: Floats) -> tuple[Floats, Floats]:
    return ratio + 0.5, ratio


@elementwise
def _all_images(ratio: Floats) -> tuple[Floats, Floats]:
    return ratio + math.inf, ratio + math.inf


_GAUSSIAN_TAIL = Decay(lambda small: math.sqrt(-2 * math.log(small)), _images_of_gaussian)
_EXPONENTIAL_TAIL = Decay(lambda small: 2 - math.log(small), _images_of_exponential)
_NO_TAIL = Decay(lambda small: 1.0, _images_of_compact)
_HEAVY_TAIL = Decay(lambda small: math.inf, _all_images)


class Family(NamedTuple):
    """A kernel."""

    formula: Formula  # on the line, or of a kernel that there is on the circle only
    norm: float  # C h on the line
    decay: Decay
    rate: float = LOG2_E  # v^2 or |v| is the exponent in powers of two, v = rate d/h
    circle: OnCircle | None = None  # a closed form
    # Where there is no closed form, for wide kernels on a circle. It must be rounding from w = 14 on.
    transform: Transform | None = None

    def without_images(self, period: float | None) -> Formula | None:
        """Return the formula on the line or, in closed form, on the circle; None where images are summed."""
        if period is None:
            return self.formula
        return None if self.circle is None else self.circle.formula


_OF_SQUARES = math.sqrt(LOG2_E / 2)
_GAUSSIAN_NORM = 1 / math.sqrt(2 * math.pi)

FAMILIES = {
    "gaussian": Family(
        Formula(gaussian, rise=_rise_of_square, power=True, runs=True),
        _GAUSSIAN_NORM,
        _GAUSSIAN_TAIL,
        _OF_SQUARES,
        transform=_gaussian_transform,
    ),
    "laplace": Family(
        Formula(laplace, rise=rise_of_distance, scans=True),
        1 / 2,
        _EXPONENTIAL_TAIL,
        circle=LAPLACE,
    ),
    "logistic": Family(
        Formula(logistic, rise=rise_of_distance, of_exponentials=_logistic_of_exponentials),
        1.0,
        _EXPONENTIAL_TAIL,
        transform=_logistic_transform,
    ),
    "cauchy": Family(Formula(cauchy, _cauchy_at_any_distance), 1 / math.pi, _HEAVY_TAIL, circle=CAUCHY),
    "boxcar": Family(Formula(boxcar, spans=Spans(_one)), 1 / 2, _NO_TAIL),
    "triangular": Family(Formula(triangular, spans=Spans(_line, _line_at, (-1.0, 1.0))), 1.0, _NO_TAIL),
    "epanechnikov": Family(Formula(epanechnikov, spans=Spans(_parabola, _parabola_at)), 3 / 4, _NO_TAIL),
    "biweight": Family(Formula(biweight), 15 / 16, _NO_TAIL),
    "triweight": Family(Formula(triweight), 35 / 32, _NO_TAIL),
    "tricube": Family(Formula(tricube), 70 / 81, _NO_TAIL),
    "cosine": Family(Formula(cosine, spans=Spans(_arc, _arc_at)), math.pi / 4, _NO_TAIL),
    "von_mises": Family(VON_MISES.formula, _GAUSSIAN_NORM, _GAUSSIAN_TAIL, _OF_SQUARES, circle=VON_MISES),
}
check_entries("FAMILIES in families.py", FAMILIES, KERNELS)

# Those that a variant names.
FORMULAS = {
    **{name: family.formula for name, family in FAMILIES.items()},
    **{family.circle.name: family.circle.formula for family in FAMILIES.values() if family.circle},
    "fourier": FOURIER,
}


def log_formula_of(name: str) -> Function:
    """Return the formula for sums in the logarithmic domain: 2^e f neither under- nor overflows."""
    formula = FORMULAS[name]
    return formula.far or formula.value


def has_whole_slopes(name: str) -> bool:
    """Return whether slopes of `log_formula_of` are dK/dd, not h dK/dd."""
    return FORMULAS[name].far is not None


@cache
def rise_of(name: str) -> Function:
    """Return the helper for the difference of log 2^e at two distances, to some ulp of itself.

    It takes both distances, at least 0 and finite, the second less the first, and the row's parameters.
    """
    given, formula = FORMULAS[name].rise, log_formula_of(name)
    if given is not None:
        return given

    @helper
    def rise(near, far, more, p):
        e, _, _, _ = formula(far, p)
        before, _, _, _ = formula(near, p)
        return (e - before) * LN_2

    return rise


@cache
def exponent_of(name: str) -> Function:
    """Return the helper for a point's logit and log 2^e over those of another, nearer or farther, point.

    It takes the logit and that of the other, and then what `rise_of` does. A helper, because where sums may
    be added up in any order the difference of two large logits would be taken apart.
    """
    rise = rise_of(name)

    @helper
    def exponent(z, other, near, far, more, p):
        return (z - other) + rise(near, far, more, p)

    return exponent


def takes_series(kernel: str, h: Floats, period: float | None) -> NDArray[np.bool_]:
    """Return which bandwidths (S,) are so wide that the kernel is evaluated by its Fourier series."""
    if period is None or FAMILIES[kernel].transform is None:
        return np.zeros(h.shape, bool)
    return is_wide(h, period)


def row_parameters(kernel: str, h: Floats, period: float | None) -> RowParameters:
    """Return the formula for rows with bandwidths (S,) which all take the series, or none of them."""
    family, p = FAMILIES[kernel], np.zeros((h.shape[0], PARAMETERS))
    log_scale = line_parameters(p.T, h, family.rate, family.norm)
    if period is None:
        return RowParameters(Variant(kernel), p, log_scale)
    p[:, INVERSE_PERIOD], p[:, PERIOD] = 1 / period, period
    if family.circle is not None:
        log_scale = family.circle.parameters(p.T, h, period)
        return RowParameters(Variant(family.circle.name, circle=True), p, log_scale)
    if family.transform is not None and takes_series(kernel, h, period).any():
        fourier_parameters(kernel, family.transform)()(p, np.ascontiguousarray(h), period)
        return RowParameters(Variant("fourier", circle=True), p, np.full(h.shape, -math.log(period)))
    p[:, IMAGES] = images = images_of(family.decay.images, h / period)
    rule = f"must be at most 2^20 periods for kernel {kernel!r}, whose images are summed"
    checks.require("bandwidth", h.max(initial=0.0), images.max(initial=0) <= MOST_IMAGES, rule)
    return RowParameters(Variant(kernel, circle=True, images=True), p, log_scale)


@elementwise
def line_parameters(p: Floats, h: Floats, rate: float, norm: float) -> Floats:
    """Write parameters (PARAMETERS, S) of bandwidths (S,) on the line, or one row's; return log C."""
    p[INVERSE_BANDWIDTH], p[BANDWIDTH] = 1 / h, h
    p[RATE] = rate / h
    p[FACTOR], p[POWER] = factor_and_power(1 / h)
    log_scale: Floats = np.log(norm) - np.log(h)
    return log_scale


@elementwise
def images_of(behind_and_ahead: Callable[[Floats], tuple[Floats, Floats]], ratio: Floats) -> Floats:
    """Return how many images matter, of what a `Decay` says and bandwidths over the period (S,), or one."""
    behind, ahead = behind_and_ahead(ratio)
    images: Floats = np.maximum(2 * np.floor(behind), 2 * np.floor(ahead) + 1)
    return images


def variants(kernel: str, domain: str) -> list[Variant]:
    """Return the formulas that calls with a kernel on the line or the circle may take."""
    if domain == "line":
        return [] if kernel in CIRCLE_ONLY else [Variant(kernel)]
    narrow, wide = (row_parameters(kernel, np.array([h]), 1.0).variant for h in (0.01, 1.0))
    return [narrow] if narrow == wide else [narrow, wide]


def summed_variants(kernel: str, domain: str) -> list[Variant]:
    """Return those of sums in cells and windows: of a compact kernel the line's, with copies of points."""
    return [Variant(kernel)] if kernel in COMPACT else variants(kernel, domain)
