"""The strategy `window`: pairs within the kernel's reach only, exact for compact kernels.

Points of a block are brought into the order of the bins by counting, so that every bin's points
are neighbours; what lies beyond the reach is never looked at.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats, Gradients, Ints
from ...families import FORMULAS, row_parameters, summed_variants
from ...formula import INVERSE_BANDWIDTH, RowParameters, Variant
from ...names import COMPACT, FACTS
from ...numerics.arithmetic import SMALLEST, exp2
from ...numerics.chunks import CHUNK, room, times_last
from ...runtime.jit import Function, helper
from ...runtime.signatures import INTS, READ1, WRITE, WRITE1, record
from ..row import Asked, Forward, Sums
from ..sums.blocks import POINTS_PER_BLOCK, RowData
from ..sums.images import distance_of, reader_of, shift_of
from ..sums.loops import Loops, compiled
from ..sums.partials import MASS, look, look_at_points, reference_of, rescale, start_partial, weights_of
from ..sums.passes import DATA_OF_BLOCKS, Taking, give_points, sum_points
from ..sums.places import (
    COPIES,
    EVEN,
    OUTSIDE,
    PERIOD,
    TRASH,
    Geometry,
    around,
    ceiling,
    even,
    locator,
    on_domain,
)
from ..sums.reach import ROUNDING, RowShape, reach_of, value_beyond
from .near import NearBins, near_loops

_MOST_KEYS = 4096
_MOST_LOOKS = 5
# ns on one thread: for each point and pair when sorted, and for each point and bin that it looks at.
_POINT, _PAIR = 40.0, 0.8
_NEAR, _LOOK = 3.2, 2.1
# Pairs of a block, after which Ctrl-C is heard, if it has more points than are worth sorting.
_PAIRS_PER_BLOCK, _LEAST_POINTS = 2**26, 2**9
_COPIES = 16  # of a whole block: where points have more, its points are fewer


def why_not(shape: RowShape) -> str | None:
    """Return why windows do not apply, or None."""
    return "needs a kernel with a reach" if FACTS[shape.kernel].heavy else None


def cost(shape: RowShape, rtol: float) -> float:
    """Return the estimated time of a call in ns on one thread."""
    plan = plan_window(shape, rtol)
    copies = plan.geometry.copies
    each = _NEAR + copies * _LOOK * plan.looks if plan.looks else copies * _POINT + _PAIR * plan.pairs
    return shape.points * each


def sums(shape: RowShape, order: int | None, rtol: float, first_bin: float, centers: Floats, *_: Any) -> Sums:
    """Return the sums of a row, whose points need no preparation."""
    return WindowSums(plan_window(shape, rtol), first_bin, centers)


def functions(kernel: str, domain: str, only_z: bool, plans: bool) -> list[Callable[[], Function]]:
    """Return what calls may compile."""
    needed: list[Callable[[], Function]] = []
    for variant in () if FACTS[kernel].heavy else summed_variants(kernel, domain):
        needed += [*window_loops(variant, domain == "circle"), *near_loops(variant, domain == "circle")]
    return needed


class WindowPlan(NamedTuple):
    """Keys that bring points into the order of the bins, for rows that share bandwidth and bins."""

    family: RowParameters
    geometry: Geometry
    reach: float
    beyond: float  # K/C of the points that a bin does not see is at most this
    bins: int
    looks: int  # bins that each point looks at, or 0 where points are sorted

    @property
    def pairs(self) -> float:
        """Return how many bins see a point, about, where points are sorted."""
        shape = self.geometry
        share = min(1.0, (2 * self.reach + shape.pitch) / (shape.columns * shape.pitch))
        return shape.copies * self.bins * share


@lru_cache(maxsize=128)
def plan_window(shape: RowShape, rtol: float) -> WindowPlan:
    """Return keys for a tolerance."""
    kernel, h, period, bins, _, _ = shape
    family = row_parameters(kernel, np.array([h]), None if kernel in COMPACT else period)
    # A wider reach costs little, and bins of few points pass with it.
    small = max(rtol / 640, 1e-15) * min(1.0, h / max(bins.span, h) / 8)
    reach = reach_of(shape, family, small)
    if period is not None and kernel not in COMPACT and 1.5 * reach > period / 2:  # all around the circle
        return WindowPlan(family, around(bins.span, period, period, 1), period, 0.0, bins.number, 0)
    beyond = 0.0 if kernel in COMPACT else value_beyond(family, reach, h, True)
    # As many as fit into the reach, which ends short of the next by more than places round.
    looks = ceiling(2 * reach / bins.spacing * (1 + 1e-6)) if bins.spacing > 0 else 0
    if 0 < looks <= _MOST_LOOKS and (period is None or (looks + 1) * bins.spacing < period / 2):
        columns = bins.number + looks + 1
        keys = Geometry(EVEN, False, looks / 2 + 1, bins.spacing, columns)
        return WindowPlan(family, on_domain(keys, period), reach, beyond, bins.number, looks)
    margin = reach / 64  # for points at the very edge
    low, high = -reach - margin, bins.span + reach + margin
    keys = even(low, high, max(reach / 4, (high - low) / _MOST_KEYS))
    return WindowPlan(family, on_domain(keys, period), reach, beyond, bins.number, 0)


class KeyedBins(NamedTuple):
    """Bins, and the keys of the points that they see."""

    centers: Floats  # (M,)
    first: Ints  # keys (M,)
    last: Ints
    params: Floats  # of the formula (1, PARAMETERS)


_BINS = record(KeyedBins, WRITE1, INTS, INTS, WRITE)


@cache
def window_loops(variant: Variant, circle: bool) -> Loops:
    """Return the passes over a block of points, each compiled when it is first asked for."""
    forward = types.void(READ1, READ1, READ1, types.Tuple((_BINS, types.boolean)), WRITE, WRITE)
    adjoint = types.void(*DATA_OF_BLOCKS, types.Tuple((_BINS, READ1)), WRITE1, WRITE1, WRITE1)
    key = f"{variant.key}.{'circle' if circle else 'line'}"
    made = (_make_forward, forward), (_make_adjoint, adjoint)
    return compiled(Loops, "window", key, (variant, circle), *made)


def _sorter(circle: bool) -> Function:
    """Return a function that sorts a block by key."""
    distances, cells = locator(EVEN, circle)

    def sort(x, z, top, g):
        """Return points' distances from the first bin, weights and indices (copies n,) in the order of keys,

        the keys' starts (keys + OUTSIDE + 2,), and the mass; x and z (n,), g (SIZE,) of `places`.
        """
        copies, turn, keys = int(g[COPIES]), g[PERIOD], int(g[TRASH])
        count = x.shape[0] * copies
        d, v, w, cell = room(np.float64), room(np.float64), room(np.float64), room(np.int64)
        key, at, weight = np.empty(count, np.int64), np.empty(count), np.empty(count)
        starts = np.zeros(keys + OUTSIDE + 2, np.int64)
        mass, filled = 0.0, 0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            mass += weights_of(z[start : start + n], n, top, w)
            distances(x[start : start + n], n, g, d)
            for copy in range(copies):
                cells(d, n, copy * turn, g, 1, cell, v)
                for j in range(n):
                    at[filled + j] = d[j] + copy * turn
                    key[filled + j] = cell[j]
                    weight[filled + j] = w[j]
                    starts[cell[j] + 2] += 1
                filled += n
        for k in range(keys + OUTSIDE + 1):
            starts[k + 1] += starts[k]
        # starts[k + 1] is where key k starts until its points are placed, and then where it ends.
        points, weights, index = np.empty(count), np.empty(count), np.empty(count, np.int64)
        filled = 0
        for start in range(0, x.shape[0], CHUNK):
            n = min(CHUNK, x.shape[0] - start)
            for _ in range(copies):
                for j in range(n):
                    place = starts[key[filled + j] + 1]
                    starts[key[filled + j] + 1] = place + 1
                    points[place], weights[place] = at[filled + j], weight[filled + j]
                    index[place] = start + j
                filled += n
        return points, weights, index, starts, mass

    return helper(sort)


def _make_forward(variant: Variant, circle: bool) -> Function:
    formula, distance, read = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)
    sort = _sorter(circle)

    def forward(x, z, g, fixed, states, sums):
        """sums (1, 2 M) += densities and, if `derived`, widenings of points (n,) with keys first .. last."""
        # x and z (n,), g (SIZE,), states (1, ..)
        (centers, first, last, params), derived = fixed
        size, state = centers.shape[0], states[0]
        density, widening = sums[0, :size], sums[0, size : 2 * size]
        start_partial(sums[0], state)
        look_at_points(x, state)
        factor = look(z, state)
        rescale(density, factor)
        rescale(widening, factor)
        points, weights, _, starts, mass = sort(x, z, reference_of(state), g)
        state[MASS] += mass
        p, period, images = read(params, 0)
        for m in range(centers.shape[0]):
            c, total, wider = centers[m], 0.0, 0.0
            begin, end = starts[first[m]], starts[last[m] + 1]
            for image in range(images):
                shift = shift_of(image, period)
                if derived:
                    for j in range(begin, end):
                        e, f, _, f_h = formula(distance(c, points[j], period, shift), p)
                        k = weights[j] * exp2(e)
                        reached = (e > SMALLEST) & (f > 0.0)
                        total += k * f
                        wider += k * f_h if reached else 0.0
                else:
                    for j in range(begin, end):
                        e, f, _, _ = formula(distance(c, points[j], period, shift), p)
                        total += weights[j] * exp2(e) * f
            density[m] += total
            if derived:
                widening[m] += wider * p[INVERSE_BANDWIDTH]

    return forward


def _make_adjoint(variant: Variant, circle: bool) -> Function:
    formula, distance, read = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)
    sort = _sorter(circle)

    def adjoint(x, z, size, g, taking, fixed, by_z, by_x, largest):
        """by_z (n,) = w_i (share - sum_m weights_m K), by_x (n,) or empty = w_i sum_m weights_m dK/dd.

        Over the bins in reach, of weights (M,); largest (1,) = the largest |by_z|; x and z (n,), g (SIZE,).
        """
        (centers, first, last, params), bin_weights = fixed
        derived = by_x.shape[0] > 0
        points, weights, index, starts, _ = sort(x, z, taking.top, g)
        p, period, images = read(params, 0)
        sums, slopes = np.zeros(points.shape[0]), np.zeros(points.shape[0])
        for m in range(centers.shape[0]):
            c, weight = centers[m], bin_weights[m]
            begin, end = starts[first[m]], starts[last[m] + 1]
            for image in range(images):
                shift = shift_of(image, period)
                if derived:
                    for j in range(begin, end):
                        e, f, f_d, _ = formula(distance(c, points[j], period, shift), p)
                        k = weight * exp2(e)
                        reached = (e > SMALLEST) & (f > 0.0)
                        sums[j] += k * f
                        slopes[j] += k * f_d if reached else 0.0
                else:
                    for j in range(begin, end):
                        e, f, _, _ = formula(distance(c, points[j], period, shift), p)
                        sums[j] += weight * exp2(e) * f
        copies, most = points.shape[0] // x.shape[0], 0.0
        by_z[:] = 0.0
        by_x[:] = 0.0
        for j in range(points.shape[0]):
            by_z[index[j]] += weights[j] * (taking.share / copies - sums[j])
        if derived:
            for j in range(points.shape[0]):
                by_x[index[j]] += times_last(weights[j] * slopes[j], p[INVERSE_BANDWIDTH])
        for j in range(by_z.shape[0]):
            most = max(most, abs(by_z[j]))
        largest[0] = most

    return adjoint


class WindowSums(Sums):
    """The sums of one row over the pairs within reach."""

    order = None
    keeps = 0.0

    def __init__(self, plan: WindowPlan, first_bin: float, centers: Floats) -> None:
        self.plan, self.centers = plan, centers
        self.log_scale = float(plan.family.log_scale[0])
        shape = plan.geometry
        self._g, self._most = shape.array(first_bin), 0
        if plan.looks:
            self._forward, self._adjoint = near_loops(plan.family.variant, shape.circle)
            self._bins = slice(plan.looks, plan.looks + plan.bins)
            self._size = shape.columns + plan.looks + OUTSIDE
            spacing = (self.centers[-1] - self.centers[0]) / (plan.bins - 1)
            beside = self.centers[0] + (np.arange(self._size) - plan.looks) * spacing
            beside[self._bins] = self.centers
            self._seen: NearBins | KeyedBins = NearBins(beside, plan.looks, plan.family.parameters)
            return
        room = POINTS_PER_BLOCK * min(1.0, _COPIES / shape.copies)
        self._most = int(max(1, min(room, max(_LEAST_POINTS, _PAIRS_PER_BLOCK / max(1.0, plan.pairs)))))
        self._forward, self._adjoint = window_loops(plan.family.variant, shape.circle)
        self._bins, self._size = slice(0, plan.bins), plan.bins
        below = np.floor(shape.places(self.centers - plan.reach))
        above = np.floor(shape.places(self.centers + plan.reach))
        first = np.clip(below, 0, shape.columns - 1).astype(np.int64)
        last = np.clip(above, 0, shape.columns - 1).astype(np.int64)
        self._seen = KeyedBins(self.centers, first, last, plan.family.parameters)

    def workspace(self, points: int) -> int:
        block = 6 * 8 * min(points, self._most or POINTS_PER_BLOCK) * self.plan.geometry.copies
        return 8 * (4 * len(self.centers) * 64 + self.plan.geometry.columns) + 2 * block

    def forward(self, row: RowData, asked: Asked) -> Forward:
        size, derivatives = self._size, asked.derivatives
        seen = self._seen, derivatives
        width, loop = (1 + derivatives) * size, self._forward()
        sums, mass = sum_points(row, width, loop, self._g, seen, most=self._most).total()
        density, widening = sums[:size][self._bins], sums[-size:][self._bins]
        error = ROUNDING * density + self.plan.beyond * mass
        return Forward(density, error, mass, widening if derivatives else None)

    def adjoint(
        self, row: RowData, forward: Forward, weights: Floats, share: float, out: Gradients
    ) -> tuple[float, float]:
        bin_weights = np.zeros(self._size)
        bin_weights[self._bins] = weights
        inverse_h = float(self.plan.family.parameters[0, INVERSE_BANDWIDTH])
        fixed = self._g, Taking(row.top, share, -1.0, inverse_h), (self._seen, bin_weights)
        by = [out.get("z"), out["x"]] if "x" in out else [out.get("z")]
        largest = give_points(row, by, self._adjoint(), *fixed, most=self._most)
        return largest, self.plan.beyond * float(weights.sum())
