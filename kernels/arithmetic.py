"""Powers of two and a sine in plain arithmetic, which vectorises where a call to a library does not.

2^x = 2^n 2^r with n the nearest integer to x: adding 1.5 * 2^52 rounds x to an integer and leaves it
in the low bits, from where it is shifted into the exponent of the polynomial in r. Polynomials
interpolate at Chebyshev nodes, on |r| <= 1/2 with relative error 2e-17 (5e-9 in float32); even and
odd powers are summed apart, which halves the chain of dependent operations.
"""

import numpy as np

from .jit import helper, plain

LOG2_E = 1.4426950408889634
LN_2 = 0.6931471805599453
SHIFT = 6755399441055744.0  # 1.5 * 2^52
_SHIFT_SINGLE = np.float32(12582912.0)  # 1.5 * 2^23
# Powers that would be subnormal are 0: arithmetic on subnormal numbers is several times slower.
SMALLEST = -1022.0
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


@helper
def exp2(x):
    """Return 2^x to about 1 ulp for x < 1024, and 0 for x <= -1022."""
    shifted = x + SHIFT
    r = x - (shifted - SHIFT)
    q = r * r
    odd, even = ODD[0], EVEN[0]
    odd, even = odd * q + ODD[1], even * q + EVEN[1]
    odd, even = odd * q + ODD[2], even * q + EVEN[2]
    odd, even = odd * q + ODD[3], even * q + EVEN[3]
    odd, even = odd * q + ODD[4], even * q + EVEN[4]
    odd, even = odd * q + ODD[5], even * q + EVEN[5]
    p = odd * r + even
    exponent = np.float64(shifted).view(np.int64) << np.int64(52)
    power = np.int64(np.float64(p).view(np.int64) + exponent).view(np.float64)
    return power if x > SMALLEST else 0.0


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


@helper
def sin_half_pi(v):
    """Return sin(pi v/2) for |v| <= 1, to about 1 ulp of the result."""
    s = v * v
    p = -4.2502807923692647e-14
    p = p * s + 6.064254026315552e-12
    p = p * s + -6.688003632156792e-10
    p = p * s + 5.692172698478116e-08
    p = p * s + -3.5988432342295587e-06
    p = p * s + 0.0001604411847870968
    p = p * s + -0.0046817541353186476
    p = p * s + 0.07969262624616705
    p = p * s + -0.6459640975062463
    p = p * s + 1.5707963267948966
    return p * v


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


@plain
def rounded_sum(x, y):
    """Return x + y, not fused with a product that x or y is.

    Where a large exponent is computed twice and the two must cancel, both have to round alike.
    """
    return x + y
