"""What workers do with chunks. `origin` is where a chunk begins in the whole array."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from .. import kde
from ..arguments import checks
from ..arguments.float_errors import no_float_errors
from ..arguments.problem import Problem, Request, density_problem, loss_problem
from ..runtime.pool import thread_count
from ..strategies.portions import LogSums, Portion, add, losses
from ..strategies.sums.scan import BadData

Result = TypeVar("Result")

# Of arguments with rows: their axes beside those.
_AXES = {"a": 0, "b": 0, "bandwidth": 0, "target": 1, "points": 1}


@dataclass(frozen=True)
class Call:
    """A call's arguments beside the data, whole or for a block of its rows."""

    beside: dict[str, Any]  # in the order that problems take them
    request: Request
    n_threads: int

    def problem(self, x: NDArray[Any], z: NDArray[Any]) -> Problem:
        """Return the problem of some points."""
        make = density_problem if "points" in self.beside else loss_problem
        return make(x, z, *self.beside.values())

    def of_rows(self, where: tuple[slice, ...]) -> Call:
        """Return the call for some rows: slices of the call's leading dimensions."""
        beside = dict(self.beside)
        for name, axes in _AXES.items():
            array = np.asarray(beside.get(name))
            if (lead := array.ndim - axes) > 0:
                slices = zip(where[len(where) - lead :], array.shape, strict=False)
                beside[name] = array[tuple(s if size > 1 else slice(None) for s, size in slices)]
        return replace(self, beside=beside)


def _naming(origin: tuple[int, ...], work: Callable[[], Result]) -> Result:
    """Return work(), whose complaints then say where the chunk that they count from begins."""
    try:
        return work()
    except ValueError as error:
        raise ValueError(f"{error}, counted from {origin}" if any(origin) else str(error)) from None


def of_whole_rows(
    origin: tuple[int, ...], names: tuple[str, ...], call: Call, x: NDArray[Any], z: NDArray[Any]
) -> tuple[Any, ...]:
    """Return what is asked for of rows with all points in one chunk."""

    @no_float_errors
    def work() -> tuple[Any, ...]:
        problem, given = call.problem(x, z), (call.request, thread_count(call.n_threads))
        if names == ("density",):
            return (kde.density_of(problem, *given),)
        if names == ("loss",):
            return (kde.loss_of(problem, *given),)
        losses, gradients = kde.loss_and_grad_of(problem, *given, names[1:], None)
        return losses, *gradients

    return _naming(origin, work)


def portion(
    origin: tuple[int, ...], wrt: tuple[str, ...], call: Call, x: NDArray[Any], z: NDArray[Any]
) -> Portion:
    """Return what a chunk adds to the bins."""

    def work() -> Portion:
        return Portion(call.problem(x, z), call.request, wrt, thread_count(call.n_threads))

    return _naming(origin, lambda: _of_good_data(work, x, z))


@no_float_errors
def _of_good_data(work: Callable[[], Result], x: NDArray[Any], z: NDArray[Any]) -> Result:
    """Return work(); where it finds bad data, raise what names them."""
    try:
        return work()
    except BadData:
        checks.require_entries(x, z)
        raise RuntimeError("x or z changed during the call") from None


@no_float_errors
def added(sums: list[LogSums], made: Sequence[bool] = ()) -> LogSums:
    """Return the sums over the points of several portions, once these are `made`."""
    return add(sums)


def checked(shape: tuple[int, ...], origin: tuple[int, ...], sums: LogSums) -> LogSums:
    """Return the sums over all points of rows, unless a row has none that is not masked."""
    _naming(origin, lambda: checks.require_unmasked(sums.top.reshape((*shape, 1))))
    return sums


@no_float_errors
def of_sums(shape: tuple[int, ...], dtype: np.dtype[Any], call: Call, sums: LogSums) -> NDArray[Any]:
    """Return the loss or the density of rows (shape)."""
    if "points" in call.beside:
        return sums.log_q.reshape((*shape, sums.density.shape[1])).astype(dtype)
    nowhere = np.broadcast_to(np.zeros(1), (*shape, 1))
    return losses(call.problem(nowhere, nowhere), sums).reshape(shape).astype(dtype)


def gradients(
    wrt: tuple[str, ...], call: Call, portion: Portion, whole: LogSums, x: NDArray[Any], z: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """Return a chunk's gradients, and in float64 its part of that by the bandwidth."""
    problem = call.problem(x, z)
    out = {
        name: np.empty((problem.rows, problem.points), problem.dtype)
        if name != "bandwidth"
        else np.empty(problem.rows)
        for name in wrt
    }

    def work() -> None:
        portion.gradients(problem, call.request, whole, out, thread_count(call.n_threads))

    _of_good_data(work, x, z)
    return tuple(array.reshape(problem.shape + array.shape[1:]) for array in out.values())
