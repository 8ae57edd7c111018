"""What the command line assumes where it is not told: an interval and a bandwidth."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUANTILES = (0.05, 0.95)


def interval(x: NDArray[Any], period: float | None) -> tuple[float, float]:
    """Return the 5 % and 95 % quantiles of the data, or the whole circle."""
    if period is not None:
        return 0.0, period
    low, high = np.quantile(x, _QUANTILES)
    return float(low), float(high)


def silverman(x: NDArray[Any], period: float | None) -> float:
    """Return Silverman's rule of thumb for the bandwidth.

    0.9 N^(-1/5) times the smaller of standard deviation and interquartile range / 1.34; on a circle,
    the circular standard deviation, at most that of a uniform distribution. The weights play no part.
    """
    x = x.astype(np.float64, copy=False)
    if period is None:
        low, high = np.quantile(x, (0.25, 0.75))
        spread = min((s for s in (float(x.std()), float(high - low) / 1.34) if s > 0), default=0.0)
    else:
        resultant = abs(np.exp(2j * np.pi / period * x).mean())
        uniform = period / math.sqrt(12)
        if resultant == 0:
            spread = uniform
        else:
            spread = min(uniform, period / (2 * np.pi) * math.sqrt(max(0.0, -2 * math.log(resultant))))
    return float(0.9 * spread * x.shape[-1] ** -0.2)
