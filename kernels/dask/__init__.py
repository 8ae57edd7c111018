"""The loss of dask arrays: chunks add their points to the bins, and get their gradients from the sums of all.

Only arrays of the bins' size go from one worker to another.
"""

from __future__ import annotations

from typing import Any

from numpy.typing import ArrayLike

try:
    import dask.array as da
except ModuleNotFoundError as error:
    if error.name not in {"dask", "toolz"}:
        raise
    raise ModuleNotFoundError('kdexent.dask needs dask: pip install "kdexent[dask]"', name="dask") from None

from ..arguments import checks
from ..arguments.problem import Request, check_method, check_wrt
from .graph import Graph
from .tasks import Call

__all__ = ["log_density", "loss", "loss_and_grad"]


def loss(
    x: Any,
    z: Any,
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
) -> da.Array:
    """Return the cross-entropy of a target on [a, b] and a softmax-weighted KDE of points in chunks.

    Parameters
    ----------
    x, z : dask.array.Array, shape (..., N)
        Data points and logits as in `kdexent.loss`, in any chunks, which become those of z.
    a, b, bandwidth, kernel, bins, rule, target, period, method, order, rtol
        As in `kdexent.loss`: numbers, or NumPy arrays that every worker gets its rows of. ``"auto"`` chooses
        for each chunk.
    n_threads : int, optional
        Threads that a chunk may use. One if not given: a worker computes as many chunks at a time as it has
        threads.

    Returns
    -------
    dask.array.Array, shape (...)
        The loss of each row, in nats, not computed yet; float32 where x and z are, float64 otherwise.

    Raises
    ------
    ValueError, TypeError
        At once for arguments beside the data, and for shapes; when it is computed for what x and z hold,
        with where their chunk begins.

    See Also
    --------
    loss_and_grad : the same with gradients.

    Notes
    -----
    Each chunk takes the time that `kdexent.loss` does. It then sends M + 2 numbers for each row, the
    logarithms of its sums, of which sixteen are added at a time. To rounding, some eps of the largest log q,
    the loss is that of all points in one array, whatever the chunks.

    Examples
    --------
    >>> import dask.array as da
    >>> import kdexent.dask
    >>> x = da.from_array([0.1, 0.2, 0.7, 0.9], chunks=2)
    >>> L = kdexent.dask.loss(x, da.zeros_like(x), 0, 1, bandwidth=0.2)
    >>> round(float(L.compute()), 10)
    0.2058741843
    """
    beside = _beside_loss(a, b, bandwidth, kernel, bins, rule, target, period)
    call = Call(beside, *_how(method, order, rtol, n_threads))
    return Graph(call, x, z, ("loss",)).results()[0]


def loss_and_grad(
    x: Any,
    z: Any,
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
) -> tuple[da.Array, Any]:
    """Return the loss of points in chunks, and its gradient.

    Parameters
    ----------
    x, z, a, b, bandwidth, kernel, bins, rule, target, period, method, order, rtol, n_threads
        As in `loss`.
    wrt : {"z", "x", "bandwidth"} or tuple of them
        What to differentiate by.

    Returns
    -------
    loss : dask.array.Array, shape (...)
        As from `loss`.
    grad : dask.array.Array, shape (..., N), or tuple of dask.array.Array
        As from `kdexent.loss_and_grad`, by z and x in the chunks of z. Compute it together with the loss.

    Raises
    ------
    ValueError, TypeError
        As from `loss`.

    Notes
    -----
    Every chunk is asked for twice, once for its sums and once for its gradient, so that none has to stay in
    memory in between: chunks that are read or computed are so twice, and must come out the same.
    `x.persist()` avoids that where memory holds all of them. What gradients by x and z take from fast sums
    stays with the worker that made these; another worker makes them again.

    All sums are within `rtol` before any gradient is known. So the gradient's error is within `rtol` of the
    largest S_i or sum_m p_m r_im, where `kdexent.loss_and_grad` keeps it within `rtol` of the gradient's own
    largest entry: near an optimum by z ask for a smaller one. As sums travel as logarithms, a bin so far from
    all points that abs(log q) is large loses as many eps of its part of the gradient.

    Examples
    --------
    >>> import dask
    >>> import dask.array as da
    >>> import kdexent.dask
    >>> x = da.from_array([0.1, 0.2, 0.7, 0.9], chunks=2)
    >>> L, g = dask.compute(*kdexent.dask.loss_and_grad(x, da.zeros_like(x), 0, 1, bandwidth=0.2))
    >>> g.round(4)
    array([ 0.0376, -0.0014, -0.0536,  0.0174])
    """
    names = check_wrt(wrt)
    beside = _beside_loss(a, b, bandwidth, kernel, bins, rule, target, period)
    call = Call(beside, *_how(method, order, rtol, n_threads))
    losses, *gradients = Graph(call, x, z, ("loss", *names)).results()
    return losses, gradients[0] if isinstance(wrt, str) else tuple(gradients)


def log_density(
    x: Any,
    z: Any,
    points: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    period: float | None = None,
    method: str = "auto",
    order: int | None = None,
    rtol: float = 1e-9,
    n_threads: int | None = None,
) -> da.Array:
    """Return the logarithm of the softmax-weighted KDE of points in chunks, anywhere.

    Parameters
    ----------
    x, z, bandwidth, kernel, period, method, order, rtol, n_threads
        As in `loss`.
    points : array_like, shape (..., M)
        Where to evaluate the density, in the unit of x; finite.

    Returns
    -------
    dask.array.Array, shape (..., M)
        log q as from `kdexent.log_density`, not computed yet.

    Raises
    ------
    ValueError, TypeError
        As from `loss`.

    Examples
    --------
    >>> import dask.array as da
    >>> import kdexent.dask
    >>> x = da.from_array([0.1, 0.2, 0.7, 0.9], chunks=2)
    >>> kdexent.dask.log_density(x, da.zeros_like(x), [0.5, 50], bandwidth=0.2).compute().round(4)
    array([-6.35000e-01, -3.01431e+04])
    """
    beside = {"points": points, "bandwidth": bandwidth, "kernel": kernel, "period": period}
    return Graph(Call(beside, *_how(method, order, rtol, n_threads)), x, z, ("density",)).results()[0]


def _beside_loss(*values: Any) -> dict[str, Any]:
    names = "a", "b", "bandwidth", "kernel", "bins", "rule", "target", "period"
    return dict(zip(names, values, strict=True))


def _how(method: Any, order: Any, rtol: Any, n_threads: Any) -> tuple[Request, int]:
    return check_method(method, order, rtol), 1 if n_threads is None else checks.integer(
        "n_threads", n_threads
    )
