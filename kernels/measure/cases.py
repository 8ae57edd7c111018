"""The benchmark cases: which problems `kdexent bench`, asv and pytest-benchmark measure, and how computed.

They need nothing but NumPy and public names of kdexent, asked for when a case is made or called, so that
`races` can run this file beside another revision.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple, TypeVar

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
_LENGTH = 2.0  # of the target
# Where the methods part ways.
LARGE_BINS = (64, 1_024, 16_384)
LARGE_SIZES = (10_000, 100_000, 1_000_000)
BANDWIDTHS = (1e-4, 1e-3, 0.05, 1.0, 10.0)

# Groups that are told apart.
BY_SIZE, BY_METHOD, BY_BANDWIDTH = "sizes x bins", "methods", "bandwidths"
ON_LINE, ON_CIRCLE = "kernels on the line", "kernels on the circle"

Floats = NDArray[np.float64]
Result = TypeVar("Result")
Change = Callable[[Floats, Floats], tuple[Any, Any, Any, Any]]  # from x and z to x, z, a and b


class Arguments(NamedTuple):
    """What a call takes: loss(x, z, a, b, **options)."""

    x: NDArray[Any]
    z: NDArray[Any]
    a: Any
    b: Any
    options: dict[str, Any]

    def to(self, function: Callable[..., Result], **named: Any) -> Callable[..., Result]:
        """Return the call of a function with them, and with further arguments."""
        return partial(function, self.x, self.z, self.a, self.b, **self.options, **named)


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

    def computation(
        self, arguments: Arguments, n_threads: int | None = None
    ) -> Callable[..., tuple[Any, Any]]:
        """Return what computes (loss, gradient), and may be given `out`; a plan is made at once."""
        if self.planned:
            return partial(self.plan(arguments, n_threads).loss_and_grad, arguments.z)
        return arguments.to(kdexent.loss_and_grad, method=self.method, order=self.order, n_threads=n_threads)

    def plan(self, arguments: Arguments, n_threads: int | None = None) -> kdexent.Plan:
        """Return the plan, whether or not it is to be used."""
        x, _, a, b, options = arguments
        options = options | {"method": self.method, "order": self.order, "n_threads": n_threads}
        return kdexent.Plan(x, a, b, **options)


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


def _row(name: str, points: int, bins: int, change: Change, **options: Any) -> Case:
    """Return one row: x, z, a and b as `change` makes them of x ~ N(0, 1) and z ~ N(0, 1)."""
    options = {"bandwidth": BANDWIDTH, "kernel": "gaussian", "bins": bins, **options}

    def make() -> Arguments:
        return Arguments(*change(*_normal(1, points)), {**options})

    # A Gaussian's, which is 0 to rounding beyond.
    near = 1.0 if "period" in options else min(1.0, 2 * 9 * options["bandwidth"] / _LENGTH)
    return Case(name, points, bins, 1, make, near)


def line(
    points: int, bins: int, kernel: str = "gaussian", dtype: str = "float64", bandwidth: float = BANDWIDTH
) -> Case:
    """Return one row: x ~ N(0, 1), z ~ N(0, 1), target [-1, 1]."""
    name = f"{kernel} line" if bandwidth == BANDWIDTH else f"{kernel} h={bandwidth:g}"
    name += "" if dtype == "float64" else f" {dtype}"
    options = {"kernel": kernel, "bandwidth": bandwidth}
    return _row(name, points, bins, lambda x, z: (x.astype(dtype), z.astype(dtype), -1.0, 1.0), **options)


def circle(points: int, bins: int, kernel: str = "von_mises") -> Case:
    """Return the row of `line` as angles, the target crossing the seam."""

    def turned(x: Floats, z: Floats) -> tuple[Any, Any, Any, Any]:
        return np.mod(x + np.pi, 2 * np.pi), z, np.pi - 1.0, np.pi + 1.0

    return _row(f"{kernel} circle", points, bins, turned, kernel=kernel, period=2 * np.pi)


def batch(rows: int = 10_000, points: int = 100, bins: int = 32) -> Case:
    """Return many small rows, each with an interval of its own."""

    def make() -> Arguments:
        x, z = _normal(rows, points)
        a = np.random.default_rng(7).uniform(-1.0, 0.0, rows)
        return Arguments(x, z, a, a + 1.0, {"bandwidth": 0.2, "kernel": "gaussian", "bins": bins})

    return Case("gaussian batch", points, bins, rows, make)


def guns(rows: int = 10_000, own: bool = True) -> Case:
    """Return the rows that this loss comes from: a gun's aim by the angles of 200 situations like its own.

    Every row has an interval of its own, or all have [-1, 1].
    """

    def make() -> Arguments:
        x, z = _normal(rows, 200)
        a = np.random.default_rng(7).uniform(-1.2, -0.8, rows) if own else -1.0
        return Arguments(0.5 * x, z, a, a + 2.0, {"bandwidth": 1 / 13, "kernel": "laplace", "bins": 151})

    return Case(f"guns, {'own' if own else 'common'} intervals", 200, 151, rows, make)


def real(bins: int) -> list[Case]:
    """Return the two real data sets on their circles, heavily tied."""

    def case(name: str, points: int, a: float, b: float, **options: Any) -> Case:
        def make() -> Arguments:
            x, z, period = getattr(data, name)()
            return Arguments(x, z, a, b, options | {"bins": bins, "period": period})

        return Case(f"{name} ({options['kernel']})", points, bins, 1, make)

    morning = 2 * np.pi * 6 / 24, 2 * np.pi * 9 / 24  # six to nine
    return [
        case("departures", 328_521, *morning, bandwidth=0.04, kernel="gaussian"),
        # North-west to north-east, across the seam.
        case("wind", 24_398, 315.0, 405.0, bandwidth=7.3, kernel="von_mises"),
    ]


def kernels(points: int, bins: int) -> list[Case]:
    """Return every kernel, on the line where it is defined there and on the circle."""
    lines = [line(points, bins, kernel) for kernel in LINE_KERNELS]
    return lines + [circle(points, bins, kernel) for kernel in KERNELS]


def far(points: int, bins: int, away: float) -> Case:
    """Return the row of `line` with a target of length 2 so many bandwidths beyond all data."""

    def beyond(x: Floats, z: Floats) -> tuple[Any, Any, Any, Any]:
        a = float(x.max()) + away * BANDWIDTH
        return x, z, a, a + _LENGTH

    return _row(f"data {away:,g} h away", points, bins, beyond)


def regimes(points: int, bins: int) -> list[Case]:
    """Return the rows where densities underflow or points scatter."""
    middle = np.arange(points) == points // 2
    return [
        far(points, bins, 100),
        far(points, bins, 10_000),
        # As far beyond the data as the target lies in them.
        _row("target half outside", points, bins, lambda x, z: (x, z, 0.0, 2 * float(x.max()))),
        # A few points weigh all there is.
        _row("wide logits", points, bins, lambda x, z: (x, 1000 * z, -1.0, 1.0)),
        _row("outlier at 1e9", points, bins, lambda x, z: (np.where(middle, 1e9, x), z, -1.0, 1.0)),
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
    if quick:
        beside_reference = {
            BY_SIZE: [line(1_000, 64), line(10_000, 64)],
            "float32": [line(10_000, 64, dtype="float32")],
            ON_CIRCLE: [circle(10_000, 64)],
            "batch": [batch(500), guns(100)],
            "real data": real(16),
        }
        by_method = {"reference": [line(10_000, 64)]}
        beside_direct = {
            BY_BANDWIDTH: [line(100_000, 1_024, bandwidth=h) for h in (1e-3, BANDWIDTH)],
            "far data and tails": [far(100_000, 64, 10_000)],
        }
    else:
        middling, large = (100_000, 256), (1_000_000, 1_024)
        beside_reference = {
            BY_SIZE: [line(points, bins) for points in SIZES for bins in BINS],
            "float32": [line(*middling, dtype="float32")],
            ON_LINE: [line(*middling, kernel) for kernel in LINE_KERNELS[1:]],
            ON_CIRCLE: [circle(*middling, kernel) for kernel in KERNELS],
            "batch": [batch(), guns(), guns(own=False)],
            "real data": real(64),
        }
        by_method = {
            "reference": [line(10_000, 64)],
            "direct": [line(100_000, 1_024, bandwidth=1e-3), line(*large)],
        }
        others = [line(*large, kernel) for kernel in ("laplace", "cauchy", "epanechnikov")]
        beside_direct = {
            BY_BANDWIDTH: [line(*large, bandwidth=h) for h in BANDWIDTHS],
            "points and bins": [line(100_000, 1_024), line(1_000_000, 64), line(1_000_000, 16_384)],
            "other kernels": [*others, circle(*large)],
            "far data and tails": regimes(100_000, 1_024),
            "ties": [real(bins)[0] for bins in (1_024, 16_384)],
        }

    def affordable_ways(case: Case) -> tuple[Way, ...]:
        return tuple(way for way in WAYS if affordable(case, way))

    return [
        *[Comparison(*each, (AUTO,), "reference") for each in _pairs(beside_reference)],
        *[Comparison(BY_METHOD, case, affordable_ways(case), exact) for exact, case in _pairs(by_method)],
        *[Comparison(*each, (AUTO, STEP), "direct") for each in _pairs(beside_direct)],
    ]


def _pairs(groups: dict[str, list[Case]]) -> list[tuple[str, Case]]:
    return [(group, case) for group, cases in groups.items() for case in cases]
