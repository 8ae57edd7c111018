"""A bandwidth for weighted points: Silverman's rule, or the maximum of the leave-one-out likelihood.

w = softmax(z),  n = 1 / sum_i w_i^2,  h = 0.9 n^(-1/5) min(deviation, interquartile range / 1.34)
h = argmax sum_i w_i log q_i(x_i),  q_i(c) = sum_{j != i} w_j K_h(c - x_j) / (1 - w_i)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent.arguments import checks
from kdexent.arguments.float_errors import no_float_errors
from kdexent.names import BANDWIDTH_RULES, FACTS

from .kde import log_density
from .softmax_loss import softmax

Floats = NDArray[np.float64]

_TRIED = 25  # bandwidths at a time, of which the neighbours of the best enclose the next
_ROUNDS = 4
_ROUNDING = 1e-12


@no_float_errors
def select_bandwidth(
    x: ArrayLike,
    z: ArrayLike | None = None,
    *,
    kernel: str = "gaussian",
    period: float | None = None,
    rule: str = "silverman",
) -> float | Floats:
    """Return the bandwidth of each row; see `kdexent.select_bandwidth` for the arguments.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(reference.select_bandwidth([0.0, 1.0, 3.0], kernel="laplace"), 4)
    0.5983
    """
    checks.one_of("rule", rule, BANDWIDTH_RULES)
    x = checks.real_array("x", x)
    z = np.zeros(x.shape[-1:]) if z is None else checks.logits_array("z", z)
    log_density(x, z, [0.0], bandwidth=1.0, kernel=kernel, period=period)  # for the checks
    x, z = np.broadcast_arrays(x.astype(np.float64), z.astype(np.float64))
    select = _silverman if rule == "silverman" else _likeliest
    widths = []
    for r, (row, logits) in enumerate(zip(_rows(x), _rows(z), strict=True)):
        turned = row if period is None else np.mod(row, period)
        points, w = checks.weighted_points("x", turned, softmax(logits), r if x.ndim > 1 else None)
        scale = float(np.abs(points).max())  # whose squares neither overflow nor vanish
        widths.append(scale * select(points / scale, w, kernel, period and period / scale))
    return np.reshape(widths, x.shape[:-1]) if x.ndim > 1 else widths[0]


def _rows(array: Floats) -> Floats:
    return array.reshape(-1, array.shape[-1])


def _silverman(x: Floats, w: Floats, kernel: str, period: float | None) -> float:
    n = 1 / (w**2).sum()
    if period is None:
        spread = math.sqrt((w * (x - (w * x).sum()) ** 2).sum())
        low, high = _quartiles(x, w)
        if high - low > _ROUNDING * np.ptp(x):  # equal ones may differ by rounding
            spread = min(spread, (high - low) / 1.34)
    else:
        mean = np.angle((w * np.exp(2j * np.pi * x / period)).sum()) * period / (2 * np.pi)
        apart = (w * 2 * np.sin(np.pi * (x - mean) / period) ** 2).sum()  # 1 less the mean resultant length
        spread = period / (2 * np.pi) * math.sqrt(-2 * math.log1p(-apart)) if apart < 1 else math.inf
        spread = min(spread, period / math.sqrt(12))
    return float(0.9 * spread * n**-0.2 * FACTS[kernel].canonical)


def _quartiles(x: Floats, w: Floats) -> Floats:
    """Return the quartiles of weighted points: at a point is all the weight below, and half of its own."""
    x, w = x[np.argsort(x)], w[np.argsort(x)]
    below = np.cumsum(w) - w / 2
    return np.interp([0.25, 0.75], (below - below[0]) / (below[-1] - below[0]), x)


def _likeliest(x: Floats, w: Floats, kernel: str, period: float | None) -> float:
    low = float(np.median(np.diff(np.unique(x))))
    high = max(period or 4 * float(x.max() - x.min()), low)
    finest = low
    for _ in range(_ROUNDS):
        tried = np.geomspace(low, high, _TRIED)
        best = int(np.argmax([_log_likelihood(x, w, h, kernel, period) for h in tried]))
        low, high = tried[max(best - 1, 0)], tried[min(best + 1, _TRIED - 1)]
    return max(finest, float(tried[best]))


def _log_likelihood(x: Floats, w: Floats, h: float, kernel: str, period: float | None) -> float:
    """Return sum_i w_i log q_i(x_i)."""
    others = np.where(np.eye(len(x), dtype=bool), -np.inf, np.log(w))
    log_q = log_density(x, others, x[:, np.newaxis], bandwidth=h, kernel=kernel, period=period)
    return float((w * log_q[:, 0]).sum())
