"""Cross-entropy of a target distribution and a softmax-weighted kernel density estimate.

    S = softmax(z),  q_m = sum_j S_j K_h(c_m - x_j),  L = -sum_m p_m log q_m
    r_im = S_i K_h(c_m - x_i) / q_m,  dL/dz_i = S_i - sum_m p_m r_im
    dL/dx_i = sum_m p_m r_im K_h'/K_h,  dL/dh = -sum_im p_m r_im (dK_h/dh)/K_h

All pairs of bins and points, a bounded number of them at a time. Each bin has a reference point, the one with
the largest S_j K_h(c_m - x_j) but for a little, and shares come from ratios of kernel values to that one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent.arguments import checks
from kdexent.arguments.float_errors import no_float_errors
from kdexent.arguments.problem import Intervals, Problem, Rows, check_wrt, density_problem, loss_problem

from .families import Floats, Kernel
from .wrapped import make_kernel

_PAIRS = 2**17  # evaluated at a time; one row of one bin where that is more
_REFERENCES = 30  # each makes the largest term known to a share of eps of what the one before did
_NEAR = 16  # a reference within e^16 of the largest term does: shares have errors of some 16 eps


class _Distances(NamedTuple):
    """|c_m - x_j|, the near way round on a circle, as sums of two floats; and the signs of c_m - x_j."""

    near: Floats
    rest: Floats
    sign: Floats

    def take(self, index: NDArray[np.intp]) -> _Distances:
        return _Distances(*(np.take_along_axis(each, index, axis=-1) for each in self))


class _Chunk(NamedTuple):
    """For some rows and bins and all points: log q_m (r, m), and the share of each point in it (r, m, N)."""

    rows: slice
    bins: slice
    log_q: Floats
    share: Floats
    distances: _Distances
    kernel: Kernel


@no_float_errors
def loss(
    x: ArrayLike,
    z: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    bins: Any = 256,
    rule: str = "midpoint",
    target: ArrayLike | None = None,
    period: float | None = None,
) -> Any:
    """Return the cross-entropy L; see `kdexent.loss` for the arguments.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8)), 10)
    0.4755162458
    """
    problem = loss_problem(x, z, a, b, bandwidth, kernel, bins, rule, target, period)
    _require_data(x, z)
    losses = np.zeros(problem.rows)
    masses = _all_rows(problem.masses.block(0, problem.rows), problem.rows)
    for chunk in _chunks(problem):
        losses[chunk.rows] -= _sum_where(masses[chunk.rows, chunk.bins], chunk.log_q)
    return _shaped(losses, problem)


@no_float_errors
def loss_and_grad(
    x: ArrayLike,
    z: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    bins: Any = 256,
    rule: str = "midpoint",
    target: ArrayLike | None = None,
    period: float | None = None,
    wrt: str | tuple[str, ...] = "z",
) -> tuple[Any, Any]:
    """Return L and its gradient(s); see `kdexent.loss_and_grad` for the arguments.

    Examples
    --------
    >>> from kdexent import reference
    >>> L, g = reference.loss_and_grad([-1, -0.5], [0, 0], 0, 1, bandwidth=0.5, kernel="laplace")
    >>> g.round(10)
    array([ 0.23105858, -0.23105858])
    """
    names = check_wrt(wrt)
    problem = loss_problem(x, z, a, b, bandwidth, kernel, bins, rule, target, period)
    _require_data(x, z)
    R, N = problem.rows, problem.points
    losses, covered = np.zeros(R), np.zeros(R)
    by_z, by_x, by_h = np.zeros((R, N)), np.zeros((R, N)), np.zeros(R)
    masses = _all_rows(problem.masses.block(0, R), R)
    for chunk in _chunks(problem):
        rows = chunk.rows
        p = masses[rows, chunk.bins]
        losses[rows] -= _sum_where(p, chunk.log_q)
        r = p[..., np.newaxis] * chunk.share
        covered[rows] += (p * (chunk.share.max(axis=-1) > 0)).sum(axis=-1)
        by_z[rows] -= r.sum(axis=1)
        if names != ("z",):
            by_distance, by_bandwidth = chunk.kernel.slopes(chunk.distances.near)
            whole = chunk.kernel.unit[:, :, 0]
            by_x[rows] += _sum_where(r, chunk.distances.sign * by_distance, axis=1) / whole
            by_h[rows] -= _sum_where(r, by_bandwidth, axis=(1, 2)) / whole[:, 0]
    by_x, by_h = by_x * _unit(problem), by_h * _unit(problem)
    if "z" in names:
        for rows in _row_chunks(R, N):
            by_z[rows] += covered[rows, np.newaxis] * np.exp(_log_softmax(problem, rows))
    gradients = {"z": by_z, "x": by_x, "bandwidth": by_h}
    results = tuple(_shaped(gradients[name], problem) for name in names)
    return _shaped(losses, problem), results[0] if isinstance(wrt, str) else results


@no_float_errors
def log_density(
    x: ArrayLike,
    z: ArrayLike,
    points: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    period: float | None = None,
) -> Any:
    """Return log q at the points; see `kdexent.log_density` for the arguments.

    Examples
    --------
    >>> from kdexent import reference
    >>> reference.log_density([0.0], [0.0], [0.0, 50.0], bandwidth=1.0).round(6)
    array([-9.18939000e-01, -1.25091894e+03])
    """
    problem = density_problem(x, z, points, bandwidth, kernel, period)
    _require_data(x, z)
    log_q = np.empty((problem.rows, problem.bins))
    for chunk in _chunks(problem):
        log_q[chunk.rows, chunk.bins] = chunk.log_q
    return _shaped(log_q, problem)


def _require_data(x: ArrayLike, z: ArrayLike) -> None:
    checks.require_data(checks.real_array("x", x), checks.logits_array("z", z))


def _row_chunks(rows: int, pairs_per_row: int) -> Iterator[slice]:
    step = max(1, _PAIRS // max(1, pairs_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _unit(problem: Problem) -> float:
    """Return a factor for lengths: then sums of a few do not overflow, and parts of a period are floats."""
    h, period = problem.bandwidth.values, problem.period
    lengths = (h, problem.x.values, problem.centers.values) if period is None else (np.array(period),)
    largest = max(np.abs(length).max(initial=0) for length in lengths)
    if largest > 2.0**1000 and h.min(initial=1) > 2.0**-1000:
        return 2.0**-8
    return 2.0**60 if largest < 2.0**-900 and h.max(initial=1) < 2.0**900 else 1.0


def _block(argument: Rows | Intervals, rows: slice) -> Floats:
    """Return an argument for some of the rows."""
    return _all_rows(argument.block(rows.start, rows.stop).astype(np.float64), rows.stop - rows.start)


def _chunks(problem: Problem) -> Iterator[_Chunk]:
    """Yield the shares of every pair, some rows and bins at a time."""
    N, M, unit = problem.points, problem.bins, _unit(problem)
    period = None if problem.period is None else problem.period * unit
    for rows in _row_chunks(problem.rows, N * M):
        count, log_S, z = rows.stop - rows.start, _log_softmax(problem, rows), _block(problem.z, rows)
        places = (_near_origin(_block(each, rows), problem.period) for each in (problem.x, problem.centers))
        x, centers = (place * unit for place in places)
        h = _block(problem.bandwidth, rows)[:, np.newaxis, np.newaxis] * unit
        kernel = make_kernel(problem.kernel, h, period)
        step = max(1, _PAIRS // (count * N))
        for start in range(0, M, step):
            bins = slice(start, min(start + step, M))
            distances = _distances(centers[:, bins, np.newaxis], x[:, np.newaxis, :], period)
            log_q, share = _shares(log_S[:, np.newaxis, :], z[:, np.newaxis, :], distances, kernel)
            yield _Chunk(rows, bins, log_q + np.log(unit), share, distances, kernel)


def _distances(c: Floats, x: Floats, period: float | None) -> _Distances:
    d, rest = _exact_sum(c, -x)
    if period is not None:
        d, rest = _exact_sum(d - (2 * np.abs(d) > period) * np.copysign(period, d), rest)
    sign = np.sign(d)
    return _Distances(np.abs(d), sign * rest, sign)


def _near_origin(angles: Floats, period: float | None) -> Floats:
    """Return angles less whole turns, exactly."""
    if period is None:
        return angles
    angles = np.fmod(angles, period)
    return np.where(2 * np.abs(angles) > period, angles - np.copysign(period, angles), angles)


def _exact_sum(a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Return the rounded sum, and what rounding took off (Knuth's TwoSum)."""
    total = a + b
    added = total - a
    return total, (a - (total - added)) + (b - added)


def _shares(log_S: Floats, z: Floats, distances: _Distances, kernel: Kernel) -> tuple[Floats, Floats]:
    """Return log q (r, m), and each point's share of q (r, m, N): zero where q is."""
    near, rest, _ = distances
    log_S, z = np.broadcast_to(log_S, near.shape), np.broadcast_to(z, near.shape)

    def relative_to(top: NDArray[np.intp]) -> Floats:
        """Return log [S_j K_h(c_m - x_j)] less that of the reference points; -inf where that is undefined."""
        reference = distances.take(top)
        gap = (near - reference.near) + (rest - reference.rest)
        terms = z - np.take_along_axis(z, top, axis=-1)
        for term in kernel.log_ratio(near, reference.near, gap):
            terms = terms + term
        return np.fmax(terms, -np.inf)

    top = np.where(z == -np.inf, np.inf, near).argmin(axis=-1)[..., np.newaxis]
    terms = relative_to(top)
    for _ in range(_REFERENCES):
        best = terms.argmax(axis=-1)[..., np.newaxis]
        above = np.take_along_axis(terms, best, axis=-1) > _NEAR
        if not above.any():
            break
        top = np.where(above, best, top)
        terms = relative_to(top)
    share = np.exp(np.minimum(terms, _NEAR))
    total = share.sum(axis=-1, keepdims=True)
    log_top = np.take_along_axis(log_S, top, axis=-1) + kernel.log_value(distances.take(top).near)
    share /= np.where(total > 0, total, 1)
    return (log_top + np.log(total))[..., 0], share


def _log_softmax(problem: Problem, rows: slice) -> Floats:
    z = problem.z.block(rows.start, rows.stop).astype(np.float64)
    z = z - z.max(axis=-1, keepdims=True)
    return _all_rows(z - np.log(np.exp(z).sum(axis=-1, keepdims=True)), rows.stop - rows.start)


def _sum_where(p: Floats, values: Floats, axis: Any = -1) -> Floats:
    """Return the sum of p times values with 0 times anything = 0."""
    total: Floats = np.where(p > 0, p * np.where(p > 0, values, 0), 0).sum(axis=axis)
    return total


def _all_rows(values: Floats, rows: int) -> Floats:
    return np.broadcast_to(values, (rows, *values.shape[1:]))


def _shaped(results: Floats, problem: Problem) -> Any:
    """Return results (R, ...) with the call's leading dimensions and dtype; a scalar for one row."""
    return results.reshape(problem.shape + results.shape[1:]).astype(problem.dtype)[()]
