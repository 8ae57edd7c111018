"""The cross-entropy of labels that exclude nothing, each with a logit of its own."""

from __future__ import annotations  # help() shows them as they are written

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import contiguous
from .arguments.float_errors import no_float_errors
from .arguments.kinds import in_kind
from .arguments.labels import Samples, require_logits, sigmoid_samples
from .logits.losses import loss_of
from .logits.multilabel import sigmoid_rows


@in_kind("logits")
@no_float_errors
def sigmoid_cross_entropy(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> Any:
    """Return the cross-entropy of labels that exclude nothing with the sigmoid of logits.

    With p = 1 / (1 + exp(-z)), a label's loss is l = -t log p - (1 - t) log(1 - p).

    Parameters
    ----------
    logits : array_like, shape (..., C)
        A logit for each label; -inf for what cannot be.
    labels : array_like, shape (..., C)
        Labels in [0, 1].
    sample_weight : array_like, shape (...), optional
        Weights of samples, finite and not negative; 1 unless given.
    label_smoothing : float, default 0
        Part eps in [0, 1] of a label that becomes 1/2: t = (1 - eps) y + eps / 2.
    ignore_index : int, optional
        Labels of this value do not count.
    reduction : {"mean", "sum", "none"}, default "mean"
        The weighted mean over all labels that count (0 if there are none), their weighted sum, or each.

    Returns
    -------
    float or ndarray, shape (..., C)
        The loss in nats, in the dtype of the logits (float32 or float64).

    Raises
    ------
    ValueError
        If a logit is NaN or +inf, a label outside [0, 1], and for shapes that do not fit.
    TypeError
        For what holds no real numbers.

    Notes
    -----
    O(N C) time; exact to rounding for logits of any size.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.sigmoid_cross_entropy([[0.0, 0.0]], [[1, 0]])), 6)
    0.693147
    """
    samples = sigmoid_samples(logits, labels, sample_weight, label_smoothing, ignore_index, reduction)
    return _loss(samples, None, True)


@in_kind("logits")
@no_float_errors
def sigmoid_cross_entropy_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
    out: Any = None,
) -> tuple[Any, NDArray[Any]]:
    """Return the cross-entropy of `sigmoid_cross_entropy`, and its gradient by the logits.

    dL/dz = w (p - t), over the sum of the weights of all labels for the mean.

    Parameters
    ----------
    logits, labels, sample_weight, label_smoothing, ignore_index, reduction
        As in `sigmoid_cross_entropy`.
    out : ndarray, shape (..., C), optional
        Where to write the gradient, in the dtype that would be returned; it may share memory with any
        argument. What it holds after an exception is unspecified.

    Returns
    -------
    loss : float or ndarray, shape (..., C)
        As from `sigmoid_cross_entropy`.
    grad : ndarray, shape (..., C)
        The gradient of the loss; without a reduction, of each label's loss by its own logit.

    Raises
    ------
    ValueError, TypeError
        As from `sigmoid_cross_entropy`, and for an `out` of the wrong shape or dtype.

    Notes
    -----
    O(N C) time.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.sigmoid_cross_entropy_and_grad([[0.0, 0.0]], [[1, 0]])[1]
    array([[-0.25,  0.25]])
    """
    samples = sigmoid_samples(logits, labels, sample_weight, label_smoothing, ignore_index, reduction)
    gradient = checks.out_or_new(out, samples.full_shape, samples.dtype)
    return _loss(samples, gradient, out is None), gradient


def _loss(samples: Samples, gradient: NDArray[Any] | None, new: bool) -> Any:
    """Return the loss, and write the gradient, into a new array or the caller's."""
    return loss_of(
        samples,
        labels=contiguous(samples.labels, samples.dtype),
        counts=(samples.labels >= 0).sum(axis=1) if samples.ignores else samples.classes,
        compiled=sigmoid_rows(samples.dtype, gradient is not None),
        options=(),
        shape=(samples.classes,),
        require=_require,
        gradient=gradient,
        new=new,
        add=np.sum,
    )


def _require(samples: Samples, known: bool) -> None:
    if known:
        require_logits(samples, per_row=False)
