"""One problem, or some of its rows, ready to be computed in any way and at any bins, and its exact values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arguments.problem import Problem, Request, loss_problem
from ..kde import log_density, loss, loss_and_grad
from ..measure.errors import Truth, truth
from ..measure.timing import Effort, Timings, alternate, time_of
from ..names import AUTO
from ..plan import Plan
from ..strategies.cells.cells import LEAST_RTOL
from ..strategies.evaluate_rows import Taken, taken
from .choice import Asked, Measured
from .words import named

# With more pairs exact values take too long by all of them: so many pairs a second, for a part of the budget.
_PAIRS_A_SECOND = 5e8
_EXACT_PART = 0.1
_POINTS_TO_TRY = 2**12, 2**14
_MOST_PANELS = 2**16  # of the integral to begin with, of all rows
_MOST_TURNS = 15
_SHORT = 0.02  # parts of the budget

# The arguments that a problem has beside its data.
_BESIDE = "a", "b", "bandwidth", "kernel", "bins", "rule", "target", "period"

Result = TypeVar("Result")


@dataclass
class Purse:
    """Seconds to spend on calls, but for compiling and loading what is compiled."""

    budget: float
    getting_ready: Callable[[], float]  # the seconds that went into that so far
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.budget - self.spent

    def pay(self, work: Callable[[], Result]) -> tuple[float, Result]:
        """Return what a call takes, and its result."""
        before = self.getting_ready()
        seconds, result = time_of(work)
        seconds -= self.getting_ready() - before
        self.spent += seconds
        return seconds, result

    def pay_again(self, work: Callable[[], Result]) -> tuple[float, Result]:
        """Return the same of a call that was made before, if it does not take too long to be made twice."""
        seconds, result = self.pay(work)
        return (seconds, result) if seconds > _SHORT * self.budget else self.pay(work)


@dataclass(frozen=True)
class Bench:
    """A problem, to be computed in several ways."""

    x: NDArray[Any]
    z: NDArray[Any]
    target: Any
    problem: Problem
    asked: Asked
    purse: Purse

    @cached_property
    def _out(self) -> NDArray[Any]:
        return np.empty((*self.problem.shape, self.problem.points), self.problem.dtype)

    @cached_property
    def _exact_data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.x.astype(np.float64, copy=False), self.z.astype(np.float64, copy=False)

    @property
    def intervals(self) -> float:
        """How many bandwidths fit into [a, b], in the row where most do, if these are not too many."""
        most = np.max((np.asarray(self.asked.b) - self.asked.a) / self.asked.bandwidth)
        return min(float(most), _MOST_PANELS / self.problem.rows)

    def _exactly(self, function: Callable[..., Result], bins: int, rule: str) -> Result:
        """Return exact values, by all pairs if they are not too many: float32 data count as in float64."""
        pairs = float(self.problem.rows) * self.problem.points * bins
        few = pairs <= _PAIRS_A_SECOND * _EXACT_PART * self.purse.budget
        method, rtol = ("direct", 0.0) if few else (AUTO, LEAST_RTOL)
        options = self.options(Measured(method, None, bins, rule)) | {"rtol": rtol}
        return self.purse.pay(partial(function, *self._exact_data, **options))[1]

    def exact(self, bins: int, rule: str) -> Truth:
        """Return the exact loss and gradient."""
        return truth(self._exactly(loss_and_grad, bins, rule), self._exact_data[1])

    def exact_losses(self, bins: int, rule: str) -> Any:
        """Return the exact losses."""
        return self._exactly(loss, bins, rule)

    @staticmethod
    def _unmasked(z: NDArray[Any]) -> NDArray[Any]:
        """Return logits none of which is masked: of the first points all may be."""
        unmasked: NDArray[Any] = np.maximum(z, np.finfo(z.dtype).min / 2)
        return unmasked

    def log_density(self, nodes: NDArray[np.float64]) -> Any:
        """Return log q (..., K) at positions in [0, 1] of [a, b]."""
        a, b = (np.asarray(end, np.float64)[..., np.newaxis] for end in (self.asked.a, self.asked.b))
        options = self._of_asked("bandwidth", "kernel", "period", "n_threads")
        return log_density(*self._exact_data, a + (b - a) * nodes, rtol=LEAST_RTOL, **options)

    def call(self, way: Measured) -> tuple[Any, Any]:
        """Compute loss and gradient; the gradient's memory is the same for every call."""
        result: tuple[Any, Any] = loss_and_grad(self.x, self.z, **self.options(way), out=self._out)
        return result

    def _of_asked(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self.asked, name) for name in names}

    def options(self, way: Measured) -> dict[str, Any]:
        """Return all arguments but the data."""
        options = self._of_asked("a", "b", "bandwidth", "kernel", "period", "rtol", "n_threads")
        bins = way.bins if np.ndim(self.asked.bins) == 0 else self.asked.bins  # which are edges
        options |= {"target": self.target, "bins": bins, "rule": way.rule}
        return options | {"method": way.method, "order": way.order}

    def estimate(self, way: Measured) -> float:
        """Return about what a call takes by two parts of the points, which also compiles most of it."""
        if self.problem.points <= _POINTS_TO_TRY[-1]:
            return 0.0
        sizes: list[int] = []
        times: list[float] = []
        for most in _POINTS_TO_TRY:
            some = slice(None, None, -(-self.problem.points // most))
            x, z = np.ascontiguousarray(self.x[..., some]), self._unmasked(self.z[..., some])
            sizes.append(x.shape[-1])
            times.append(self.purse.pay_again(partial(loss_and_grad, x, z, **self.options(way)))[0])
        rate = max(0.0, times[1] - times[0]) / max(1, sizes[1] - sizes[0])
        return times[1] + rate * (self.problem.points - sizes[1])

    def first_calls(self, way: Measured, exact: Truth) -> Measured:
        """Return a way with its errors and the time of a call; ValueError where it does not apply."""
        row = self._judged(way, partial(self.call, way), exact)
        options = self.options(way)
        problem = loss_problem(self.x, self.z, *(options[name] for name in _BESIDE))
        return _said(row, taken(problem, Request(way.method, way.order, self.asked.rtol)))

    def step(self, plan: Plan) -> tuple[Any, Any]:
        """Compute loss and gradient by a plan."""
        result: tuple[Any, Any] = plan.loss_and_grad(self.z, out=self._out)
        return result

    def first_step(self, way: Measured, plan: Plan, exact: Truth) -> Measured:
        """Return a way with the errors of a plan, and the time of a step."""
        row = self._judged(way, partial(self.step, plan), exact)
        return _said(row, Taken(plan.method, plan.order, plan.workspace_bytes))

    def _judged(self, way: Measured, work: Callable[[], Any], exact: Truth) -> Measured:
        seconds, result = self.purse.pay_again(work)
        errors = exact.agreement(result, self.asked.rtol)
        return way._replace(
            seconds=seconds,
            loss_error=errors.loss_error,
            gradient_error=errors.gradient_error,
            within_rtol=errors.agrees,
        )

    def plan(self, way: Measured) -> Plan:
        """Return the plan that would compute this way."""
        return Plan(self.x, **self.options(way), copy=False)

    def race(
        self, works: Mapping[Any, Callable[[], Any]], known: Mapping[Any, float], kept: float
    ) -> dict[Any, Timings]:
        """Return the times of calls that take turns, as many as the budget allows, a part of it kept."""
        each = sum(max(known[name], 1.5e-2) for name in works)
        turns = int(min(_MOST_TURNS, max(1.0, (self.purse.left - kept * self.purse.budget) / each)))
        return self.purse.pay(lambda: alternate(works, Effort(turns, float("inf")), known))[-1]


def _said(row: Measured, by: Taken) -> Measured:
    """Return a row with what was taken for it."""
    took = named(row._replace(method=by.method, order=by.order))
    return row._replace(took=took, workspace_bytes=by.workspace_bytes)
