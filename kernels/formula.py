"""What a formula of a kernel is, and what it is told of a row.

A formula takes a distance d and a row's parameters p, and returns (e, f, f_d, f_h) with

    K_h(d) = C 2^e f,   h dK_h/dd = C 2^e f_d,   h dK_h/dh = C 2^e f_h

where log C is the row's `log_scale`. Derivatives are by d and h in bandwidths, for sums of them to stay in
range; who sums them divides by h. Keeping the exponent e apart lets the same formula serve sums
of densities and sums of logarithms: 2^e may underflow, e does not, and f stays near 1 except at the
edge of a compact kernel. What takes a `p` here, in `families` or in `wrapped` gets the tuple that
`parameters_of` returns.
"""

from typing import NamedTuple

from .arguments.arrays import Floats
from .runtime.jit import Function, helper

# Where each row parameter stands.
INVERSE_BANDWIDTH = 0
INVERSE_PERIOD = 1
BANDWIDTH = 2  # on the line
RATE_OF_SINE = 2  # on the circle: that of d, for the sine of the half angle in its place
RATE = 3  # v^2 or |v| is the exponent in powers of two, v = rate d
FIRST, SECOND, THIRD = 4, 5, 6  # on the circle, a formula's own
POWER, FACTOR = 7, 8  # rate = 2^power factor, for cauchy
SERIES = 2  # Fourier: coefficients of K, then of dK/dh
TERMS = 8  # of the Fourier series
PERIOD = 20
IMAGES = 21
PARAMETERS = 22

assert PARAMETERS == 22  # `parameters_of` writes them out


@helper
def parameters_of(p, r):
    """Return row r of the parameters (R, PARAMETERS) as a tuple, which the compiler keeps in registers."""
    first = p[r, 0], p[r, 1], p[r, 2], p[r, 3], p[r, 4], p[r, 5], p[r, 6], p[r, 7]
    second = p[r, 8], p[r, 9], p[r, 10], p[r, 11], p[r, 12], p[r, 13], p[r, 14], p[r, 15]
    return first + second + (p[r, 16], p[r, 17], p[r, 18], p[r, 19], p[r, 20], p[r, 21])


FARTHEST = 4.0  # bandwidths of a point from the middle of its bins, of more than what is read


class Spans(NamedTuple):
    """A kernel that is a sum of products where bins are in reach, as compiled functions; 2^e is 1.

    K at c - x is the sum of f_k(c/h) g_k(x/h), k < 3, for c at most h from 0 and x at most FARTHEST h.
    """

    factors: Function  # c/h: f_k, or that of the only term
    # x/h and a side: g_1 and g_2, g_0 being 1; None where there is but one term, which is 1.
    terms: Function | None = None
    # Bins on both sides of the point at once, or those below it, -1, apart from those above it, 1.
    sides: tuple[float, ...] = (0.0,)


class Formula(NamedTuple):
    """A kernel in one domain, as compiled functions of a distance and a row's parameters."""

    value: Function  # d, p: e, f, f_d, f_h
    # The same for sums of logarithms, in which f must not under- or overflow, if that of `value` may.
    # Its slopes are dK/dd, not h dK/dd: 1/d is a float where h/d is none.
    far: Function | None = None
    # near, far, far - near, p: log 2^e at the distance `far` less that at `near`, to some ulp of itself and
    # without a factor that rounds, as logits may cancel it. At most 0. By `value` or `far` if not given.
    rise: Function | None = None
    power: bool = False  # a gaussian, of the distance or of the chord: f is 1 everywhere
    # Cheaper ways to sum K than by `value` for every pair, where there are any.
    runs: bool = False  # a gaussian
    scans: bool = False  # laplace
    spans: Spans | None = None
    of_exponentials: Function | None = None  # exp(d/h), exp(-d/h): K, on the line
    of_half_sine: Function | None = None  # sin(pi d/P), p: e, f


class Variant(NamedTuple):
    """A formula and the domain it is compiled for."""

    formula: str
    circle: bool = False  # distances are taken the near way round
    images: bool = False  # and the formula is summed over a row's images

    @property
    def key(self) -> str:
        return self.formula + (".images" if self.images else ".circle" if self.circle else "")


class RowParameters(NamedTuple):
    """A formula, and what it needs to know of each row."""

    variant: Variant
    parameters: Floats  # (rows, PARAMETERS)
    log_scale: Floats  # (rows,)
