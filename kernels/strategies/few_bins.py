"""Bins that fast sums are not certain of, by all pairs where that is faster than to find what matters."""

import numpy as np
from numpy.typing import NDArray

from ..arguments.arrays import FLOAT64, Floats, Gradients, Ints
from ..arguments.problem import Problem, Rows
from ..formula import RowParameters
from ..names import COMPACT
from .direct import direct
from .direct.all_pairs import evaluate_pairs, pair_densities
from .sums.blocks import RowData
from .sums.reach import Bins, RowShape, reach_of
from .tails import tail

# What part of its peak K is less than at all points where all pairs take their logarithms, and what each pair
# costs more then, ns; or where kernels end.
_LOST = 1e-120
_LOST_PAIR, _EMPTY_PAIR = 20.0, 2.0
# What a set of bins costs beside its pairs, once and for each point of the row, ns; and between two sets, how
# many bins cost less than that.
_SET, _SET_POINT, _BETWEEN = 100_000.0, 15.0, 100


def sets_of(shape: RowShape, family: RowParameters, centers: Floats, weak: NDArray[np.bool_]) -> list[Ints]:
    """Return the sets of bins (M,), all weak ones in them, to be summed over all pairs.

    None where the other way is faster.
    """
    (bins,) = np.nonzero(weak)
    cuts = np.flatnonzero(np.diff(bins) > _BETWEEN)
    firsts, lasts = bins[np.append(0, cuts + 1)], bins[np.append(cuts, -1)]
    strong = np.concatenate([[-np.inf], np.sort(centers[~weak]), [np.inf]])
    right = np.searchsorted(strong, centers[bins])
    away = np.minimum(centers[bins] - strong[right - 1], strong[right] - centers[bins])
    lost = int((away > reach_of(shape, family, _LOST)).sum())
    of_pairs, apart = _of_pairs(shape, len(bins), (lasts - firsts + 1).tolist(), lost)
    if of_pairs > tail.cost(shape, len(bins)):
        return []
    if not apart:
        return [bins]
    return [np.arange(first, last + 1) for first, last in zip(firsts, lasts, strict=True)]


def _of_pairs(shape: RowShape, number: int, runs: list[int], lost: int) -> tuple[float, bool]:
    """Return an estimate of the time of all pairs of weak bins, and whether each run is a set of its own."""
    spacing = shape.bins.spacing
    of_set = _SET + _SET_POINT * shape.points
    together = of_set + direct.cost(shape._replace(bins=Bins(0.0, 0.0, number)))
    apart = sum(of_set + direct.cost(shape._replace(bins=Bins(spacing * run, spacing, run))) for run in runs)
    more = number * _EMPTY_PAIR if shape.kernel in COMPACT else lost * _LOST_PAIR
    return min(apart, together) + shape.points * more, apart < together


def few_densities(row: RowData, shape: RowShape, centers: Floats) -> Floats:
    """Return log q at centers (M,)."""
    return pair_densities(_problem(row, shape, centers, np.zeros(len(centers))), row.n_threads)[0]


def add_sets(
    row: RowData, shape: RowShape, centers: Floats, masses: Floats, sets: list[Ints], out: Gradients
) -> float:
    """Return the loss of sets of bins of centers and masses (M,), and add to a row's gradients.

    Each set brings w_i / sum_j w_j to the gradient by z, less the masses out of all points' reach.
    """
    rows = {name: array if name == "bandwidth" else array[np.newaxis] for name, array in out.items()}
    loss = 0.0
    for bins in sets:
        of_set = _problem(row, shape, centers[bins], masses[bins])
        loss += float(evaluate_pairs(of_set, rows or None, row.n_threads, add=True)[0])
    return loss


def _problem(row: RowData, shape: RowShape, centers: Floats, masses: Floats) -> Problem:
    """Return the problem of a row and some of its bins."""
    x, z, c, p = (Rows(array[np.newaxis]) for array in (row.x, row.z, np.ascontiguousarray(centers), masses))
    equal = shape.bins.spacing > 0 and float(np.ptp(centers)) < shape.bins.spacing * (len(centers) - 0.5)
    h, data = Rows(np.array([shape.h])), (row.x, row.z)
    return Problem((), 1, row.points, x, z, FLOAT64, shape.kernel, shape.period, h, c, p, equal, data)
