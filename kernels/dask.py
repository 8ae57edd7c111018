"""The loss of dask arrays: chunks add their points to the bins, and get their gradients from the sums of all.

Only arrays of the bins' size go from one worker to another.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from operator import attrgetter, getitem
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    import dask.array as da
    from dask.base import tokenize
    from dask.delayed import Delayed
    from dask.graph_manipulation import bind
    from dask.highlevelgraph import HighLevelGraph
except ModuleNotFoundError as error:
    if error.name not in {"dask", "toolz"}:
        raise
    raise ModuleNotFoundError('kdexent.dask needs dask: pip install "kdexent[dask]"', name="dask") from None

from . import kde
from .arguments import checks
from .arguments.float_errors import no_float_errors
from .arguments.problem import Problem, Request, check_method, check_wrt, density_problem, loss_problem
from .runtime.pool import thread_count
from .strategies.portions import LogSums, Portion, add, losses
from .strategies.sums.scan import BadData

__all__ = ["log_density", "loss", "loss_and_grad"]

Result = TypeVar("Result")

_BRANCHES = 16  # sums that are added in one task
_AXES = {
    "a": 0,
    "b": 0,
    "bandwidth": 0,
    "target": 1,
    "points": 1,
}  # beside those of rows, of arguments with rows


def loss(
    x: Any,
    z: Any,
    a: ArrayLike,
    b: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    bins: Any = 256,
    rule: str = "midpoint",
    target: ArrayLike | None = None,
    period: float | None = None,
    method: str = "auto",
    order: int | None = None,
    rtol: float = 1e-9,
    n_threads: int | None = None,
) -> da.Array:
    """Return the cross-entropy of a target on [a, b] and a softmax-weighted KDE of points in chunks.

    Parameters
    ----------
    x, z : dask.array.Array, shape (..., N)
        Data points and logits as in `kdexent.loss`, in any chunks, which become those of z.
    a, b, bandwidth, kernel, bins, rule, target, period, method, order, rtol
        As in `kdexent.loss`: numbers, or NumPy arrays that every worker gets its rows of. ``"auto"`` chooses
        for each chunk.
    n_threads : int, optional
        Threads that a chunk may use. One if not given: a worker computes as many chunks at a time as it has
        threads.

    Returns
    -------
    dask.array.Array, shape (...)
        The loss of each row, in nats, not computed yet; float32 where x and z are, float64 otherwise.

    Raises
    ------
    ValueError, TypeError
        At once for arguments beside the data, and for shapes; when it is computed for what x and z hold,
        with where their chunk begins.

    See Also
    --------
    loss_and_grad : the same with gradients.

    Notes
    -----
    Each chunk takes the time that `kdexent.loss` does. It then sends M + 2 numbers for each row, the
    logarithms of its sums, of which sixteen are added at a time. To rounding, some eps of the largest log q,
    the loss is that of all points in one array, whatever the chunks.

    Examples
    --------
    >>> import dask.array as da
    >>> import kdexent.dask
    >>> x = da.from_array([0.1, 0.2, 0.7, 0.9], chunks=2)
    >>> L = kdexent.dask.loss(x, da.zeros_like(x), 0, 1, bandwidth=0.2)
    >>> round(float(L.compute()), 10)
    0.2058741843
    """
    beside = _beside_loss(a, b, bandwidth, kernel, bins, rule, target, period)
    call = _Call(beside, *_how(method, order, rtol, n_threads))
    return _Rows(call, x, z).results(("loss",))[0]


def loss_and_grad(
    x: Any,
    z: Any,
    a: ArrayLike,
    b: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    bins: Any = 256,
    rule: str = "midpoint",
    target: ArrayLike | None = None,
    period: float | None = None,
    method: str = "auto",
    order: int | None = None,
    rtol: float = 1e-9,
    n_threads: int | None = None,
    wrt: str | tuple[str, ...] = "z",
) -> tuple[da.Array, Any]:
    """Return the loss of points in chunks, and its gradient.

    Parameters
    ----------
    x, z, a, b, bandwidth, kernel, bins, rule, target, period, method, order, rtol, n_threads
        As in `loss`.
    wrt : {"z", "x", "bandwidth"} or tuple of them
        What to differentiate by.

    Returns
    -------
    loss : dask.array.Array, shape (...)
        As from `loss`.
    grad : dask.array.Array, shape (..., N), or tuple of dask.array.Array
        As from `kdexent.loss_and_grad`, by z and x in the chunks of z. Compute it together with the loss.

    Raises
    ------
    ValueError, TypeError
        As from `loss`.

    Notes
    -----
    Every chunk is asked for twice, once for its sums and once for its gradient, so that none has to stay in
    memory in between: chunks that are read or computed are so twice. `x.persist()` avoids that where memory
    holds all of them. What a chunk's gradient takes from its sums stays with the worker that made these;
    another worker makes them again.

    Examples
    --------
    >>> import dask
    >>> import dask.array as da
    >>> import kdexent.dask
    >>> x = da.from_array([0.1, 0.2, 0.7, 0.9], chunks=2)
    >>> L, g = dask.compute(*kdexent.dask.loss_and_grad(x, da.zeros_like(x), 0, 1, bandwidth=0.2))
    >>> g.round(4)
    array([ 0.0376, -0.0014, -0.0536,  0.0174])
    """
    names = check_wrt(wrt)
    beside = _beside_loss(a, b, bandwidth, kernel, bins, rule, target, period)
    call = _Call(beside, *_how(method, order, rtol, n_threads))
    losses, *gradients = _Rows(call, x, z).results(("loss", *names))
    return losses, gradients[0] if isinstance(wrt, str) else tuple(gradients)


def log_density(
    x: Any,
    z: Any,
    points: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    period: float | None = None,
    method: str = "auto",
    order: int | None = None,
    rtol: float = 1e-9,
    n_threads: int | None = None,
) -> da.Array:
    """Return the logarithm of the softmax-weighted KDE of points in chunks, anywhere.

    Parameters
    ----------
    x, z, bandwidth, kernel, period, method, order, rtol, n_threads
        As in `loss`.
    points : array_like, shape (..., M)
        Where to evaluate the density, in the unit of x; finite.

    Returns
    -------
    dask.array.Array, shape (..., M)
        log q as from `kdexent.log_density`, not computed yet.

    Raises
    ------
    ValueError, TypeError
        As from `loss`.

    Examples
    --------
    >>> import dask.array as da
    >>> import kdexent.dask
    >>> x = da.from_array([0.1, 0.2, 0.7, 0.9], chunks=2)
    >>> kdexent.dask.log_density(x, da.zeros_like(x), [0.5, 50], bandwidth=0.2).compute().round(4)
    array([-6.35000e-01, -3.01431e+04])
    """
    beside = {"points": points, "bandwidth": bandwidth, "kernel": kernel, "period": period}
    return _Rows(_Call(beside, *_how(method, order, rtol, n_threads)), x, z).results(("density",))[0]


def _beside_loss(*values: Any) -> dict[str, Any]:
    names = "a", "b", "bandwidth", "kernel", "bins", "rule", "target", "period"
    return dict(zip(names, values, strict=True))


def _how(method: Any, order: Any, rtol: Any, n_threads: Any) -> tuple[Request, int]:
    return check_method(method, order, rtol), 1 if n_threads is None else checks.integer(
        "n_threads", n_threads
    )


@dataclass(frozen=True)
class _Call:
    """A call's arguments beside the data, whole or for a block of its rows."""

    beside: dict[str, Any]  # in the order that problems take them
    request: Request
    n_threads: int

    def problem(self, x: NDArray[Any], z: NDArray[Any]) -> Problem:
        """Return the problem of some points."""
        make = density_problem if "points" in self.beside else loss_problem
        return make(x, z, *self.beside.values())

    def of_rows(self, where: tuple[slice, ...]) -> _Call:
        """Return the call for some rows: slices of the call's leading dimensions."""
        beside = dict(self.beside)
        for name, axes in _AXES.items():
            lead = np.ndim(beside.get(name)) - axes
            if lead > 0:
                array = np.asarray(beside[name])
                slices = zip(where[len(where) - lead :], array.shape, strict=False)
                beside[name] = array[tuple(s if size > 1 else slice(None) for s, size in slices)]
        return replace(self, beside=beside)


class _Rows:
    """The graph of a call: `results` of blocks of rows, whose points are in one chunk or several."""

    def __init__(self, call: _Call, x: Any, z: Any) -> None:
        x, z = _points("x", x), _points("z", z)
        if x.shape[-1] != z.shape[-1]:
            raise ValueError(
                f"z must have one logit for each of the {x.shape[-1]} points of x, got {z.shape[-1]}"
            )
        first = (np.broadcast_to(np.zeros(1, each.dtype), (*each.shape[:-1], 1)) for each in (x, z))
        problem = call.problem(*first)  # which checks all but the data
        self.call, self.shape, self.dtype = call, problem.shape, problem.dtype
        self.bins, self.ends = problem.bins, z.chunks[-1]
        # Rows are cut as z has them, and where it has none as x.
        self.lead = tuple(
            next((chunks for chunks in (_chunks_at(z, axis), _chunks_at(x, axis)) if chunks), (size,))
            for axis, size in zip(range(-1 - len(self.shape), -1), self.shape, strict=True)
        )
        self.x, self.z = self._in_blocks(x), self._in_blocks(z)
        self.token = tokenize(call, self.x, self.z)
        self.graph: dict[Any, Any] = {}

    def _in_blocks(self, array: da.Array) -> da.Array:
        """Return the array in the chunks of the call."""
        wanted = (*self.lead, self.ends)[-array.ndim :]
        return array.rechunk(tuple(c if size > 1 else 1 for c, size in zip(wanted, array.shape, strict=True)))

    def results(self, names: tuple[str, ...]) -> list[da.Array]:
        """Return arrays: the loss or the density, and the gradients named."""
        blocks = list(np.ndindex(*map(len, self.lead)))
        starts = [np.cumsum((0, *chunks)) for chunks in self.lead]
        for block in blocks:
            where = tuple(slice(*ends[i : i + 2]) for ends, i in zip(starts, block, strict=True))
            self.graph[self._key("call", block)] = self.call.of_rows(where)
            origin = tuple(int(each.start) for each in where)
            if len(self.ends) > 1:
                self._add_up(block, origin, names)
            else:
                task = _of_whole_rows, self._key("call", block), (*origin, 0), names, *self._data(block, 0)
                self.graph[self._key("whole", block)] = task
        read = self.x, self.z
        if len(self.ends) > 1 and len(names) > 1:
            # Their chunks again, once all sums are known, so that none waits in memory.
            sums = HighLevelGraph.from_collections(
                f"kde-sums-{self.token}", dict(self.graph), dependencies=read
            )
            totals = [
                Delayed(self._key("total", block), sums, layer=f"kde-sums-{self.token}") for block in blocks
            ]
            self.x, self.z = bind(read, totals)
            for block in blocks:
                self._give_back(block, names)
        return [self._array(name, i, blocks, read) for i, name in enumerate(names)]

    def _key(self, kind: str, block: tuple[int, ...], *more: int) -> tuple[Any, ...]:
        return f"kde-{kind}-{self.token}", *block, *more  # dask learns from the first part what a task takes

    def _data(self, block: tuple[int, ...], k: int) -> tuple[Any, ...]:
        """Return the keys of the chunks of x and z."""
        at = *block, k
        return tuple(
            (
                array.name,
                *(i if n > 1 else 0 for i, n in zip(at[-array.ndim :], array.numblocks, strict=True)),
            )
            for array in (self.x, self.z)
        )

    def _add_up(self, block: tuple[int, ...], origin: tuple[int, ...], names: tuple[str, ...]) -> None:
        """Put the sums of a block of rows into the graph."""
        call, level, start, sums, made = self._key("call", block), 0, 0, [], []
        for k, count in enumerate(self.ends):
            portion = self._key("portion", block, k)
            self.graph[portion] = _portion, call, (*origin, start), len(names) > 1, *self._data(block, k)
            sums.append(self._key("sums", block, k))
            self.graph[sums[-1]] = attrgetter("sums"), portion
            # Takes it too, for dask would fuse it with its sums where the loss is computed alone, and then
            # have two tasks of one name.
            made.append(self._key("made", block, k))
            self.graph[made[-1]] = bool, portion
            start += count
        while len(sums) > 1:
            groups = [sums[i : i + _BRANCHES] for i in range(0, len(sums), _BRANCHES)]
            sums = [self._key("add", block, level, i) for i in range(len(groups))]
            self.graph.update((key, (add, group)) for key, group in zip(sums, groups, strict=True))
            level += 1
        shape = tuple(chunks[i] for chunks, i in zip(self.lead, block, strict=True))
        self.graph[self._key("total", block)] = _checked, sums[0], made, shape, origin
        self.graph[self._key("first", block)] = _of_sums, call, shape, self.dtype, self._key("total", block)

    def _give_back(self, block: tuple[int, ...], names: tuple[str, ...]) -> None:
        """Put the gradients of a block of rows into the graph."""
        for k in range(len(self.ends)):
            sums = self._key("portion", block, k), self._key("total", block)
            task = _gradients, self._key("call", block), names[1:], *sums, *self._data(block, k)
            self.graph[self._key("gradients", block, k)] = task

    def _array(
        self, name: str, i: int, blocks: list[tuple[int, ...]], read: tuple[da.Array, ...]
    ) -> da.Array:
        """Return the array of the i-th result."""
        own, per_point = f"kde-by-{name}-{self.token}", name in ("x", "z")
        last = {"density": ((self.bins,),), "x": (self.ends,), "z": (self.ends,)}.get(name, ())
        graph: dict[Any, Any] = {}
        for block in blocks:
            if len(self.ends) == 1:
                task: Any = getitem, self._key("whole", block), i
            elif i == 0:
                task = self._key("first", block)
            else:
                parts = [(getitem, self._key("gradients", block, k), i - 1) for k in range(len(self.ends))]
                if per_point:
                    graph.update(((own, *block, k), part) for k, part in enumerate(parts))
                    continue
                task = sum, parts
            graph[(own, *block, *(0 for _ in last))] = task
        depends = *read, self.x, self.z
        layers = HighLevelGraph.from_collections(own, {**self.graph, **graph}, dependencies=depends)
        return da.Array(layers, own, (*self.lead, *last), dtype=self.dtype)


def _points(name: str, array: Any) -> da.Array:
    array = da.asarray(array)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one point, got shape {array.shape}")
    if any(math.isnan(size) for size in array.shape):
        raise ValueError(f"{name} must have chunks of known sizes, as after {name}.compute_chunk_sizes()")
    return array


def _chunks_at(array: da.Array, axis: int) -> tuple[int, ...] | None:
    """Return the chunks of an axis, None where it is missing or all rows share it."""
    return array.chunks[axis] if array.ndim >= -axis and array.shape[axis] > 1 else None


# What workers do. `origin` is where a chunk begins in the whole array.


def _naming(origin: tuple[int, ...], work: Callable[[], Result]) -> Result:
    """Return work(), whose complaints then say where the chunk that they count from begins."""
    try:
        return work()
    except ValueError as error:
        raise ValueError(f"{error}, counted from {origin}" if any(origin) else str(error)) from None


def _of_whole_rows(
    call: _Call, origin: tuple[int, ...], names: tuple[str, ...], x: NDArray[Any], z: NDArray[Any]
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


def _portion(
    call: _Call, origin: tuple[int, ...], for_gradients: bool, x: NDArray[Any], z: NDArray[Any]
) -> Portion:
    """Return what a chunk adds to the bins."""

    @no_float_errors
    def work() -> Portion:
        try:
            return Portion(call.problem(x, z), call.request, for_gradients, thread_count(call.n_threads))
        except BadData:
            checks.require_entries(x, z)
            raise RuntimeError("x or z changed during the call") from None

    return _naming(origin, work)


def _checked(sums: LogSums, made: list[bool], shape: tuple[int, ...], origin: tuple[int, ...]) -> LogSums:
    """Return the sums over all points of rows, unless a row has none that is not masked."""
    _naming(origin, lambda: checks.require_unmasked(sums.top.reshape((*shape, 1))))
    return sums


@no_float_errors
def _of_sums(call: _Call, shape: tuple[int, ...], dtype: np.dtype[Any], sums: LogSums) -> NDArray[Any]:
    """Return the loss or the density of rows (shape)."""
    if "points" in call.beside:
        return sums.log_q.reshape((*shape, -1)).astype(dtype)
    nowhere = np.broadcast_to(np.zeros(1), (*shape, 1))
    return losses(call.problem(nowhere, nowhere), sums).reshape(shape).astype(dtype)


@no_float_errors
def _gradients(
    call: _Call, names: tuple[str, ...], portion: Portion, whole: LogSums, x: NDArray[Any], z: NDArray[Any]
) -> tuple[NDArray[Any], ...]:
    """Return a chunk's gradients, and its part of that by the bandwidth."""
    problem = call.problem(x, z)
    tails = {name: () if name == "bandwidth" else (problem.points,) for name in names}
    out = {name: np.empty((problem.rows, *tail), problem.dtype) for name, tail in tails.items()}
    portion.gradients(problem, call.request, whole, out, thread_count(call.n_threads))
    return tuple(array.reshape(problem.shape + tails[name]) for name, array in out.items())
