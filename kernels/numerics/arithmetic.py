"""Powers of two, logarithms and a sine in plain arithmetic, which vectorises where a library does not.

2^x = 2^n 2^r with n the nearest integer to x: adding 1.5 * 2^52 rounds x to an integer and leaves it
in the low bits, from where it is shifted into the exponent of the polynomial in r. Polynomials
interpolate at Chebyshev nodes, on |r| <= 1/2 with relative error 2e-17 (5e-9 in float32); even and
odd powers are summed apart, which halves the chain of dependent operations.
"""

import math
from typing import Any

import numpy as np

from ..runtime.jit import compiled_as, helper

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453
TWO_OVER_PI = 0.6366197723675814
# ln 2 in two parts, of which the first has zeros enough at its end to be multiplied exactly.
LN_2_HIGH, LN_2_LOW = 0.6931471803691238, 1.9082149292705877e-10
SHIFT = 6755399441055744.0  # 1.5 * 2^52
_SHIFT_SINGLE = np.float32(12582912.0)  # 1.5 * 2^23
# Powers that would be subnormal are 0: arithmetic on subnormal numbers is several times slower.
SMALLEST = -1022.0
LARGEST = 1.7976931348623157e308
_SMALLEST_SINGLE = np.float32(-126.0)


# Powers of r, highest first: the even ones and the odd ones.
EVEN = (
    7.072585949269223e-09,
    1.321544258792169e-06,
    0.0001540353044173605,
    0.009618129107606888,
    0.24022650695910097,
    1.0,
)
ODD = (
    4.4549605981865186e-10,
    1.0178062445845774e-07,
    1.525273382983612e-05,
    0.0013333558146416936,
    0.0555041086648216,
    0.6931471805599453,
)

# Likewise 2^(j/8) 2^(r/8), where an instruction looks the first factor up: 2^(j/8), and the powers of r,
# highest first, in (2^(r/8) - 1) / r.
EIGHTHS = (
    1.0,
    1.0905077326652577,
    1.189207115002721,
    1.2968395546510096,
    1.4142135623730951,
    1.5422108254079407,
    1.681792830507429,
    1.8340080864093424,
)
OF_EIGHTHS = (
    7.273402016876655e-12,
    5.87632515691665e-10,
    4.069079020031389e-08,
    2.3481760473592045e-06,
    0.00010840646223598094,
    0.0037535391712360832,
    0.08664339756999316,
)


@helper
def _power(shifted, r):
    """Return 2^(k + r), k the integer in the low bits of a shifted number."""
    q = r * r
    odd, even = ODD[0], EVEN[0]
    odd, even = odd * q + ODD[1], even * q + EVEN[1]
    odd, even = odd * q + ODD[2], even * q + EVEN[2]
    odd, even = odd * q + ODD[3], even * q + EVEN[3]
    odd, even = odd * q + ODD[4], even * q + EVEN[4]
    odd, even = odd * q + ODD[5], even * q + EVEN[5]
    p = odd * r + even
    exponent = np.float64(shifted).view(np.int64) << np.int64(52)
    return np.int64(np.float64(p).view(np.int64) + exponent).view(np.float64)


@helper
def exp2(x):
    """Return 2^x to about 1 ulp for x < 1024, and 0 for x <= -1022."""
    shifted = x + SHIFT
    return _power(shifted, x - (shifted - SHIFT)) if x > SMALLEST else 0.0


@helper
def exact_exp(x):
    """Return e^x to about 1 ulp for x <= 0, where log2 e x would have to round, and 0 for x <= -708.4."""
    finite = x if x > SMALLEST else SMALLEST
    shifted = finite * LOG2_E + SHIFT
    k = shifted - SHIFT
    rest = (finite - k * LN_2_HIGH) - k * LN_2_LOW
    return _power(shifted, rest * LOG2_E) if x > SMALLEST / LOG2_E else 0.0


@helper
def exp2_single(x):
    """Return 2^x in float32 for x < 128 rounded to float32, and 0 for x <= -126."""
    x = np.float32(x)
    shifted = x + _SHIFT_SINGLE
    r = x - (shifted - _SHIFT_SINGLE)
    p = np.float32(0.0001545316294512069)
    p = p * r + np.float32(0.0013390863364671234)
    p = p * r + np.float32(0.009618082557277852)
    p = p * r + np.float32(0.05550357114219078)
    p = p * r + np.float32(0.24022650760568126)
    p = p * r + np.float32(0.6931471880262288)
    p = p * r + np.float32(1.0)
    exponent = np.float32(shifted).view(np.int32) << np.int32(23)
    power = np.int32(np.float32(p).view(np.int32) + exponent).view(np.float32)
    return power if x > _SMALLEST_SINGLE else np.float32(0.0)


# Powers of t^2, highest first, in log((1 + t) / (1 - t)) = 2 t (1 + t^2 (...)) for |t| <= 1/3.
ATANH = (
    0.07625878910443983,
    0.031610794951772735,
    0.04972513681538466,
    0.05239987066618142,
    0.05884017514307047,
    0.06666587429033687,
    0.07692310164441662,
    0.09090909042166134,
    0.11111111111676819,
    0.14285714285710902,
    0.20000000000000007,
    0.3333333333333333,
)
# The same for |t| <= (sqrt 2 - 1) / (sqrt 2 + 1).
ATANH_OF_ROOTS = (
    0.07308224843200398,
    0.07665860800223112,
    0.09091444562632513,
    0.11111105567397517,
    0.14285714312987743,
    0.19999999999949752,
    0.3333333333333335,
)
ROOT_HALF_BITS = np.int64(0x3FE6A09E667F3BCD)
SHIFT_BITS = np.int64(0x4338000000000000)
SMALLEST_NORMAL, _UP, _UP_BITS = 2.2250738585072014e-308, 18014398509481984.0, 54.0  # 2^54


@helper
def parts(x):
    """Return k and m in [sqrt 1/2, sqrt 2) with x = 2^k m, for positive finite x."""
    small = x < SMALLEST_NORMAL
    bits = np.float64(x * _UP if small else x).view(np.int64)
    exponent = (bits - ROOT_HALF_BITS) >> np.int64(52)
    m = np.int64(bits - (exponent << np.int64(52))).view(np.float64)
    k = np.int64(exponent + SHIFT_BITS).view(np.float64) - SHIFT
    return k - (_UP_BITS if small else 0.0), m


@helper
def _rest_of_log(t):
    """Return log((1 + t) / (1 - t)) - 2 t for |t| <= 1/3."""
    s = t * t
    p = ATANH[0]
    p = p * s + ATANH[1]
    p = p * s + ATANH[2]
    p = p * s + ATANH[3]
    p = p * s + ATANH[4]
    p = p * s + ATANH[5]
    p = p * s + ATANH[6]
    p = p * s + ATANH[7]
    p = p * s + ATANH[8]
    p = p * s + ATANH[9]
    p = p * s + ATANH[10]
    p = p * s + ATANH[11]
    return (t + t) * s * p


@helper
def log(x):
    """Return log x to about 2 ulp of it, or of 1/4 if less, for positive finite x."""
    k, m = parts(x)
    t = (m - 1.0) / (m + 1.0)
    s = t * t
    p = ATANH_OF_ROOTS[0]
    p = p * s + ATANH_OF_ROOTS[1]
    p = p * s + ATANH_OF_ROOTS[2]
    p = p * s + ATANH_OF_ROOTS[3]
    p = p * s + ATANH_OF_ROOTS[4]
    p = p * s + ATANH_OF_ROOTS[5]
    p = p * s + ATANH_OF_ROOTS[6]
    return k * LN_2_HIGH + (t + t + ((t + t) * s * p + k * LN_2_LOW))


@helper
def log_ratio(x, y):
    """Return log(x / y) to about 2 ulp of it, or of 1/4 if less, for positive finite x and y.

    Without the quotient, which may overflow; and where x and y are close their difference is exact.
    """
    kx, mx = parts(x)
    ky, my = parts(y)
    k = kx - ky
    t = (mx - my) / (mx + my)
    return k * LN_2_HIGH + (t + t + (_rest_of_log(t) + k * LN_2_LOW))


@helper
def log_of_1_and(x):
    """Return log(1 + x) to about 2 ulp, for 0 <= x <= 1."""
    t = x / (2.0 + x)
    return t + t + _rest_of_log(t)


@helper
def log_of_1_plus(x):
    """Return log(1 + x) to about 3 ulp, for x >= 0."""
    total = 1.0 + x
    return log(total) + (x - (total - 1.0)) / total


@helper
def _sine_over(s):
    """Return sin(pi v/2) / v for s = v^2 <= 1, to about 1 ulp."""
    p = -4.2502807923692647e-14
    p = p * s + 6.064254026315552e-12
    p = p * s + -6.688003632156792e-10
    p = p * s + 5.692172698478116e-08
    p = p * s + -3.5988432342295587e-06
    p = p * s + 0.0001604411847870968
    p = p * s + -0.0046817541353186476
    p = p * s + 0.07969262624616705
    p = p * s + -0.6459640975062463
    return p * s + 1.5707963267948966


@helper
def sin_half_pi(v):
    """Return sin(pi v/2) for |v| <= 1, to about 1 ulp of the result."""
    return _sine_over(v * v) * v


@helper
def chord(d, inverse_period):
    """Return (P/pi) sin(pi d/P) for |d| <= P/2, to some ulp: d itself where it is small beside P."""
    v = 2.0 * d * inverse_period
    return _sine_over(v * v) * d * TWO_OVER_PI


@helper
def order_key(x):
    """Return an integer in the order of floating-point numbers; a maximum of integers vectorises.

    One of floating-point numbers does not, unless NaN is assumed away.
    """
    bits = np.float64(x).view(np.int64)
    return bits ^ ((bits >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))


@helper
def from_order_key(key):
    """Return the number that `order_key` maps to `key`."""
    return np.int64(key ^ ((key >> np.int64(63)) & np.int64(0x7FFFFFFFFFFFFFFF))).view(np.float64)


@helper
def one_minus(power, y):
    """Return 1 - exp(-y), y >= 0, whose power is at hand, to 5e-14: digits are left where y is small."""
    s = 1.0 / 24.0 - y * (1.0 / 120.0)
    s = 1.0 / 6.0 - y * s
    s = 0.5 - y * s
    return y * (1.0 - y * s) if y < 0.004 else 1.0 - power


def _chosen(condition, x, y):
    return x if condition else y


@compiled_as(_chosen)
def either(condition: Any, x: Any, y: Any) -> Any:
    """Return x where a condition holds and y elsewhere, of arrays or, in compiled code, numbers."""
    return np.where(condition, x, y)


def _mantissa_and_exponent(x):
    mantissa, exponent = math.frexp(x)
    return mantissa, float(exponent)


@compiled_as(_mantissa_and_exponent)
def factor_and_power(x: Any) -> Any:
    """Return f and k, x = 2^k f and 1/2 <= f < 1, of an array or, in compiled code, a number."""
    return np.frexp(x)
