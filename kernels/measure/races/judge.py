"""How exact the results of two revisions are, beside what is allowed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

import kdexent

from ... import reference
from ..classifiers import compared
from ..errors import ROUNDING, Error, agreement, loss_errors
from ..exact import RTOL, Exact
from .racer import arrays
from .workloads import Cell

Arrays = Sequence[np.ndarray]  # a loss, or a loss and its gradients
_BY_REFERENCE = 40_000_000  # pairs at most; more take it seconds
_FEW = 1_000  # points
_HOW = ("n_threads", "method", "order", "out")  # what the reference does not ask


UNKNOWN = Error(math.nan, math.nan)


def judge(cell: Cell) -> Callable[[Arrays], Error]:
    """Return what gives the worst error of a cell's result, NaN if it has none."""
    case: Any = cell.case
    if case is None or cell.function == "Plan":
        return lambda found: UNKNOWN
    if cell.function == "loss_and_grad" and cell.wrt == "z":
        exact = Exact(case, "reference" if case.pairs <= _BY_REFERENCE else "direct")
        own = [exact.check.worst] if exact.check else []
        return lambda found: _worst([*own, exact.agreement((found[0], found[1]), cell.way).worst])
    call: Any = cell.call()
    options = {name: value for name, value in call.keywords.items() if name not in _HOW}
    by_reference = partial(getattr(reference, cell.function), **options)
    if not cell.of_densities:
        truth = by_reference(*call.args)
        return lambda found: compared(found[0] if len(found) == 1 else found, truth).worst
    if case.pairs <= _BY_REFERENCE:
        return _against(by_reference(*call.args))
    # All pairs judge, and the reference these on the first points.
    direct = partial(getattr(kdexent, cell.function), **options, method="direct", rtol=0.0)
    x, z, *others = call.args
    few = x[..., :_FEW], z[..., :_FEW], *others
    of_few = _against(by_reference(*few))(arrays(direct(*few)))
    worst = _against(direct(*call.args))
    return lambda found: _worst([of_few, worst(found)])


def _against(truth: Any) -> Callable[[Arrays], Error]:
    """Return what gives the worst error against a loss, with its gradients or alone, or densities."""
    allowed = ROUNDING["float64"].plus(RTOL, RTOL)
    if not isinstance(truth, tuple):
        return lambda found: Error(float(loss_errors(found[0], truth).max()), float(allowed.loss))
    loss, gradients = truth if isinstance(truth[1], tuple) else (truth[0], truth[1:])

    def worst(found: Arrays) -> Error:
        pairs = zip(found[1:], gradients, strict=True)
        return _worst([agreement((found[0], one), (loss, other), allowed).worst for one, other in pairs])

    return worst


def _worst(errors: Sequence[Error]) -> Error:
    return max(errors, key=lambda each: each.share)
