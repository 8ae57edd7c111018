"""All pairs of bins and points, exact: compiled loops for one formula.

Two ways through the same sums. The linear one adds densities, w_j 2^e f with w_j = exp(z_j - max z),
and is right for every bin whose sum exceeds LINEAR_FLOOR: what underflow loses is below 1e-220 of
the largest weight. Bins below it take the logarithmic way, relative to the point that adds most to each:
its exponent is far from all others' zero, and only what theirs are above or below it decides.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import FLOAT64
from ...families import FORMULAS, exponent_of, has_whole_slopes, log_formula_of
from ...formula import INVERSE_BANDWIDTH, Variant
from ...names import COMPACT
from ...numerics.arithmetic import LN_2, LOG2_E, SMALLEST, exp2, from_order_key, order_key
from ...numerics.chunks import (
    CHUNK,
    ROOM,
    all_of,
    chunk_in,
    chunk_of,
    load_chunk,
    load_points,
    multiply_into,
    numbers_of,
    rest_of,
    row_and_middle,
    rows_of,
    times_last,
    weigh,
    words_of,
)
from ...runtime.jit import Function, loop
from ...runtime.signatures import READ, READ1, READ_INTS, WRITE, WRITE1, read, record, written
from ..sums.images import distance_between, distance_of, reader_of, shift_of
from ..sums.loops import Compiled, compiled
from ..tails.certificate import make_finish, words_of_finish

LINEAR_FLOOR = 1e-200
_PAIRS_PER_BLOCK, _PLAIN_PAIRS_PER_BLOCK = 2**18, 2**19  # with an exponential or not


class Results(NamedTuple):
    """What a loop that does both writes beside the gradient."""

    mass: Any  # (R,): sum_j w_j
    weights: Any  # (R, M): p/q, 0 of weak bins
    losses: Any  # (R,)


class Peaks(NamedTuple):
    """The points that add most to bins, and the bins' p/total; all are (bins,)."""

    at: Any
    logit: Any
    weights: Any


class WayLoops(NamedTuple):
    """The two halves of a way through the sums, and what does both with `finish` between them."""

    forward: Compiled
    adjoint: Compiled
    both: Compiled


class PairLoops(NamedTuple):
    """The compiled loops of one variant; `adjoint` is the z-gradient alone, `full_adjoint` all three."""

    forward: Compiled
    adjoint: Compiled
    both: Compiled
    full_adjoint: Compiled
    nearest: Compiled
    highest: Compiled
    log_forward: Compiled
    log_adjoint: Compiled


class Way(NamedTuple):
    """A way through the sums, and from which density on it is right."""

    loops: WayLoops | PairLoops
    floor: float
    dtype: np.dtype  # of the data that the loops read and the gradient that they write
    pairs_per_block: int  # 0 where a point costs the same with any number of bins
    words: Callable[[int, int], int]  # rows, bins: of how many numbers the memory of loops is


WORDS = words_of(*[ROOM] * 4)  # of the memory of loops


def words(rows: int, bins: int) -> int:
    """Return of how many numbers the memory of a half is."""
    return WORDS


@cache
def words_of_both(halves: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """Return the same for loops that do both, and their halves, of what it is for these."""
    return lambda rows, bins: words_of(rows * bins, rows) + words_of_finish(bins) + halves(rows, bins)


def all_pairs(variant: Variant) -> Way:
    """Return the way over all pairs, which is there for any variant."""
    pairs = _PLAIN_PAIRS_PER_BLOCK if variant.formula in COMPACT else _PAIRS_PER_BLOCK
    return Way(pair_loops(variant), LINEAR_FLOOR, FLOAT64, pairs, words_of_both(words))


def _block(dtype: np.dtype = FLOAT64) -> tuple[Any, ...]:
    return read(dtype), read(dtype), READ1, READ, READ


def forward_signature(dtype: np.dtype = FLOAT64) -> Any:
    """Return the types of a forward loop over data of a dtype."""
    return types.void(*_block(dtype), WRITE, WRITE1, WRITE1)


def adjoint_signature(dtype: np.dtype = FLOAT64) -> Any:
    """Return the types of an adjoint loop over data of a dtype."""
    return types.void(*_block(dtype), READ, READ1, written(dtype), WRITE1)


def both_signature(dtype: np.dtype = FLOAT64) -> Any:
    """Return the types of a loop that does both over data of a dtype."""
    fixed, results = (READ1, READ, types.float64), record(Results, WRITE1, WRITE, WRITE1)
    return types.int64(*_block(dtype), *fixed, results, written(dtype), WRITE1)


def make_both(make_forward: Callable[..., Function], make_adjoint: Callable[..., Function]) -> Function:
    """Return what makes, of the same arguments, the loop that does both."""

    def make(*arguments: Any) -> Function:
        forward, adjoint = loop(make_forward(*arguments)), loop(make_adjoint(*arguments))
        finish = loop(make_finish())

        def both(x, z, top, centers, params, log_scale, masses, floor, results, by_z, memory):
            """What forward, `finish` and adjoint do, but for by_z (R, n) of rows with weak bins.

            Return how many bins are weak.
            """
            mass, weights, losses = results
            memory = all_of(memory)
            density, share = rows_of(memory, *weights.shape), numbers_of(memory, mass.shape[0])
            rest = rest_of(memory)
            density[:], mass[:] = 0.0, 0.0
            forward(x, z, top, centers, params, density, mass, rest)
            weak = finish(density, mass, log_scale, masses, floor, weights, losses, rest)
            if weak == 0 or mass.shape[0] > 1:
                for r in range(mass.shape[0]):  # an array expression takes longer to compile
                    share[r] = 1.0 / mass[r]
                adjoint(x, z, top, centers, params, weights, share, by_z, rest)
            return weak

        return both

    return make


@cache
def pair_loops(variant: Variant) -> PairLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    bins, peaks = (READ, READ, READ_INTS, READ_INTS), record(Peaks, WRITE1, WRITE1, WRITE1)
    made = (
        (_make_forward, forward_signature()),
        (_make_adjoint, adjoint_signature()),
        (make_both(_make_forward, _make_adjoint), both_signature()),
        (_make_full_adjoint, types.void(*_block(), READ, READ1, WRITE, WRITE, WRITE1, WRITE1)),
        (_make_nearest, types.void(READ, READ, *bins, WRITE1, WRITE1)),
        (_make_highest, types.void(READ, READ, READ1, *bins, READ1, WRITE1, WRITE1, WRITE1, WRITE1)),
        (_make_log_forward, types.void(READ, READ, *bins, READ1, READ1, WRITE1, WRITE1, WRITE1)),
        (_make_log_adjoint, types.void(READ, READ, *bins, peaks, WRITE, WRITE, WRITE1, WRITE1)),
    )
    return compiled(PairLoops, "pair_loops", variant.key, (variant,), *made)


# Every maker returns a loop over the rows of one block of points: x, z (R or 1, n), centers
# (R or 1, M), params (R or 1, PARAMETERS), and for most top (R,), the largest logit of each row. Sums add to
# their outputs.


def _make_forward(variant: Variant) -> Function:
    formula, distance, row_of = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)

    def forward(x, z, top, centers, params, density, mass, memory):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j."""
        memory = all_of(memory)
        xb, wb = chunk_of(memory), chunk_of(memory)
        for r in range(density.shape[0]):
            p, period, images = row_of(params, r)
            bins, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                mass[r] += weigh(wb, n)
                for m in range(density.shape[1]):
                    total = 0.0
                    for image in range(images):
                        shift = shift_of(image, period)
                        for j in range(n):
                            e, f, _, _ = formula(distance(bins[m], xb[j], period, shift), p)
                            total += wb[j] * exp2(e) * f
                    density[r, m] += total

    return forward


def _make_adjoint(variant: Variant) -> Function:
    add = loop(_make_full_adjoint(variant, False))

    def adjoint(x, z, top, centers, params, weights, share, by_z, memory):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        nothing = memory[:0]
        add(x, z, top, centers, params, weights, share, by_z, nothing.reshape((0, 0)), nothing, memory)

    return adjoint


def _make_full_adjoint(variant: Variant, full: bool = True) -> Function:
    formula, distance, row_of = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)

    def full_adjoint(x, z, top, centers, params, weights, share, by_z, by_x, by_h, memory):
        """As `adjoint`; by_x (R, n) = w_i sum_m weights_m dK/dd, by_h (R,) -= sum_im w_i weights_m dK/dh."""
        memory = all_of(memory)
        xb, wb = chunk_of(memory), chunk_of(memory)
        sums, slopes = chunk_of(memory), chunk_of(memory)
        for r in range(by_z.shape[0]):
            p, period, images = row_of(params, r)
            bins, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_chunk(x, z, r, start, top[r], middle, period, xb, wb)
                weigh(wb, n)
                for j in range(n):
                    sums[j], slopes[j] = share[r], 0.0
                for m in range(weights.shape[1]):
                    c, weight = bins[m], weights[r, m]
                    if weight == 0.0:
                        continue
                    for image in range(images):
                        shift = shift_of(image, period)
                        widening = 0.0
                        for j in range(n):
                            e, f, f_d, f_h = formula(distance(c, xb[j], period, shift), p)
                            k = weight * exp2(e)
                            sums[j] -= k * f
                            if full:
                                # Where K vanishes its derivatives do, though f_d and f_h may have overflowed.
                                reached = (e > SMALLEST) & (f > 0.0)
                                slopes[j] += k * f_d if reached else 0.0
                                widening += wb[j] * (k * f_h) if reached else 0.0
                        if full:
                            by_h[r] -= widening * p[INVERSE_BANDWIDTH]
                multiply_into(wb, sums, chunk_in(by_z, r, start))
                if full:
                    by_chunk = chunk_in(by_x, r, start)
                    for j in range(by_chunk.shape[0]):
                        by_chunk[j] = times_last(wb[j] * slopes[j], p[INVERSE_BANDWIDTH])

    return full_adjoint


# In the logarithmic domain, for bins (bins,), those of row r from row_start[r] on; row_start (R + 1,).


def _make_nearest(variant: Variant) -> Function:
    distance, row_of = distance_of(variant), reader_of(variant)

    def nearest(x, z, centers, params, row_start, bins, near, memory):
        """near (bins,) = the smallest distance of a point that is not masked, or itself if less."""
        memory = all_of(memory)
        xb, zb = chunk_of(memory), chunk_of(memory)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            _, period, _ = row_of(params, r)
            row, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c = row[bins[b]]
                    key = order_key(near[b])
                    for j in range(n):
                        d = distance_between(distance(c, xb[j], period, 0.0))
                        key = min(key, order_key(d if zb[j] > -np.inf else np.inf))
                    near[b] = from_order_key(key)

    return nearest


def _make_highest(variant: Variant) -> Function:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, row_of = distance_of(variant), reader_of(variant)

    def highest(x, z, top, centers, params, row_start, bins, near, peak, at, logit, memory):
        """Write distance `at`, `logit` (bins,) of the point that adds most to a bin, if more than exp(peak).

        peak (bins,) is relative to a point of the largest logit, top (R,), at the distance `near` (bins,).
        """
        memory = all_of(memory)
        xb, zb, exponents = chunk_of(memory), chunk_of(memory), chunk_of(memory)
        for r in range(top.shape[0]):
            if row_start[r] == row_start[r + 1]:
                continue
            p, period, images = row_of(params, r)
            row, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c, closest = row[bins[b]], near[b]
                    for image in range(images):
                        shift = shift_of(image, period)
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, _, _ = formula(d, p)
                            e = exponent(zb[j], top[r], closest, far, far - closest, p)
                            exponents[j] = e if f > 0.0 else -np.inf
                        key = order_key(peak[b])
                        for j in range(n):
                            key = max(key, order_key(exponents[j]))
                        largest = from_order_key(key)
                        if not largest > peak[b]:
                            continue
                        for j in range(n):
                            if exponents[j] == largest:
                                at[b] = distance_between(distance(c, xb[j], period, shift))
                                logit[b] = zb[j]
                                break
                        peak[b] = largest

    return highest


def _make_log_forward(variant: Variant) -> Function:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, row_of = distance_of(variant), reader_of(variant)

    def log_forward(x, z, centers, params, row_start, bins, at, logit, level, total, memory):
        """level (bins,) = log 2^e, total (bins,) += sum_j exp(z_j - logit) f_j 2^(e_j - e), e of `at`.

        `at` and `logit` (bins,) are those of the point that adds most.
        """
        memory = all_of(memory)
        xb, zb = chunk_of(memory), chunk_of(memory)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p, period, images = row_of(params, r)
            row, middle = row_and_middle(centers, r)
            for b in range(row_start[r], row_start[r + 1]):
                e, _, _, _ = formula(at[b], p)
                level[b] = e * LN_2
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for b in range(row_start[r], row_start[r + 1]):
                    c, near, high = row[bins[b]], at[b], logit[b]
                    if high == -np.inf:
                        continue
                    added = 0.0
                    for image in range(images):
                        shift = shift_of(image, period)
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, _, _ = formula(d, p)
                            t = exponent(zb[j], high, near, far, far - near, p) * LOG2_E
                            added += exp2(min(t, 1000.0)) * f
                    total[b] += added

    return log_forward


def _make_log_adjoint(variant: Variant) -> Function:
    formula, exponent = log_formula_of(variant.formula), exponent_of(variant.formula)
    distance, row_of, whole = distance_of(variant), reader_of(variant), has_whole_slopes(variant.formula)

    def log_adjoint(x, z, centers, params, row_start, bins, peaks, by_z, by_x, by_h, memory):
        """Add what bins of `log_forward` do to by_z, by_x (R, n) and by_h (R,)."""
        at, logit, weights = peaks
        memory = all_of(memory)
        xb, zb = chunk_of(memory), chunk_of(memory)
        sums, slopes = chunk_of(memory), chunk_of(memory)
        for r in range(row_start.shape[0] - 1):
            if row_start[r] == row_start[r + 1]:
                continue
            p, period, images = row_of(params, r)
            row, middle = row_and_middle(centers, r)
            for start in range(0, x.shape[1], CHUNK):
                n = load_points(x, z, r, start, 0.0, middle, period, xb, zb)
                for j in range(n):
                    sums[j], slopes[j] = 0.0, 0.0
                for b in range(row_start[r], row_start[r + 1]):
                    c, near, high, weight = row[bins[b]], at[b], logit[b], weights[b]
                    if weight == 0.0:
                        continue
                    for image in range(images):
                        shift = shift_of(image, period)
                        widening = 0.0
                        for j in range(n):
                            d = distance(c, xb[j], period, shift)
                            far = distance_between(d)
                            _, f, f_d, f_h = formula(d, p)
                            t = exponent(zb[j], high, near, far, far - near, p) * LOG2_E
                            reached = (t > SMALLEST) & (f > 0.0)
                            k = weight * exp2(t)
                            sums[j] += k * f if reached else 0.0
                            slopes[j] += k * f_d if reached else 0.0
                            widening += k * f_h if reached else 0.0
                        by_h[r] -= widening * p[INVERSE_BANDWIDTH]
                of_z, of_x = chunk_in(by_z, r, start), chunk_in(by_x, r, start)
                for j in range(of_z.shape[0]):
                    of_z[j] -= sums[j]
                    of_x[j] += slopes[j] * (1.0 if whole else p[INVERSE_BANDWIDTH])

    return log_adjoint
