"""Softmax and its cross-entropy with classes or probabilities, with the gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import contiguous
from .arguments.float_errors import no_float_errors
from .arguments.labels import (
    Samples,
    out_for,
    overwritten,
    require_classes,
    require_logits,
    require_probabilities,
    softmax_samples,
    weights_and_share,
)
from .logits.classes import CLASSES, PROBABILITIES, cross_entropy_rows, softmax_rows
from .logits.shares import RowsOut, each_part, rows_of_a_unit
from .logits.weigh import room_for


@no_float_errors
def softmax(z: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """Return exp(z) / sum exp(z) along an axis.

    Parameters
    ----------
    z : array_like
        Logits, real; -inf has probability 0.
    axis : int, default -1
        The axis that probabilities sum to 1 along.

    Returns
    -------
    ndarray
        Probabilities in the shape of z: float32 for float32, float64 otherwise.

    Raises
    ------
    ValueError
        If a logit is NaN or +inf, if all along the axis are -inf, or if it is empty.
    TypeError
        If z does not hold real numbers or axis is no integer.

    Notes
    -----
    O(size) time in one pass, relative to the largest logit, so that nothing overflows.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.softmax([0.0, 0.0, -float("inf")])
    array([0.5, 0.5, 0. ])
    """
    return _softmax(z, axis, False)


@no_float_errors
def log_softmax(z: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """Return z - log sum exp(z) along an axis.

    Parameters
    ----------
    z, axis
        As in `softmax`.

    Returns
    -------
    ndarray
        Logarithms of probabilities, in nats; -inf where the logit is.

    Raises
    ------
    ValueError, TypeError
        As from `softmax`.

    Notes
    -----
    O(size) time in one pass. Right also where softmax underflows, and where it is nearly 1: from
    1 - 1/256 on the logarithm keeps its own digits, however small it is.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.log_softmax([0.0, 0.0, -1000.0]).round(6)
    array([-6.93147000e-01, -6.93147000e-01, -1.00069315e+03])
    """
    return _softmax(z, axis, True)


def _softmax(z: ArrayLike, axis: int, logarithm: bool) -> NDArray[Any]:
    logits = checks.logits_array("z", z)
    index = checks.axis_of("z", logits, axis)
    last = np.moveaxis(logits, index, -1)
    rows, result = last.reshape(-1, last.shape[-1]), np.empty(last.shape, logits.dtype)
    written, write = result.reshape(rows.shape), softmax_rows(logits.dtype, logarithm)()
    size, room = rows_of_a_unit(*rows.shape), room_for(rows.shape[1])
    bad = np.zeros(-(-len(rows) // size), np.int64)

    def some(part: NDArray[Any], which: slice, numbers: slice, *units: Any) -> None:
        write(part, size, written[which], bad[numbers], room, *units)

    each_part(rows, size, some)
    if bad.any():
        checks.require("z", logits, ~np.isnan(logits) & (logits != np.inf), "must be finite or -inf")
        top = logits.max(axis=index, keepdims=True)
        checks.require("z", top, top > -np.inf, "must have one above -inf in every row")
    return np.moveaxis(result, -1, index)


@no_float_errors
def softmax_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """Return the cross-entropy of labels with the softmax of logits.

    With p = softmax(z) and targets t, one-hot or probabilities, a sample's loss is
    l = -sum_c t_c log p_c.

    Parameters
    ----------
    logits : array_like, shape (..., C)
        Logits of C classes; -inf for a class that cannot be.
    labels : array_like, shape (...) of integers or (..., C) of real numbers
        Each sample's class, 0 .. C - 1, or probabilities, which sum to 1 within 0.001, whatever their dtype:
        they may have been rounded to float16.
    sample_weight : array_like, shape (...), optional
        Weights of samples, finite and not negative; 1 unless given.
    label_smoothing : float, default 0
        Part eps in [0, 1] of the target that is spread evenly: t = (1 - eps) label + eps / C.
    ignore_index : int, optional
        Samples of this class do not count. For integer labels.
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean sum_n w_n l_n / sum_n w_n over samples that count (0 if there are none), the sum of
        w_n l_n, or each of these.

    Returns
    -------
    float or ndarray, shape (...)
        The loss in nats, in the dtype of the logits (float32 or float64); +inf where a label's logit is -inf.

    Raises
    ------
    ValueError
        If a logit is NaN or +inf or a row has none above -inf, for a label or weight out of range,
        probabilities that do not sum to 1, and shapes that do not fit; it names the argument.
    TypeError
        For class numbers that are no integers, and what holds no real numbers.

    Notes
    -----
    Certain samples keep their digits: where p of the class is nearly 1 the loss is log(1 + r), r what the
    other classes come to beside it, and is good to some rounding however small. O(N C) time, reading the
    logits once; beside the arguments some 100 kilobytes for each
    thread, or a row.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.softmax_cross_entropy([[0.0, 0.0], [2.0, 0.0]], [1, 0])), 6)
    0.410038
    """
    about = sample_weight, label_smoothing, ignore_index, reduction
    return _evaluate(softmax_samples(logits, labels, *about, check_classes=False), None, True)


@no_float_errors
def softmax_cross_entropy_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
    out: Any = None,
) -> tuple[Any, NDArray[Any]]:
    """Return the cross-entropy of labels with the softmax of logits, and its gradient by the logits.

    dL/dz_nc = w_n (p_nc - t_nc), over the sum of weights for the mean; where rounded probabilities do not
    quite sum to 1, p_nc counts sum_k t_nk times.

    Parameters
    ----------
    logits, labels, sample_weight, label_smoothing, ignore_index, reduction
        As in `softmax_cross_entropy`.
    out : ndarray, shape (..., C), optional
        Where to write the gradient, in the dtype that would be returned; it may share memory with any
        argument. What it holds after an exception is unspecified.

    Returns
    -------
    loss : float or ndarray, shape (...)
        As from `softmax_cross_entropy`.
    grad : ndarray, shape (..., C)
        The gradient of the loss; without a reduction, of each sample's loss by its own logits.

    Raises
    ------
    ValueError, TypeError
        As from `softmax_cross_entropy`, and for an `out` of the wrong shape or dtype.

    Notes
    -----
    O(N C) time, reading the logits and writing the gradient once.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.softmax_cross_entropy_and_grad([[0.0, 0.0]], [1])[1]
    array([[ 0.5, -0.5]])
    """
    about = sample_weight, label_smoothing, ignore_index, reduction
    samples = softmax_samples(logits, labels, *about, check_classes=False)
    gradient = out_for(samples, out)
    return _evaluate(samples, gradient, out is None), gradient


def _evaluate(samples: Samples, gradient: NDArray[Any] | None, new: bool) -> Any:
    """Return the loss, and write the gradient, into a new array or the caller's."""
    z, dtype = samples.logits, samples.dtype
    count, classes = z.shape
    by_class = samples.labels.ndim == 1
    if not by_class and samples.labels.dtype != dtype:
        require_probabilities(samples)  # as they were given, not rounded
    labels = samples.labels if by_class else contiguous(samples.labels, dtype)
    least = -1 if samples.ignores else 0
    weights, scale = weights_and_share(samples, samples.labels >= 0 if samples.ignores else 1)
    losses = np.empty(count if samples.reduction == "none" else 0)
    by = None if gradient is None else RowsOut(gradient, new, z, labels, samples.given, weights)
    run = cross_entropy_rows(dtype, CLASSES if by_class else PROBABILITIES, by is not None)()
    size, room, nothing = rows_of_a_unit(count, classes), room_for(classes), np.empty((0, classes), dtype)
    sums, bad = np.zeros(-(-count // size)), np.zeros(-(-count // size), np.int64)

    def some(part: NDArray[Any], which: slice, numbers: slice, *units: Any) -> None:
        mine = weights if len(weights) == 1 else weights[which]
        rows = nothing if by is None else by.rows[which]
        about = labels[which], least, mine, samples.smoothing, scale, size
        run(part, *about, sums[numbers], bad[numbers], losses[which], rows, room, *units)

    each_part(z, size, some)
    if any(bad.tolist()):
        if by_class and not samples.ignores:
            require_classes(samples.given, classes)
        if by is None or not by.overwrites:
            require_logits(samples, per_row=True)
        if not by_class:
            require_probabilities(samples)
        if by is not None and by.overwrites:
            raise overwritten()
    if by is not None:
        by.store()
    if samples.reduction == "none":
        return losses.reshape(samples.shape).astype(dtype)[()]
    return dtype.type(sum(sums.tolist()) * scale)
