"""The loss and its gradients from any strategy's two halves, forward (log q) and adjoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .direct import direct
from .names import AUTO
from .problem import Problem
from .scan import scan
from .threads import run_blocks
from .tiles import Cut, Gradients, Tile, cut

Floats = NDArray[np.float64]

# A strategy takes a problem to a list of (rows, their problem, (forward, adjoint)); rows None are all.
STRATEGIES = {"direct": direct}

# log q is evaluated for so many points of a row at a time, which bounds the partial sums.
_POINTS_AT_A_TIME = 2**16


class BadData(Exception):
    """The scan met an entry of x or z that no call may have."""


def choose_strategy(method: str, problem: Problem) -> Callable[[Problem], list]:
    """Return the strategy that `method` names; auto takes direct, the only one there is."""
    return STRATEGIES["direct" if method == AUTO else method]


def evaluate(problem: Problem, method: str, gradients: dict[str, NDArray[Any]] | None, n_threads: int) -> Floats:
    """Return the losses (R,), and write the gradients asked for: z, x (R, N) and bandwidth (R,)."""
    losses = np.empty(problem.rows)
    for rows, part, strategy in choose_strategy(method, problem)(problem):
        wanted = gradients
        if rows is not None and gradients is not None:
            wanted = {name: np.empty((len(rows), *array.shape[1:])) for name, array in gradients.items()}
        out = None if wanted is None else Gradients(wanted)

        def one(tile: Tile, part=part, strategy=strategy, out=out, rows=rows) -> None:
            at = slice(tile.start, tile.stop) if rows is None else rows[tile.start : tile.stop]
            losses[at] = _loss_of_tile(tile, part, strategy, out)

        _each_tile(part, cut(part), one, n_threads)
        if rows is not None and gradients is not None and wanted is not None:
            for name, array in gradients.items():
                array[rows] = wanted[name]
    return losses


def evaluate_density(problem: Problem, method: str, n_threads: int) -> Floats:
    """Return log q (R, M) at the problem's centers."""
    log_q = np.empty((problem.rows, problem.bins))
    for first in range(0, problem.bins, _POINTS_AT_A_TIME):
        columns = slice(first, first + _POINTS_AT_A_TIME)
        some = problem.at_centers(columns)
        for rows, part, strategy in choose_strategy(method, some)(some):

            def one(tile: Tile, strategy=strategy, rows=rows, columns=columns) -> None:
                at = slice(tile.start, tile.stop) if rows is None else rows[tile.start : tile.stop]
                log_q[at, columns], _ = strategy.forward(tile)

            _each_tile(part, cut(part), one, n_threads)
    return log_q


def _each_tile(problem: Problem, shape: Cut, work: Callable[[Tile], None], n_threads: int) -> None:
    """Scan every tile and do the work on it; threads share the tiles, or the blocks of one tile after another."""
    step = shape.rows_per_tile
    tiles = -(-problem.rows // step)
    apart = shape.blocks == 1

    def one(index: int) -> None:
        stop = min((index + 1) * step, problem.rows)
        tile = Tile(problem, shape, index * step, stop, 1 if apart else n_threads)
        _find_top(tile)
        work(tile)

    run_blocks(tiles, one, n_threads if apart else 1)


def _find_top(tile: Tile) -> None:
    tops = np.empty((tile.blocks, tile.rows))
    bad = np.zeros(tile.blocks, int)

    def block(index: int, x: Floats, z: Floats) -> None:
        bad[index] = scan()(x, z, tops[index])
        tops[index, z.shape[0] :] = tops[index, 0]  # one row of logits may serve them all

    tile.each_block(block)
    tile.top = tops[0] if tile.blocks == 1 else tops.max(axis=0)
    if bad.any() or tile.top.min() == -np.inf:
        raise BadData


def _loss_of_tile(tile: Tile, problem: Problem, strategy: Any, out: Gradients | None) -> Floats:
    log_q, sums = strategy.forward(tile)
    masses = problem.masses.block(tile.start, tile.stop)
    if log_q.min() > -np.inf:
        losses = -(masses * log_q).sum(axis=1)
        covered = np.ones(tile.rows)
    else:
        used = (masses > 0) & (log_q == -np.inf)
        losses = np.where(used.any(axis=1), np.inf, -(masses * np.where(log_q == -np.inf, 0, log_q)).sum(axis=1))
        covered = 1 - (masses * used).sum(axis=1)
        covered[(used | (masses == 0)).all(axis=1)] = 0
    if out is not None:
        out = out.for_tile(tile)
        strategy.adjoint(tile, sums, masses, covered, out)
        out.finish(tile)
    return losses
