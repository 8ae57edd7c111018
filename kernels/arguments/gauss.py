"""Gauss-Legendre nodes and weights of any number.

NumPy's are eigenvalues of a dense matrix, whose time and memory a few thousand nodes use up. Large numbers of
nodes come from Legendre's equation instead: sqrt(sin t) P_n(cos t) is, to an error of O(n^-6), a Bessel
function sqrt(s) J_0(s(t)) / sqrt(s') of a slightly bent angle

    s(t) = v t + g(t)/v + h(t)/v^3,  v = n + 1/2,
    g = (1/t - cot t)/8,  h = cot t/128 + cot^3 t/384 + cot t/(16 sin^2 t) + cot t/(64 t^2) - 31/(384 t^3),

so that the k-th node from the end is at s(t_k) = j_k, the k-th zero of J_0, and its weight is
2 sin(t_k) / (s'(t_k) j_k J_1(j_k)^2). Both take O(n) time.
"""

import numpy as np
from numpy.polynomial.legendre import leggauss

from .arrays import Floats

_MOST_DENSE = 1024
_AT_A_TIME = 2**16
_FIRST_ZEROS = 20
# McMahon's expansion of a zero j of J_0 in 1/(8 b), b = (k - 1/4) pi: terms of orders 1, 3, 5, ...
_MCMAHON = (1.0, -124 / 3, 120928 / 15, -401743168 / 105, 1071187749376 / 315)


def gauss_legendre(count: int) -> tuple[Floats, Floats]:
    """Return the nodes of a Gauss-Legendre rule in [0, 1], increasing, and their weights, of sum 1."""
    if count <= _MOST_DENSE:
        nodes, weights = leggauss(count)
        return (nodes + 1) / 2, weights / weights.sum()
    nodes, weights = np.empty(count), np.empty(count)
    half = -(-count // 2)  # the others mirror them
    for first in range(0, half, _AT_A_TIME):
        chunk = slice(first, min(first + _AT_A_TIME, half))
        angle, weights[chunk] = _from_the_end(
            1 + np.arange(chunk.start, chunk.stop, dtype=np.float64), count + 0.5
        )
        nodes[chunk] = np.sin(angle / 2) ** 2
    if count % 2:
        nodes[half - 1] = 0.5
    nodes[half:] = 1 - nodes[: count // 2][::-1]
    weights[half:] = weights[: count // 2][::-1]
    weights /= weights.sum()
    return nodes, weights


def _from_the_end(k: Floats, v: float) -> tuple[Floats, Floats]:
    """Return the angles t of nodes cos t, by their number k from the end, and their weights over pi."""
    zero, spacing = _bessel_zeros(k)
    t = zero / v
    for _ in range(3):  # each gains seven digits
        cot, _ = _cotangent(t)
        g = (1 / t - cot) / 8
        bend = cot * (1 + cot**2) / 16 + cot / 128 + cot**3 / 384 + cot / (64 * t**2) - 31 / (384 * t**3)
        t = (zero - g / v - bend / v**3) / v
    cot, csc2 = _cotangent(t)
    slope = (csc2 - 1 / t**2) / 8
    bend = -csc2 / 128 * (1 + cot**2) - csc2 * (csc2 + 2 * cot**2) / 16
    bend += 31 / (128 * t**4) - (csc2 / t**2 + 2 * cot / t**3) / 64
    return t, np.sin(t) * spacing / (v + slope / v + bend / v**3)


def _cotangent(t: Floats) -> tuple[Floats, Floats]:
    """Return cot t and 1/sin^2 t."""
    cot = np.cos(t) / np.sin(t)
    return cot, 1 + cot**2


def _bessel_zeros(k: Floats) -> tuple[Floats, Floats]:
    """Return the zeros j_k of J_0, and 2 / (pi j_k J_1(j_k)^2), which is dj/dk over pi."""
    b = (k - 0.25) * np.pi
    zero, spacing = b.copy(), np.ones_like(b)
    for order, coefficient in enumerate(_MCMAHON):
        power = 2 * order + 1
        term = coefficient / (8 * b) ** power
        zero += term
        spacing -= power * term / b
    first = k <= _FIRST_ZEROS
    if first.any():  # where the expansion is too short
        zero[first], spacing[first] = _first_zeros(zero[first])
    return zero, spacing


def _first_zeros(zero: Floats) -> tuple[Floats, Floats]:
    """Return zeros of J_0 from values near by, and 2 / (pi j J_1(j)^2).

    The functions are means over a circle, which the trapezoidal rule has to rounding.
    """
    sine = np.sin(2 * np.pi * np.arange(256) / 256)
    for _ in range(4):  # the last for j1
        angles = np.multiply.outer(zero, sine)
        j1 = (np.sin(angles) * sine).mean(axis=-1)
        zero = zero + np.cos(angles).mean(axis=-1) / j1  # J_0' = -J_1
    return zero, 2 / (np.pi * zero * j1**2)
