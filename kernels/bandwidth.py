"""A bandwidth for weighted points: a rule of thumb, or what makes points likely when they are left out."""

from __future__ import annotations  # help() shows them as they are written

import math
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import Floats
from .arguments.float_errors import no_float_errors
from .arguments.kinds import in_kind
from .arguments.problem import density_problem
from .kde import log_density
from .names import BANDWIDTH_RULES, FACTS

_FEW = 4096  # points, each of which is its own place
_CELLS = 16  # of a bandwidth
_ROUNDING = 1e-12
_RTOL = 1e-7
# A point's own part in the density where it lies: beyond, that of the others is no difference of the two.
_ALONE = 1 - 1e-4
_NEIGHBOURS = 3  # to each side of a point that is alone
# Between the logarithms of bandwidths: of those tried first, and of those around the best of them, until so
# many in a row are worse.
_COARSE, _STEP, _WORSE = 1.2, 0.4, 3
_CLOSE = 1e-4  # to the best, relative
_GOLDEN = (math.sqrt(5) - 1) / 2


@in_kind("x", "z")
@no_float_errors
def select_bandwidth(
    x: ArrayLike,
    z: ArrayLike | None = None,
    *,
    kernel: str = "gaussian",
    period: float | None = None,
    rule: str = "silverman",
) -> float | NDArray[np.float64]:
    """Return a bandwidth for a KDE of weighted points.

    Parameters
    ----------
    x : array_like, shape (..., N)
        Data points, in any unit of length; finite.
    z : array_like, shape (..., N), optional
        Logits, no unit: the weights are w = softmax(z), and equal if not given.
    kernel : str
        One of `kdexent.KERNELS`.
    period : float, optional
        Length of the circle that x lives on, in the unit of x. On the line if not given.
    rule : {"silverman", "likelihood"}
        ``"silverman"``: 0.9 n^(-1/5) times the smaller of the standard deviation and the interquartile
        range / 1.34, for n = 1 / sum w^2 points [1]_; on a circle, times the circular standard deviation,
        at most that of a uniform distribution. ``"likelihood"``: the maximum of sum_i w_i log q_i(x_i),
        q_i the density of all points but i [2]_.

    Returns
    -------
    float or ndarray, shape (...)
        The bandwidth of each row, in the unit of x.

    Raises
    ------
    ValueError, TypeError
        As from `kdexent.log_density`, and where all points with a weight are equal; one of up to 1e-200
        is none.

    Warns
    -----
    UserWarning
        Where the likelihood still grows at the data's resolution, the median distance between
        neighbours that are not equal. Points equal to others make it grow without bound as h goes
        to 0, so that no bandwidth below the resolution is tried.

    Notes
    -----
    The rule of thumb is for a gaussian, and converted to kernels that smooth as much by their canonical
    bandwidths [3]_; the cauchy kernel, which has no variance, gets the half width at half maximum of the
    gaussian. It takes O(N log N) time where there are weights, O(N) otherwise.

    The likelihood takes O(N log N) once and O(N) for each of some 40 bandwidths: the rule of thumb, others
    over the whole range, a factor of 3 apart, and those around the best of them. Of more than 4,096 points
    those that share a 16th of a bandwidth count as if at their mean. It has no robustness of its own: a
    single far point makes the bandwidth wide where the kernel's tails are thin.

    References
    ----------
    .. [1] B. W. Silverman, "Density Estimation for Statistics and Data Analysis", 1986, eq. 3.31.
    .. [2] R. P. W. Duin, "On the choice of smoothing parameters for Parzen estimators of probability
       density functions", IEEE Trans. Comput. C-25 (1976), 1175-1179.
    .. [3] J. S. Marron and D. Nolan, "Canonical kernels for density estimation", Statist. Probab. Lett.
       7 (1988), 195-199.

    Examples
    --------
    >>> import numpy as np, kdexent
    >>> x = np.linspace(-2, 2, 101)
    >>> round(kdexent.select_bandwidth(x), 4)
    0.417
    >>> round(kdexent.select_bandwidth(x, kernel="laplace", rule="likelihood"), 2)
    0.27
    """
    select = {"silverman": _silverman, "likelihood": _likeliest}[checks.one_of("rule", rule, BANDWIDTH_RULES)]
    x = checks.real_array("x", x)
    z = np.zeros(x.shape[-1:]) if z is None else checks.logits_array("z", z)
    problem = density_problem(x, z, [0.0], 1.0, kernel, period)
    checks.require_data(x, z)
    widths = np.empty(problem.rows)
    for r in range(problem.rows):
        points, logits = (rows.block(r, r + 1)[0].astype(np.float64) for rows in (problem.x, problem.z))
        weights = np.exp(logits - logits.max())  # kdexent.softmax would take seconds to compile
        weights /= weights.sum()
        if problem.period is not None:
            points = np.mod(points, problem.period)
        points, weights = checks.weighted_points("x", points, weights, r if problem.rows > 1 else None)
        # Squares of lengths neither overflow nor vanish.
        scale = math.ldexp(1.0, math.frexp(float(np.abs(points).max()))[1] - 1)
        turn = None if problem.period is None else problem.period / scale
        widths[r] = scale * select(Weighted(points / scale, weights, problem.kernel, turn))
    return widths.reshape(problem.shape) if problem.shape else float(widths[0])


class Weighted(NamedTuple):
    """One row: points, and their weights, none of them 0."""

    x: Floats  # (N,)
    w: Floats
    kernel: str
    period: float | None


def _silverman(row: Weighted) -> float:
    points = 1 / float((row.w * row.w).sum())
    spread: float = 0.9 * _spread(row) * points**-0.2
    return spread * FACTS[row.kernel].canonical


def _spread(row: Weighted) -> float:
    x, w, period = row.x, row.w, row.period
    if period is None:
        deviation = math.sqrt(float((w * (x - (w * x).sum()) ** 2).sum()))
        low, high = _quartiles(x, w)
        # Equal quartiles may differ by rounding.
        return min(deviation, (high - low) / 1.34) if high - low > _ROUNDING * np.ptp(x) else deviation
    uniform = period / math.sqrt(12)
    mean = float(np.angle((w * np.exp(2j * np.pi / period * x)).sum())) * period / (2 * np.pi)
    # The mean resultant length is 1 less this, which is small where points are near each other.
    apart = 2 * float((w * np.sin(np.pi / period * (x - mean)) ** 2).sum())
    return min(uniform, period / (2 * np.pi) * math.sqrt(-2 * math.log1p(-apart))) if apart < 1 else uniform


def _quartiles(x: Floats, w: Floats) -> tuple[float, float]:
    """Return the quartiles, those of np.quantile where weights are equal."""
    if w.min() == w.max():
        low, high = np.quantile(x, (0.25, 0.75))
    else:
        order = np.argsort(x)
        below = np.cumsum(w[order]) - w[order] / 2
        share = (below - below[0]) / (below[-1] - below[0])
        low, high = np.interp((0.25, 0.75), share, x[order])
    return float(low), float(high)


def resolution(x: Floats) -> float:
    """Return the median distance between neighbours (N,) that are not equal, of two points or more."""
    return float(np.median(np.diff(np.unique(x))))


def _likeliest(row: Weighted) -> float:
    order = np.argsort(row.x)
    row = row._replace(x=row.x[order], w=row.w[order])
    finest, widest = resolution(row.x), row.period or 4 * float(row.x[-1] - row.x[0])

    low, high = math.log(finest), math.log(max(widest, finest))
    tried: dict[float, float] = {}

    def score(log_h: float) -> float:
        tried[log_h] = _log_likelihood(row, math.exp(log_h))
        return tried[log_h]

    def peak() -> float:
        return max(tried, key=lambda each: tried[each])

    start = min(max(math.log(_silverman(row)), low), high)
    for log_h in (start, *np.linspace(low, high, 2 + int((high - low) / _COARSE)).tolist()):
        score(log_h)
    start = peak()
    for step, last in ((_STEP, high), (-_STEP, low)):
        log_h, worse = start, 0
        while log_h != last and worse < _WORSE:
            log_h, best = min(max(log_h + step, low), high), max(tried.values())
            this = tried[log_h] if log_h in tried else score(log_h)
            # Where compact kernels are narrow the likelihood is 0, of a point alone: on to wider ones.
            worse = worse + 1 if -math.inf < best >= this else 0
    _enclose(score, max(peak() - _STEP, low), min(peak() + _STEP, high))
    if peak() < low + 2 * _CLOSE:
        warnings.warn(
            "the likelihood still grows where the bandwidth is as small as the distance of neighbours in x: "
            "the bandwidth is that, and mostly too small",
            UserWarning,
            stacklevel=4,
        )
        return finest
    return math.exp(peak())


def _log_likelihood(row: Weighted, h: float) -> float:
    """Return the sum of w_i log q_i(x_i), each time of all points but i."""
    x, w, one = _gathered(row, h)
    options: dict[str, Any] = {"bandwidth": h, "kernel": row.kernel, "period": row.period, "rtol": _RTOL}
    log_w, log_one = np.log(w), np.log(one)
    log_q = log_density(x, log_w, x, **options)
    own = np.exp(log_one + log_density([0.0], [0.0], [0.0], **options) - log_q)
    alone = own > _ALONE
    log_q[~alone] += np.log1p(-own[~alone])
    if alone.any():
        # Far from each other and from the rest, and each a single point.
        rest = ~alone
        log_rest: Any = -np.inf
        if rest.any():
            log_rest = log_density(x[rest], log_w[rest], x[alone], **options) + math.log(w[rest].sum())
        log_q[alone] = np.logaddexp(log_rest, _among_themselves(x[alone], log_w[alone], options))
    others, top = 1 - one, int(np.argmax(one))
    # The difference from 1 would be rounding where a point has nearly all the weight.
    others[top] = np.delete(w, top).sum() + w[top] - one[top]
    return float((w * (log_q - np.log(others))).sum())


def _gathered(row: Weighted, h: float) -> tuple[Floats, Floats, Floats]:
    """Return places, their weights, and the weight of one point there, that do for sorted points (N,).

    Of many points those in a 16th of a bandwidth are one place, their mean: log q changes by some 1e-4.
    """
    if len(row.x) <= _FEW:
        return row.x, row.w, row.w
    cell = np.floor((row.x - row.x[0]) * (_CELLS / h))
    starts = np.flatnonzero(np.diff(cell, prepend=-1.0))
    w = np.add.reduceat(row.w, starts)
    return np.add.reduceat(row.w * row.x, starts) / w, w, np.add.reduceat(row.w * row.w, starts) / w


def _among_themselves(x: Floats, log_w: Floats, options: dict[str, Any]) -> Floats:
    """Return log sum_j w_j K(x_i - x_j) over the others j of sorted points (n,): the next few count."""
    count, sums = len(x), np.full(len(x), -np.inf)
    for turn in {each % count for each in range(-_NEIGHBOURS, _NEIGHBOURS + 1)} - {0}:
        log_k = log_density([0.0], [0.0], x - np.roll(x, turn), **options)
        np.logaddexp(sums, np.roll(log_w, turn) + log_k, out=sums)
    return sums


def _enclose(score: Callable[[float], float], low: float, high: float) -> None:
    """Try places ever closer to the maximum between low and high, by golden sections."""
    places = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    scores = [score(each) for each in places]
    while high - low > _CLOSE:
        if scores[0] >= scores[1]:
            high = places[1]
            places = [high - _GOLDEN * (high - low), places[0]]
            scores = [score(places[0]), scores[0]]
        else:
            low = places[0]
            places = [places[1], low + _GOLDEN * (high - low)]
            scores = [scores[1], score(places[1])]
