"""Bins that no fast sum can be trusted for: few points matter to each, and these are found first.

Rounds of ever narrower intervals drop what no such bin can notice, until the rest are narrow enough
to interpolate over, relative to the density itself, or hold few points.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Gradients, Ints
from ...families import has_whole_slopes, summed_variants, variants
from ...formula import IMAGES, INVERSE_BANDWIDTH, RowParameters
from ...names import COMPACT, FACTS, KNOTS
from ...numerics.arithmetic import LARGEST
from ...numerics.chebyshev import chebyshev
from ...numerics.matmul import product, times
from ...runtime.jit import Function
from ..sums.blocks import RowData, partial_count
from ..sums.partials import total
from ..sums.reach import RowShape, sampler
from .certificate import certify
from .intervals import Intervals, Limits, summary, tests
from .tail_sums import ORDER, Nodes, NodesOf, WeakBins, gather, node_loops, spread

_PIECES = 256  # new intervals in a round
_PAIRS = 2**21  # of bins and points that are summed one by one
_ROUNDS = 12
_FEW = 2 * ORDER  # points that need no interpolation
_QUARTERS = 4
# Estimates of the time once, for each bin and each point, of kernels that end or do not, ns on one thread.
_ENDING, _ENDLESS = (6e5, 4e3, 0.0), (1.5e6, 1e4, 60.0)


def cost(shape: RowShape, bins: int) -> float:
    """Return an estimate of the time of so many weak bins, in ns on one thread."""
    once, of_bin, of_point = _ENDING if shape.kernel in COMPACT else _ENDLESS
    return once + bins * of_bin + shape.points * of_point


def _limits(shape: RowShape, family: RowParameters, rtol: float) -> Limits:
    """Return within what order 12 keeps rtol / 4, from the kernels' Taylor or Bernstein bounds."""
    kernel, h, period, _, points, _ = shape
    images = max(1.0, float(family.parameters[0, IMAGES]))
    # What is dropped may count for more in dK/dh: (d/h)^2 times, at most some 2 log(1/eps).
    margin = math.log2(16 * 64 * points * images / rtol)
    steepest = 2 * (rtol * math.factorial(ORDER) / 128) ** (1 / ORDER)
    width = h if period is None else min(h, period / 8)
    growth = 0.0
    if FACTS[kernel].heavy:
        growth = 1.8 * (rtol / 64) ** (1 / ORDER)
        widest = growth * width
    else:
        widest = 1.6 * (rtol * math.sqrt(math.factorial(ORDER)) / 128) ** (1 / ORDER) * width
    smooth = -1.0 if kernel in COMPACT else (0.0 if KNOTS[kernel] else 1.0)
    return Limits(margin, steepest, widest, growth, smooth)


class Tail:
    """The sums of some bins of a row, those that are weak, over the points that matter to them."""

    def __init__(
        self,
        row: RowData,
        shape: RowShape,
        family: RowParameters,
        centers: Floats,
        weak: NDArray[np.bool_],
        rtol: float,
    ) -> None:
        self._row, self._family, self._centers = row, family, np.ascontiguousarray(centers[weak])
        self._where = 0.5 * (float(centers.min()) + float(centers.max())), shape.period or 0.0
        self._limits = _limits(shape, family, max(rtol, 1e-15))
        self._x, self._z = row.x, row.z
        self._index: Ints | None = None  # of the points left in the row
        self._nearest, self._lowest = np.empty((2, len(self._centers)))
        self._narrow()
        self._collect()

    def _data(self) -> RowData:
        return RowData(self._x, self._z, self._row.n_threads)

    def _narrow(self) -> None:
        """Find disjoint intervals that hold every point that matters."""
        middle, period = self._where
        low, high = (middle - period, middle + period) if period else self._row.extent
        intervals = Intervals(
            np.array([low]), np.array([high]), np.array([np.inf]), np.array([self._row.points])
        )
        need, split = np.array([-LARGEST]), np.array([True])  # masked points are below
        for _ in range(_ROUNDS):
            pieces = min(_PIECES, max(8, 2 * _PIECES // max(1, int(split.sum()))))
            intervals = self._summarise(intervals, need, np.where(split, pieces, 1))
            need, good, bins = self._test(intervals)
            kept = bins > 0
            intervals, need, bins = intervals.where(kept), need[kept], bins[kept]
            self._resolved, cut = good[kept] > 0, good[kept] < 0
            split = ~self._resolved & (intervals.number > _FEW) & (intervals.high > intervals.low)
            if len(need) == 0 or ((intervals.number * bins)[split].sum() <= _PAIRS and not cut.any()):
                break
            split |= cut
            if 4 * intervals.number.sum() < self._data().points:
                self._keep(intervals, need)
        self._intervals, self._need = intervals, need

    def _summarise(self, intervals: Intervals, need: Floats, splits: Ints) -> Intervals:
        starts = np.concatenate([[0], np.cumsum(splits)])
        size, data = int(starts[-1]), self._data()
        partials = partial_count(data.points, 4 * size)
        tables = np.full((partials, size + 1, 4), [-np.inf, -np.inf, -np.inf, 0.0])
        finder, add = intervals.finder(*self._where), summary()

        def block(partial: int, x: Floats, z: Floats) -> None:
            add(x, z, self._row.top, finder, splits, starts, need, tables[partial].ravel())

        data.each_partial(partials, block)
        below, high, largest = tables[:, :-1, :3].max(axis=0).T
        number = tables[:, :-1, 3].sum(axis=0).astype(np.int64)
        whole = Intervals(*map(np.ascontiguousarray, (-below, high, largest, number)))
        return whole.where((whole.number > 0) & (whole.largest > -np.inf))

    def _test(self, intervals: Intervals) -> tuple[Floats, Ints, Ints]:
        compiled, data = tests(self._family.variant), self._data()
        size, bins = len(intervals.low), len(self._centers)
        need, resolved, counts = np.empty(size), np.empty(size, np.int64), np.empty(size, np.int64)
        shape = (intervals.low, intervals.high, intervals.largest - self._row.top)
        parameters = self._family.parameters
        best, matter = compiled.best(), compiled.matter()

        def bound(index: int) -> None:
            eighth = slice(index * bins // 8, (index + 1) * bins // 8)
            best(self._centers[eighth], parameters, *shape, self._nearest[eighth], self._lowest[eighth])

        def test(index: int) -> None:
            eighth = slice(index * size // 8, (index + 1) * size // 8)
            read, written = ([a[eighth] for a in arrays] for arrays in (shape, (need, resolved, counts)))
            matter(self._centers, parameters, *read, self._nearest, self._lowest, self._limits, *written)

        data.each(8, bound)
        data.each(8, test)
        return need, resolved, counts

    def _gather(self, intervals: Intervals, need: Floats, place: Ints, moments: Floats) -> tuple[Ints, Ints]:
        """Add to the moments (cells * P,); return the index and the interval of the listed points."""
        data, size = self._data(), len(moments)
        finder = intervals.finder(*self._where)
        by_block: dict[int, tuple[Ints, Ints, Floats]] = {}
        take, of_intervals = gather(), (self._row.top, finder, need, place, intervals.largest)

        def block(index: int, piece: slice, x: Floats, z: Floats) -> None:
            points, owner = np.empty(len(x), np.int64), np.empty(len(x), np.int64)
            of_block = np.zeros(max(1, size))
            count = take(x, z, *of_intervals, of_block, points, owner)
            by_block[index] = points[:count] + piece.start, owner[:count].copy(), of_block

        blocks = data.each_block(block)
        points, owners, of_blocks = zip(*(by_block[index] for index in range(blocks)), strict=True)
        for of_block in of_blocks:
            moments += of_block[:size]
        return np.concatenate(points), np.concatenate(owners)

    def _keep(self, intervals: Intervals, need: Floats) -> None:
        """Leave only the points of these intervals."""
        nowhere = np.full(len(need), -1)
        index, _ = self._gather(intervals, need, nowhere, np.zeros(0))
        self._index = index if self._index is None else self._index[index]
        self._x = self._x[index].astype(np.float64, copy=False)
        self._z = self._z[index].astype(np.float64, copy=False)

    def _collect(self) -> None:
        """Make nodes of the intervals: Chebyshev nodes, or the points themselves."""
        intervals, size = self._intervals, len(self._need)
        dense = self._resolved & (intervals.number > _FEW) & self._slopes_are_floats()
        self._place = np.where(dense, np.cumsum(dense) - 1, -1)
        moments = np.zeros(int(dense.sum()) * ORDER)
        if size == 0:
            self._listed = owner = np.zeros(0, np.int64)
        else:
            self._listed, owner = self._gather(intervals, self._need, self._place, moments)
        order = np.argsort(owner, kind="stable")
        self._listed, owner = self._listed[order], owner[order]
        nodes, to_weights, self._to_powers = chebyshev(ORDER)
        self._to_weights = to_weights
        length = np.where(dense, ORDER, np.bincount(owner, minlength=size)[:size])
        self._starts = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
        count = int(self._starts[-1])
        anchor, offset, logit, weight = np.empty(count), np.zeros(count), np.empty(count), np.ones(count)
        self._nodes = Nodes(anchor, offset, logit, weight)
        self._is_cell = np.repeat(dense, length)
        # A node is placed from the nearer end of its interval, which is a point: that has its last digits.
        low, high = intervals.low[dense, np.newaxis], intervals.high[dense, np.newaxis]
        half = (high - low) / 2
        anchor[self._is_cell] = np.where(nodes < 0, low, high).ravel()
        offset[self._is_cell] = (half * np.where(nodes < 0, 1 + nodes, nodes - 1)).ravel()
        logit[self._is_cell] = np.repeat(intervals.largest[dense], ORDER)
        weight[self._is_cell] = times(moments.reshape(-1, ORDER), to_weights.T).ravel()
        anchor[~self._is_cell] = self._near(self._x[self._listed])
        logit[~self._is_cell] = self._z[self._listed]

    def _slopes_are_floats(self) -> bool:
        """Return whether all u^2 are: nodes of either sign would make infinite slopes NaN."""
        low, high, period = self._intervals.low, self._intervals.high, self._where[1]
        ends = np.array([low.min(initial=np.inf), high.max(initial=-np.inf)])
        far = period / 2 or float(np.abs(np.subtract.outer(self._centers, ends)).max())
        u = far * float(self._family.parameters[0, INVERSE_BANDWIDTH])
        return u < math.sqrt(LARGEST)

    def _near(self, x: NDArray[Any]) -> Floats:
        middle, period = self._where
        x = x.astype(np.float64)
        return x if not period else x - period * np.floor((x - middle) / period + 0.5)

    def _loop_over(self, which: slice) -> tuple[WeakBins, NodesOf, Nodes]:
        """Return what loops over nodes take, for the bins of a slice."""
        bins = self._centers[which], self._nearest[which], self._lowest[which], self._limits.margin
        low, high, largest, _ = self._intervals
        return (
            WeakBins(self._family.parameters, *bins),
            NodesOf(low, high, largest - self._row.top, self._starts),
            self._nodes,
        )

    def _bin_slices(self) -> list[slice]:
        bins = len(self._centers)
        return [slice(i * bins // _QUARTERS, (i + 1) * bins // _QUARTERS) for i in range(_QUARTERS)]

    def log_densities(self, mass: float) -> Floats:
        """Return log q of each bin, -inf where no point reaches it, for sum_j w_j = mass."""
        bins = len(self._centers)
        self._at, self._high_logit, level, self._total = np.empty((4, bins))
        loop, slices = node_loops(self._family.variant).forward(), self._bin_slices()
        outputs = self._at, self._high_logit, level, self._total

        def add(index: int) -> None:
            which = slices[index]
            loop(*self._loop_over(which), self._row.top, *(array[which] for array in outputs))

        self._row.each(len(slices), add)
        # A total that interpolation made negative is none.
        np.maximum(self._total, 0, out=self._total)
        return level + np.log(self._total) + (float(self._family.log_scale[0]) - float(np.log(mass)))

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Which bins any point reaches, once their sums are known."""
        return self._total > 0

    def subtract(self, masses: Floats, out: Gradients) -> float:
        """Subtract sum_m p_m r_im from the gradient by z, add to that by x; return the part of dL/dh."""
        share = np.divide(masses, self._total, out=np.zeros_like(masses), where=self._total > 0)
        loop, slices = node_loops(self._family.variant).adjoint(), self._bin_slices()
        size = len(self._nodes.anchor)
        by_z, by_x, by_h = (np.zeros((len(slices), numbers)) for numbers in (size, size, 1))

        def give(index: int) -> None:
            which = slices[index]
            reference = self._at[which], self._high_logit[which], share[which]
            loop(*self._loop_over(which), *reference, by_z[index], by_x[index], by_h[index])

        self._row.each(len(slices), give)
        inverse_h = float(self._family.parameters[0, INVERSE_BANDWIDTH])
        unit = 1.0 if has_whole_slopes(self._family.variant.formula) else inverse_h
        for name, values, factor in (("z", by_z.sum(axis=0), -1.0), ("x", by_x.sum(axis=0), unit)):
            if name in out:
                self._add(factor * values, out[name])
        return -float(by_h.sum()) * inverse_h

    def _add(self, values: Floats, out: NDArray[Any]) -> None:
        listed = self._listed if self._index is None else self._index[self._listed]
        out[listed] += values[~self._is_cell].astype(out.dtype)
        if not self._is_cell.any():
            return
        cells = times(values[self._is_cell].reshape(-1, ORDER), self._to_weights)
        powers = times(cells, self._to_powers).ravel()
        intervals, data, give = self._intervals, self._data(), spread()
        finder = intervals.finder(*self._where)

        def block(index: int, piece: slice, x: Floats, z: Floats) -> None:
            by = np.zeros(len(x))
            give(x, z, self._row.top, finder, self._need, self._place, intervals.largest, powers, by)
            out[piece if self._index is None else self._index[piece]] += by.astype(out.dtype)

        data.each_block(block)


def functions(kernel: str, domain: str) -> list[Callable[[], Function]]:
    """Return what any method with a floor may compile for its tails."""
    needed: list[Callable[[], Function]] = [summary, gather, spread, product, certify, total]
    needed += [sampler(variant) for variant in summed_variants(kernel, domain)]
    for variant in variants(kernel, domain):
        needed += [*tests(variant), *node_loops(variant)]
    return needed
