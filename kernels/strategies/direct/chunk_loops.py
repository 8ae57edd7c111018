"""The loops of a way through the sums, made of how it lets points and bins meet.

What it makes of points is kept from the first half to the second, and from one row to the next that shares
them, where a row is one chunk.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ...formula import PERIOD, parameters_of
from ...numerics.arithmetic import log
from ...numerics.chunks import (
    CHUNK,
    ROOM,
    all_of,
    chunk_in,
    chunk_of,
    load_points,
    multiply_rest_into,
    numbers_of,
    own_row,
    row_and_middle,
    row_in,
    sum_of,
    words_of,
)
from ...runtime.jit import Function, helper, loop
from ...simd.exponentials import powers_of_e_in_place
from ..sums.loops import compiled
from ..tails.certificate import make_certify
from .pairs import WayLoops, adjoint_signature, both_signature, forward_signature


class Meeting(NamedTuple):
    """How points meet bins: compiled functions.

    Of `arrays`, a tuple, of `row`, what `of_bins` returned, and of a row's parameters p. Points are (ROOM,).
    """

    arrays: Function  # bins, memory: the arrays
    of_bins: Function  # arrays, centers (M,), p: return what depends on them, as a tuple
    of_points: Function  # arrays, row, x, n, p: what depends on points too
    add: Function  # arrays, row, weights, n, p: add points to the sums
    densities: Function  # arrays, row, density (M,): add sum_j w_j K to it, and clear the sums
    give: Function  # arrays, row, weights (M,): make sums of the bins' weights
    take: Function  # arrays, row, n, p, share, values: write what to take from share, sum_m weights_m K


def words_of_chunks(bins: int) -> int:
    """Return of how many numbers memory is that loops take beside a way's own arrays."""
    return words_of(ROOM, ROOM, ROOM, bins, bins)


@helper
def _changes(r, centers, params):
    """Return whether row r has bins or parameters that the row before it has not."""
    return r == 0 or centers.shape[0] > 1 or params.shape[0] > 1


@helper
def _meets_again(x, r, centers, params):
    """Return whether row r has the points, one chunk of them, bins and parameters of the row before."""
    return not _changes(r, centers, params) and x.shape[0] == 1 and x.shape[1] <= CHUNK


def _of_row(meeting: Meeting) -> tuple[Function, Function]:
    """Return what begins a row, and what loads a chunk of it."""

    @loop
    def begin(arrays, centers, params, r):
        """Return row r's parameters, the middle of its bins, and what the way makes of both."""
        p = parameters_of(params, own_row(params, r))
        bins, middle = row_and_middle(centers, r)
        return p, middle, meeting.of_bins(arrays, bins, p)

    @loop
    def load(x, z, r, start, top, arrays, about, again, xb, wb):
        """Load a chunk of row r, and make of it what the way needs. Return its length and sum_j w_j."""
        p, middle, row = about
        n = load_points(x, z, r, start, top, middle, p[PERIOD], xb, wb)
        for j in range(n):
            wb[j] -= top
        powers_of_e_in_place(wb, n)
        if not again:
            meeting.of_points(arrays, row, xb, n, p)
        return n, sum_of(wb, n)

    return begin, load


def _make_forward(meeting: Meeting) -> Function:
    begin, load = _of_row(meeting)

    def forward(x, z, top, centers, params, density, mass, memory):
        """density (R, M) += sum_j w_j K(c_m - x_j), mass (R,) += sum_j w_j; the others as in `pairs`."""
        memory = all_of(memory)
        xb, wb, arrays = chunk_of(memory), chunk_of(memory), meeting.arrays(density.shape[1], memory)
        for r in range(density.shape[0]):
            if _changes(r, centers, params):
                about = begin(arrays, centers, params, r)
            again, (p, _, row) = _meets_again(x, r, centers, params), about
            for start in range(0, x.shape[1], CHUNK):
                n, of_chunk = load(x, z, r, start, top[r], arrays, about, again, xb, wb)
                mass[r] += of_chunk
                meeting.add(arrays, row, wb, n, p)
            meeting.densities(arrays, row, row_in(density, r))

    return forward


def _make_adjoint(meeting: Meeting) -> Function:
    begin, load = _of_row(meeting)

    def adjoint(x, z, top, centers, params, weights, share, by_z, memory):
        """by_z (R, n) = w_i (share - sum_m weights_m K(c_m - x_i)), weights (R, M), share (R,)."""
        memory = all_of(memory)
        xb, wb, values = chunk_of(memory), chunk_of(memory), chunk_of(memory)
        arrays = meeting.arrays(weights.shape[1], memory)
        for r in range(by_z.shape[0]):
            if _changes(r, centers, params):
                about = begin(arrays, centers, params, r)
            again, (p, _, row) = _meets_again(x, r, centers, params), about
            meeting.give(arrays, row, row_in(weights, r))
            for start in range(0, x.shape[1], CHUNK):
                n, _ = load(x, z, r, start, top[r], arrays, about, again, xb, wb)
                meeting.take(arrays, row, n, p, share[r], values)
                multiply_rest_into(wb, share[r], values, chunk_in(by_z, r, start))

    return adjoint


def _make_both(meeting: Meeting) -> Function:
    (begin, load), certify = _of_row(meeting), loop(make_certify())

    def both(x, z, top, centers, params, log_scale, masses, floor, results, by_z, memory):
        """What forward, `finish` and adjoint do, but for by_z (R, n) of rows with weak bins.

        Return how many bins are weak.
        """
        mass, weights, losses = results
        points, bins, count = x.shape[1], weights.shape[1], 0
        memory = all_of(memory)
        xb, wb, values = chunk_of(memory), chunk_of(memory), chunk_of(memory)
        d, log_q = numbers_of(memory, bins), numbers_of(memory, bins)
        arrays = meeting.arrays(bins, memory)
        for r in range(weights.shape[0]):
            if _changes(r, centers, params):
                about = begin(arrays, centers, params, r)
            again, (p, _, row) = _meets_again(x, r, centers, params), about
            n, of_chunk, mass[r], share = 0, 0.0, 0.0, 0.0
            for second in (False, True):  # one loop over chunks: two would compile `load` twice
                if second:
                    d[:] = 0.0
                    meeting.densities(arrays, row, d)
                    shift = row_in(log_scale, r) - log(mass[r])
                    p_of_bins = row_in(masses, r)
                    losses[r], _, below = certify(
                        d, d, p_of_bins, np.inf, floor, shift, log_q, row_in(weights, r)
                    )
                    count += below
                    if below > 0:
                        break
                    share = 1.0 / mass[r]
                    meeting.give(arrays, row, row_in(weights, r))
                for start in range(0, points, CHUNK):
                    if not second or points > CHUNK:
                        n, of_chunk = load(x, z, r, start, top[r], arrays, about, again, xb, wb)
                    if second:
                        meeting.take(arrays, row, n, p, share, values)
                        multiply_rest_into(wb, share, values, chunk_in(by_z, r, start))
                    else:
                        mass[r] += of_chunk
                        meeting.add(arrays, row, wb, n, p)
        return count

    return both


def chunk_loops(name: str, key: str, meet: Callable[[], Meeting]) -> WayLoops:
    """Return the loops of a way through the sums that meets as `meet` says, kept under `name` and `key`."""

    def maker(make: Callable[[Meeting], Function]) -> Callable[[], Function]:
        return lambda: make(meet())

    made = (
        (maker(_make_forward), forward_signature()),
        (maker(_make_adjoint), adjoint_signature()),
        (maker(_make_both), both_signature()),
    )
    return compiled(WayLoops, name, key, (), *made)
