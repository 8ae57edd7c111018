"""A call's arguments, checked and broadcast: what reference and fast code both compute from."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..names import CIRCLE_ONLY, KERNELS, METHODS, ORDERS, WRT
from . import checks
from .arrays import FLOAT32, FLOAT64, Floats
from .bins import make_bins, require_room, stretched, target_masses
from .kept import kept
from .memory import memory_bytes


@dataclass(slots=True)
class Rows:
    """An argument's rows (S, ...) and which of them each row of the call uses.

    `index` is None when row r uses its own row r, and otherwise holds the row used by each; an
    argument with one row (S = 1) serves all rows of the call.
    """

    values: NDArray[Any]
    index: NDArray[np.intp] | None = None

    def block(self, start: int, stop: int) -> NDArray[Any]:
        """Return the rows for calls' rows start..stop, or the one row that serves them all."""
        if self.values.shape[0] == 1:
            return self.values
        if self.index is None:
            return self.values[start:stop]
        return self.values[self.index[start:stop]]

    def at(self, row: int) -> int:
        """Return which of the rows a row of the call uses."""
        if self.values.shape[0] == 1:
            return 0
        return row if self.index is None else int(self.index[row])

    def take(self, rows: NDArray[np.intp]) -> Rows:
        """Return the same argument for some of the rows of the call."""
        if self.values.shape[0] == 1:
            return self
        return Rows(self.values, rows if self.index is None else self.index[rows])


@dataclass(slots=True)
class Intervals:
    """The bins of each row's own interval, as `Rows` has them, but made when they are asked for."""

    a: Rows  # (S,), of memory that is nobody else's
    length: Rows  # (S,)
    units: Floats  # (M,), those of [0, 1]

    @property
    def values(self) -> Floats:
        return stretched(self.a.values, self.length.values, self.units)

    def block(self, start: int, stop: int) -> Floats:
        """Return the rows for calls' rows start..stop, or the one row that serves them all."""
        return stretched(self.a.block(start, stop), self.length.block(start, stop), self.units)

    def at(self, row: int) -> int:
        """Return which of the rows a row of the call uses."""
        return self.a.at(row)

    def take(self, rows: NDArray[np.intp]) -> Intervals:
        """Return the same argument for some of the rows of the call."""
        return Intervals(self.a.take(rows), self.length.take(rows), self.units)


@dataclass(slots=True)
class Problem:
    """Checked arguments of one call, its leading dimensions flattened to R rows."""

    shape: tuple[int, ...]  # leading dimensions, R = their product
    rows: int
    points: int  # N
    x: Rows  # (S, N)
    z: Rows  # (S, N)
    dtype: np.dtype[Any]  # of the results
    kernel: str
    period: float | None
    bandwidth: Rows  # (S,)
    centers: Rows | Intervals  # (S, M)
    masses: Rows  # (S, M)
    equal_bins: bool
    data: tuple[NDArray[Any], NDArray[Any]]  # x and z in the shapes that they were given in, for messages
    # What all but the data were made of, where they serve one row and are worth keeping things for.
    frame: tuple[Any, ...] | None = None
    # (S,): what the points weigh of all that a row has, others of which are elsewhere.
    share: Rows | None = None

    def take(self, rows: NDArray[np.intp]) -> Problem:
        """Return the problem of some of the rows."""
        names = "x", "z", "bandwidth", "centers", "masses", "share"
        parts = {name: getattr(self, name) for name in names}
        taken: dict[str, Any] = {
            name: None if part is None else part.take(rows) for name, part in parts.items()
        }
        return replace(self, shape=(len(rows),), rows=len(rows), frame=None, **taken)

    def at_centers(self, columns: slice) -> Problem:
        """Return the problem for some of the centers."""
        centers: Rows | Intervals
        if isinstance(self.centers, Rows):
            centers = Rows(self.centers.values[:, columns], self.centers.index)
        else:
            centers = replace(self.centers, units=self.centers.units[columns])
        return replace(
            self, frame=None, centers=centers, masses=Rows(self.masses.values[:, columns], self.masses.index)
        )

    @property
    def read(self) -> tuple[Rows, ...]:
        """What is read while results are written, as far as it may be in the caller's memory."""
        if self.frame is not None:  # made of scalars
            return self.x, self.z
        centers = (self.centers,) if isinstance(self.centers, Rows) else ()
        return self.x, self.z, self.bandwidth, self.masses, *centers

    @property
    def bins(self) -> int:
        bins: int = self.masses.values.shape[1]
        return bins

    def spacing(self, start: int, stop: int) -> Floats:
        """Return the spacing of equal bins in some rows (R or 1,), or all that other bins span."""
        if not isinstance(self.centers, Rows):
            ends = replace(self.centers, units=self.centers.units[[0, -1]]).block(start, stop)
        elif self.equal_bins and self.bins > 1:
            ends = self.centers.block(start, stop)[:, [0, -1]]
        else:
            centers = self.centers.block(start, stop)
            span: Floats = centers.max(axis=1, initial=-np.inf) - centers.min(axis=1, initial=np.inf)
            return span
        return (ends[:, 1] - ends[:, 0]) / max(1, self.equal_bins * (self.bins - 1))


def _spread(values: NDArray[Any], shape: tuple[int, ...], tail: int) -> Rows:
    """Flatten all but the last `tail` dimensions, and say how these rows serve those of `shape`."""
    lead = values.shape[: values.ndim - tail]
    if not lead:
        return Rows(values[np.newaxis])
    flat = values if len(lead) == 1 else values.reshape((-1, *values.shape[values.ndim - tail :]))
    if flat.shape[0] == 1 or lead == shape:
        return Rows(flat)
    order = np.arange(flat.shape[0]).reshape(lead)
    return Rows(flat, np.broadcast_to(order, shape).ravel())


def _data(x: Any, z: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    x = checks.real_array("x", x)
    z = checks.logits_array("z", z)
    for name, array in (("x", x), ("z", z)):
        if array.ndim == 0 or array.shape[-1] == 0:
            raise ValueError(f"{name} must have at least one point, got shape {array.shape}")
    if x.shape[-1] != z.shape[-1]:
        raise ValueError(
            f"z must have one logit for each of the {x.shape[-1]} points of x, got {z.shape[-1]}"
        )
    return x, z


def _kernel(kernel: Any, period: float | None) -> str:
    known = checks.one_of("kernel", kernel, KERNELS)
    if period is None and known in CIRCLE_ONLY:
        line = [name for name in KERNELS if name not in CIRCLE_ONLY]
        checks.unavailable("kernel", known, "needs a period", line)
    return known


def _bandwidth(bandwidth: Any) -> float | Floats:
    value = checks.real_parameter("bandwidth", bandwidth)
    checks.positive("bandwidth", value)
    return value


class Request(NamedTuple):
    """How a call wants its sums: method, order and tolerance."""

    method: str
    order: int | None
    rtol: float


def check_method(method: Any, order: Any, rtol: Any) -> Request:
    """Return the method's name, its order and the tolerance after checking them."""
    if not isinstance(method, str) or method not in METHODS:
        checks.one_of("method", method, METHODS)
    if order is not None:
        order = _order(method, order)
    if type(rtol) is not float or not 0 <= rtol < 1:
        rtol = checks.tolerance(rtol)
    return Request(method, order, rtol)


def _order(method: str, order: Any) -> int:
    given = checks.integer("order", order)
    if method not in ORDERS:
        raise ValueError(f"order must be None for method {method!r}, which has no order, got {given!r}")
    if given not in ORDERS[method]:
        known = ", ".join(map(str, ORDERS[method]))
        raise ValueError(f"order must be one of {known} for method {method!r}, got {given}")
    return given


def check_wrt(wrt: Any) -> tuple[str, ...]:
    """Return the names to differentiate by, as a tuple."""
    names = (wrt,) if isinstance(wrt, str) else wrt
    if not isinstance(names, tuple):
        raise TypeError(f"wrt must be a name or a tuple of names, got {wrt!r}")
    if not names:
        raise ValueError(f"wrt must name at least one of {', '.join(map(repr, WRT))}, got ()")
    for name in names:
        checks.one_of("wrt", name, WRT)
    if len(set(names)) < len(names):
        raise ValueError(f"wrt must name each argument once, got {wrt!r}")
    return names


def loss_problem(x: Any, z: Any, *beside: Any) -> Problem:
    """Check and broadcast what `loss` and `loss_and_grad` take: the data, and what `make_frame` takes."""
    return in_frame(*_data(x, z), make_frame(*beside))


def in_frame(x: NDArray[Any], z: NDArray[Any], frame: Frame, given_x: NDArray[Any] | None = None) -> Problem:
    """Return the problem of checked data and the arguments beside them; `given_x` is what x was made of."""
    shapes = {"x": x.shape[:-1], "z": z.shape[:-1], **frame.shapes}
    shape = checks.broadcast_rows(shapes) if any(shapes.values()) else ()
    rows = math.prod(shape)
    if 8 * rows > memory_bytes():
        names = ", ".join(name for name, leading in shapes.items() if leading)
        raise ValueError(f"{names} must make fewer rows than {rows}, more than memory holds")
    return Problem(
        shape,
        rows,
        x.shape[-1],
        _spread(x, shape, 1),
        _spread(z, shape, 1),
        FLOAT32 if x.dtype == FLOAT32 and z.dtype == FLOAT32 else FLOAT64,
        frame.kernel,
        frame.period,
        frame.bandwidth if isinstance(frame.bandwidth, Rows) else _spread(frame.bandwidth, shape, 0),
        _spread_centers(frame, shape),
        frame.masses if isinstance(frame.masses, Rows) else _spread(frame.masses, shape, 1),
        frame.equal_bins,
        (x if given_x is None else given_x, z),
        frame.key,
    )


def _spread_centers(frame: Frame, shape: tuple[int, ...]) -> Rows | Intervals:
    if isinstance(frame.centers, Rows):
        return frame.centers
    if frame.intervals is None:
        return _spread(frame.centers, shape, 1)
    a, length = (_spread(each, shape, 0) for each in frame.intervals)
    return Intervals(a, length, frame.centers)


class Frame(NamedTuple):
    """The arguments beside the data, checked, and the shapes of their rows: none (Rows) or some."""

    kernel: str
    period: float | None
    bandwidth: Rows | Floats
    centers: Rows | Floats
    masses: Rows | Floats
    equal_bins: bool
    shapes: dict[str, tuple[int, ...]]
    key: tuple[Any, ...] | None = None
    intervals: tuple[Floats, Floats] | None = None  # a and b - a where there are several; centers of [0, 1]


def make_frame(
    a: Any, b: Any, bandwidth: Any, kernel: Any, bins: Any, rule: Any, target: Any, period: Any
) -> Frame:
    """Check the arguments beside the data."""
    scalars = type(a) in _SCALARS and type(b) in _SCALARS and type(bandwidth) in _SCALARS
    scalars = scalars and (period is None or type(period) in _SCALARS)  # True is not 1
    if scalars and type(bins) is int and bins <= _CACHED_BINS and target is None:
        # Calls in a loop mostly repeat these arguments; TypeError is for what cannot be hashed.
        with suppress(TypeError):
            return _cached_frame(a, b, bandwidth, kernel, bins, rule, period)
    return _new_frame(a, b, bandwidth, kernel, bins, rule, target, period)


_SCALARS = (float, int, np.float64)
_CACHED_BINS = 4096


def _new_frame(
    a: Any, b: Any, bandwidth: Any, kernel: Any, bins: Any, rule: Any, target: Any, period: Any
) -> Frame:
    period = checks.period_length(period)
    kernel = _kernel(kernel, period)
    h = _bandwidth(bandwidth)
    a = checks.real_parameter("a", a)
    b = checks.real_parameter("b", b)
    shapes = {"a": np.shape(a), "b": np.shape(b), "bandwidth": np.shape(h)}
    checks.broadcast_rows({"a": shapes["a"], "b": shapes["b"]})
    checks.interval(a, b, period)
    masses, centers, equal, several = make_bins(bins, rule, a, b)
    if target is not None:
        masses = target_masses(target, masses.shape[0])
        shapes["target"] = masses.shape[:-1]
    if not any(shapes.values()):
        one = (_spread(np.asarray(h), (), 0), _spread(centers, (), 1), _spread(masses, (), 1))
        return Frame(kernel, period, *one, equal, {})
    frame = Frame(kernel, period, np.asarray(h), centers, masses, equal, shapes)
    if several:
        length = np.asarray(b - a)
        frame = frame._replace(intervals=(np.array(np.broadcast_to(a, length.shape)), length))
    return frame


def _bytes_of(frame: Frame) -> int:
    assert isinstance(frame.centers, Rows) and isinstance(frame.masses, Rows)
    return 2**11 + frame.centers.values.nbytes + frame.masses.values.nbytes


@kept(256, _bytes_of)
def _cached_frame(*key: Any) -> Frame:
    a, b, bandwidth, kernel, bins, rule, period = key
    return _new_frame(a, b, bandwidth, kernel, bins, rule, None, period)._replace(key=key)


def density_problem(x: Any, z: Any, points: Any, bandwidth: Any, kernel: Any, period: Any) -> Problem:
    """Check and broadcast the arguments of `log_density`; the points take the place of the bin centres."""
    x, z = _data(x, z)
    period = checks.period_length(period)
    kernel = _kernel(kernel, period)
    h = _bandwidth(bandwidth)
    at = checks.real_array("points", points)
    if at.ndim == 0:
        raise ValueError("points must have shape (..., M), got a scalar")
    require_room("points", at.size)
    checks.require_finite("points", at)
    centers, given = at.astype(np.float64, copy=False), x
    if period is not None:
        if x.dtype == FLOAT64 and np.abs(centers).max(initial=0.0) > period:
            x = np.fmod(x, period)  # as exactly as the points: they may lie in one turn, many from the first
        centers = np.fmod(centers, period)
        centers -= period * np.round(centers / period)
    shapes = {"points": at.shape[:-1], "bandwidth": np.shape(h)}
    masses = Rows(np.zeros((1, at.shape[-1])))
    problem = in_frame(x, z, Frame(kernel, period, np.asarray(h), centers, masses, False, shapes), given)
    require_room("points", problem.bins, problem.rows)
    return problem
