"""The strategy `grid`: data binning onto a regular grid, then convolution by FFT.

After Silverman, "Kernel density estimation using the fast Fourier transform" (1982), and Wand, "Fast
computation of multivariate kernel estimators" (1994): each point's weight is shared among the
`order` grid points around it (1 nearest, 2 linear, 4 cubic Lagrange weights), and the grid's masses
are convolved with the kernel on the grid.

Its sums are approximate by design. With d the spacing of the grid, at most h/16 wherever 2^20 grid
points are enough for that, a Gaussian's is off by at most

    0.3 d/h (order 1),   (d/h)^2 / 8 (order 2),   0.07 (d/h)^4 (order 4)

of the kernel's peak for each unit of mass, and by as much again where centers are not grid points.
Other kernels' constants are at most 1, 1.1 and 0.6 where they have as many derivatives. Order 4 is
left with 0.3 (d/h)^2 for biweight and 1.4 (d/h)^3 for triweight and tricube, whose derivatives jump.
A point within d of a kink is off by up to 0.5 d/h, at order 4 by 0.2 d/h, and one within d of a jump
(boxcar's, or that of dK/dd and dK/dh at a kink) by half the jump, whatever the order; sums over many
points that lie anywhere are then off by about (d/h)^2. On a circle an h beyond P/2π counts as that.
"""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.fft import irfft, rfft
from numpy.typing import NDArray

from ...arguments.arrays import Floats, Gradients
from ...families import row_parameters
from ...formula import RowParameters
from ...names import COMPACT, FACTS, ORDERS
from ...runtime.jit import Function
from ..row import Asked, Forward, Sums
from ..sums.blocks import RowData, partial_count
from ..sums.passes import Taking, give_points, sum_points
from ..sums.places import EVEN, TRASH, Geometry, ceiling
from ..sums.reach import Bins, RowShape, kernel_values
from .grid_points import grid_passes, shares

DEFAULT_ORDER = 2
POINTS_PER_BANDWIDTH = 16
MOST_POINTS = 2**20
_FEWEST_AROUND = 64  # grid points of a circle
# A grid through the centers may have so many times the points of one that is not bound to them, or these.
_FINER, _FEW = 4, 2**16
_NEGLIGIBLE = 1e-17  # of the kernel's peak
# Without a reach: what the grid covers on each side of the bins, in bandwidths and in interval lengths.
_FAR, _WIDE = 64, 16
_ROUNDING = float(np.finfo(float).eps)

# Rows of `kernel_values`, and those that may jump at the edge of a kernel.
_VALUE, _SLOPE, _WIDENING = range(3)
_JUMPING = {0: (_VALUE, _WIDENING), 1: (_SLOPE, _WIDENING)}


class GridPlan(NamedTuple):
    """A grid for rows that share bandwidth and bins."""

    order: int
    kernel: str
    h: float
    family: RowParameters
    before: int  # grid points before the first bin
    spacing: float
    points: int  # spacings
    period: float  # 0 on the line
    whole: bool  # the grid goes once around the circle
    through_centers: bool  # each center is a grid point
    length: int  # of the FFT

    @property
    def slots(self) -> int:
        """Return the number of grid points with the room beyond the last: order - 1 of them, and one."""
        return self.points + self.order

    @property
    def left(self) -> int:
        """Return how many of a point's grid points lie before the one on its left."""
        return 1 if self.order == 4 else 0


def sums(shape: RowShape, order: int | None, rtol: float, first_bin: float, centers: Floats, *_: Any) -> Sums:
    """Return the sums of a row, whose points need no preparation."""
    order = DEFAULT_ORDER if order is None else order
    return GridSums(plan_grid(shape, order), first_bin, centers)


def functions(kernel: str, domain: str, only_z: bool, plans: bool) -> list[Callable[[], Function]]:
    """Return what calls may compile."""
    circle = domain == "circle"
    wholes = (False, True) if circle else (False,)
    return [
        compiled
        for order in ORDERS["grid"]
        for whole in wholes
        for compiled in grid_passes(order, circle, whole)
    ]


@lru_cache(maxsize=128)
def plan_grid(shape: RowShape, order: int) -> GridPlan:
    """Return the grid for bins and a bandwidth.

    Where 2^20 grid points with spacing h/16 do not cover the bins and the kernel's reach, the spacing
    is wider, and the errors, which go with d/h, are larger: at d > h they are as large as the sums.
    """
    kernel, h, period, bins, _, _ = shape
    family = row_parameters(kernel, np.array([h]), period)
    reach, span = _reach(kernel, family, h, period), bins.span
    widest = h / POINTS_PER_BANDWIDTH
    margin = order + 1  # spacings, for the grid points around the outermost point that matters
    turn = 0.0 if period is None else period
    if period is None or span + 2 * (reach + margin * widest) < period:
        linear = math.isinf(reach)
        if linear:
            reach = max(_FAR * h, _WIDE * span)
            room = 0.5 * (MOST_POINTS * widest - span)
            reach = min(reach, max(room, span))
        total = span + 2 * reach
        widest = max(widest, total / MOST_POINTS)
        spacing, through = _spacing(total, widest, bins)
        before = ceiling(reach / spacing) + margin
        whole = False
        count = 2 * before + ceiling(span / spacing)
        # Sums wrap around the transform onto grid points out of every bin's reach, if there is a reach.
        length = _fft_length(count + order + (count - 2 * before if linear else 0))
    else:
        count, through = _around(period, max(widest, period / MOST_POINTS), bins)
        before, spacing, whole, length = 0, period / count, True, count
    return GridPlan(order, kernel, h, family, before, spacing, count, turn, whole, through, length)


def _reach(kernel: str, family: RowParameters, h: float, period: float | None) -> float:
    """Return the distance beyond which K is negligible; infinite where there is none."""
    if kernel in COMPACT:
        return h
    at = h * np.linspace(0, 64, 257)
    if period is not None:
        at = at[at < period / 2]
    value = kernel_values(family, at)[_VALUE]
    beyond = value <= _NEGLIGIBLE * value[0]
    return float(at[np.argmax(beyond)]) if beyond.any() else math.inf


def _spacing(total: float, widest: float, bins: Bins) -> tuple[float, bool]:
    """Return the grid's spacing on the line, and whether centers are grid points."""
    if bins.span == 0:
        return widest, True
    if bins.spacing > 0:
        steps = min(
            _steps(bins.spacing, widest), math.floor(min(bins.spacing * MOST_POINTS / total, MOST_POINTS))
        )
        if steps > 0 and steps * total / bins.spacing <= max(_FINER * total / widest, _FEW):
            return bins.spacing / steps, True
    return widest, False


def _steps(spacing: float, widest: float) -> int:
    return max(1, ceiling(spacing / widest * (1 - 1e-12)))


def _around(period: float, widest: float, bins: Bins) -> tuple[int, bool]:
    """Return the number of grid points around the circle, and whether centers are grid points."""
    fewest = max(_FEWEST_AROUND, ceiling(period / widest))
    free = _fft_length(fewest)
    if bins.span == 0:
        return free, True
    if bins.spacing > 0:
        # With p/q bins to a turn, a grid point every (bin/steps) closes it where q divides the steps.
        around = Fraction(period / bins.spacing).limit_denominator(_FEWEST_AROUND)
        steps = -(-_steps(bins.spacing, period / fewest) // around.denominator) * around.denominator
        count = int(steps * around)
        exact = abs(count * bins.spacing - steps * period) <= 4 * _ROUNDING * steps * period
        if exact and count <= max(_FINER * free, _FEW):
            return count, True
    return free, False


def _fft_length(least: int) -> int:
    """Return the next number that has no prime factors beyond 5."""
    best = 1 << max(0, least - 1).bit_length()
    fives = 1
    while fives < best:
        threes = fives
        while threes < best:
            rest = -(-least // threes)
            best = min(best, threes << (rest - 1).bit_length())
            threes *= 3
        fives *= 5
    return best


class GridSums(Sums):
    """The sums of one row, whose bins are given and whose x and logits may change.

    Bins are certified against rounding only, and against points off the grid: what binning itself
    costs is no part of `error`, nor of what `adjoint` returns, for whoever names this strategy wants
    it. Bins whose sums are mere rounding, or negative, still show as uncertain.
    """

    order: int

    def __init__(self, plan: GridPlan, first_bin: float, centers: Floats) -> None:
        self.plan, self.order = plan, plan.order
        self.keeps = 1.0  # what rtol asks for is not for a grid of given spacing to promise
        self.log_scale = float(plan.family.log_scale[0])
        slots = np.arange(plan.slots) - plan.left
        # Where each slot stands in the transform.
        self._ring = slots % plan.length if plan.whole else slots + plan.left
        circle = plan.period > 0
        even = Geometry(EVEN, circle, plan.before, plan.spacing, plan.points, period=plan.period)
        self._g = even.array(first_bin)
        self._g[TRASH] = plan.slots
        self._passes = grid_passes(plan.order, circle, plan.whole)
        self._read_from, self._read_shares = self._readings(centers)
        ends = -plan.before * plan.spacing, (plan.points - plan.before) * plan.spacing
        self._to_outside = np.maximum(np.minimum(centers - ends[0], ends[1] - centers), 0)
        self._transforms: dict[int, Floats] = {}

    def _readings(self, centers: Floats) -> tuple[NDArray[np.intp], Floats]:
        """Return places in the transform and their weights, (M, k), that interpolate at the centers."""
        plan = self.plan
        at = centers / plan.spacing + plan.before
        if plan.whole:
            at -= plan.points * np.floor(at / plan.points)
        if plan.through_centers:
            first, weights = np.rint(at) + plan.left, np.ones((len(at), 1))
        else:
            first = np.floor(at + 0.5) if plan.order == 1 else np.floor(at)
            weights = np.stack(shares(plan.order, at - first), axis=-1)
        slots = first.astype(np.intp)[:, np.newaxis] + np.arange(weights.shape[1])
        return self._ring[slots], weights

    def workspace(self, points: int) -> int:
        slots = self.plan.slots + self.order
        numbers = slots * (partial_count(points, slots) + 3)
        return 8 * (numbers + 8 * self.plan.length + 8 * len(self._read_from))

    @property
    def to_come(self) -> int:
        """The bytes of transforms that have not been asked for yet."""
        return (3 - len(self._transforms)) * 8 * (self.plan.length // 2 + 1)

    def _transform(self, which: int) -> Floats:
        """Return the transform of K, dK/dd or dK/dh on the grid: real, but imaginary for dK/dd.

        Exactly so, which makes the adjoint the transpose of the forward pass.
        """
        if which not in self._transforms:
            length = self.plan.length
            half = self._on_grid(which)
            ring = np.concatenate([half, half[(length - 1) // 2 : 0 : -1]])
            if which == _SLOPE:
                ring[len(half) :] *= -1
                ring[0] = 0
                if length % 2 == 0:
                    ring[length // 2] = 0
            spectrum = rfft(ring)
            numbers = spectrum.imag if which == _SLOPE else spectrum.real
            self._transforms[which] = np.ascontiguousarray(numbers)
        return self._transforms[which]

    def _on_grid(self, which: int) -> Floats:
        """Return K, dK/dd or dK/dh at the transform's distances."""
        plan = self.plan
        at = np.arange(plan.length // 2 + 1, dtype=np.float64) * plan.spacing
        values: Floats = kernel_values(plan.family, at)[which]
        if plan.kernel in COMPACT and which in _JUMPING.get(FACTS[plan.kernel].jump, ()):
            # The mean about a grid point, so that sums over the grid are right: a sample beside a jump
            # is off by up to half of it. Where nothing jumps, as with a kink at 0 alone, a mean is as good.
            jump = abs(math.remainder(plan.h, plan.period)) if plan.period > 0 else plan.h
            index = round(jump / plan.spacing)
            low, high = max(index - 0.5, 0) * plan.spacing, (index + 0.5) * plan.spacing
            high = min(high, plan.period / 2) if plan.period > 0 else high
            if index < len(values):
                inner, outer = kernel_values(plan.family, 0.5 * np.array([low + jump, jump + high]))[which]
                values[index] = ((jump - low) * inner + (high - jump) * outer) / (high - low)
        return values

    def masses(self, row: RowData) -> tuple[Floats, float, float]:
        """Return the grid's masses in the transform's order, those off the grid, and sum_j w_j."""
        size = self.plan.slots + self.order
        total, mass = sum_points(row, size, self._passes.forward(), self._g, ()).total()
        on_grid = np.zeros(self.plan.length)
        on_grid += np.bincount(self._ring, total[: self.plan.slots], minlength=self.plan.length)
        return on_grid, float(total[self.plan.slots :].sum()), mass

    def forward(self, row: RowData, asked: Asked) -> Forward:
        on_grid, outside, mass = self.masses(row)
        spectrum = rfft(on_grid)
        density = self._read(spectrum * self._transform(_VALUE))
        widening = self._read(spectrum * self._transform(_WIDENING)) if asked.derivatives else None
        error = np.full(len(density), self._rounding(on_grid))
        if outside > 0:
            error += outside * kernel_values(self.plan.family, self._to_outside)[_VALUE]
        return Forward(density, error, mass, widening)

    def _read(self, spectrum: NDArray[np.complex128]) -> Floats:
        on_grid = irfft(spectrum, self.plan.length)
        read: Floats = (on_grid[self._read_from] * self._read_shares).sum(axis=1)
        return read

    def _rounding(self, on_grid: Floats) -> float:
        """Return a bound on rounding: eps log2(length) |masses| |K|, Euclidean norms on the grid."""
        length = self.plan.length
        kernel = math.sqrt(2 * float(np.square(self._transform(_VALUE)).sum()) / length)
        return _ROUNDING * math.log2(length) * math.sqrt(float(np.square(on_grid).sum())) * kernel

    def _taken(self, weights: Floats, which: int) -> Floats:
        """Return sum_m weights_m K (or dK/dd) / C at each slot, the transpose of `forward`."""
        plan = self.plan
        placed = (weights[:, np.newaxis] * self._read_shares).ravel()
        spectrum = rfft(np.bincount(self._read_from.ravel(), placed, minlength=plan.length))
        spectrum *= self._transform(which) * (-1j if which == _SLOPE else 1)
        slots = np.zeros(plan.slots + plan.order)
        slots[: plan.slots] = irfft(spectrum, plan.length)[self._ring]
        return slots

    def adjoint(
        self, row: RowData, forward: Forward, weights: Floats, share: float, out: Gradients
    ) -> tuple[float, float]:
        values, by = self._taken(weights, _VALUE), [out.get("z")]
        slopes = np.empty(0)
        if "x" in out:
            slopes, by = self._taken(weights, _SLOPE), [*by, out["x"]]
        fixed = self._g, Taking(row.top, share, -1.0, 1.0), (values, slopes)
        return give_points(row, by, self._passes.adjoint(), *fixed), 0.0
