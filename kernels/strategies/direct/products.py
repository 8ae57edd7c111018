"""Kernels of products of a point's factor and a bin's: without an exponential per pair, or without a sine.

Logistic on the line is 1/(2 + E + 1/E), E = exp((x - c)/h) = exp((x - c0)/h) exp((c0 - c)/h).

With half angles alpha = pi c/P and beta = pi x/P, von_mises, the wrapped cauchy and Fourier series are
functions of sin(alpha - beta) = sin(alpha) cos(beta) - cos(alpha) sin(beta).

Bins share a c0, from which distances are counted, while they are within SPAN bandwidths of it: products then
round like what they replace.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...families import FORMULAS
from ...formula import INVERSE_BANDWIDTH, INVERSE_PERIOD, PERIOD, parameters_of
from ...numerics.arithmetic import LOG2_E, exp2, sin_half_pi
from ...numerics.chunks import (
    CHUNK,
    ROOM,
    all_of,
    chunk_in,
    chunk_of,
    load_chunk,
    multiply_into,
    own_row,
    row_and_middle,
    weigh,
    words_of,
)
from ...runtime.jit import Function, elementwise, helper, loop, plain
from ..sums.loops import compiled
from .pairs import WayLoops, adjoint_signature, both_signature, forward_signature, make_both

SPAN = 32.0
# Average bins that must share a c0 for what it costs a point to be worth it.
_SHARING = 4
# Points farther than this from c0, in bandwidths, count as this far: 1e-148 of the density at c0.
_CLAMP = 372.0
# Narrower bandwidths, as parts of the period, are nothing beside it even for a sine.
_NARROWEST = 1e-290
# Densities below these may have lost something: to the clamp, or to underflow as those of the pair loops.
FLOOR_OF_EXPONENTIALS, FLOOR_OF_SINES = 1e-120, 1e-200


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of loops is."""
    return words_of(*[ROOM] * 5)


@elementwise
def shares_exponentials(spacing: Floats, bandwidth: Floats, bins: int) -> NDArray[np.bool_]:
    """Return for which rows enough bins, at most `spacing` apart, share a c0."""
    return (bins >= _SHARING) & (_SHARING * spacing <= SPAN * bandwidth)


@elementwise
def shares_sines(spacing: Floats, bandwidth: Floats, period: float) -> NDArray[np.bool_]:
    """Return for which rows enough bins, at most `spacing` apart, share a c0."""
    return (_SHARING * spacing <= SPAN * bandwidth) & (bandwidth >= _NARROWEST * period)


class Factors(NamedTuple):
    """How a kernel is a product: by functions of a chunk's arrays (ROOM,), and of parameters, a tuple p."""

    of_points: Function  # xb, n, origin, p, one, other: write two factors of each point
    of_bin: Function  # c, origin, p: those of a bin
    value: Function  # one and other of a point, one and other of a bin, p: K


@loop
def _exponentials(xb, n, origin, p, rise, fall):
    """Write rise and fall (ROOM,), exp((x - origin)/h) and its inverse, of points xb (ROOM,)."""
    inverse_h = p[INVERSE_BANDWIDTH]
    for j in range(n):
        v = (xb[j] - origin) * inverse_h
        rise[j] = exp2(min(max(v, -_CLAMP), _CLAMP) * LOG2_E)
    for j in range(n):
        v = (origin - xb[j]) * inverse_h
        fall[j] = exp2(min(max(v, -_CLAMP), _CLAMP) * LOG2_E)


@helper
def _back_and_forth(c, origin, p):
    inverse_h = p[INVERSE_BANDWIDTH]
    return exp2((origin - c) * inverse_h * LOG2_E), exp2((c - origin) * inverse_h * LOG2_E)


@helper
def _sine_and_cosine(angle, origin, p):
    """Return both for the half angle from the origin, the near way round."""
    d = angle - origin
    d -= p[PERIOD] * math.floor(d * p[INVERSE_PERIOD] + 0.5)
    turns = d * p[INVERSE_PERIOD]
    return sin_half_pi(2.0 * turns), sin_half_pi(1.0 - 2.0 * abs(turns))


@helper
def half_angles(xb, n, origin, p, sines, cosines):
    """Write sines and cosines (ROOM,) of half the angles xb (ROOM,) from the origin."""
    for j in range(n):
        sines[j], cosines[j] = _sine_and_cosine(xb[j], origin, p)


@plain
def sine_of_difference(sine_a, cosine_a, sine_b, cosine_b):
    """Return sin(a - b), rounded alike wherever it is computed: forward and adjoint have to agree."""
    return sine_a * cosine_b - cosine_a * sine_b


def _factors_of(name: str) -> Factors:
    of_exponentials, of_half_sine = FORMULAS[name].of_exponentials, FORMULAS[name].of_half_sine
    if of_exponentials is not None:

        @helper
        def value(rise, fall, back, forth, p):
            return of_exponentials(rise * back, fall * forth)

        return Factors(_exponentials, _back_and_forth, value)

    assert of_half_sine is not None

    @helper
    def of_sines(sine, cosine, sine_of_bin, cosine_of_bin, p):
        e, f = of_half_sine(sine_of_difference(sine_of_bin, cosine_of_bin, sine, cosine), p)
        return exp2(e) * f

    return Factors(half_angles, _sine_and_cosine, of_sines)


def _make_forward(name: str) -> Function:
    of_points, of_bin, value = _factors_of(name)

    def forward(x, z, top, centers, params, density, mass, memory):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j; the others as in `pairs`."""
        memory = all_of(memory)
        xb, wb, one, other = chunk_of(memory), chunk_of(memory), chunk_of(memory), chunk_of(memory)
        for r in range(density.shape[0]):
            p = parameters_of(params, own_row(params, r))
            bins, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, p[PERIOD], xb, wb)
                mass[r] += weigh(wb, n)
                origin = np.inf
                for m in range(density.shape[1]):
                    c = bins[m]
                    if not abs(c - origin) * p[INVERSE_BANDWIDTH] <= SPAN:
                        origin = c
                        of_points(xb, n, origin, p, one, other)
                    here, there = of_bin(c, origin, p)
                    total = 0.0
                    for j in range(n):
                        total += wb[j] * value(one[j], other[j], here, there, p)
                    density[r, m] += total

    return forward


def _make_adjoint(name: str) -> Function:
    of_points, of_bin, value = _factors_of(name)

    def adjoint(x, z, top, centers, params, weights, share, by_z, memory):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        memory = all_of(memory)
        xb, wb, one, other = chunk_of(memory), chunk_of(memory), chunk_of(memory), chunk_of(memory)
        sums = chunk_of(memory)
        for r in range(by_z.shape[0]):
            p = parameters_of(params, own_row(params, r))
            bins, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, p[PERIOD], xb, wb)
                weigh(wb, n)
                for j in range(n):
                    sums[j] = share[r]
                origin = np.inf
                for m in range(weights.shape[1]):
                    c, weight = bins[m], weights[r, m]
                    if not abs(c - origin) * p[INVERSE_BANDWIDTH] <= SPAN:
                        origin = c
                        of_points(xb, n, origin, p, one, other)
                    here, there = of_bin(c, origin, p)
                    for j in range(n):
                        sums[j] -= weight * value(one[j], other[j], here, there, p)
                multiply_into(wb, sums, chunk_in(by_z, r, start))

    return adjoint


@cache
def product_loops(name: str) -> WayLoops:
    """Return the loops for a formula, each compiled when it is first asked for."""
    both = make_both(_make_forward, _make_adjoint), both_signature()
    made = (_make_forward, forward_signature()), (_make_adjoint, adjoint_signature()), both
    return compiled(WayLoops, "products", name, (name,), *made)
