"""Laplace on equal bins: two exponentials a point, and a scan over the bins each way.

exp(-|c - x|/h) is a product of steps, from a point to the next bin on its way and on from bin to bin. So
a point adds to the two bins beside it alone, and the sums that go up through the bins (others go down) are

    S_m = S_{m-1} exp(-(c_m - c_{m-1})/h) + what the points between these two bins add to the upper one,

all of whose terms are positive. The adjoint takes the same ways back: scans of the weights, and of them two
products a point. On a circle, a sum that leaves the last bin comes round to the first one.
"""

import math
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats
from ...formula import INVERSE_BANDWIDTH, PERIOD, RATE
from ...numerics.arithmetic import LARGEST, SHIFT, exp2
from ...numerics.chunks import ROOM, chunk_of, near_half, numbers_of, places_of, unsigned, words_of
from ...runtime.jit import elementwise, helper, loop
from ...simd.exponentials import powers_of_e_in_place
from .chunk_loops import Meeting, chunk_loops, words_of_chunks
from .pairs import WayLoops

_LEAST_BINS = 4  # of fewer all pairs cost no more
# Of steps between 1/2 and 1. How far bins may be from equally spaced, in bandwidths, to count as nearly so.
_ULP, _NEARLY = 2.0**-53, 1e-8
# Of 1 - exp(-P/h), by which sums are divided before they are multiplied with it again.
_LEAST_LOSS = 1e-290


@elementwise
def applies(spacing: Floats, bins: int) -> NDArray[np.bool_]:
    """Return for which rows a scan over equal bins, `spacing` apart, is worth its exponentials."""
    return (bins >= _LEAST_BINS) & (spacing > 0)


@helper
def _nearest(x):
    """Return the integer next to x."""
    return (x + SHIFT) - SHIFT


@helper
def _step_and_rest(y):
    """Return exp(-y), and what its rounding took off it, to some ulp of 1 - exp(-y)."""
    lost = -math.expm1(-y)
    step = 1.0 - lost
    return step, (1.0 - step) - lost


@loop
def _write_steps(centers, p, steps):
    """Write steps[m] = exp(-(c_m - c_{m-1})/h), 0 < m < M, whose products stay what they should be.

    Steps of equal bins are rounded alike, and products of hundreds of them would be off by as many ulp. So
    some are an ulp larger than others: what the product of the first m should be over that of m rounded steps
    is rounded to a whole number of ulp.
    """
    bins, inverse_h = centers.shape[0], p[INVERSE_BANDWIDTH]
    spacing = (centers[bins - 1] - centers[0]) / (bins - 1)
    step, rest = _step_and_rest(spacing * inverse_h)
    off = 1e-15 * (abs(centers[0]) + abs(centers[bins - 1])) * inverse_h
    if step <= 0.5 or off > _NEARLY:
        for m in range(1, bins):
            steps[m] = exp2((centers[m - 1] - centers[m]) * p[RATE])
        return
    for m in range(bins):
        late = (centers[m] - centers[0]) - m * spacing
        steps[m] = _nearest((m * rest - step * (late * inverse_h)) / _ULP)
    for m in range(bins - 1, 0, -1):
        steps[m] = step + (steps[m] - steps[m - 1]) * _ULP


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of loops is."""
    return words_of(*[bins + 2] * 6, ROOM, ROOM, ROOM) + words_of_chunks(bins)


# Gap k of M + 1 lies between bins k - 1 and k: from edges[k] to edges[k + 1]. From there up[k] goes up
# through the bins, and down[k] down; steps[k] is what is left of a sum that crosses the gap.
def _meeting(circle: bool) -> Meeting:
    @helper
    def arrays(bins, memory):
        """Return edges (M + 2,), steps, and what goes up and down, of points and of weights (M + 1,).

        Of points (ROOM,) their gaps, and what is left of them at the bins above and below.
        """
        edges, steps = numbers_of(memory, bins + 2), numbers_of(memory, bins + 1)
        up, down = numbers_of(memory, bins + 1), numbers_of(memory, bins + 1)
        below, above = numbers_of(memory, bins + 1), numbers_of(memory, bins + 1)
        up[:], down[:] = 0.0, 0.0
        gap, rise, fall = places_of(memory, ROOM), chunk_of(memory), chunk_of(memory)
        return edges, steps, up, down, below, above, gap, rise, fall

    @loop
    def of_bins(arrays, centers, p):
        """Return what is left of a sum from the last bin round to the first, and what a whole round takes.

        The first over the second; 0 and 1 on the line.
        """
        edges, steps = arrays[0], arrays[1]
        bins, period = centers.shape[0], p[PERIOD]
        edges[0] = centers[bins - 1] - period if circle else -LARGEST
        edges[bins + 1] = centers[0] + period if circle else LARGEST
        for m in range(bins):
            edges[m + 1] = centers[m]
        _write_steps(centers, p, steps)
        steps[0], steps[bins] = 1.0, 1.0
        if not circle:
            return 0.0, 1.0
        lost = max(-math.expm1(-period * p[INVERSE_BANDWIDTH]), _LEAST_LOSS)
        return exp2((centers[bins - 1] - edges[bins + 1]) * p[RATE]) / lost, lost

    @loop
    def of_points(arrays, row, x, n, p):
        edges, _, _, _, _, _, gap, rise, fall = arrays
        if circle:
            near_half(x, n, 0.5 * (edges[1] + edges[edges.shape[0] - 2]), p[PERIOD])
        bins, one, inverse_h, missed = np.uint32(edges.shape[0] - 2), np.uint32(1), p[INVERSE_BANDWIDTH], 0
        per_spacing = (bins - 1.0) / (edges[bins] - edges[1])
        for j in range(n):
            place = min(max((x[j] - edges[1]) * per_spacing, -1.0), bins - 1.0)
            gap[j] = np.uint32(np.int32(place + 1.0))
        for j in range(n):
            k = gap[j]
            above, below = x[j] - edges[k + one], edges[k] - x[j]
            missed += (above > 0.0) | (below > 0.0)
            rise[j], fall[j] = above * inverse_h, below * inverse_h
        if missed > 0:  # a gap by one, by rounding; not past the ends, where bins span a whole period
            for j in range(n):
                k = gap[j]
                k = k + one if rise[j] > 0.0 and k < bins else k
                k = k - one if fall[j] > 0.0 and k > 0 else k
                gap[j] = k
                rise[j], fall[j] = (x[j] - edges[k + one]) * inverse_h, (edges[k] - x[j]) * inverse_h
        powers_of_e_in_place(rise, n)
        powers_of_e_in_place(fall, n)

    @loop
    def add(arrays, row, weights, n, p):
        _, _, up, down, _, _, gap, rise, fall = arrays
        for j in range(n):
            k = gap[j]
            up[k] += weights[j] * rise[j]
            down[k] += weights[j] * fall[j]

    @helper
    def come_round(steps, up, down, row):
        """Return what comes to the first and to the last bin from beyond the other end; up, down (M,)."""
        high, low, bins = 0.0, 0.0, up.shape[0]
        if circle:
            for m in range(bins):
                other = unsigned(bins - 1 - m)
                high = high * steps[m] + up[m]
                low = low * steps[unsigned(bins - m)] + down[other]
        return high * row[0], low * row[0]

    @loop
    def densities(arrays, row, density):
        _, steps, up, down, _, _, _, _, _ = arrays
        bins = density.shape[0]
        if circle:  # the first gap is the last one
            up[0] += up[bins]
            down[bins] += down[0]
        high, low = come_round(steps, up[:bins], down[1:], row)
        for m in range(bins):
            other = unsigned(bins - 1 - m)
            high = high * steps[m] + up[m]
            low = low * steps[unsigned(bins - m)] + down[unsigned(bins - m)]
            density[m] += row[1] * high
            density[other] += row[1] * low
        for k in range(bins + 1):
            up[k], down[k] = 0.0, 0.0

    @loop
    def give(arrays, row, weights):
        _, steps, _, _, below, above, _, _, _ = arrays
        bins = weights.shape[0]
        high, low = come_round(steps, weights, weights, row)
        below[0], above[bins] = 0.0, 0.0
        for m in range(bins):
            other = unsigned(bins - 1 - m)
            high = high * steps[m] + weights[m]
            low = low * steps[unsigned(bins - m)] + weights[other]
            below[m + 1], above[other] = row[1] * high, row[1] * low
        if circle:
            below[0], above[bins] = below[bins], above[0]

    @loop
    def take(arrays, row, n, p, share, values):
        _, _, _, _, below, above, gap, rise, fall = arrays
        for j in range(n):
            values[j] = above[gap[j]] * rise[j] + below[gap[j]] * fall[j]

    return Meeting(arrays, of_bins, of_points, add, densities, give, take)


@cache
def scan_loops(circle: bool) -> WayLoops:
    """Return the loops on the line or the circle, each compiled when it is first asked for."""
    return chunk_loops("scans", "circle" if circle else "line", partial(_meeting, circle))
