"""Cross-entropy of a target distribution and a softmax-weighted kernel density estimate, compiled.

S = softmax(z),  q_m = sum_j S_j K_h(c_m - x_j),  L = -sum_m p_m log q_m
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import FLOAT64
from .arguments.float_errors import no_float_errors
from .arguments.kinds import in_kind
from .arguments.problem import Problem, Request, check_method, check_wrt, density_problem, loss_problem
from .runtime.pool import thread_count
from .strategies.evaluate import evaluate, evaluate_density
from .strategies.sums.scan import BadData

if TYPE_CHECKING:
    from .strategies.evaluate_rows import Prepared


@in_kind("x", "z")
@no_float_errors
def loss(
    x: ArrayLike,
    z: ArrayLike,
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
) -> Any:
    """Return the cross-entropy of a target on [a, b] and a softmax-weighted KDE.

    With weights S = softmax(z) and bins m of centre c_m and target mass p_m (sum 1),

        q_m = sum_j S_j K_h(c_m - x_j),    L = -sum_m p_m log q_m.

    Parameters
    ----------
    x : array_like, shape (..., N)
        Data points, in any unit of length; finite. Leading dimensions are rows, each a problem of
        its own, and broadcast with those of every other argument.
    z : array_like, shape (..., N)
        Logits, no unit. A logit of -inf masks its point, and so does the mask of a masked array, which
        no other argument may be.
    a, b : array_like, shape (...)
        Ends of the target interval, a < b, in the unit of x.
    bandwidth : array_like, shape (...)
        Bandwidth h > 0 of the kernel, in the unit of x.
    kernel : str
        One of `kdexent.KERNELS`. ``"von_mises"`` needs a period.
    bins : int or array_like, shape (M + 1,)
        Number M of equal bins of [a, b], or increasing edges from a to b; as many as memory holds.
    rule : {"midpoint", "gauss"}
        Where the bins' centres are: in the middle, or at the M Gauss-Legendre nodes of [a, b].
    target : array_like, shape (..., M), optional
        Masses of the target, not negative, of any positive scale. Uniform on [a, b] if not given.
    period : float, optional
        Length P of the circle that x lives on, in the unit of x; the kernel is then wrapped, and
        [a, b], at most P long, may cross the seam. On the line if not given.
    method : str
        One of `kdexent.METHODS`: ``"direct"``, all pairs of points and bins; ``"window"``, those
        within the kernel's reach; ``"cells"``, points summed in cells and bins through a few nodes
        of each; ``"grid"``, binning and FFT, whose error is that of its grid whatever `rtol`; and
        ``"auto"``, the fastest of the first three by an estimate.
    order : int, optional
        For ``"cells"`` and ``"grid"``: one of `kdexent.names.ORDERS`. Named outright it has its own
        error; cells of no given order choose the one that keeps `rtol` at the least cost.
    rtol : float, in [0, 1)
        Largest error, relative to max(1, abs(L)); 0 asks for rounding errors alone, which is also
        what ``"direct"`` delivers whatever `rtol`.
    n_threads : int, optional
        Threads to use, clamped to what Numba is set to, which is also the default. The result is
        the same to the last bit whatever their number.

    Returns
    -------
    float or ndarray, shape (...)
        The loss of each row, in nats; float32 where x and z are float32 arrays, float64 otherwise.
        It is +inf where a bin with positive mass has no point in the reach of a compact kernel.

    Raises
    ------
    ValueError
        Naming the argument and the first index at fault, for a value or shape that is no problem.
    TypeError
        Naming the argument, for one that is complex, not numeric, masked (but for z), or cannot be
        read as an array.

    See Also
    --------
    loss_and_grad : the same with gradients.
    kdexent.reference.loss : the formulas in NumPy.

    Notes
    -----
    Takes O(N M) time for ``"direct"`` and O(N P + M) for ``"cells"`` of order P, and O(M) or
    O(cells P) memory beside the arguments. Bins whose density fast sums cannot certify to `rtol`,
    because few or far points decide it, are summed again over all points or those that matter to them.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8)), 10)
    0.4755162458
    """
    request = check_method(method, order, rtol)
    threads = thread_count(n_threads)
    problem = loss_problem(x, z, a, b, bandwidth, kernel, bins, rule, target, period)
    return loss_of(problem, request, threads)


@in_kind("x", "z")
@no_float_errors
def loss_and_grad(
    x: ArrayLike,
    z: ArrayLike,
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
    wrt: str | tuple[str, ...] = "z",
    out: Any = None,
) -> tuple[Any, Any]:
    """Return the loss and its gradient.

    With the responsibility r_im = S_i K_h(c_m - x_i) / q_m of point i for bin m,

        dL/dz_i = S_i - sum_m p_m r_im,    dL/dx_i = sum_m p_m r_im K_h'(c_m - x_i) / K_h(c_m - x_i).

    Parameters
    ----------
    x, z, a, b, bandwidth, kernel, bins, rule, target, period, method, order, rtol, n_threads
        As in `loss`; `rtol` bounds the gradient's error relative to its largest entry too, beside
        rounding errors of some tens of eps of the largest S_i or sum_m p_m r_im.
    wrt : {"z", "x", "bandwidth"} or tuple of them
        What to differentiate by.
    out : ndarray or tuple of ndarray, optional
        Where to write the gradient, or the gradients in the order of `wrt`: arrays of the shape and
        dtype that would be returned, which share no memory with each other but may with any other
        argument. What they hold after an exception is unspecified. Fresh memory costs as much as the
        computing at large N.

    Returns
    -------
    loss : float or ndarray, shape (...)
        As from `loss`.
    grad : ndarray, shape (..., N), or tuple of ndarray
        By z or x in the broadcast shape of x and z and all rows; by bandwidth in the shape of the
        loss. A tuple if `wrt` is one. Where L = +inf it is the gradient of the bins in reach, and
        by z, C S_i - sum_m p_m r_im over these with C their mass.

    Raises
    ------
    ValueError, TypeError
        As from `loss`, and for an `out` of the wrong shape or dtype, or whose arrays share memory.

    Notes
    -----
    Time and memory as for `loss`. At the kink of laplace and triangular the derivative by x is 0; points at
    the edge of a kernel count there as beyond it, and a jump counts as nothing.

    Examples
    --------
    >>> import kdexent
    >>> L, g = kdexent.loss_and_grad([-1, -0.5], [0, 0], 0, 1, bandwidth=0.5, kernel="laplace")
    >>> g.round(10)
    array([ 0.23105858, -0.23105858])
    """
    request = check_method(method, order, rtol)
    threads = thread_count(n_threads)
    problem = loss_problem(x, z, a, b, bandwidth, kernel, bins, rule, target, period)
    return loss_and_grad_of(problem, request, threads, wrt, out)


@in_kind("x", "z")
@no_float_errors
def log_density(
    x: ArrayLike,
    z: ArrayLike,
    points: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    period: float | None = None,
    method: str = "auto",
    order: int | None = None,
    rtol: float = 1e-9,
    n_threads: int | None = None,
) -> Any:
    """Return the logarithm of the softmax-weighted KDE at any points.

    Parameters
    ----------
    x, z, bandwidth, kernel, period, method, order, rtol, n_threads
        As in `loss`.
    points : array_like, shape (..., M)
        Where to evaluate the density, in the unit of x; finite.

    Returns
    -------
    ndarray, shape (..., M)
        log q, in nats (of a density per unit of x); -inf where no point is in the kernel's reach.

    Raises
    ------
    ValueError, TypeError
        As from `loss`.

    Notes
    -----
    Time and memory as for `loss`.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.log_density([0.0], [0.0], [0.0, 50.0], bandwidth=1.0).round(6)
    array([-9.18939000e-01, -1.25091894e+03])
    """
    request = check_method(method, order, rtol)
    threads = thread_count(n_threads)
    problem = density_problem(x, z, points, bandwidth, kernel, period)
    return density_of(problem, request, threads)


def loss_of(problem: Problem, request: Request, threads: int, prepared: Prepared | None = None) -> Any:
    """Return the loss of a checked problem."""
    losses = _look_at_data(problem, lambda: evaluate(problem, request, None, threads, prepared))
    return _shaped(losses, problem)


def loss_and_grad_of(
    problem: Problem,
    request: Request,
    threads: int,
    wrt: str | tuple[str, ...],
    out: Any,
    prepared: Prepared | None = None,
) -> tuple[Any, Any]:
    """Return the loss and gradients of a checked problem."""
    if out is None and wrt == "z":  # what follows would cost the smallest calls a fifth more
        by_z = _new((problem.rows, problem.points), problem.dtype)
        losses = _look_at_data(problem, lambda: evaluate(problem, request, {"z": by_z}, threads, prepared))
        return _shaped(losses, problem), by_z.reshape((*problem.shape, problem.points))
    shapes = {
        name: problem.shape + (() if name == "bandwidth" else (problem.points,)) for name in check_wrt(wrt)
    }
    if out is None:
        gradients = {name: _new(shape, problem.dtype) for name, shape in shapes.items()}
    else:
        gradients = _outputs(out, shapes, isinstance(wrt, str), problem.dtype)
    rows = {name: _output_rows(array, problem, out is None) for name, array in gradients.items()}
    losses = _look_at_data(problem, lambda: evaluate(problem, request, rows, threads, prepared))
    for name, array in gradients.items():
        if out is not None and not np.may_share_memory(array, rows[name]):
            array[...] = rows[name].reshape(array.shape)
    results = tuple(array if array.ndim else array[()] for array in gradients.values())
    return _shaped(losses, problem), results[0] if isinstance(wrt, str) else results


def density_of(problem: Problem, request: Request, threads: int, prepared: Prepared | None = None) -> Any:
    """Return log q of a checked problem."""
    log_q = _look_at_data(problem, lambda: evaluate_density(problem, request, threads, prepared))
    return _shaped(log_q, problem)


def _look_at_data(problem: Problem, work: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Return work(), whose passes over rows find bad data; raise what names it."""
    if problem.rows == 0:  # no pass over rows does
        checks.require_data(*problem.data)
    try:
        return work()
    except BadData:
        pass
    checks.require_data(*problem.data)
    raise RuntimeError("x or z changed during the call")


def _outputs(
    out: Any, shapes: dict[str, tuple[int, ...]], alone: bool, dtype: np.dtype[Any]
) -> dict[str, NDArray[Any]]:
    """Return the caller's arrays by what they are the gradients by."""
    given = {"out": out}
    if not alone:
        if not isinstance(out, tuple) or len(out) != len(shapes):
            raise TypeError(f"out must be a tuple of {len(shapes)} arrays for wrt={tuple(shapes)!r}")
        given = {f"out[{i}]": array for i, array in enumerate(out)}
    for (name, array), shape in zip(given.items(), shapes.values(), strict=True):
        checks.output(name, array, shape, dtype)
    checks.apart(given)
    return dict(zip(shapes, given.values(), strict=True))


def _new(shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        return np.empty(shape, dtype)
    except (MemoryError, ValueError):  # the latter for more than can be addressed
        raise ValueError(f"x and z make a gradient of shape {shape}, for which there is no memory") from None


def _output_rows(array: NDArray[Any], problem: Problem, new: bool) -> NDArray[Any]:
    """Return the rows (R, N) or (R,) of an output: a view, or a new array where a view would not do."""
    shape = (problem.rows, *array.shape[len(problem.shape) :])
    # What the arguments became, not what they were: a tensor's array is a view of its memory.
    overlaps = not new and any(np.may_share_memory(array, read.values) for read in problem.read)
    if overlaps or not (array.flags.c_contiguous or len(problem.shape) <= 1):
        return np.empty(shape, array.dtype)
    array = np.asarray(array)  # a matrix has no rows of one dimension
    return array.reshape(shape) if array.shape != shape else array


def _shaped(results: NDArray[np.float64], problem: Problem) -> Any:
    """Return results (R, ...) with the call's leading dimensions and dtype; a scalar for one row."""
    if not problem.shape and results.ndim == 1:
        return problem.dtype.type(results[0])
    results = results.reshape(problem.shape + results.shape[1:])
    return results if problem.dtype == FLOAT64 else results.astype(problem.dtype)
