"""The method `direct`: losses, gradients and densities of any rows from all their pairs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Gradients
from ...arguments.problem import Problem, Request
from ...names import AUTO
from ...runtime.pool import run_blocks
from ..sums.scan import SCANS, BadData
from ..tails.certificate import finish, is_weak, words_of_finish
from .direct import OVERHEAD, cost_of_first, direct
from .pairs import all_pairs
from .tiles import Strategy, Tile, cut

# log q is evaluated for so many points of a row at a time, which bounds the partial sums.
_POINTS_AT_A_TIME = 2**16
_POINTS_TO_SCAN = 2**18
# Of rows that take one way among others, whose gradients are arrays of their own first.
_NUMBERS_AT_A_TIME = 2**20
# Rows with fewer pairs take the direct way without a look at the others; with more, up to some, if that costs
# less than others do at least.
_FEWEST_PAIRS, _FEW_PAIRS = 2**16, 2**18
# What others cost a row beside their overhead, one that shares nothing with other calls, and a point; ns.
_BY_ROW, _ALONE, _POINT = 60_000.0, 250_000.0, 5.0


def takes_all_pairs(problem: Problem, request: Request) -> bool:
    """Return whether all rows take the direct way."""
    if request.method == "direct" or problem.bins == 0:
        return True
    if request.method != AUTO:
        return False
    pairs, alone = problem.points * problem.bins, problem.frame is None
    if pairs <= _FEWEST_PAIRS:
        return True
    if pairs > _FEW_PAIRS and not alone and problem.rows == 1:
        return False
    others = OVERHEAD + _BY_ROW + alone * _ALONE + _POINT * problem.points
    return cost_of_first(problem) <= others


@contextmanager
def gradients_of(rows: NDArray[np.intp] | None, gradients: Gradients | None) -> Iterator[Gradients | None]:
    """Give arrays for the gradients of some rows (None: all), and store afterwards what was written there."""
    if rows is None or gradients is None:
        yield gradients
        return
    of_rows = {
        name: np.empty((len(rows), *array.shape[1:]), array.dtype) for name, array in gradients.items()
    }
    yield of_rows
    for name, array in of_rows.items():
        gradients[name][rows] = array


def evaluate_pairs(
    problem: Problem, gradients: Gradients | None, n_threads: int, add: bool = False
) -> Floats:
    """Return the losses (R,), and write the gradients asked for: z, x (R, N) and bandwidth (R,).

    Those of rows that take the same way may be added to what is there.
    """
    sets = direct(problem)
    if len(sets) == 1:
        return _evaluate_set(problem, sets[0][2], gradients, n_threads, add)
    losses = np.empty(problem.rows)
    at_once = problem.rows if gradients is None else max(1, _NUMBERS_AT_A_TIME // problem.points)
    for rows, _, strategy in sets:
        assert rows is not None
        for some in np.split(rows, range(at_once, len(rows), at_once)):
            with gradients_of(some, gradients) as out:
                losses[some] = _evaluate_set(problem.take(some), strategy, out, n_threads)
    return losses


def _evaluate_set(
    problem: Problem, strategy: Strategy, gradients: Gradients | None, n_threads: int, add: bool = False
) -> Floats:
    losses = np.empty(problem.rows)
    if gradients is not None and gradients.keys() != {"z"}:
        # All pairs alone have gradients by x and bandwidth. Their forward goes with their adjoint: two ways
        # round differently, and responsibilities would not add up to 1 as closely as they do.
        strategy = strategy._replace(way=all_pairs(strategy.variant))

    def work(tile: Tile) -> None:
        _evaluate_tile(tile, losses[tile.start : tile.stop], gradients, add)

    _each_tile(problem, strategy, work, n_threads)
    return losses


def pair_densities(problem: Problem, n_threads: int) -> Floats:
    """Return log q (R, M) at the problem's centers."""
    log_q = np.empty((problem.rows, problem.bins))
    for first in range(0, problem.bins, _POINTS_AT_A_TIME):
        columns = slice(first, first + _POINTS_AT_A_TIME)
        for rows, of_set, strategy in direct(problem.at_centers(columns)):

            def work(tile: Tile, rows: Any = rows, columns: slice = columns) -> None:
                (density, mass), floor = tile.densities(), tile.way.floor
                log_density = np.log(density, out=np.zeros_like(density), where=density >= floor)
                log_density += (tile.log_scale - np.log(mass))[:, np.newaxis]
                if density.min() < floor:
                    weak = tile.weak_bins(~(density >= floor), mass)
                    log_density[weak.row, weak.bins] = weak.log_q
                of_tile = slice(tile.start, tile.stop)
                log_q[of_tile if rows is None else rows[of_tile], columns] = log_density

            _each_tile(of_set, strategy, work, n_threads)
    return log_q


def _each_tile(problem: Problem, strategy: Strategy, work: Callable[[Tile], None], n_threads: int) -> None:
    """Scan every tile and do the work on it; threads share the tiles, or else the blocks of each."""
    shape = cut(problem, strategy.way)
    step = shape.rows_per_tile
    inside = n_threads if shape.blocks > 1 else 1

    def one(index: int) -> None:
        tile = Tile(problem, strategy, shape, index * step, min((index + 1) * step, problem.rows), inside)
        _find_top(tile)
        work(tile)

    run_blocks(-(-problem.rows // step), one, 1 if inside > 1 else n_threads)


def _find_top(tile: Tile) -> None:
    look = SCANS[tile.dtype]()
    if tile.blocks == 1:
        tile.top = np.empty(tile.rows)
        if look(*tile.whole(tile.dtype), tile.top, True):
            raise BadData
        return
    spans = -(-tile.points // _POINTS_TO_SCAN)
    tops, bad = np.empty((spans, tile.rows)), np.zeros(spans, bool)

    def span(index: int, points: slice, x: NDArray[Any], z: NDArray[Any]) -> None:
        bad[index] = look(x, z, tops[index], False)

    tile.each_span(_POINTS_TO_SCAN, span, tile.dtype)
    tile.top = tops.max(axis=0)
    if bad.any() or tile.top.min() == -np.inf:
        raise BadData


def _evaluate_tile(tile: Tile, losses: Floats, gradients: Gradients | None, add: bool) -> None:
    both = None if gradients is None else tile.both(losses, gradients, add)
    if both is not None:
        mass, weights, weak_bins = both
    else:
        density, mass = tile.densities()
        weights = np.empty_like(density)
        fixed = tile.log_scale, tile.masses, tile.way.floor
        weak_bins = finish()(density, mass, *fixed, weights, losses, np.empty(words_of_finish(tile.bins)))
    if gradients is not None and both is None and (not weak_bins or (tile.rows > 1 and not add)):
        tile.gradients(weights, tile.share / mass, None, gradients, add)
    if not weak_bins:
        return
    if tile.rows == 1 or add:
        _with_weak_bins(tile, mass, weights, losses, gradients, add)
        return
    # Again, for rows with weak bins alone.
    rows = np.flatnonzero(_weak(tile, weights).any(axis=1))
    of_rows = losses[rows]
    with gradients_of(tile.start + rows, gradients) as out:
        _with_weak_bins(tile.of_rows(rows), mass[rows], weights[rows], of_rows, out, False)
    losses[rows] = of_rows


def _weak(tile: Tile, weights: Floats) -> NDArray[np.bool_]:
    return is_weak(weights, tile.masses)


def _with_weak_bins(
    tile: Tile, mass: Floats, weights: Floats, losses: Floats, gradients: Gradients | None, add: bool
) -> None:
    """Add weak bins to the losses (R,), and write all gradients, from the weights of the other bins."""
    weak = tile.weak_bins(_weak(tile, weights), mass)
    p = np.broadcast_to(tile.masses, weights.shape)[weak.row, weak.bins]
    losses += np.bincount(weak.row, np.where(p > 0, -p * weak.log_q, 0), minlength=tile.rows)
    out_of_reach = np.bincount(weak.row, p * (weak.total == 0), minlength=tile.rows)
    if gradients is not None:
        share = np.maximum(tile.share - out_of_reach, 0) / mass
        tile.gradients(weights, share, weak, gradients, add)


def pairs_workspace(problem: Problem) -> int:
    """Return the bytes that a call takes beside its arguments and results."""
    sets = direct(problem)
    if not sets:
        return 0
    way = sets[0][2].way
    shape, bins = cut(problem, way), max(1, problem.bins)
    rows = min(shape.rows_per_tile, problem.rows)
    return 8 * (bins * (shape.partials + 2) * rows + way.words(rows, bins))
