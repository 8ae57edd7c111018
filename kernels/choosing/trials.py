"""One problem, ready to be called by any strategy and at any bins, and its exact values."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments.problem import Problem
from ..kde import log_density, loss_and_grad
from ..measure.errors import Truth, truth
from ..measure.timing import time_of
from ..names import AUTO
from ..plan import Plan
from .choice import Measured

# More pairs than that take direct too long: for the strategies once, and for every number of bins.
_DIRECT_PAIRS = 2e10
_DIRECT_PAIRS_OF_BINS = 5e9
_AUTO_RTOL = 1e-13
# So many pairs may take more than a second without compiling anything.
_MANY_PAIRS, _LONG = 1e9, 1.0
_POINTS_TO_WARM = 4096


class Way(NamedTuple):
    """A way to compute loss and gradient."""

    method: str
    order: int | None
    bins: Any
    rule: str

    @property
    def count(self) -> int:
        """The number of bins, which may be given by their edges."""
        return int(self.bins) if np.ndim(self.bins) == 0 else np.size(self.bins) - 1


@dataclass(frozen=True)
class Bench:
    """The arguments of a call, checked, to be computed in several ways."""

    x: NDArray[Any]
    z: NDArray[Any]
    a: Any
    b: Any
    options: dict[str, Any]  # bandwidth, kernel, target, period, n_threads
    bins: Any
    rule: str
    problem: Problem
    rtol: float

    @cached_property
    def _out(self) -> NDArray[Any]:
        return np.empty((*self.problem.shape, self.problem.points), self.problem.dtype)

    @cached_property
    def _exact_data(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return self.x.astype(np.float64, copy=False), self.z.astype(np.float64, copy=False)

    def pairs(self, bins: int) -> float:
        """Return the number of pairs of points and bins."""
        return float(self.problem.rows) * self.problem.points * bins

    @property
    def has_quadrature(self) -> bool:
        """Whether the bins stand for a uniform target, so that more of them converge to an integral."""
        return self.options["target"] is None and np.ndim(self.bins) == 0

    @property
    def intervals(self) -> float:
        """How many bandwidths fit into [a, b], in the row where most do."""
        with np.errstate(over="ignore"):
            return float(np.max((np.asarray(self.b) - self.a) / self.options["bandwidth"]))

    def exact_method(self, bins: int, one_of_many: bool = False) -> tuple[str, float]:
        """Return the method and rtol that stand for exact values."""
        limit = _DIRECT_PAIRS_OF_BINS if one_of_many else _DIRECT_PAIRS
        return ("direct", 0.0) if self.pairs(bins) <= limit else (AUTO, _AUTO_RTOL)

    def exact(self, bins: Any, rule: str, one_of_many: bool = False) -> Truth:
        """Return the exact values: float32 data count as what they are in float64."""
        method, rtol = self.exact_method(Way(AUTO, None, bins, rule).count, one_of_many)
        options = self._options(Way(method, None, bins, rule)) | {"rtol": rtol}
        x, z = self._exact_data
        return truth(loss_and_grad(x, z, self.a, self.b, **options), z)

    def log_density(self, nodes: NDArray[np.float64]) -> Any:
        """Return log q (..., K) at positions in [0, 1] of [a, b]."""
        a, b = (np.asarray(end, np.float64)[..., np.newaxis] for end in (self.a, self.b))
        options = {name: value for name, value in self.options.items() if name != "target"}
        return log_density(*self._exact_data, a + (b - a) * nodes, rtol=_AUTO_RTOL, **options)

    def call(self, way: Way) -> tuple[Any, Any]:
        """Compute loss and gradient; the gradient's memory is the same for every call."""
        return self._call(way, self.x, self.z, self._out)

    def _call(self, way: Way, x: NDArray[Any], z: NDArray[Any], out: NDArray[Any] | None) -> tuple[Any, Any]:
        return loss_and_grad(x, z, self.a, self.b, **self._options(way), out=out)

    def _options(self, way: Way) -> dict[str, Any]:
        return {**self.options, **way._asdict(), "rtol": self.rtol}

    def first_calls(self, way: Way, exact: Truth) -> Measured:
        """Return a way's errors, and the time of one call, which compiles nothing.

        Raises
        ------
        ValueError
            Where the way does not apply.
        """
        warm = self.pairs(way.count) >= _MANY_PAIRS and self.problem.points > _POINTS_TO_WARM
        if warm:
            # The first points alone may be all masked; whether the way applies, all of them say.
            with suppress(ValueError):
                self._call(way, self.x[..., :_POINTS_TO_WARM], self.z[..., :_POINTS_TO_WARM], None)
        taken, result = time_of(partial(self.call, way))
        found = exact.agreement(result, self.rtol)
        if taken <= _LONG or not warm:
            taken, _ = time_of(partial(self.call, way))
        return Measured(
            *(way.method, way.order, way.count, way.rule, taken),
            *(found.loss_error, found.gradient_error, math.nan, None, found.agrees),
        )

    def plan(self, way: Way) -> Plan:
        """Return the plan that would compute this way."""
        return Plan(self.x, self.a, self.b, **self._options(way))
