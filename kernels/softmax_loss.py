"""Softmax and its cross-entropy with classes or probabilities, with the gradient."""

from __future__ import annotations  # help() shows them as they are written

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import contiguous
from .arguments.float_errors import no_float_errors
from .arguments.kinds import in_kind
from .arguments.labels import Samples, require_classes, require_logits, require_probabilities, softmax_samples
from .logits.classes import CLASSES, PROBABILITIES, cross_entropy_rows, softmax_rows
from .logits.losses import loss_of
from .logits.shares import each_block, rows_of_a_unit


@in_kind("z")
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


@in_kind("z")
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
    size = rows_of_a_unit(*rows.shape)
    sums = np.zeros((-(-len(rows) // size), 2))

    def block(given: NDArray[Any], which: slice, units: slice, *counter: Any) -> None:
        write(given, size, sums[units], written[which], *counter)

    each_block(rows, size, block)
    if any(sums.ravel().tolist()):
        checks.require("z", logits, ~np.isnan(logits) & (logits != np.inf), "must be finite or -inf")
        top = logits.max(axis=index, keepdims=True)
        checks.require("z", top, top > -np.inf, "must have one above -inf in every row")
    return np.moveaxis(result, -1, index)


@in_kind("logits")
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
    logits once; beside the arguments some 100 kilobytes for each thread, or a row.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.softmax_cross_entropy([[0.0, 0.0], [2.0, 0.0]], [1, 0])), 6)
    0.410038
    """
    options = sample_weight, label_smoothing, ignore_index, reduction
    return _loss(softmax_samples(logits, labels, *options, check_classes=False), None, True)


@in_kind("logits")
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
    options = sample_weight, label_smoothing, ignore_index, reduction
    samples = softmax_samples(logits, labels, *options, check_classes=False)
    gradient = checks.out_or_new(out, samples.full_shape, samples.dtype)
    return _loss(samples, gradient, out is None), gradient


def _loss(samples: Samples, gradient: NDArray[Any] | None, new: bool) -> Any:
    """Return the loss, and write the gradient, into a new array or the caller's."""
    by_class, dtype, ignores = samples.labels.ndim == 1, samples.dtype, samples.ignores
    if not by_class and samples.labels.dtype != dtype:
        require_probabilities(samples)  # as they were given, not rounded
    return loss_of(
        samples,
        labels=samples.labels if by_class else contiguous(samples.labels, dtype),
        counts=samples.labels >= 0 if ignores else 1,
        compiled=cross_entropy_rows(dtype, CLASSES if by_class else PROBABILITIES, gradient is not None),
        options=(-1 if ignores else 0,),
        shape=(),
        require=_require,
        gradient=gradient,
        new=new,
    )


def _require(samples: Samples, known: bool) -> None:
    by_class = samples.labels.ndim == 1
    if by_class and not samples.ignores:
        require_classes(samples.given, samples.classes)
    if known:
        require_logits(samples, per_row=True)
    if not by_class:
        require_probabilities(samples)
