"""How wide cells of an order may be: the error of interpolating a kernel across one, measured.

The error of the interpolant at Chebyshev nodes is sampled for cells at every distance from a bin, at
places in the cell between the nodes, where it is largest.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ...arguments.arrays import Floats
from ...families import row_parameters
from ...formula import RowParameters
from ...names import FACTS, KNOTS
from ...numerics.chebyshev import chebyshev
from ..sums.reach import ROUNDING, kernel_values
from .levels import MERGED

# How far an error may reach beyond those sampled.
_MARGIN = 1.2
_WIDEST = 4.0  # in bandwidths
_NARROWEST = 2.0**-10


def interpolation_errors(
    family: RowParameters, order: int, width: float, centers: Floats, h: float, derivatives: bool
) -> tuple[Floats, Floats]:
    """Return for cells with centers (n,) from a bin the largest error, absolute and relative to K there.

    With `derivatives`, h dK/dd and h dK/dh count like K.
    """
    nodes, weights, _ = chebyshev(order)
    # Not the very edge, which may be a knot.
    tests = np.cos(np.pi * np.arange(2 * order + 1) / (2 * order)) * (1 - 1e-9)
    interpolate = weights @ np.cos(np.arange(order)[:, np.newaxis] * np.arccos(tests))
    at_nodes = kernel_values(family, centers[:, np.newaxis] + width / 2 * nodes)
    at_tests = kernel_values(family, centers[:, np.newaxis] + width / 2 * tests)
    with np.errstate(invalid="ignore"):
        error = np.nan_to_num(np.abs(at_nodes @ interpolate - at_tests), nan=np.inf)
    error[1:] *= h
    error = error if derivatives else error[:1]
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.nan_to_num(error / at_tests[0], posinf=np.inf)
    return _MARGIN * error.max(axis=(0, 2)), _MARGIN * relative.max(axis=(0, 2))


class Accuracy(NamedTuple):
    """Cells of an order that keep a tolerance."""

    width: float  # at most
    near: int  # cells on each side of a bin that are not merged


def smooth_accuracy(
    kernel: str, family: RowParameters, h: float, reach: float, order: int, eps: float, derivatives: bool
) -> Accuracy | None:
    """Return the widest cells on which a kernel's error is eps of its peak, or of K itself, or None."""
    peak = float(kernel_values(family, np.zeros(1))[0, 0])
    relative = FACTS[kernel].steady  # the same error, relative to K, at every distance
    kinked = 0 in KNOTS[kernel]

    def largest(width: float) -> float:
        span = min(reach, 8 * h) + width
        # A cell beside a knot begins there.
        start = width / 2 if kinked else 0.0
        centers = start + np.linspace(0, span, 33 if width < h else 65)
        absolute, ratio = interpolation_errors(family, order, width, centers, h, derivatives)
        return float(ratio.max()) if relative else float(absolute.max()) / peak

    def largest_at(distance: float) -> float:
        width = distance / (near / MERGED + 0.5)
        _, ratio = interpolation_errors(family, order, width, np.array([distance]), h, derivatives)
        return float(ratio[0])

    high = min(_WIDEST * h, 2 * reach)
    low = min(_NARROWEST * h, high / 64)
    near = 0
    if FACTS[kernel].heavy:
        near = 16
        far = [(near / MERGED + 0.5) * MERGED**level * h for level in (0, 1, 4)]
        far = [d for d in far if math.isinf(reach) or d < reach]
        if far and max(map(largest_at, far)) > eps:
            return None
    if largest(low) > eps:
        return None
    if largest(high) <= eps:
        return Accuracy(high, near)
    for _ in range(14):
        middle = math.sqrt(low) * math.sqrt(high)
        low, high = (middle, high) if largest(middle) <= eps else (low, middle)
    return Accuracy(low, near)


def error_table(
    family: RowParameters, h: float, order: int, width: float, cells: int, derivatives: bool
) -> Floats:
    """Return bounds on the error of K/C for cells 0 .. `cells` away from the bin's own."""
    offsets = np.arange(cells + 1)[:, np.newaxis] + np.linspace(-0.5, 0.5, 5)
    centers = offsets.ravel() * width
    absolute, _ = interpolation_errors(family, order, width, centers, h, derivatives)
    nearest = np.maximum(np.abs(offsets).min(axis=1) - 0.5, 0) * width
    rounding = ROUNDING * kernel_values(family, nearest)[0]
    error: Floats = absolute.reshape(offsets.shape).max(axis=1) + rounding
    return error


@lru_cache(maxsize=512)
def knotted_error(kernel: str, order: int, width: float, derivatives: bool) -> float:
    """Return the error of a compact kernel at h = 1, relative to its peak, in cells between knots."""
    if order > FACTS[kernel].degree:
        return ROUNDING
    family = row_parameters(kernel, np.ones(1), None)
    peak = float(kernel_values(family, np.zeros(1))[0, 0])
    low = 0.0 if 0 in KNOTS[kernel] else -1.0
    width = min(width, 1 - low)
    centers = np.linspace(low + width / 2, 1 - width / 2, 33)
    absolute, _ = interpolation_errors(family, order, width * (1 - 1e-12), centers, 1.0, derivatives)
    return float(absolute.max()) / peak + ROUNDING
