"""Bins and the nodes of cells: what a bin sees of the cells' weights, and what nodes get of bins'."""

from functools import cache, partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats, Ints
from ...families import FORMULAS
from ...formula import INVERSE_BANDWIDTH, Variant
from ...numerics.arithmetic import SMALLEST, exp2
from ...runtime.jit import Function, helper
from ...runtime.signatures import INTS, WRITE, WRITE1, record
from ..sums.blocks import RowData
from ..sums.images import distance_of, reader_of, shift_of
from ..sums.loops import Compiled, compiled
from .layout import PRODUCT, CellPlan
from .levels import CIRCULAR, MOST_RUNS, ORDER, cell_steps, cells_seen, node_positions

_NO_ERROR = np.empty(0)
_WORTH_SHARING = 2**17  # values of K, worth a second thread


class BinLoops(NamedTuple):
    """The compiled loops of one variant."""

    densities: Compiled
    widenings: Compiled
    values: Compiled
    slopes: Compiled


class BinGroup(NamedTuple):
    """The bins r, r + stride, r + 2 stride .. for r from `first` to `last`, and what they see.

    They see the same nodes, only `step` pitches further each time: K is evaluated once for all of them.
    """

    first: int
    last: int
    stride: int
    step: int
    centers: Floats  # (M,) from the first bin
    places: Floats  # (M,) in pitches from the origin
    spec: Ints  # what bins see
    positions: Floats  # of the nodes (nodes,), from the first bin on the line
    params: Floats  # of the formula (1, PARAMETERS)
    accuracy: Floats  # error of K/C by a cell's place among those around a bin's own
    relative: float  # error of K/C relative to it


BINS = record(BinGroup, *(types.int64,) * 4, WRITE1, WRITE1, INTS, WRITE1, WRITE, WRITE1, types.float64)


@cache
def bin_loops(variant: Variant) -> BinLoops:
    """Return the loops of a variant, each compiled when it is first asked for."""
    signature = types.void(BINS, WRITE1, WRITE1, types.float64, WRITE1, WRITE1)
    ways = (False, False), (False, True), (True, False), (True, True)
    made = (
        (partial(make_over_bins, adjoint=adjoint, derived=derived), signature) for adjoint, derived in ways
    )
    return compiled(BinLoops, "cell_bins", variant.key, (variant,), *made)


# Indices are unsigned, because what may be negative is no index of a vector register's load.


@cache
def _table(variant: Variant, by_h: bool, by_d: bool) -> Function:
    formula, distance, read = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)

    @helper
    def fill(c, positions, order, runs, count, params, table):
        """Write K, dK/dh or dK/dd at a bin's distances from the nodes of its runs of cells."""
        # positions and table (nodes,), runs (MOST_RUNS, 2), params (1, PARAMETERS)
        p, period, images = read(params, 0)
        done = np.uint64(0)
        for run in range(count):
            begin, size = np.uint64(runs[run, 0] * order), np.uint64((runs[run, 1] - runs[run, 0]) * order)
            for i in range(size):
                table[done + i] = 0.0
            for image in range(images):
                shift = shift_of(image, period)
                for i in range(size):
                    e, f, f_d, f_h = formula(distance(c, positions[begin + i], period, shift), p)
                    if by_h or by_d:
                        reached = (e > SMALLEST) & (f > 0.0)
                        slope = exp2(e) * (f_h if by_h else f_d) * p[INVERSE_BANDWIDTH]
                        table[done + i] += slope if reached else 0.0
                    else:
                        table[done + i] += exp2(e) * f
            done += size

    return fill


def make_over_bins(variant: Variant, adjoint: bool, derived: bool = False) -> Function:
    fill = _table(variant, derived and not adjoint, derived and adjoint)

    def over_bins(group, nodes, cells, beyond, bins, error):
        """bins (M,) = sum over nodes (nodes,) of weights times K or dK/dh, error (M,) = what it is off by.

        That is the sum over cells (cells,) of masses times accuracy, `relative` of the sum, and `beyond`. The
        adjoint: nodes += sum over bins of weights times K or dK/dd, cells += that of weights times accuracy.
        """
        first, last, stride, step, centers, places, spec, positions, params, accuracy, relative = group
        order, farthest = spec[ORDER], accuracy.shape[0] // 2
        runs, steps = np.empty((MOST_RUNS, 2), np.int64), np.empty(MOST_RUNS, np.int64)
        table = np.empty(positions.shape[0])
        for r in range(first, last):
            column, count = np.int64(np.floor(places[r])), cells_seen(places[r], spec, runs)
            fill(centers[r], positions, order, runs, count, params, table)
            cell_steps(spec, step, runs, count, steps)
            for m in range(r, centers.shape[0], stride):
                weight, total, doubt = bins[m] if adjoint else 0.0, 0.0, 0.0
                done, moved = np.uint64(0), m // stride
                for run in range(count):
                    begin, seen = runs[run, 0] + moved * steps[run], np.uint64(runs[run, 1] - runs[run, 0])
                    node, cell = np.uint64(begin * order), np.uint64(begin)
                    for i in range(seen * np.uint64(order)):
                        if adjoint:
                            nodes[node + i] += weight * table[done + i]
                        else:
                            total += table[done + i] * nodes[node + i]
                    done += seen * np.uint64(order)
                    if farthest == 0:
                        for i in range(seen):
                            if adjoint:
                                cells[cell + i] += weight * accuracy[0]
                            else:
                                doubt += cells[cell + i] * accuracy[0]
                    else:
                        offset = np.uint64(runs[run, 0] - column + farthest)
                        for i in range(seen):
                            if adjoint:
                                cells[cell + i] += weight * accuracy[offset + i]
                            else:
                                doubt += cells[cell + i] * accuracy[offset + i]
                if not adjoint:
                    bins[m], error[m] = total, doubt + relative * abs(total) + beyond

    return over_bins


class BinSums:
    """What the bins of a row see of the nodes of its cells, and nodes of bins."""

    def __init__(self, plan: CellPlan, first_bin: float, centers: Floats) -> None:
        self._plan, self._centers = plan, centers
        shape, bins = plan.geometry, len(centers)
        places = shape.places(centers)
        if plan.spec[CIRCULAR]:
            turn = shape.period / shape.pitch
            places = places - turn * np.floor(places / turn)
        self._places = np.ascontiguousarray(places)
        self._positions = node_positions(shape, plan.levels.sizes, plan.levels.starts, plan.order)
        self._loops = bin_loops(plan.family.variant)
        self._repeats = (plan.stride, plan.step) if _repeat(plan, first_bin, centers) else (bins, 0)
        stride = min(self._repeats[0], bins)
        work = plan.seen * plan.order * (stride + PRODUCT * bins)
        count = max(1, min(8, stride, int(work) // _WORTH_SHARING))
        self._ends = list(pairwise([i * stride // count for i in range(count + 1)]))

    @property
    def shared(self) -> bool:
        """Whether bins are so many that threads share them."""
        return len(self._ends) > 1

    def group(self, index: int, spec: Ints) -> BinGroup:
        """Return the bins that a thread does at a time, of which `spec` says what they see."""
        plan, places = self._plan, (self._centers, self._places)
        repeats = *self._ends[index], *self._repeats
        return BinGroup(
            *repeats, *places, spec, self._positions, plan.family.parameters, plan.accuracy, plan.relative
        )

    def forward(
        self, row: RowData, spec: Ints, weights: Floats, masses: Floats, beyond: float, derivatives: bool
    ) -> tuple[Floats, Floats, Floats | None]:
        """Return densities, bounds on their errors, and derivatives by h (M,).

        From the nodes' weights (nodes,), the cells' masses (cells,), and what points out of sight may add.
        """
        bins = len(self._centers)
        density, error = np.empty(bins), np.empty(bins)
        widening = np.empty(bins) if derivatives else None

        def add(index: int) -> None:
            seen = self.group(index, spec), weights, masses, beyond
            if widening is not None:
                self._loops.widenings()(*seen, widening, error)
            self._loops.densities()(*seen, density, error)

        row.each(len(self._ends), add)
        return density, error, widening

    def adjoint(self, row: RowData, spec: Ints, weights: Floats, slopes: bool) -> tuple[Floats, Floats]:
        """Return what bins' weights (M,) give each node, and a bound on its error in each cell."""
        loop = self._loops.slopes() if slopes else self._loops.values()
        cells = self._plan.levels.cells
        values = np.zeros((len(self._ends), cells * self._plan.order))
        doubts = np.zeros((len(self._ends), cells))

        def give(index: int) -> None:
            loop(self.group(index, spec), values[index], doubts[index], 0.0, weights, _NO_ERROR)

        row.each(len(self._ends), give)
        if len(self._ends) == 1:
            return values[0], doubts[0]
        return values.sum(axis=0), doubts.sum(axis=0)


def _repeat(plan: CellPlan, first_bin: float, centers: Floats) -> bool:
    """Return whether what bins see repeats: they are equal to the rounding of their centers."""
    if not 0 < plan.stride < len(centers):
        return False
    spacing = plan.step * plan.geometry.pitch / plan.stride
    off = np.abs(centers - (centers[0] + spacing * np.arange(len(centers)))).max()
    return bool(off <= 4 * np.spacing(abs(first_bin) + centers.max()))
