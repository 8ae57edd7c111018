"""A problem whose data points stay and whose logits change every step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import FLOAT32, FLOAT64
from .arguments.float_errors import no_float_errors
from .arguments.kinds import as_numpy, in_kind
from .arguments.problem import Request, check_method, in_frame, loss_problem, make_frame
from .kde import density_of, loss_and_grad_of, loss_of
from .runtime.pool import thread_count
from .strategies.evaluate_rows import Prepared


class Plan:
    """Loss, gradient and density for data points that stay and logits that change.

    Whatever depends on the data points, the bins and the bandwidth alone is done once: the method,
    its order and cells are chosen, and the points of every row are sorted by cell.

    Parameters
    ----------
    x : array_like, shape (..., N)
        Data points, in any unit of length; finite.
    a, b, bandwidth, kernel, bins, rule, target, period, method, order, rtol, n_threads
        As in `kdexent.loss`. Later changes of arrays among them do not matter.
    copy : bool, default True
        Whether the plan keeps x in memory of its own, so that later changes do not matter. With False
        it reads x where that lies, and x must not change while the plan is used: what calls return
        afterwards is unspecified.

    Attributes
    ----------
    method : str
        The method that the plan uses: one of `kdexent.METHODS` but ``"auto"``. Of several rows, the
        first one's.
    order : int or None
        Its order, for methods that have one.
    bin_centers : ndarray, shape (..., M)
        Where the density is compared with the target, in the unit of x.

    Raises
    ------
    ValueError, TypeError
        As from `kdexent.loss`.

    Notes
    -----
    Making a plan takes O(N + M) time and memory: x once more, if it is copied, and for ``"cells"`` 18
    bytes a point. A call takes O(N P + M) time, P the order, some 0.6 of the time of
    `kdexent.loss_and_grad`. The first call may still compile.

    Plans can be used by several threads at once, copied and pickled. A pickle holds the arguments, and
    the plan is made from them anew: it gives the same bits on the same machine and version.

    Examples
    --------
    >>> import numpy as np
    >>> import kdexent
    >>> plan = kdexent.Plan([0.1, 0.4, 0.9], 0, 1, bandwidth=0.2, bins=8)
    >>> L, g = plan.loss_and_grad([0.0, 0.0, 0.0])
    >>> bool(L == kdexent.loss([0.1, 0.4, 0.9], np.zeros(3), 0, 1, bandwidth=0.2, bins=8))
    True
    """

    @no_float_errors
    def __init__(
        self,
        x: ArrayLike,
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
        copy: bool = True,
    ) -> None:
        if not isinstance(copy, (bool, np.bool_)):
            raise TypeError(f"copy must be True or False, got {copy!r}")
        points = checks.real_array("x", x)
        arguments = (a, b, bandwidth, kernel, bins, rule, target, period)
        zeros = np.zeros(points.shape[-1:], points.dtype)
        loss_problem(points, zeros, *arguments)  # which may raise, before anything is copied
        self._prepare(
            points.copy() if copy else points,
            tuple(map(_frozen, arguments)),
            check_method(method, order, rtol),
            n_threads,
            bool(copy),
        )

    def _prepare(
        self,
        x: NDArray[Any],
        arguments: tuple[Any, ...],
        request: Request,
        n_threads: int | None,
        copied: bool,
    ) -> None:
        """Do what needs no logits, with arguments that nobody changes."""
        self._x, self._arguments, self._request, self._copied = x, arguments, request, copied
        self._asked_threads, self._threads = n_threads, thread_count(n_threads)
        self._frame = make_frame(*arguments)
        problem = in_frame(x, np.zeros(x.shape[-1:], x.dtype), self._frame)
        checks.require_finite("x", x)
        self._shape, self._points, self._dtype = problem.shape, problem.points, problem.dtype
        self._bins, self._kernel = problem.bins, problem.kernel
        centers = problem.centers.block(0, problem.rows)
        self.bin_centers = np.broadcast_to(centers, (problem.rows, problem.bins)).reshape(
            (*problem.shape, problem.bins)
        )
        self._prepared = Prepared(problem, request, self._threads)
        self.method, self.order = self._prepared.taken[:2]

    def __getstate__(self) -> dict[str, Any]:
        """Return the arguments: what is made of them may be compiled, or larger."""
        return {
            "x": self._x,
            "about": self._arguments,
            "request": tuple(self._request),
            "n_threads": self._asked_threads,
            "copied": self._copied,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        x = state["x"]
        # Who unpickles may lend memory, such as a file that processes share.
        x = x if x.flags.owndata or not state["copied"] else x.copy()
        arguments, request = tuple(map(_frozen, state["about"])), Request(*state["request"])
        self._prepare(x, arguments, request, state["n_threads"], state["copied"])

    def __copy__(self) -> Plan:
        """Return a plan that shares what this one keeps, which never changes."""
        other = type(self).__new__(type(self))
        other.__dict__.update(self.__dict__)
        return other

    @property
    def workspace_bytes(self) -> int:
        """Memory that a call takes beside its arguments, its results and what the plan keeps."""
        return self._prepared.taken.workspace_bytes

    @property
    def stored_bytes(self) -> int:
        """Memory that the plan keeps: its copy of x, and the points sorted by cell."""
        return self._prepared.stored + (self._x.nbytes if self._copied else 0)

    @in_kind("z")
    @no_float_errors
    def loss(self, z: ArrayLike) -> Any:
        """Return the cross-entropy for logits of shape (..., N); see `kdexent.loss`."""
        return loss_of(self._problem(z), self._request, self._threads, self._prepared)

    @in_kind("z")
    @no_float_errors
    def loss_and_grad(
        self, z: ArrayLike, *, wrt: str | tuple[str, ...] = "z", out: Any = None
    ) -> tuple[Any, Any]:
        """Return the loss and its gradients for logits of shape (..., N); see `kdexent.loss_and_grad`."""
        problem = self._problem(z)
        return loss_and_grad_of(problem, self._request, self._threads, wrt, out, self._prepared)

    @in_kind("z")
    @no_float_errors
    def log_density(self, z: ArrayLike) -> Any:
        """Return log q at the bin centers, shape (..., M), for logits of shape (..., N)."""
        return density_of(self._problem(z), self._request, self._threads, self._prepared)

    def _problem(self, z: ArrayLike) -> Any:
        logits = checks.logits_array("z", z)
        if logits.ndim == 0 or logits.shape[-1] != self._points:
            raise ValueError(
                f"z must have one logit for each of the plan's {self._points} points, got {logits.shape}"
            )
        return in_frame(self._x, logits, self._frame)

    def __repr__(self) -> str:
        shape = "x".join(map(str, (*self._shape, self._points)))
        order = "" if self.order is None else f" of order {self.order}"
        numbers = "float32" if self._dtype == FLOAT32 else str(FLOAT64)
        return (
            f"<kdexent.Plan: {shape} points, {self._bins} bins, {self._kernel} kernel, "
            f"method {self.method}{order}, rtol {self._request.rtol:g}, {numbers}, "
            f"{self.stored_bytes / 1e6:.3g} MB kept, {self.workspace_bytes / 1e6:.3g} MB workspace>"
        )


def _frozen(value: Any) -> Any:
    """Return an argument that has been checked, in memory of its own if it can change."""
    if value is None or isinstance(value, (str, int, float, np.generic)):
        return value
    array = np.asarray(as_numpy(value)).copy()  # as a tensor's own conversion knows no argument `copy`
    array.flags.writeable = False
    return array
