"""One row for others' compiled code, without Python, a lock or an allocation: as `direct` does it.

Ways are chosen as there, and their loops are the same ones, for one row. All arrays are the caller's, or cut
from the caller's workspace.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import types

from ..arguments.checks import LONGEST, SLACK
from ..families import FAMILIES, MOST_IMAGES, images_of, line_parameters, variants
from ..formula import IMAGES, INVERSE_PERIOD, PARAMETERS, PERIOD, Variant
from ..names import CIRCLE_ONLY, DOMAINS, KERNELS
from ..numerics.arithmetic import LARGEST, SMALLEST_NORMAL
from ..numerics.chunks import all_of, copy, integers_of, numbers_of, rest_of, rows_of, words_of
from ..runtime.jit import NATIVE, Function, helper, lazily, loop
from ..runtime.linked import as_if_compiled, linked, name_ahead
from ..runtime.signatures import READ1, WRITE1
from ..wrapped import is_wide, make_fourier_parameters
from .direct.direct import DOUBLE, NONE, REACHED, RUNS_IN_REACH, WAYS, rule_of_ways, shortcut
from .direct.neighbours import most_bins
from .direct.pairs import Peaks, Results, Way, all_pairs, pair_loops
from .sums.scan import ends_of, look_at_logits
from .tails.certificate import is_weak

# Centers this close to equally spaced, relative to the farther end and to h, are so but for rounding.
_ROUNDING, _OF_BANDWIDTH = 1e-15, 1e-10
_SIGNATURE = types.float64(READ1, READ1, READ1, READ1, types.float64, types.float64, WRITE1, WRITE1)


class _Row(NamedTuple):
    """A row as loops take it, all of one row or (1, n)."""

    x: Any
    z: Any
    top: Any  # (1,): the largest logit
    centers: Any  # (1, M)
    params: Any  # (1, PARAMETERS)
    log_scale: Any  # (1,)


class _WeakBins(NamedTuple):
    """Bins below the floor, as `tiles.WeakBins` has them; all are (M,)."""

    bins: Any
    row_start: Any  # (2,)
    near: Any
    peak: Any
    at: Any
    logit: Any
    level: Any
    total: Any
    weights: Any


def words(kernel: str, points: int, bins: int) -> int:
    """Return of how many numbers the workspace of a row is."""
    domains = ("circle",) if kernel in CIRCLE_ONLY else DOMAINS
    ways = [way for domain in domains for each in variants(kernel, domain) for way in _ways(each)]
    of_row = words_of(1, PARAMETERS, 1, 1, bins, bins, 1, *[bins] * 8, 2, bins, bins, points, points, 1)
    # Ways that keep pairs in reach are not taken for more bins.
    fewer = min(bins, most_bins(1))
    return of_row + max(
        way.words(1, fewer if number in (REACHED, RUNS_IN_REACH) else bins) for number, way in ways
    )


def _ways(variant: Variant) -> list[tuple[int, Way]]:
    """Return all ways of a variant that read and write float64, with their numbers."""
    ways = [(number, shortcut(variant, number)) for number in (DOUBLE, REACHED, RUNS_IN_REACH)]
    return [(NONE, all_pairs(variant)), *((number, way) for number, way in ways if way is not None)]


def _linked(name: str, get: Callable[[], Function]) -> Any:
    function: Any = get()
    return linked(f"kdexent.{name}", function, function.nopython_signatures[0] if NATIVE else None)


def _by_way(choices: list[tuple[int, Function]]) -> Function:
    """Return f(way, ...) for compiled code: the function of that number."""
    (number, function), *others = choices
    if not others:

        @helper
        def last(way, *arguments):
            return function(*arguments)

        return last
    rest = _by_way(others)

    @helper
    def one(way, *arguments):
        return function(*arguments) if way == number else rest(way, *arguments)

    return one


@loop
def _check(x, z, centers, masses, h, period):
    """Raise for what no row may have, and return the largest logit; x and z (n,), centers and masses (M,)."""
    if x.shape[0] == 0 or x.shape[0] != z.shape[0]:
        raise ValueError("x and z must have one length, of at least one point")
    if centers.shape[0] == 0 or centers.shape[0] != masses.shape[0]:
        raise ValueError("centers and masses must have one length, of at least one bin")
    if not SMALLEST_NORMAL <= h <= LONGEST:
        raise ValueError("h must be positive, from 2.3e-308 to 1.07e301")
    if not (period == 0.0 or SMALLEST_NORMAL <= period <= LONGEST):
        raise ValueError("period must be positive, from 2.3e-308 to 1.07e301, or 0 on the line")
    _, _, bad = ends_of(x)
    if bad > 0:
        raise ValueError("x must be finite")
    top, bad = look_at_logits(z)
    if bad > 0:
        raise ValueError("z must be finite or -inf (a masked point)")
    if top == -np.inf:
        raise ValueError("z must have a logit above -inf")
    low, high, bad = ends_of(centers)
    if bad > 0 or max(abs(low), abs(high)) > LONGEST:
        raise ValueError("centers must be finite, at most 1.07e301 in size")
    if period > 0.0 and high - low > period + SLACK * (abs(low) + abs(high) + period):
        raise ValueError("centers must lie within one period")
    return top


@loop
def _write_masses(masses, p):
    """Write p (M,), masses (M,) as parts of their sum."""
    least, largest, bad = ends_of(masses)
    if bad > 0 or least < 0.0 or largest == 0.0:
        raise ValueError("masses must be finite and not negative, with a positive one")
    total = 0.0
    for m in range(masses.shape[0]):
        p[m] = masses[m] / largest
        total += p[m]
    for m in range(masses.shape[0]):
        p[m] /= total


@loop
def _spacing_of(centers, h):
    """Return the spacing of equally spaced centers (M,) and True, or what others span and False."""
    bins, off = centers.shape[0], 0
    first, last = centers[0], centers[bins - 1]
    spacing = (last - first) / max(1, bins - 1)
    most = min(_ROUNDING * max(abs(first), abs(last)), _OF_BANDWIDTH * h)
    for m in range(bins):
        off += 1 if abs(centers[m] - (first + m * spacing)) > most else 0
    if off == 0 and (spacing > 0.0 or bins == 1):
        return spacing, True
    low, high, _ = ends_of(centers)
    return high - low, False


@helper
def _over_top(logit, top):
    """Return logit - top: loops may add up in any order, and take a difference of large logits apart."""
    return logit - top


def _weak_bins(variant: Variant) -> tuple[Function, Function]:
    """Return what takes arrays for weak bins, and what evaluates some, as `Tile.weak_bins` does."""
    loops, key = pair_loops(variant), variant.key
    nearest, highest = _linked(f"nearest.{key}", loops.nearest), _linked(f"highest.{key}", loops.highest)
    log_forward = _linked(f"log_forward.{key}", loops.log_forward)

    @helper
    def arrays(bins, memory):
        return _WeakBins(
            integers_of(memory, bins),
            integers_of(memory, 2),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
            numbers_of(memory, bins),
        )

    @loop
    def evaluate(row, weak, count, log_mass, log_q, memory):
        """Write log q (M,) of the first `count` bins of `weak`, and what the adjoint needs of them."""
        bins, at, logit, level, total = (
            weak.bins[:count],
            weak.at[:count],
            weak.logit[:count],
            weak.level[:count],
            weak.total[:count],
        )
        near, peak = weak.near[:count], weak.peak[:count]
        weak.row_start[0], weak.row_start[1] = 0, count
        for b in range(count):
            near[b], peak[b], at[b], logit[b], total[b] = np.inf, -np.inf, 0.0, -np.inf, 0.0
        where = row.centers, row.params, weak.row_start, bins
        nearest(row.x, row.z, *where, near, memory)
        for b in range(count):
            near[b] = min(near[b], LARGEST)
        highest(row.x, row.z, row.top, *where, near, peak, at, logit, memory)
        log_forward(row.x, row.z, *where, at, logit, level, total, memory)
        for b in range(count):
            scaled = row.log_scale[0] - log_mass + level[b] + _over_top(logit[b], row.top[0])
            log_q[bins[b]] = scaled + np.log(total[b]) if total[b] > 0.0 else -np.inf

    return arrays, evaluate


def _loss_and_grad(variant: Variant) -> Function:
    """Return f(way, row, masses, out, memory): the loss; write its gradient by z (n,)."""
    ways, key, (arrays, evaluate) = _ways(variant), variant.key, _weak_bins(variant)

    def both_of(number: int, way: Way) -> Function:
        both, floor = _linked(f"both.{number}.{key}", way.loops.both), way.floor

        @helper
        def of_way(row, p, mass, weights, losses, by_z, memory):
            fixed = row.x, row.z, row.top, row.centers, row.params, row.log_scale
            return both(*fixed, p, floor, Results(mass, weights, losses), by_z, memory)

        return of_way

    both = _by_way([(number, both_of(number, way)) for number, way in ways])
    adjoint = _by_way(
        [(number, _linked(f"adjoint.{number}.{key}", way.loops.adjoint)) for number, way in ways]
    )
    log_adjoint = _linked(f"log_adjoint.{key}", pair_loops(variant).log_adjoint)

    @loop
    def with_weak_bins(way, row, p, mass, weights, out, memory):
        """Return what weak bins add to the loss, and write the gradient to out (n,), which may be x or z."""
        points, bins = row.x.shape[1], p.shape[1]
        weak, log_q = arrays(bins, memory), numbers_of(memory, bins)
        by_z, by_x, share = rows_of(memory, 1, points), rows_of(memory, 1, points), numbers_of(memory, 1)
        rest, count, of_weak, out_of_reach = rest_of(memory), 0, 0.0, 0.0
        for m in range(bins):
            if is_weak(weights[0, m], p[0, m]):
                weak.bins[count] = m
                count += 1
        evaluate(row, weak, count, np.log(mass[0]), log_q, rest)
        for b in range(count):
            m = weak.bins[b]
            of_weak -= p[0, m] * log_q[m]
            reached = weak.total[b] > 0.0
            weak.weights[b] = p[0, m] / weak.total[b] if reached else 0.0
            out_of_reach += 0.0 if reached else p[0, m]
        share[0] = max(1.0 - out_of_reach, 0.0) / mass[0]
        adjoint(way, row.x, row.z, row.top, row.centers, row.params, weights, share, by_z, rest)
        peaks = Peaks(weak.at[:count], weak.logit[:count], weak.weights[:count])
        bins_of = weak.row_start, weak.bins[:count]
        log_adjoint(row.x, row.z, row.centers, row.params, *bins_of, peaks, by_z, by_x, share, rest)
        copy(by_z[0], out)
        return of_weak

    @helper
    def loss_and_grad(way, row, masses, out, memory):
        p, weights = rows_of(memory, 1, masses.shape[0]), rows_of(memory, 1, masses.shape[0])
        mass, losses = numbers_of(memory, 1), numbers_of(memory, 1)
        _write_masses(masses, p[0])
        by_z = out.reshape((1, out.shape[0]))
        if both(way, row, p, mass, weights, losses, by_z, rest_of(memory)) > 0:
            losses[0] += with_weak_bins(way, row, p, mass, weights, out, memory)
        return losses[0]

    return loss_and_grad


def _log_density(variant: Variant) -> Function:
    """Return f(way, row, masses, out, memory): write log q (M,) at the centers; return 0."""
    ways, key, (arrays, evaluate) = _ways(variant), variant.key, _weak_bins(variant)
    forward = _by_way(
        [(number, _linked(f"forward.{number}.{key}", way.loops.forward)) for number, way in ways]
    )

    floors = dict.fromkeys(range(WAYS), 0.0) | {number: way.floor for number, way in ways}
    floor = tuple(floors.values())

    @loop
    def log_density(way, row, masses, out, memory):
        bins, count, log_q = out.shape[0], 0, numbers_of(memory, out.shape[0])
        density, mass, weak = rows_of(memory, 1, bins), numbers_of(memory, 1), arrays(bins, memory)
        density[:], mass[:] = 0.0, 0.0
        rest, least = rest_of(memory), floor[way]
        forward(way, row.x, row.z, row.top, row.centers, row.params, density, mass, rest)
        log_mass = np.log(mass[0])
        for m in range(bins):
            if density[0, m] >= least:
                log_q[m] = np.log(density[0, m]) + (row.log_scale[0] - log_mass)
            else:
                weak.bins[count] = m
                count += 1
        if count > 0:
            evaluate(row, weak, count, log_mass, log_q, rest)
        copy(log_q, out)
        return 0.0

    return log_density


def _of_domain(kernel: str, circle: bool, of_variant: Callable[[Variant], Function]) -> Function:
    """Return f(x, z, top, centers, masses, h, period, out, memory), as `of_variant` has it."""
    family, best = FAMILIES[kernel], rule_of_ways(kernel, circle)
    rate, norm, images = family.rate, family.norm, family.decay.images
    closed = family.circle.parameters if circle and family.circle is not None else None
    narrow, *wide = (of_variant(each) for each in variants(kernel, "circle" if circle else "line"))
    series, fourier, of_series = len(wide) > 0, narrow, narrow
    if family.transform is not None and series:
        fourier, of_series = helper(make_fourier_parameters(family.transform)), wide[0]

    @helper
    def parameters(p, h, period):
        """Write the parameters p (PARAMETERS,), and return log C."""
        log_scale = line_parameters(p, h, rate, norm)
        if not circle:
            return log_scale
        p[INVERSE_PERIOD], p[PERIOD] = 1.0 / period, period
        if closed is not None:
            return closed(p, h, period)
        if series and is_wide(h, period):
            fourier(p, h, period)
            return -math.log(period)
        p[IMAGES] = images_of(images, h / period)
        if p[IMAGES] > MOST_IMAGES:
            raise ValueError("h must be at most 2^20 periods for a kernel whose images are summed")
        return log_scale

    @helper
    def of_row(x, z, top, centers, masses, h, period, out, memory):
        points, bins = x.shape[0], centers.shape[0]
        row = _Row(
            x.reshape((1, points)),
            z.reshape((1, points)),
            numbers_of(memory, 1),
            rows_of(memory, 1, bins),
            rows_of(memory, 1, PARAMETERS),
            numbers_of(memory, 1),
        )
        copy(centers, row.centers[0])  # which are read after gradients, that may go there, are written
        row.top[0], row.params[:] = top, 0.0
        row.log_scale[0] = parameters(row.params[0], h, period)
        spacing, equal = _spacing_of(centers, h)
        way = best(h, period if circle else np.inf, spacing, points, bins, equal, False)
        if series and is_wide(h, period):
            return of_series(way, row, masses, out, memory)
        return narrow(way, row, masses, out, memory)

    return of_row


def row_function(kernel: str, domain: str | None, loss: bool) -> Function:
    """Return what compiled code calls: f(x, z, centers, masses, h, period, out, workspace)."""
    of_variant = _loss_and_grad if loss else _log_density
    of_line = None if domain == "circle" or kernel in CIRCLE_ONLY else _of_domain(kernel, False, of_variant)
    of_circle = None if domain == "line" else _of_domain(kernel, True, of_variant)

    def make() -> Function:
        def row(x, z, centers, masses, h, period, out, workspace):
            if out.shape[0] != x.shape[0] and loss:
                raise ValueError("out must be as long as x")
            if out.shape[0] != centers.shape[0] and not loss:
                raise ValueError("out must be as long as centers")
            workspace = all_of(workspace)
            top = _check(x, z, centers, masses, h, period)
            if period > 0.0:
                if of_circle is None:
                    raise ValueError("period must be 0: this function is for the line")
                return of_circle(x, z, top, centers, masses, h, period, out, workspace)
            if of_line is None:
                raise ValueError("period must be positive: this function is for the circle")
            return of_line(x, z, top, centers, masses, h, period, out, workspace)

        return row

    name = _name(kernel, domain, loss)
    function = lazily(make, _SIGNATURE, name)
    return _linked(name, function) if NATIVE else as_if_compiled(function(), _SIGNATURE)


def _name(kernel: str, domain: str | None, loss: bool) -> str:
    return f"row_{'loss_and_grad' if loss else 'log_density'}.{kernel}.{domain}"


def _make_unknown() -> Function:
    def row(x, z, centers, masses, h, period, out, workspace):
        raise RuntimeError(
            "compiled code from a cache calls a row function that was not made before it was loaded: make it "
            "with kdexent.njit, for the same kernel and domain, or remove the cache of that code"
        )

    return row


_unknown = lazily(_make_unknown, _SIGNATURE, "unknown_row")
if NATIVE:
    for _row in itertools.product(KERNELS, (None, *DOMAINS), (True, False)):
        name_ahead(f"kdexent.{_name(*_row)}", _unknown(), _SIGNATURE)
