"""Bins that fast sums are not certain of, by all pairs where that is faster than to find what matters."""

from dataclasses import replace

import numpy as np

from ..arguments.arrays import FLOAT64, Floats, Gradients, Ints
from ..arguments.problem import Problem, Rows
from ..formula import RowParameters
from ..names import COMPACT
from .direct import direct
from .direct.all_pairs import evaluate_pairs, pair_densities
from .sums.blocks import RowData
from .sums.reach import Bins, RowShape, reach_of
from .tails import tail
from .tails.certificate import Certain

# What part of its peak K is less than at all points where all pairs take their logarithms, and what each pair
# costs more then, ns; or where kernels end.
_LOST = 1e-120
_LOST_PAIR, _EMPTY_PAIR = 6.0, 2.0
# What a set of bins costs beside its pairs, once and for each point of the row, ns; and between two sets, how
# many bins cost less than that.
_ONCE, _POINT, _BETWEEN = 100_000.0, 15.0, 100


def sets_of(
    row: RowData, shape: RowShape, family: RowParameters, centers: Floats, certain: Certain, again: bool
) -> list[Ints]:
    """Return sets of bins (M,) to sum over all pairs, all weak ones in them; none where a search is faster.

    One of all bins where others take no less time, or where fast sums have been tried before.
    """
    (weak,) = np.nonzero(certain.weak)
    sets, of_some = [weak], _of_set(shape, row.points, len(weak), 0.0)
    if shape.bins.spacing > 0:
        cuts = np.flatnonzero(np.diff(weak) > _BETWEEN)
        ends = zip(weak[np.append(0, cuts + 1)], weak[np.append(cuts, -1)] + 1, strict=True)
        runs = [np.arange(*each) for each in ends]
        of_runs = sum(_of_set(shape, row.points, len(run), shape.bins.spacing) for run in runs)
        if of_runs < of_some:
            sets, of_some = runs, of_runs
    of_all, lost = direct.cost(shape), _of_lost(row, shape, family, centers, certain)
    of_search = tail.cost(shape, len(weak)) - lost
    if min(of_some, of_all) > of_search:
        return []
    return [np.arange(len(centers))] if of_all <= of_some or (again and of_all <= of_search) else sets


def _of_set(shape: RowShape, points: int, bins: int, spacing: float) -> float:
    """Return an estimate of the time of all pairs of some bins, in ns on one thread."""
    return _ONCE + _POINT * points + direct.cost(shape._replace(bins=Bins(spacing * bins, spacing, bins)))


def _of_lost(
    row: RowData, shape: RowShape, family: RowParameters, centers: Floats, certain: Certain
) -> float:
    """Return an estimate of what lost bins cost all pairs beside what others do, in ns on one thread."""
    if shape.kernel in COMPACT:
        return row.points * _EMPTY_PAIR * int(certain.weak.sum())
    # Points are near bins that are certain, and at the ends of the data.
    near = np.r_[centers[certain.weights > 0], row.extent if shape.period is None else ()]
    near, c = np.r_[-np.inf, np.sort(near), np.inf], centers[certain.weights <= 0]
    right = np.searchsorted(near, c)
    away = np.minimum(c - near[right - 1], near[right] - c)
    return row.points * _LOST_PAIR * int((away > reach_of(shape, family, _LOST)).sum())


def few_densities(row: RowData, shape: RowShape, centers: Floats) -> Floats:
    """Return log q at centers (M,)."""
    log_q: Floats = pair_densities(_problem(row, shape, centers, np.zeros(len(centers))), row.n_threads)[0]
    return log_q


def add_sets(
    row: RowData,
    shape: RowShape,
    centers: Floats,
    masses: Floats,
    sets: list[Ints],
    share: float,
    out: Gradients,
) -> float:
    """Return the loss of sets of bins of centers and masses (M,), and add to a row's gradients.

    Each set brings w_i share / sum_j w_j to the gradient by z, less the masses out of all points' reach.
    """
    rows = {name: array if name == "bandwidth" else array[np.newaxis] for name, array in out.items()}
    problems = (_problem(row, shape, centers[bins], masses[bins]) for bins in sets)
    if share != 1.0:
        problems = (replace(each, share=Rows(np.array([share]))) for each in problems)
    return sum(float(evaluate_pairs(each, rows or None, row.n_threads, add=True)[0]) for each in problems)


def _problem(row: RowData, shape: RowShape, centers: Floats, masses: Floats) -> Problem:
    """Return the problem of a row and some of its bins."""
    x, z, c, p = (Rows(array[np.newaxis]) for array in (row.x, row.z, np.ascontiguousarray(centers), masses))
    equal = shape.bins.spacing > 0 and float(np.ptp(centers)) < shape.bins.spacing * (len(centers) - 0.5)
    h, data = Rows(np.array([shape.h])), (row.x, row.z)
    return Problem((), 1, row.points, x, z, FLOAT64, shape.kernel, shape.period, h, c, p, equal, data)
