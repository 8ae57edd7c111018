"""The loss, its gradients and the density: by all pairs where these are few, else row by row."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from ..arguments.arrays import Floats, Gradients
from ..arguments.problem import Problem, Request
from ..runtime.undisturbed import load
from .direct.all_pairs import evaluate_pairs, pair_densities, takes_all_pairs

if TYPE_CHECKING:
    from .evaluate_rows import Prepared


def evaluate(
    problem: Problem,
    request: Request,
    gradients: Gradients | None,
    n_threads: int,
    prepared: Prepared | None = None,
) -> Floats:
    """Return the losses (R,), and write the gradients asked for: z, x (R, N) and bandwidth (R,)."""
    if takes_all_pairs(problem, request):
        return evaluate_pairs(problem, gradients, n_threads)
    losses: Floats = _of_rows().evaluate_rows(problem, request, gradients, n_threads, prepared)
    return losses


def evaluate_density(
    problem: Problem, request: Request, n_threads: int, prepared: Prepared | None = None
) -> Floats:
    """Return log q (R, M) at the problem's centers."""
    if takes_all_pairs(problem, request):
        return pair_densities(problem, n_threads)
    log_q: Floats = _of_rows().row_densities(problem, request, n_threads, prepared)
    return log_q


def _of_rows() -> ModuleType:
    return load(".strategies.evaluate_rows")  # which a small first call does without
