"""Where cells lie: evenly, on the knots of a kernel seen from equal bins, or growing with distance.

Cells of one pitch cover the part of the line from which points reach a bin. For a kernel with knots
the pitch divides the spacing of the bins, so that the knots c_m - h, c_m and c_m + h of every bin
fall on the same places of a pitch, and these places are cell boundaries as well: no cell has a knot
of any bin inside. Around a kernel without reach, cells grow with the distance from the interval,
four to an octave. Points outside all cells go to OUTSIDE more, the last, which no bin sees; to
several, because sums into one row would wait for each other.

Distances are counted from the first bin, so that rows far from 0 lose nothing: the origin of the cells
lies so many pitches before it, their `lead`. On a circle, points are taken to one turn from the origin;
where cells cover more than a turn, every copy of a point is a point of its own.
"""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats
from ...numerics.arithmetic import SHIFT
from ...numerics.chunks import CHUNK, room
from ...runtime.jit import Function, helper, lazily
from ...runtime.signatures import READ1

# How cells may lie.
EVEN, KNOTS, GROWING = "even", "knots", "growing"
# Cells to an octave, as a power of two, and octaves on each side.
_PART_BITS = 2
_PARTS = 1 << _PART_BITS
_OCTAVES = 64
GROWN = _OCTAVES * _PARTS
OUTSIDE = 8
_OTHERS = OUTSIDE - 1
_COUNTLESS = 2.0**62
_LOW_BITS = np.int64(0xFFFFFFFF)
_MANTISSA = np.int64((1 << (52 - _PART_BITS)) - 1)
_ONE = np.int64(1023 << 52)
_FIRST_PART = np.int64(1023 << _PART_BITS)

# Entries of the array g (SIZE,) that compiled code takes.
FIRST_BIN, LEAD, INVERSE_PITCH, COLUMNS, PERIOD, TURNS, COPIES, TRASH, LEAST, MOST = range(10)
_BREAKS, _SCALES, _OFFSETS, SIZE = 10, 12, 15, 18
_BELOW_ONE = 1.0 - 2.0**-53
_ROUNDING = 2.0**-50  # of a number of pitches


class Geometry(NamedTuple):
    """The cells of one row."""

    kind: str
    circle: bool
    lead: float  # pitches from the origin to the first bin
    pitch: float
    columns: int  # pitches
    breaks: tuple[float, ...] = (0.0,)  # where the parts of a pitch begin, 0 first, in pitches
    period: float = 0.0
    copies: int = 1  # of each point

    @property
    def parts(self) -> int:
        """Return the number of cells to a pitch."""
        return len(self.breaks)

    @property
    def cells(self) -> int:
        """Return the number of cells, without those for points outside."""
        return self.columns * self.parts + (2 * GROWN if self.kind == GROWING else 0)

    @property
    def widths(self) -> Floats:
        """Return the widths of a pitch's parts, in pitches."""
        return np.diff([*self.breaks, 1.0])

    @property
    def whole(self) -> bool:
        """Return whether the cells are one turn of a circle."""
        return self.circle and self.copies == 1 and self.columns * self.pitch >= self.period * (1 - 1e-12)

    def places(self, distances: Floats) -> Floats:
        """Return how many pitches from the origin what lies at distances from the first bin is."""
        return distances / self.pitch + self.lead

    def array(self, first_bin: float) -> Floats:
        """Return what compiled code needs to place a point."""
        g = np.zeros(SIZE)
        g[FIRST_BIN], g[LEAD] = first_bin, self.lead
        g[INVERSE_PITCH], g[COLUMNS] = 1 / self.pitch, self.columns
        g[PERIOD], g[COPIES], g[TRASH] = self.period, self.copies, self.cells
        g[TURNS] = self.pitch / self.period if self.circle else 0
        # Rounding may take points out of a whole turn of cells.
        g[LEAST], g[MOST] = (0, self.columns * _BELOW_ONE) if self.whole else (-np.inf, np.inf)
        g[_BREAKS : _BREAKS + 2] = 2.0
        g[_BREAKS : _BREAKS + self.parts - 1] = self.breaks[1:]
        scale = 2 / np.maximum(self.widths, 1e-300)
        g[_SCALES : _SCALES + self.parts] = scale
        g[_OFFSETS : _OFFSETS + self.parts] = -1 - np.array(self.breaks) * scale
        return g

    def nodes(self, points: Floats) -> Floats:
        """Return where the points (P,) of [-1, 1] lie in each cell (cells, P), from the first bin."""
        half: Floats = (points + 1) / 2
        starts = np.arange(self.columns)[:, np.newaxis] + np.array(self.breaks)
        places: Floats = starts[:, :, np.newaxis] + self.widths[:, np.newaxis] * half
        places = places.reshape(-1, len(points))
        if self.kind == GROWING:
            cell = np.arange(GROWN)
            t = np.exp2(cell // _PARTS)[:, np.newaxis] * (1 + (cell[:, np.newaxis] % _PARTS + half) / _PARTS)
            outside = _PARTS * (t - 1)
            places = np.concatenate([places, self.columns + outside, -outside])
        return (places - self.lead) * self.pitch


# What follows takes distances from the first bin.


def even(low: float, high: float, width: float) -> Geometry:
    """Return cells at most `width` wide that cover [low, high]."""
    columns = _count((high - low) / width)
    pitch = (high - low) / columns
    return Geometry(EVEN, False, -low / pitch, pitch, columns)


def on_bins(spacing: float, bins: int, stride: int, near: int) -> Geometry:
    """Return cells of `stride` equal bins each that cover `near` cells on each side of every bin's own."""
    columns = -(-bins // stride) + 2 * near
    return Geometry(EVEN, False, near + 0.5 / stride, stride * spacing, columns)


def growing(span: float, width: float) -> Geometry:
    """Return even cells on bins that span so much, and cells that grow with the distance from it."""
    return even(0.0, span, width)._replace(kind=GROWING)


def around(span: float, period: float, width: float, multiple: int) -> Geometry:
    """Return cells at most `width` wide once around the circle, from opposite the middle of the bins."""
    columns = _count(period / width, multiple)
    pitch = period / columns
    return Geometry(EVEN, True, (period - span) / 2 / pitch, pitch, columns, period=period)


def on_domain(cells: Geometry, period: float | None) -> Geometry:
    """Return the same cells for points on a circle, if any, of which they cover a part, or more than all."""
    if period is None:
        return cells
    length = cells.columns * cells.pitch
    return cells._replace(circle=True, period=period, copies=max(1, ceiling(length / period)))


def on_knots(low: float, high: float, pitch: float, knots: tuple[float, ...]) -> Geometry:
    """Return cells that cover [low, high] with boundaries at a knot and any number of pitches from it."""
    places = sorted({0.0, *(_fraction(knot / pitch) for knot in knots)})
    before = ceiling(-low / pitch)
    columns = before + ceiling(high / pitch)
    kind = KNOTS if len(places) > 1 else EVEN
    return Geometry(kind, False, float(before), pitch, columns, tuple(places))


def _fraction(value: float) -> float:
    """Return the fractional part, 0 where rounding alone keeps the value from an integer."""
    fraction = value % 1.0 if math.isfinite(value) else 0.0
    return 0.0 if min(fraction, 1 - fraction) < 4e-16 * max(1.0, abs(value)) else fraction


def ceiling(number: float) -> int:
    """Return the least integer not below a number, or for those beyond all counts one beyond all counts."""
    return math.ceil(min(number, _COUNTLESS))


def _count(cells: float, multiple: int = 1) -> int:
    return max(1, ceiling(cells / multiple - 1e-9)) * multiple


@cache
def touching(circle: bool) -> Callable[[], Function]:
    """Return the compiled count of points that lie on a boundary of cells, to rounding."""
    distances, _ = locator(EVEN, circle)

    def make() -> Function:
        def count(x, g):
            """Return how many of x (n,) do, on cells as g (SIZE,) says."""
            lead, inverse_pitch, columns = g[LEAD], g[INVERSE_PITCH], g[COLUMNS]
            first, second, near = g[_BREAKS], g[_BREAKS + 1], _ROUNDING * (columns + abs(lead))
            d, beside = room(np.float64), 0
            for start in range(0, x.shape[0], CHUNK):
                n = min(CHUNK, x.shape[0] - start)
                distances(x[start : start + n], n, g, d)
                for copy in range(int(g[COPIES])):
                    for j in range(n):
                        w = (d[j] + copy * g[PERIOD]) * inverse_pitch + lead
                        f = w - math.floor(w)
                        off = min(f, 1.0 - f, abs(f - first), abs(f - second))
                        beside += 1 if (off <= near) & (w >= -0.5) & (w <= columns + 0.5) else 0
            return beside

        return count

    return lazily(make, types.int64(READ1, READ1), f"cell_geometry.touching.{'circle' if circle else 'line'}")


@cache
def locator(kind: str, circle: bool) -> tuple[Function, Function]:
    """Return two helpers: for how far points lie from the first bin, and for their cells and places."""
    # xs (n,), g (SIZE,), and d, cell, v (ROOM,)

    @helper
    def distances(xs, n, g, d):
        """d_j (ROOM,) = x_j less the first bin, on a circle within one turn from the origin of the cells."""
        first = g[FIRST_BIN]
        if circle:
            lead, inverse_pitch, period, turns = g[LEAD], g[INVERSE_PITCH], g[PERIOD], g[TURNS]
            for j in range(n):
                t = xs[j] - first
                d[j] = t - period * math.floor((t * inverse_pitch + lead) * turns)
        else:
            for j in range(n):
                d[j] = xs[j] - first

    @helper
    def cells(d, n, shift, g, order, cell, v):
        """cell_j (ROOM,) = order times the cell of what is d_j + shift from the first bin, v_j its place."""
        lead, inverse_pitch, least, most = g[LEAD], g[INVERSE_PITCH], g[LEAST], g[MOST]
        columns, trash = g[COLUMNS], np.int64(g[TRASH])
        first, second = g[_BREAKS], g[_BREAKS + 1]
        s0, s1, s2 = g[_SCALES], g[_SCALES + 1], g[_SCALES + 2]
        o0, o1, o2 = g[_OFFSETS], g[_OFFSETS + 1], g[_OFFSETS + 2]
        parts = np.int64(1 + (first < 1.5) + (second < 1.5))
        for j in range(n):
            w = (d[j] + shift) * inverse_pitch + lead
            if circle:
                w = min(max(w, least), most)
            inside = (w >= 0.0) & (w < columns)
            w = w if inside else 0.0
            whole = math.floor(w)
            f = w - whole
            index = np.float64(whole + SHIFT).view(np.int64) & _LOW_BITS
            if kind == KNOTS:
                one, two = f >= first, f >= second
                index = index * parts + np.int64(one) + np.int64(two)
                place = f * (s2 if two else (s1 if one else s0)) + (o2 if two else (o1 if one else o0))
            else:
                place = 2.0 * f - 1.0
            cell[j] = (index if inside else trash + (j & _OTHERS)) * order
            v[j] = min(max(place, -1.0), 1.0)

    @helper
    def growing_cells(d, n, shift, g, order, cell, v):
        """As `cells`, where they grow with the distance; d, cell, v (ROOM,)."""
        lead, inverse_pitch = g[LEAD], g[INVERSE_PITCH]
        columns, trash = g[COLUMNS], np.int64(g[TRASH])
        right = np.int64(columns)
        for j in range(n):
            w = d[j] * inverse_pitch + lead
            below, above = w < 0.0, w >= columns
            inside = (w >= 0.0) & (w < columns)
            w0 = w if inside else 0.0
            whole = math.floor(w0)
            index = np.float64(whole + SHIFT).view(np.int64) & _LOW_BITS
            outside = -w if below else (w - columns if above else 0.0)
            bits = np.float64(1.0 + outside * (1.0 / _PARTS)).view(np.int64)
            number = (bits >> np.int64(52 - _PART_BITS)) - _FIRST_PART
            rest = np.int64((bits & _MANTISSA) | _ONE).view(np.float64)
            grown = number + right + (np.int64(GROWN) if below else np.int64(0))
            grown = grown if number < GROWN else trash + (j & _OTHERS)
            cell[j] = (index if inside else grown) * order
            v[j] = 2.0 * (w0 - whole) - 1.0 if inside else (rest - 1.0) * (2.0 * _PARTS) - 1.0

    return distances, growing_cells if kind == GROWING else cells
