"""One problem, ready to be called by any strategy and at any bins, and its exact values."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments.problem import Problem
from ..kde import log_density, loss_and_grad
from ..measure.errors import Truth, truth
from ..measure.timing import time_of
from ..names import AUTO
from ..plan import Plan
from .choice import Asked, Measured

# More pairs than that take direct too long: for the strategies once, and for every number of bins.
_DIRECT_PAIRS = 2e10
_DIRECT_PAIRS_OF_BINS = 5e9
_AUTO_RTOL = 1e-13
# So many pairs may take more than a second without compiling anything.
_MANY_PAIRS, _LONG = 1e9, 1.0
_POINTS_TO_WARM = 4096


def exact_method(problem: Problem, bins: int, one_of_many: bool = False) -> tuple[str, float]:
    """Return the method and rtol that stand for exact values."""
    limit = _DIRECT_PAIRS_OF_BINS if one_of_many else _DIRECT_PAIRS
    return ("direct", 0.0) if _pairs(problem, bins) <= limit else (AUTO, _AUTO_RTOL)


def _pairs(problem: Problem, bins: int) -> float:
    return float(problem.rows) * problem.points * bins


@dataclass(frozen=True)
class Bench:
    """A problem, to be computed in several ways."""

    x: NDArray[Any]
    z: NDArray[Any]
    target: Any
    problem: Problem
    asked: Asked

    @cached_property
    def _out(self) -> NDArray[Any]:
        return np.empty((*self.problem.shape, self.problem.points), self.problem.dtype)

    @cached_property
    def _exact_data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.x.astype(np.float64, copy=False), self.z.astype(np.float64, copy=False)

    @property
    def bins(self) -> tuple[int, str]:
        """The number of bins and the rule that were asked for."""
        return self.asked.bin_count, self.asked.rule

    @property
    def has_quadrature(self) -> bool:
        """Whether the bins stand for a uniform target, so that more of them converge to an integral."""
        return not self.asked.target and np.ndim(self.asked.bins) == 0

    @property
    def intervals(self) -> float:
        """How many bandwidths fit into [a, b], in the row where most do."""
        with np.errstate(over="ignore"):
            return float(np.max((np.asarray(self.asked.b) - self.asked.a) / self.asked.bandwidth))

    def exact(self, bins: int, rule: str, one_of_many: bool = False) -> Truth:
        """Return the exact values: float32 data count as what they are in float64."""
        method, rtol = exact_method(self.problem, bins, one_of_many)
        options = self._options(Measured(method, None, bins, rule)) | {"rtol": rtol}
        x, z = self._exact_data
        return truth(loss_and_grad(x, z, **options), z)

    def log_density(self, nodes: NDArray[np.float64]) -> Any:
        """Return log q (..., K) at positions in [0, 1] of [a, b]."""
        a, b = (np.asarray(end, np.float64)[..., np.newaxis] for end in (self.asked.a, self.asked.b))
        options = self._of_asked("bandwidth", "kernel", "period", "n_threads")
        return log_density(*self._exact_data, a + (b - a) * nodes, rtol=_AUTO_RTOL, **options)

    def call(self, way: Measured) -> tuple[Any, Any]:
        """Compute loss and gradient; the gradient's memory is the same for every call."""
        return loss_and_grad(self.x, self.z, **self._options(way), out=self._out)

    def _of_asked(self, *names: str) -> dict[str, Any]:
        return {name: getattr(self.asked, name) for name in names}

    def _options(self, way: Measured) -> dict[str, Any]:
        """Return all arguments but the data."""
        options = self._of_asked("a", "b", "bandwidth", "kernel", "period", "rtol", "n_threads")
        bins = way.bins if np.ndim(self.asked.bins) == 0 else self.asked.bins  # which are edges
        options |= {"target": self.target, "bins": bins, "rule": way.rule}
        return options | {"method": way.method, "order": way.order}

    def first_calls(self, way: Measured, exact: Truth) -> Measured:
        """Return a way with its errors, and the time of one call, which compiles nothing.

        It is a ValueError where the way does not apply.
        """
        warm = _pairs(self.problem, way.bins) >= _MANY_PAIRS and self.problem.points > _POINTS_TO_WARM
        if warm:
            # The first points alone may be all masked; whether the way applies, all of them say.
            x, z = (array[..., :_POINTS_TO_WARM] for array in (self.x, self.z))
            with suppress(ValueError):
                loss_and_grad(x, z, **self._options(way))
        seconds, result = time_of(partial(self.call, way))
        errors = exact.agreement(result, self.asked.rtol)
        if seconds <= _LONG or not warm:
            seconds, _ = time_of(partial(self.call, way))
        return way._replace(
            seconds=seconds,
            loss_error=errors.loss_error,
            gradient_error=errors.gradient_error,
            within_rtol=errors.agrees,
        )

    def plan(self, way: Measured) -> Plan:
        """Return the plan that would compute this way."""
        return Plan(self.x, **self._options(way))
