"""The benchmark cases: which problems `kdexent bench`, asv and pytest-benchmark measure, and how computed.

They need nothing but NumPy and public names of kdexent, asked for when a case is made or called, so that
`kdexent.measure.load` can read this file beside another revision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import kdexent
from kdexent import data
from kdexent.names import CIRCLE_ONLY

# One more for every change after which a case of the same name and size is another problem, or one is gone.
VERSION = 1

# Those of the revision that is measured: one that lacks a kernel lacks its cases.
KERNELS = kdexent.KERNELS
LINE_KERNELS = tuple(kernel for kernel in KERNELS if kernel not in CIRCLE_ONLY)
BINS = (16, 64, 256, 1024)
SIZES = (1_000, 10_000, 100_000)
BANDWIDTH = 0.05
# Where the methods part ways.
LARGE_BINS = (64, 1_024, 16_384)
LARGE_SIZES = (10_000, 100_000, 1_000_000)
BANDWIDTHS = (1e-4, 1e-3, 0.05, 1.0, 10.0)

# Groups that are told apart.
BY_SIZE, BY_METHOD, BY_BANDWIDTH = "sizes x bins", "methods", "bandwidths"
ON_LINE, ON_CIRCLE = "kernels on the line", "kernels on the circle"

Floats = NDArray[np.float64]


class Arguments(NamedTuple):
    """What a call takes: loss(x, z, a, b, **options)."""

    x: NDArray[Any]
    z: NDArray[Any]
    a: Any
    b: Any
    options: dict[str, Any]


class Case(NamedTuple):
    """A named problem; `make` returns its arguments, the same every time."""

    name: str
    points: int
    bins: int
    rows: int
    make: Callable[[], Arguments]
    near: float = 1.0  # part of the bins that a point has in reach, at most

    @property
    def pairs(self) -> int:
        return self.rows * self.points * self.bins

    @property
    def size(self) -> str:
        """The number of points, or rows x points, in words."""
        return f"{self.points:,}" if self.rows == 1 else f"{self.rows:,}×{self.points:,}"

    @property
    def title(self) -> str:
        return f"{self.name}, N = {self.size}, M = {self.bins:,}"


class Way(NamedTuple):
    """How a case is computed."""

    method: str
    order: int | None = None
    planned: bool = False  # by a step of a `kdexent.Plan`

    @property
    def name(self) -> str:
        name = self.method if self.order is None else f"{self.method} {self.order}"
        return name if not self.planned else "Plan step" if name == "auto" else f"Plan step of {name}"

    def computation(self, arguments: Arguments, n_threads: int | None = None) -> Callable[..., Any]:
        """Return what computes (loss, gradient), and may be given `out`; a plan is made at once."""
        if self.planned:
            return partial(self.plan(arguments, n_threads).loss_and_grad, arguments.z)
        x, z, a, b, options = arguments
        named: dict[str, Any] = {"method": self.method, "order": self.order, "n_threads": n_threads}
        return partial(kdexent.loss_and_grad, x, z, a, b, **options, **named)

    def plan(self, arguments: Arguments, n_threads: int | None = None) -> kdexent.Plan:
        """Return the plan, whether or not it is to be used."""
        x, _, a, b, options = arguments
        named: dict[str, Any] = {"method": self.method, "order": self.order, "n_threads": n_threads}
        return kdexent.Plan(x, a, b, **options, **named)


AUTO, STEP, DIRECT = Way("auto"), Way("auto", planned=True), Way("direct")
# Orders that are cheap, that nearly keep the default tolerance, and the one chosen for it.
WAYS = (
    DIRECT,
    Way("window"),
    *[Way("grid", order) for order in (1, 2, 4)],
    *[Way("cells", order) for order in (4, 8, None)],
    AUTO,
    STEP,
)

# Of all points and bins; and of those near each other, which cost `window` some ten times as much.
_MOST_PAIRS, _MOST_PAIRS_NEAR = 2_000_000_000, 100_000_000


class Comparison(NamedTuple):
    """A case computed in several ways, whose errors are against `exact`: "reference" or "direct".

    The reference takes seconds for large cases. What stands for it there is method="direct", which is
    what rtol = 0 asks for, after the two are seen to agree on the case's first points.
    """

    group: str
    case: Case
    ways: tuple[Way, ...]
    exact: str

    @property
    def name(self) -> str:
        return self.case.name

    @property
    def title(self) -> str:
        return self.case.title


@cache
def _normal(rows: int, points: int) -> tuple[Floats, Floats]:
    rng = np.random.default_rng(20131104)
    shape = (points,) if rows == 1 else (rows, points)
    return rng.standard_normal(shape), rng.standard_normal(shape)


def _near(bandwidth: float, length: float) -> float:
    # A Gaussian's, which is 0 to rounding beyond.
    return min(1.0, 2 * 9 * bandwidth / length)


def _gaussian(bins: int, bandwidth: float = BANDWIDTH) -> dict[str, Any]:
    return {"bandwidth": bandwidth, "kernel": "gaussian", "bins": bins}


def line(
    points: int, bins: int, kernel: str = "gaussian", dtype: str = "float64", bandwidth: float = BANDWIDTH
) -> Case:
    """Return one row: x ~ N(0, 1), z ~ N(0, 1), target [-1, 1]."""

    def make() -> Arguments:
        x, z = (array.astype(dtype) for array in _normal(1, points))
        return Arguments(x, z, -1.0, 1.0, {"bandwidth": bandwidth, "kernel": kernel, "bins": bins})

    name = f"{kernel} line" if bandwidth == BANDWIDTH else f"{kernel} h={bandwidth:g}"
    if dtype != "float64":
        name += f" {dtype}"
    return Case(name, points, bins, 1, make, _near(bandwidth, 2.0))


def circle(points: int, bins: int, kernel: str = "von_mises") -> Case:
    """Return the row of `line` as angles, the target crossing the seam."""

    def make() -> Arguments:
        x, z = _normal(1, points)
        options = {"bandwidth": BANDWIDTH, "kernel": kernel, "bins": bins, "period": 2 * np.pi}
        return Arguments(np.mod(x + np.pi, 2 * np.pi), z, np.pi - 1.0, np.pi + 1.0, options)

    return Case(f"{kernel} circle", points, bins, 1, make)


def batch(rows: int = 10_000, points: int = 100, bins: int = 32) -> Case:
    """Return many small rows, each with an interval of its own."""

    def make() -> Arguments:
        x, z = _normal(rows, points)
        a = np.random.default_rng(7).uniform(-1.0, 0.0, rows)
        return Arguments(x, z, a, a + 1.0, _gaussian(bins, bandwidth=0.2))

    return Case("gaussian batch", points, bins, rows, make)


def real(bins: int) -> list[Case]:
    """Return the two real data sets on their circles, heavily tied."""

    def departing() -> Arguments:
        x, z, period = data.departures()
        # Six to nine in the morning.
        options = {"bandwidth": 0.04, "kernel": "gaussian", "bins": bins, "period": period}
        return Arguments(x, z, 2 * np.pi * 6 / 24, 2 * np.pi * 9 / 24, options)

    def blowing() -> Arguments:
        x, z, period = data.wind()
        # North-west to north-east, across the seam.
        options = {"bandwidth": 7.3, "kernel": "von_mises", "bins": bins, "period": period}
        return Arguments(x, z, 315.0, 405.0, options)

    return [
        Case("departures (gaussian)", 328_521, bins, 1, departing),
        Case("wind (von_mises)", 24_398, bins, 1, blowing),
    ]


def kernels(points: int, bins: int) -> list[Case]:
    """Return every kernel, on the line where it is defined there and on the circle."""
    lines = [line(points, bins, kernel) for kernel in LINE_KERNELS]
    return lines + [circle(points, bins, kernel) for kernel in KERNELS]


def far(points: int, bins: int, away: float) -> Case:
    """Return the row of `line` with a target of length 2 so many bandwidths beyond all data."""

    def beyond(x: Floats, z: Floats) -> tuple[Any, Any, Any, Any]:
        a = float(x.max()) + away * BANDWIDTH
        return x, z, a, a + 2.0

    return _changed(f"data {away:,g} h away", points, bins, beyond)


def _changed(
    name: str, points: int, bins: int, change: Callable[[Floats, Floats], tuple[Any, Any, Any, Any]]
) -> Case:
    """Return the row of `line` with x, z, a and b as `change` makes them of its x and z."""

    def make() -> Arguments:
        return Arguments(*change(*_normal(1, points)), _gaussian(bins))

    return Case(name, points, bins, 1, make, _near(BANDWIDTH, 2.0))


def regimes(points: int, bins: int) -> list[Case]:
    """Return the rows where densities underflow or points scatter."""
    middle = np.arange(points) == points // 2
    return [
        far(points, bins, 100),
        far(points, bins, 10_000),
        # As far beyond the data as the target lies in them.
        _changed("target half outside", points, bins, lambda x, z: (x, z, 0.0, 2 * float(x.max()))),
        # A few points weigh all there is.
        _changed("wide logits", points, bins, lambda x, z: (x, 1000 * z, -1.0, 1.0)),
        _changed("outlier at 1e9", points, bins, lambda x, z: (np.where(middle, 1e9, x), z, -1.0, 1.0)),
    ]


def small(case: Case, points: int = 1_000) -> Case:
    """Return the case of the first so many points, which the reference has time for."""

    def make() -> Arguments:
        full = case.make()
        return full._replace(x=full.x[..., :points], z=full.z[..., :points])

    return case._replace(points=min(points, case.points), make=make)


def affordable(case: Case, way: Way) -> bool:
    """Whether a benchmark has time for a way: a second or so a call."""
    if way.method == "direct":
        return case.pairs <= _MOST_PAIRS
    if way.method == "window":
        return case.pairs * case.near <= _MOST_PAIRS_NEAR
    return True


def suite(quick: bool = False) -> list[Comparison]:
    """Return what `kdexent bench` measures of densities, group by group, smallest first in most."""
    return [*_beside_reference(quick), *_strategies(quick)]


def _beside_reference(quick: bool) -> list[Comparison]:
    if quick:
        groups = {
            BY_SIZE: [line(1_000, 64), line(10_000, 64)],
            "float32": [line(10_000, 64, dtype="float32")],
            ON_CIRCLE: [circle(10_000, 64)],
            "batch": [batch(500)],
            "real data": real(16),
        }
    else:
        many, bins = 100_000, 256
        groups = {
            BY_SIZE: [line(points, bins) for points in SIZES for bins in BINS],
            "float32": [line(many, bins, dtype="float32")],
            ON_LINE: [line(many, bins, kernel) for kernel in LINE_KERNELS[1:]],
            ON_CIRCLE: [circle(many, bins, kernel) for kernel in KERNELS],
            "batch": [batch()],
            "real data": real(64),
        }
    return [
        Comparison(group, case, (AUTO,), "reference") for group, cases in groups.items() for case in cases
    ]


def _strategies(quick: bool) -> list[Comparison]:
    def every_way(case: Case, exact: str) -> Comparison:
        return Comparison(BY_METHOD, case, tuple(way for way in WAYS if affordable(case, way)), exact)

    def beside_direct(group: str, cases: list[Case]) -> list[Comparison]:
        return [Comparison(group, case, (AUTO, STEP), "direct") for case in cases]

    if quick:
        return [
            every_way(line(10_000, 64), "reference"),
            *beside_direct(BY_BANDWIDTH, [line(100_000, 1_024, bandwidth=h) for h in (1e-3, BANDWIDTH)]),
            *beside_direct("far data and tails", [far(100_000, 64, 10_000)]),
        ]
    many, bins = 1_000_000, 1_024
    others = [line(many, bins, kernel) for kernel in ("laplace", "cauchy", "epanechnikov")]
    return [
        every_way(line(10_000, 64), "reference"),
        every_way(line(100_000, bins, bandwidth=1e-3), "direct"),
        every_way(line(many, bins), "direct"),
        *beside_direct(BY_BANDWIDTH, [line(many, bins, bandwidth=h) for h in BANDWIDTHS]),
        *beside_direct("points and bins", [line(100_000, bins), line(many, 64), line(many, 16_384)]),
        *beside_direct("other kernels", [*others, circle(many, bins)]),
        *beside_direct("far data and tails", regimes(100_000, bins)),
        *beside_direct("ties", [real(bins)[0] for bins in (1_024, 16_384)]),
    ]
