"""How exact the results of two revisions are, as a part of what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ... import reference
from ..classifiers import compared
from ..errors import ROUNDING, agreement, loss_errors
from ..exact import RTOL, Exact
from .workloads import Cell

Arrays = Sequence[np.ndarray]  # a loss, or a loss and its gradients
_BY_REFERENCE = 40_000_000  # pairs at most; more take it seconds
_HOW = ("n_threads", "method", "order", "out")  # what the reference does not ask


def judge(cell: Cell) -> Callable[[Arrays], float]:
    """Return what gives the largest error of a cell's result as a part of what is allowed, NaN if none is."""
    case: Any = cell.case
    if case is None or cell.function == "Plan":
        return lambda found: math.nan
    if cell.function == "loss_and_grad" and cell.wrt == "z":
        exact = Exact(case, "reference" if case.pairs <= _BY_REFERENCE else "direct")
        own = exact.check.share if exact.check else 0.0
        return lambda found: max(own, exact.agreement((found[0], found[1]), cell.way).share)
    call: Any = cell.call()
    options = {name: value for name, value in call.keywords.items() if name not in _HOW}
    truth = getattr(reference, cell.function)(*call.args, **options)
    if not cell.of_densities:
        return lambda found: compared(found[0] if len(found) == 1 else found, truth).share
    allowed = ROUNDING["float64"].plus(RTOL, RTOL)
    if cell.function != "loss_and_grad":
        return lambda found: float(loss_errors(found[0], truth).max() / allowed.loss)
    loss, gradients = truth if isinstance(truth[1], tuple) else (truth[0], truth[1:])

    def share(found: Arrays) -> float:
        pairs = zip(found[1:], gradients, strict=True)
        return max(agreement((found[0], one), (loss, other), allowed).share for one, other in pairs)

    return share
