"""Cross-entropy of a target distribution and a softmax-weighted kernel density estimate.

    S = softmax(z),  q_m = sum_j S_j K_h(c_m - x_j),  L = -sum_m p_m log q_m
    r_im = S_i K_h(c_m - x_i) / q_m,  dL/dz_i = S_i - sum_m p_m r_im
    dL/dx_i = sum_m p_m r_im K_h'/K_h,  dL/dh = -sum_im p_m r_im (dK_h/dh)/K_h

All pairs of bins and points, in the log domain, a bounded number of pairs at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent import checks
from kdexent.problem import Problem, check_wrt, density_problem, loss_problem

from .families import LogKernel, image_count, log_kernel

Floats = NDArray[np.float64]

_PAIRS = 2**17  # evaluated at a time; one row of one bin where that is more


class _Chunk(NamedTuple):
    """log S_j K_h(c_m - x_j) for some rows and bins and all points, (r, m, N)."""

    rows: slice
    bins: slice
    log_terms: Floats
    kernel: LogKernel


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
        log_q, _ = _normalise(chunk.log_terms)
        losses[chunk.rows] -= _sum_where(masses[chunk.rows, chunk.bins], log_q)
    return _shaped(losses, problem)


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
        log_q, r = _normalise(chunk.log_terms)
        losses[rows] -= _sum_where(p, log_q)
        covered[rows] += (p * np.isfinite(log_q)).sum(axis=-1)
        r *= p[..., np.newaxis]
        by_z[rows] -= r.sum(axis=1)
        if names != ("z",):
            by_distance, by_bandwidth = chunk.kernel.slopes()
            by_x[rows] += (r * by_distance).sum(axis=1)
            by_h[rows] -= (r * by_bandwidth).sum(axis=(1, 2))
    if "z" in names:
        for rows in _row_chunks(R, N):
            by_z[rows] += covered[rows, np.newaxis] * np.exp(_log_softmax(problem, rows))
    gradients = {"z": by_z, "x": by_x, "bandwidth": by_h}
    results = tuple(_shaped(gradients[name], problem) for name in names)
    return _shaped(losses, problem), results[0] if isinstance(wrt, str) else results


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
        log_q[chunk.rows, chunk.bins], _ = _normalise(chunk.log_terms)
    return _shaped(log_q, problem)


def _require_data(x: ArrayLike, z: ArrayLike) -> None:
    checks.require_data(checks.real_array("x", x), checks.real_array("z", z))


def _row_chunks(rows: int, pairs_per_row: int) -> Iterator[slice]:
    step = max(1, _PAIRS // max(1, pairs_per_row))
    for start in range(0, rows, step):
        yield slice(start, min(start + step, rows))


def _chunks(problem: Problem) -> Iterator[_Chunk]:
    """Yield the log terms of every pair, some rows and bins at a time."""
    N, M, period = problem.points, problem.bins, problem.period
    images = 1
    if period is not None:
        widest = float(problem.bandwidth.values.max(initial=0))
        images = min(64, 2 * image_count(problem.kernel, widest, period) + 1)
    for rows in _row_chunks(problem.rows, N * M * images):
        log_S = _log_softmax(problem, rows)
        x = problem.x.block(rows.start, rows.stop).astype(np.float64)
        h = _all_rows(problem.bandwidth.block(rows.start, rows.stop), len(log_S))
        centers = problem.centers.block(rows.start, rows.stop)
        if period is not None:
            x, centers = _near_origin(x, period), _near_origin(centers, period)
        step = max(1, _PAIRS // (len(log_S) * N * images))
        for start in range(0, M, step):
            bins = slice(start, min(start + step, M))
            d = centers[:, bins, np.newaxis] - x[:, np.newaxis, :]
            d = np.broadcast_to(d, (len(log_S), *d.shape[1:]))
            kernel = log_kernel(problem.kernel, d, h[:, np.newaxis, np.newaxis], period)
            yield _Chunk(rows, bins, log_S[:, np.newaxis, :] + kernel.value, kernel)


def _near_origin(angles: Floats, period: float) -> Floats:
    """Move angles many turns away back, exactly, so that their differences keep their digits."""
    return np.where(np.abs(angles) > 16 * period, np.fmod(angles, period), angles)


def _log_softmax(problem: Problem, rows: slice) -> Floats:
    z = problem.z.block(rows.start, rows.stop).astype(np.float64)
    top = z.max(axis=-1, keepdims=True)
    log_S = z - top - np.log(np.exp(z - top).sum(axis=-1, keepdims=True))
    return _all_rows(log_S, rows.stop - rows.start)


def _normalise(log_terms: Floats) -> tuple[Floats, Floats]:
    """Return the log of the sum over points, and each point's share of it (zero where the sum is)."""
    top = log_terms.max(axis=-1, keepdims=True)
    top[~np.isfinite(top)] = 0
    share = np.exp(log_terms - top)
    total = share.sum(axis=-1, keepdims=True)
    with np.errstate(divide="ignore"):
        log_sum = (top + np.log(total))[..., 0]
    np.divide(share, total, out=share, where=total > 0)
    return log_sum, share


def _sum_where(p: Floats, log_q: Floats) -> Floats:
    """Return sum_m p_m log q_m with 0 log 0 = 0."""
    return np.where(p > 0, p * np.where(p > 0, log_q, 0), 0).sum(axis=-1)


def _all_rows(values: Floats, rows: int) -> Floats:
    return np.broadcast_to(values, (rows, *values.shape[1:]))


def _shaped(results: Floats, problem: Problem) -> Any:
    """Return results (R, ...) with the call's leading dimensions and dtype; a scalar for one row."""
    return results.reshape(problem.shape + results.shape[1:]).astype(problem.dtype)[()]
