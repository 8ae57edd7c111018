"""What results are measured against, what each way comes down to, and how far off it may be."""

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import log_density, reference
from ..arguments.problem import Problem, Request, loss_problem
from ..strategies.evaluate_rows import Taken, first_sums
from ..strategies.evaluate_rows import taken as taken_by
from .cases import DIRECT, Arguments, Case, Way, small
from .errors import ROUNDING, Agreement, Tolerance, agreement, largest
from .timing import time_of

RTOL = 1e-9  # the default of `kdexent.loss`
# Errors of K that the grid documents, relative to its peak: a factor of (d/h)^order. A Gaussian's.
_GRID = {1: 0.3, 2: 1 / 8, 4: 0.07}
_MOVES, _SLACK = 2, 4.0


def taken(arguments: Arguments, way: Way, derivatives: bool = False) -> Taken:
    """Return the method and order that a way takes, and the memory; with derivatives by x or h, or none."""
    if way.planned:
        plan = way.plan(arguments)
        return Taken(plan.method, plan.order, plan.workspace_bytes, plan.stored_bytes)
    return taken_by(_problem(arguments), Request(way.method, way.order, RTOL), derivatives)


def _problem(arguments: Arguments) -> Problem:
    x, z, a, b, options = arguments
    described = options["bandwidth"], options["kernel"], options["bins"]
    return loss_problem(x, z, a, b, *described, "midpoint", None, options.get("period"))


def _sums_of(arguments: Arguments, way: Way) -> Any:
    """Return the sums that a way named takes."""
    sums = first_sums(_problem(arguments), Request(way.method, way.order, RTOL))
    assert sums is not None, "all pairs need none"
    return sums(RTOL)


class Exact:
    """The loss and gradient of a case, as `result`, by the reference or by method="direct".

    The latter, which is what rtol = 0 asks for, serves large cases, and `check` says how far it is from the
    reference on the case's first points.
    """

    def __init__(self, case: Case, source: str = "reference", n_threads: int | None = None) -> None:
        self.case, self.source, self._n_threads = case, source, n_threads
        self.arguments = case.make()
        self.check: Agreement | None = None  # of direct
        self.first_call = 0.0  # s, of direct, compiling
        if source == "direct":
            few = Exact(small(case))
            self.first_call, result = time_of(DIRECT.computation(few.arguments, n_threads))
            self.check = few.agreement(result, DIRECT)
        self.seconds, self.result = time_of(self)

    def __call__(self, x: NDArray[Any] | None = None) -> tuple[Any, Any]:
        """Compute the result, or that for other data points."""
        arguments = self.arguments if x is None else self.arguments._replace(x=x)
        if self.source == "direct":
            return DIRECT.computation(arguments, self._n_threads)()
        return arguments.to(reference.loss_and_grad)()

    def agreement(self, result: tuple[Any, Any], way: Way) -> Agreement:
        """Return a result's errors beside those that its way may have."""
        if way == DIRECT and self.check is not None:
            # Against itself there is nothing to see.
            return self.check
        errors = agreement(result, self.result, self.allowed(way))
        if errors.agrees or self.result[1].dtype != np.float64:
            return errors
        return errors._replace(tolerance=errors.tolerance.plus(*self._sensitivity))

    def allowed(self, way: Way) -> Tolerance:
        """Return the errors that a way may have: rounding, and those promised or documented."""
        rounding = ROUNDING[self.result[1].dtype.name]
        if way.method == "direct":
            return rounding
        if way.method == "grid":
            return rounding.plus(*self._of_kernel_error(self._grid_error(way)))
        if way.order is None:
            return rounding.plus(RTOL, RTOL)
        # Bins whose densities are further off than that are not left to the cells.
        keeps = max(RTOL, _sums_of(self.arguments, way).keeps)
        return rounding.plus(keeps, keeps * float(1 + self._weights.max() / self._largest_entry))

    def _grid_error(self, way: Way) -> float:
        grid = _sums_of(self.arguments, way).plan
        # As much again for bins that lie between the grid's points.
        factor = (1 if grid.through_centers else 2) * _GRID[grid.order]
        error: float = factor * (grid.spacing / grid.h) ** grid.order
        return error

    def _of_kernel_error(self, error: float) -> tuple[float, float]:
        """Return what errors of K, relative to its peak, can make of the errors of loss and gradient.

        With e_m = error K(0) / q_m, the relative error of q_m is at most e_m and the error of K_im / q_m
        at most (1 + K_im / q_m) e_m / (1 - e_m); and sum_m p_m S_i K_im / q_m = S_i - g_i.
        """
        with np.errstate(over="ignore", divide="ignore"):
            of_q = error * np.exp(self._log_peak - self._log_q)
        if of_q.max() >= 1:
            return np.inf, np.inf
        loss, gradient = self.result
        grown = of_q / (1 - of_q)
        responsibility = np.abs(self._weights - gradient).max()
        apart = self._weights.max() * grown.mean() + responsibility * grown.max()
        return float(-np.log1p(-of_q).mean() / max(1, abs(loss))), float(apart / self._largest_entry)

    @cached_property
    def _log_q(self) -> NDArray[np.float64]:
        plan = DIRECT.plan(self.arguments, self._n_threads)
        return np.asarray(plan.log_density(self.arguments.z))

    @property
    def _log_peak(self) -> float:
        options = {name: value for name, value in self.arguments.options.items() if name != "bins"}
        return float(log_density([0.0], [0.0], [0.0], **options)[0])

    @cached_property
    def _weights(self) -> NDArray[np.float64]:
        return reference.softmax(self.arguments.z.astype(np.float64))

    @property
    def _largest_entry(self) -> float:
        gradient = self.result[1]
        return float(largest(gradient.reshape(-1, gradient.shape[-1])).min())

    @cached_property
    def _sensitivity(self) -> tuple[float, float]:
        """What moving each point by one unit in the last place of the distances does to the result.

        It matters for data many bandwidths away, and is found out only where it may.
        """
        x, _, a, b, _ = self.arguments
        ulp = np.spacing(np.maximum(np.abs(x), np.max(np.abs([a, b]))))
        rng = np.random.default_rng(0)
        moves = (rng.choice([-1.0, 1.0], x.shape) * ulp for _ in range(_MOVES))
        moved = [agreement(self(x + move), self.result) for move in moves]
        return (
            _SLACK * max(each.loss_error for each in moved),
            _SLACK * max(each.gradient_error for each in moved),
        )
