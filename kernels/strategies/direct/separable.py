"""laplace and logistic on equal bins without an exponential per pair.

exp((x - c)/h) is a product, of exp((x - c0)/h) for the point and exp((c0 - c)/h) for the bin, and both
kernels are simple in E = exp((x - c)/h) and 1/E: min(E, 1/E) and 1/(2 + E + 1/E). Bins share a c0 while they
are within _SPAN bandwidths of it, so that the products round like the exponentials that they replace.
On a circle laplace adds exp(-P/h) max(E, 1/E), the way round.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from ...families import INVERSE_BANDWIDTH, PERIOD
from ...numerics.arithmetic import LOG2_E, exp2
from ...numerics.chunks import CHUNK, load_chunk, middle_of, own_row, room, weigh
from ...runtime.jit import helper, lazily, loop
from .pairs import ShortLoops, adjoint_signature, forward_signature

Floats = NDArray[np.float64]

_SPAN = 32.0
# Points farther than this from c0, in bandwidths, count as this far: 1e-148 of the density at c0.
_CLAMP = 372.0
FLOOR = 1e-120
# Average bins that must share a c0 for its two exponentials a point to be worth it.
_SHARING = 4


@helper
def laplace(rise, fall, round_trip):
    return rise if rise < fall else fall


@helper
def laplace_circle(rise, fall, round_trip):
    return (rise if rise < fall else fall) + round_trip * (fall if rise < fall else rise)


@helper
def logistic(rise, fall, round_trip):
    return 1.0 / (2.0 + (rise + fall))


FORMULAS = {"laplace": laplace, "laplace_circle": laplace_circle, "logistic": logistic}


def applies(spacing: Floats, bandwidth: Floats, bins: int) -> NDArray[np.bool_]:
    """Return for which rows enough bins share a c0."""
    return (bins >= _SHARING) & (_SHARING * spacing <= _SPAN * bandwidth)


@helper
def _half_turn(xb, n, middle, period):
    """Move points, at most a period from the middle, to at most half a period from it."""
    for j in range(n):
        d = xb[j] - middle
        xb[j] -= np.copysign(period, d) if abs(d) > 0.5 * period else 0.0


@loop
def _exponentials(xb, origin, inverse_h, rise, fall, n):
    for j in range(n):
        v = (xb[j] - origin) * inverse_h
        rise[j] = exp2(min(max(v, -_CLAMP), _CLAMP) * LOG2_E)
    for j in range(n):
        v = (origin - xb[j]) * inverse_h
        fall[j] = exp2(min(max(v, -_CLAMP), _CLAMP) * LOG2_E)


def _make_forward(name: str) -> Callable:
    formula = FORMULAS[name]

    def forward(x, z, top, centers, params, density, mass):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j."""
        xb, wb, rise, fall = room(np.float64), room(np.float64), room(np.float64), room(np.float64)
        for r in range(density.shape[0]):
            cr, pr = own_row(centers, r), own_row(params, r)
            inverse_h, period, middle = (
                params[pr, INVERSE_BANDWIDTH],
                params[pr, PERIOD],
                middle_of(centers[cr]),
            )
            round_trip = exp2(-period * inverse_h * LOG2_E)
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                if period > 0.0:
                    _half_turn(xb, n, middle, period)
                mass[r] += weigh(wb, n)
                origin = np.inf
                for m in range(density.shape[1]):
                    c = centers[cr, m]
                    if not abs(c - origin) * inverse_h <= _SPAN:
                        origin = c
                        _exponentials(xb, origin, inverse_h, rise, fall, n)
                    back = exp2((origin - c) * inverse_h * LOG2_E)
                    forth = exp2((c - origin) * inverse_h * LOG2_E)
                    total = 0.0
                    for j in range(n):
                        total += wb[j] * formula(rise[j] * back, fall[j] * forth, round_trip)
                    density[r, m] += total

    return forward


def _make_adjoint(name: str) -> Callable:
    formula = FORMULAS[name]

    def adjoint(x, z, top, centers, params, weights, share, by_z):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        xb, wb, rise, fall = room(np.float64), room(np.float64), room(np.float64), room(np.float64)
        sums = room(np.float64)
        for r in range(by_z.shape[0]):
            cr, pr = own_row(centers, r), own_row(params, r)
            inverse_h, period, middle = (
                params[pr, INVERSE_BANDWIDTH],
                params[pr, PERIOD],
                middle_of(centers[cr]),
            )
            round_trip = exp2(-period * inverse_h * LOG2_E)
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                if period > 0.0:
                    _half_turn(xb, n, middle, period)
                weigh(wb, n)
                for j in range(n):
                    sums[j] = share[r]
                origin = np.inf
                for m in range(weights.shape[1]):
                    c, weight = centers[cr, m], weights[r, m]
                    if not abs(c - origin) * inverse_h <= _SPAN:
                        origin = c
                        _exponentials(xb, origin, inverse_h, rise, fall, n)
                    back = exp2((origin - c) * inverse_h * LOG2_E)
                    forth = exp2((c - origin) * inverse_h * LOG2_E)
                    for j in range(n):
                        sums[j] -= weight * formula(rise[j] * back, fall[j] * forth, round_trip)
                for j in range(min(CHUNK, x.shape[1] - start)):
                    by_z[r, start + j] = wb[j] * sums[j]

    return adjoint


@cache
def separable_loops(name: str) -> ShortLoops:
    """Return the loops for a formula, each compiled when it is first asked for."""
    return ShortLoops(
        lazily(lambda: _make_forward(name), forward_signature(), f"separable.forward.{name}"),
        lazily(lambda: _make_adjoint(name), adjoint_signature(), f"separable.adjoint.{name}"),
    )
