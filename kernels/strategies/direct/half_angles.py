"""von_mises, wrapped cauchy and Fourier series from half angles that are products.

With half angles alpha = pi c/P and beta = pi x/P, all three are functions of

    s = sin(alpha - beta) = sin(alpha) cos(beta) - cos(alpha) sin(beta),

which takes a sine and a cosine of each point and each bin, and two multiplications a pair. Angles are
counted from a c0, which bins share while they are within _SPAN bandwidths of it: rounding moves s by eps
times the larger angle, and a narrow kernel cares.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...families import INVERSE_BANDWIDTH, INVERSE_PERIOD, PERIOD
from ...numerics.arithmetic import exp2, sin_half_pi
from ...numerics.chunks import CHUNK, load_chunk, middle_of, own_row, room, weigh
from ...runtime.jit import helper, lazily, plain
from ..sums.images import parameters_of
from .pairs import ShortLoops, adjoint_signature, forward_signature

Floats = NDArray[np.float64]


@plain
def _square(v):
    """Return v^2, rounded alike wherever it is computed."""
    return v * v


@helper
def von_mises(s, p):
    return exp2(-_square(s * p[2]))


@helper
def cauchy_circle(s, p):
    return 1.0 / (1.0 + _square(s * p[2]))


@helper
def fourier(s, p):
    c = 1.0 - 2.0 * s * s
    f = p[10]
    f = f * c + p[9]
    f = f * c + p[8]
    f = f * c + p[7]
    f = f * c + p[6]
    f = f * c + p[5]
    f = f * c + p[4]
    f = f * c + p[3]
    return f * c + p[2]


FORMULAS = {"von_mises": von_mises, "cauchy_circle": cauchy_circle, "fourier": fourier}
# Densities are sums of positive numbers that underflow where those of the pair loops do.
FLOOR = 1e-200
_SPAN = 32.0
# Average bins that must share a c0 for its sine and cosine a point to be worth it.
_SHARING = 4
# Narrower bandwidths, as parts of the period, are nothing beside it even for a sine.
_NARROWEST = 1e-290


def applies(spacing: Floats, bandwidth: Floats, period: float) -> NDArray[np.bool_]:
    """Return for which rows enough bins, at most `spacing` apart, share a c0."""
    return (_SHARING * spacing <= _SPAN * bandwidth) & (bandwidth >= _NARROWEST * period)


@plain
def _sine_of_difference(sine_a, cosine_a, sine_b, cosine_b):
    """Return sin(a - b), rounded alike wherever it is computed: forward and adjoint have to agree."""
    return sine_a * cosine_b - cosine_a * sine_b


@helper
def _sine_and_cosine(angle, origin, period, inverse_period):
    """Return both for the half angle from the origin, the near way round."""
    d = angle - origin
    d -= period * math.floor(d * inverse_period + 0.5)
    turns = d * inverse_period
    return sin_half_pi(2.0 * turns), sin_half_pi(1.0 - 2.0 * abs(turns))


@helper
def _half_angles(xb, n, origin, period, inverse_period, sines, cosines):
    for j in range(n):
        sines[j], cosines[j] = _sine_and_cosine(xb[j], origin, period, inverse_period)


def _make_forward(name: str) -> Callable:
    formula = FORMULAS[name]

    def forward(x, z, top, centers, params, density, mass):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j."""
        xb, wb, sines, cosines = room(np.float64), room(np.float64), room(np.float64), room(np.float64)
        for r in range(density.shape[0]):
            cr, p = own_row(centers, r), parameters_of(params, own_row(params, r))
            middle = middle_of(centers[cr])
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, p[PERIOD], xb, wb)
                mass[r] += weigh(wb, n)
                origin = np.inf
                for m in range(density.shape[1]):
                    c = centers[cr, m]
                    if not abs(c - origin) * p[INVERSE_BANDWIDTH] <= _SPAN:
                        origin = c
                        _half_angles(xb, n, origin, p[PERIOD], p[INVERSE_PERIOD], sines, cosines)
                    sine, cosine = _sine_and_cosine(c, origin, p[PERIOD], p[INVERSE_PERIOD])
                    total = 0.0
                    for j in range(n):
                        total += wb[j] * formula(_sine_of_difference(sine, cosine, sines[j], cosines[j]), p)
                    density[r, m] += total

    return forward


def _make_adjoint(name: str) -> Callable:
    formula = FORMULAS[name]

    def adjoint(x, z, top, centers, params, weights, share, by_z):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        xb, wb, sines, cosines = room(np.float64), room(np.float64), room(np.float64), room(np.float64)
        sums = room(np.float64)
        for r in range(by_z.shape[0]):
            cr, p = own_row(centers, r), parameters_of(params, own_row(params, r))
            middle = middle_of(centers[cr])
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, p[PERIOD], xb, wb)
                weigh(wb, n)
                for j in range(n):
                    sums[j] = share[r]
                origin = np.inf
                for m in range(weights.shape[1]):
                    c, weight = centers[cr, m], weights[r, m]
                    if not abs(c - origin) * p[INVERSE_BANDWIDTH] <= _SPAN:
                        origin = c
                        _half_angles(xb, n, origin, p[PERIOD], p[INVERSE_PERIOD], sines, cosines)
                    sine, cosine = _sine_and_cosine(c, origin, p[PERIOD], p[INVERSE_PERIOD])
                    for j in range(n):
                        sums[j] -= weight * formula(
                            _sine_of_difference(sine, cosine, sines[j], cosines[j]), p
                        )
                for j in range(min(CHUNK, x.shape[1] - start)):
                    by_z[r, start + j] = wb[j] * sums[j]

    return adjoint


@cache
def half_angle_loops(name: str) -> ShortLoops:
    """Return the loops for a formula, each compiled when it is first asked for."""
    return ShortLoops(
        lazily(lambda: _make_forward(name), forward_signature(), f"half_angles.forward.{name}"),
        lazily(lambda: _make_adjoint(name), adjoint_signature(), f"half_angles.adjoint.{name}"),
    )
