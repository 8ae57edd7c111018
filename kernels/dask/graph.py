"""The graph of a call: blocks of its rows, whose points are in one chunk or in several."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from operator import attrgetter, getitem
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize
from dask.delayed import Delayed
from dask.graph_manipulation import bind
from dask.highlevelgraph import HighLevelGraph

from ..strategies.evaluate_rows import taken
from . import tasks
from .tasks import Call

_BRANCHES = 16  # sums that are added in one task


class Graph:
    """The graph of a call: `results` of blocks of rows, whose points are in one chunk or several."""

    def __init__(self, call: Call, x: Any, z: Any, names: tuple[str, ...]) -> None:
        x, z = _points("x", x), _points("z", z)
        if x.shape[-1] != z.shape[-1]:
            raise ValueError(
                f"z must have one logit for each of the {x.shape[-1]} points of x, got {z.shape[-1]}"
            )
        first = (np.broadcast_to(np.zeros(1, each.dtype), (*each.shape[:-1], 1)) for each in (x, z))
        problem = call.problem(*first)  # which checks all but the data
        if call.request.method not in ("auto", "direct") and problem.rows:
            taken(replace(problem, points=z.shape[-1]), call.request)  # or raise that it does not apply
        self.call, self.shape, self.dtype = call, problem.shape, problem.dtype
        self.bins, self.ends = problem.bins, z.chunks[-1]
        # Rows are cut as z has them, and where it has none as x.
        self.lead = tuple(
            next((chunks for chunks in (_chunks_at(z, axis), _chunks_at(x, axis)) if chunks), (size,))
            for axis, size in zip(range(-1 - len(self.shape), -1), self.shape, strict=True)
        )
        self.x, self.z = self._in_blocks(x), self._in_blocks(z)
        self.token = tokenize(call, self.x, self.z, names)
        self.graph: dict[Any, Any] = {}
        self.names = names

    def _in_blocks(self, array: da.Array) -> da.Array:
        """Return the array in the chunks of the call."""
        wanted = (*self.lead, self.ends)[-array.ndim :]
        chunks = tuple(c if size > 1 else 1 for c, size in zip(wanted, array.shape, strict=True))
        chunked: da.Array = array.rechunk(chunks)
        return chunked

    def results(self) -> list[da.Array]:
        """Return arrays: the loss or the density, and the gradients named."""
        names = self.names
        blocks = list(np.ndindex(*map(len, self.lead)))
        starts = [np.cumsum((0, *chunks)) for chunks in self.lead]
        for block in blocks:
            where = tuple(slice(*ends[i : i + 2]) for ends, i in zip(starts, block, strict=True))
            self.graph[self._key("call", block)] = self.call.of_rows(where)
            origin = tuple(int(each.start) for each in where)
            if len(self.ends) > 1:
                self._add_up(block, origin)
            else:
                work = partial(tasks.of_whole_rows, (*origin, 0), names)
                self.graph[self._key("whole", block)] = work, self._key("call", block), *self._data(block, 0)
        read: Any = (self.x, self.z)
        if len(self.ends) > 1 and len(names) > 1:
            # Their chunks again, once all sums are known, so that none waits in memory.
            sums = HighLevelGraph.from_collections(
                f"kde-sums-{self.token}", dict(self.graph), dependencies=read
            )
            totals = [
                Delayed(self._key("total", block), sums, layer=f"kde-sums-{self.token}") for block in blocks
            ]
            self.x, self.z = bind(read, totals, seed=self.token)
            for block in blocks:
                self._give_back(block)
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

    def _add_up(self, block: tuple[int, ...], origin: tuple[int, ...]) -> None:
        """Put the sums of a block of rows into the graph."""
        call, start, sums, made, wrt = self._key("call", block), 0, [], [], self.names[1:]
        for k, count in enumerate(self.ends):
            portion = self._key("portion", block, k)
            self.graph[portion] = partial(tasks.portion, (*origin, start), wrt), call, *self._data(block, k)
            sums.append(self._key("sums", block, k))
            self.graph[sums[-1]] = attrgetter("sums"), portion
            if wrt:
                # Takes it too: dask would fuse it with its sums where the loss is computed alone, and then
                # have two tasks of one name.
                made.append(self._key("made", block, k))
                self.graph[made[-1]] = bool, portion
            start += count
        shape = tuple(chunks[i] for chunks, i in zip(self.lead, block, strict=True))
        total = self._key("total", block)
        whole = self._in_groups("add", block, tasks.added, sums, made)
        self.graph[total] = partial(tasks.checked, shape, origin), whole
        self.graph[self._key("first", block)] = partial(tasks.of_sums, shape, self.dtype), call, total

    def _in_groups(
        self, kind: str, block: tuple[int, ...], work: Any, keys: list[Any], beside: list[Any] | None = None
    ) -> Any:
        """Put work on groups of keys, and on groups of its results, into the graph; return the last key."""
        level = 0
        while len(keys) > 1:
            groups = [slice(at, at + _BRANCHES) for at in range(0, len(keys), _BRANCHES)]
            results = [self._key(kind, block, level, i) for i in range(len(groups))]
            for key, group in zip(results, groups, strict=True):
                self.graph[key] = work, keys[group], *([beside[group]] if beside else ())
            keys, beside, level = results, None, level + 1
        return keys[0]

    def _give_back(self, block: tuple[int, ...]) -> None:
        """Put the gradients of a block of rows into the graph."""
        for k in range(len(self.ends)):
            sums = self._key("portion", block, k), self._key("total", block)
            needed = self._key("call", block), *sums, *self._data(block, k)
            self.graph[self._key("gradients", block, k)] = partial(tasks.gradients, self.names[1:]), *needed
        if "bandwidth" in self.names:
            parts = [self._key("by-bandwidth", block, k) for k in range(len(self.ends))]
            for k, part in enumerate(parts):
                which = self.names.index("bandwidth") - 1
                self.graph[part] = getitem, self._key("gradients", block, k), which
            whole = self._in_groups("add-by-bandwidth", block, sum, parts)
            self.graph[self._key("bandwidth", block)] = partial(np.asarray, dtype=self.dtype), whole

    def _array(
        self, name: str, i: int, blocks: list[tuple[int, ...]], read: tuple[da.Array, ...]
    ) -> da.Array:
        """Return the array of the i-th result."""
        own = f"kde-result-{name}-{self.token}"
        last = {"density": ((self.bins,),), "x": (self.ends,), "z": (self.ends,)}.get(name, ())
        graph: dict[Any, Any] = {}
        for block in blocks:
            if len(self.ends) == 1:
                graph[(own, *block, *(0 for _ in last))] = getitem, self._key("whole", block), i
            elif i == 0:
                graph[(own, *block, *(0 for _ in last))] = self._key("first", block)
            elif name == "bandwidth":
                graph[(own, *block)] = self._key("bandwidth", block)
            else:
                for k in range(len(self.ends)):
                    graph[(own, *block, k)] = getitem, self._key("gradients", block, k), i - 1
        depends: Any = (*read, self.x, self.z)
        layers = HighLevelGraph.from_collections(own, {**self.graph, **graph}, dependencies=depends)
        return da.Array(layers, own, (*self.lead, *last), dtype=self.dtype)


def _points(name: str, array: Any) -> da.Array:
    points: da.Array = da.asarray(array)
    if points.ndim == 0 or points.shape[-1] == 0:
        raise ValueError(f"{name} must have at least one point, got shape {points.shape}")
    if any(math.isnan(size) for size in points.shape):
        raise ValueError(f"{name} must have chunks of known sizes, as after {name}.compute_chunk_sizes()")
    return points


def _chunks_at(array: da.Array, axis: int) -> tuple[int, ...] | None:
    """Return the chunks of an axis, None where it is missing or all rows share it."""
    return array.chunks[axis] if array.ndim >= -axis and array.shape[axis] > 1 else None
