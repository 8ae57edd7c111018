"""exp and sine in plain arithmetic, which vectorises where a call to the mathematics library does not.

exp(x) = 2^n exp(r) with n the nearest integer to x/log 2: adding 1.5 * 2^52 rounds x/log 2 to an
integer and leaves it in the low bits, log 2 is subtracted in two parts (Cody and Waite), and the
polynomials interpolate at Chebyshev nodes on |r| <= log(2)/2, relative error below 2e-17.
"""

import numpy as np

from .jit import helper

_LOG2_E = 1.4426950408889634
_LOG2_HIGH = 0.6931471803691238
_LOG2_LOW = 1.9082149292705877e-10
_SHIFT = 6755399441055744.0
SMALLEST_EXPONENT = -708.0  # exp of anything below is returned as 0


@helper
def exp(x):
    """Return exp(x) to about 1 ulp for x < 709, and 0 for x < -708."""
    shifted = x * _LOG2_E + _SHIFT
    n = shifted - _SHIFT
    r = (x - n * _LOG2_HIGH) - n * _LOG2_LOW
    p = 2.5100375832561234e-08
    p = p * r + 2.7620075879983367e-07
    p = p * r + 2.7557268480310024e-06
    p = p * r + 2.4801521322368692e-05
    p = p * r + 0.00019841269863040545
    p = p * r + 0.0013888888917196719
    p = p * r + 0.008333333333330065
    p = p * r + 0.041666666666624164
    p = p * r + 0.16666666666666669
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    exponent = np.float64(shifted).view(np.int64) << np.int64(52)
    scaled = np.int64(np.float64(p).view(np.int64) + exponent).view(np.float64)
    return scaled if x >= SMALLEST_EXPONENT else 0.0


@helper
def exp_to_float32(x):
    """Return exp(x) in float32, its argument reduced in float64, and 0 for x < -87."""
    shifted = x * _LOG2_E + _SHIFT
    n = shifted - _SHIFT
    r = np.float32((x - n * _LOG2_HIGH) - n * _LOG2_LOW)
    p = np.float32(0.001392617611993558)
    p = p * r + np.float32(0.008363173074513711)
    p = p * r + np.float32(0.041666554662050534)
    p = p * r + np.float32(0.1666657702559799)
    p = p * r + np.float32(0.5)
    p = p * r + np.float32(1.0)
    p = p * r + np.float32(1.0)
    exponent = np.int32(np.int64(n)) << np.int32(23)
    scaled = np.int32(np.float32(p).view(np.int32) + exponent).view(np.float32)
    return scaled if x >= -87.0 else np.float32(0.0)


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
