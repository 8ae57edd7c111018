"""One problem, or some of its rows, ready to be computed in any way and at any bins, and its exact values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..arguments.problem import Problem
from ..kde import log_density, loss_and_grad
from ..measure.errors import Truth, truth
from ..measure.timing import Effort, Timings, alternate, time_of
from ..names import AUTO
from ..plan import Plan
from ..strategies.auto import LEAST_RTOL
from .choice import Asked, Measured

# With more pairs exact values take too long by all of them: so many pairs a second, for a part of the budget.
_PAIRS_A_SECOND = 5e8
_EXACT_PART = 0.1
_POINTS_TO_TRY = 4096
_MOST_TURNS = 15
_SHORT = 0.02  # parts of the budget

Result = TypeVar("Result")


@dataclass
class Purse:
    """Seconds to spend on calls, compiling apart."""

    budget: float
    compiling: Callable[[], float]  # the seconds that went into that so far
    spent: float = 0.0

    @property
    def left(self) -> float:
        return self.budget - self.spent

    def pay(self, work: Callable[[], Result]) -> tuple[float, Result]:
        """Return what a call takes, and its result."""
        before = self.compiling()
        seconds, result = time_of(work)
        seconds -= self.compiling() - before
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
    def has_quadrature(self) -> bool:
        """Whether the bins stand for a uniform target, so that more of them converge to an integral."""
        return not self.asked.target and np.ndim(self.asked.bins) == 0

    @property
    def intervals(self) -> float:
        """How many bandwidths fit into [a, b], in the row where most do."""
        with np.errstate(over="ignore"):
            return float(np.max((np.asarray(self.asked.b) - self.asked.a) / self.asked.bandwidth))

    def exact_method(self, bins: int) -> tuple[str, float]:
        """Return the method and rtol that stand for exact values."""
        pairs = float(self.problem.rows) * self.problem.points * bins
        few = pairs <= _PAIRS_A_SECOND * _EXACT_PART * self.purse.budget
        return ("direct", 0.0) if few else (AUTO, LEAST_RTOL)

    def exact(self, bins: int, rule: str) -> Truth:
        """Return the exact values: float32 data count as what they are in float64."""
        method, rtol = self.exact_method(bins)
        options = self.options(Measured(method, None, bins, rule)) | {"rtol": rtol}
        x, z = self._exact_data
        return truth(self.purse.pay(partial(loss_and_grad, x, z, **options))[-1], z)

    @staticmethod
    def _unmasked(z: NDArray[Any]) -> NDArray[Any]:
        """Return logits none of which is masked: of the first points all may be."""
        return np.maximum(z, np.finfo(z.dtype).min / 2)

    def log_density(self, nodes: NDArray[np.float64]) -> Any:
        """Return log q (..., K) at positions in [0, 1] of [a, b]."""
        a, b = (np.asarray(end, np.float64)[..., np.newaxis] for end in (self.asked.a, self.asked.b))
        options = self._of_asked("bandwidth", "kernel", "period", "n_threads")
        return log_density(*self._exact_data, a + (b - a) * nodes, rtol=LEAST_RTOL, **options)

    def call(self, way: Measured) -> tuple[Any, Any]:
        """Compute loss and gradient; the gradient's memory is the same for every call."""
        return loss_and_grad(self.x, self.z, **self.options(way), out=self._out)

    def _of_asked(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self.asked, name) for name in names}

    def options(self, way: Measured) -> dict[str, Any]:
        """Return all arguments but the data."""
        options = self._of_asked("a", "b", "bandwidth", "kernel", "period", "rtol", "n_threads")
        bins = way.bins if np.ndim(self.asked.bins) == 0 else self.asked.bins  # which are edges
        options |= {"target": self.target, "bins": bins, "rule": way.rule}
        return options | {"method": way.method, "order": way.order}

    def estimate(self, way: Measured) -> float:
        """Return about what a call takes by some of the points, which also compiles most of it."""
        points = self.problem.points
        if points <= 2 * _POINTS_TO_TRY:
            return 0.0
        some = slice(None, None, -(-points // _POINTS_TO_TRY))
        x, z = (np.ascontiguousarray(array[..., some]) for array in (self.x, self._unmasked(self.z)))
        work = partial(loss_and_grad, x, z, **self.options(way))
        seconds, _ = self.purse.pay_again(work)
        return seconds * points / x.shape[-1]

    def first_calls(self, way: Measured, exact: Truth) -> Measured:
        """Return a way with its errors and the time of a call; ValueError where it does not apply."""
        return self._judged(way, partial(self.call, way), exact)

    def step(self, plan: Plan) -> tuple[Any, Any]:
        """Compute loss and gradient by a plan."""
        return plan.loss_and_grad(self.z, out=self._out)

    def first_step(self, way: Measured, plan: Plan, exact: Truth) -> Measured:
        """Return a way with the errors of a plan, and the time of a step."""
        return self._judged(way, partial(self.step, plan), exact)._replace(
            workspace_bytes=plan.workspace_bytes
        )

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
