"""Softmax, and the cross-entropy of classes with it.

    p_c = exp(z_c) / sum_k exp(z_k),  t = (1 - eps) label + eps / C  (label: one-hot, or probabilities)
    l = -sum_c t_c log p_c,  dl/dz_c = p_c sum_k t_k - t_c

With r = sum_(c not m) exp(z_c - z_m) beside the largest logit z_m, log p_c = z_c - z_m - log(1 + r): all that
is left of log p_m where r is small. The mean over samples is sum_n w_n l_n / sum_n w_n, and a sample that is
ignored has weight 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent.arguments import checks
from kdexent.arguments.float_errors import no_float_errors
from kdexent.arguments.labels import Samples, moderate, require_logits, require_probabilities, softmax_samples


@no_float_errors
def log_softmax(z: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """Return the logarithm of softmax; see `kdexent.log_softmax`.

    Examples
    --------
    >>> from kdexent import reference
    >>> reference.log_softmax([0.0, 0.0]).round(6)
    array([-0.693147, -0.693147])
    """
    logits = checks.logits_array("z", z)
    axis = checks.axis_of("z", logits, axis)
    checks.require("z", logits, ~np.isnan(logits) & (logits != np.inf), "must be finite or -inf")
    top = logits.max(axis=axis, keepdims=True)
    checks.require("z", top, top > -np.inf, "must have one above -inf in every row")
    exact = logits.astype(np.float64)
    log_p: NDArray[np.float64] = exact - top - np.log1p(_beside_the_largest(exact, top, axis))
    return log_p.astype(logits.dtype)


def _beside_the_largest(z: NDArray[Any], top: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return sum_c exp(z_c - top) over all but the largest, to the last digits however small it is."""
    others = z.copy()
    np.put_along_axis(others, z.argmax(axis=axis, keepdims=True), -np.inf, axis)
    second = np.maximum(others.max(axis=axis, keepdims=True), np.finfo(np.float64).min)
    beside_second = np.exp(others - second).sum(axis=axis, keepdims=True)
    difference, lost = _exact_difference(second, top)
    # Twice the root of what may be subnormal.
    half = np.exp(difference / 2)
    beside: NDArray[Any] = beside_second * half * (half + half * lost)
    return beside


def _exact_difference(x: Any, y: Any) -> tuple[Any, Any]:
    """Return x - y rounded, and what rounding lost."""
    difference = x - y
    back = difference - x
    lost = (x - (difference - back)) - (y + back)
    return difference, np.where(np.isfinite(lost), lost, 0)


@no_float_errors
def softmax(z: ArrayLike, axis: int = -1) -> NDArray[Any]:
    """Return exp(z) / sum exp(z) along an axis; see `kdexent.softmax`.

    Examples
    --------
    >>> from kdexent import reference
    >>> reference.softmax([0.0, 0.0])
    array([0.5, 0.5])
    """
    logits = checks.logits_array("z", z)
    p: NDArray[np.float64] = np.exp(log_softmax(logits.astype(np.float64), axis))
    return p.astype(logits.dtype)


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
    """Return the cross-entropy; see `kdexent.softmax_cross_entropy`.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.softmax_cross_entropy([[0.0, 0.0]], [1])), 6)
    0.693147
    """
    samples = softmax_samples(logits, labels, sample_weight, label_smoothing, ignore_index, reduction)
    targets, weights, log_p = _parts(samples)
    losses = -products(targets, log_p).sum(axis=1)
    return reduced(samples, losses, weights)


@no_float_errors
def softmax_cross_entropy_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> tuple[Any, NDArray[Any]]:
    """Return the cross-entropy and its gradient; see `kdexent.softmax_cross_entropy_and_grad`.

    Examples
    --------
    >>> from kdexent import reference
    >>> reference.softmax_cross_entropy_and_grad([[0.0, 0.0]], [1])[1]
    array([[ 0.5, -0.5]])
    """
    samples = softmax_samples(logits, labels, sample_weight, label_smoothing, ignore_index, reduction)
    targets, weights, log_p = _parts(samples)
    losses = -products(targets, log_p).sum(axis=1)
    scale = weights * share_of_a_sample(samples, weights)
    gradient = slopes(log_p, targets) * scale[:, np.newaxis]
    return reduced(samples, losses, weights), shaped(samples, gradient)


def _parts(samples: Samples) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return targets (N, C), weights (N,) and log p (N, C)."""
    require_logits(samples, per_row=True)
    count, classes = samples.logits.shape
    targets, weights = samples.labels, np.broadcast_to(samples.weights, (count,))
    if targets.ndim == 1:
        weights = np.where(targets >= 0, weights, 0)
        targets = (targets[:, np.newaxis] == np.arange(classes)).astype(np.float64)
    else:
        require_probabilities(samples)
    targets = (1 - samples.smoothing) * targets.astype(np.float64) + samples.smoothing / classes
    log_p = log_softmax(samples.logits.astype(np.float64)) if count else np.zeros((0, classes))
    return targets, moderate(weights) if samples.reduction == "mean" else weights, log_p


def slopes(log_p: NDArray[Any], targets: NDArray[Any]) -> NDArray[Any]:
    """Return p sum_k t_k - t; for the largest target the other targets less what p sum_k t_k lacks."""
    whole = targets.sum(axis=1, keepdims=True)
    largest = np.arange(targets.shape[1]) == targets.argmax(axis=1)[:, np.newaxis]
    others = np.where(largest, 0, targets).sum(axis=1, keepdims=True)
    slope: NDArray[Any] = np.where(largest, others + whole * np.expm1(log_p), np.exp(log_p) * whole - targets)
    return slope


def shaped(samples: Samples, rows: NDArray[Any]) -> NDArray[Any]:
    """Return rows (N, C) in the shape and dtype of the logits."""
    return samples.in_shape(rows).astype(samples.dtype)


def products(p: NDArray[Any], logs: NDArray[Any]) -> NDArray[Any]:
    """Return p times logarithms, 0 where p is 0."""
    shape = np.broadcast_shapes(p.shape, logs.shape)
    product: NDArray[Any] = np.multiply(p, logs, out=np.zeros(shape), where=p > 0)
    return product


def share_of_a_sample(samples: Samples, weights: NDArray[Any]) -> float:
    """Return by how much a unit of weight counts: 1, or its share in all weights for the mean."""
    total = float(weights.sum())
    if samples.reduction != "mean":
        return 1.0
    return 1 / total if total > 0 else 0.0


def reduced(samples: Samples, losses: NDArray[Any], weights: NDArray[Any]) -> Any:
    """Return the losses (N,) weighted and reduced, in the dtype of the logits."""
    weighted = np.where(weights > 0, losses, 0) * weights
    if samples.reduction == "none":
        return weighted.reshape(samples.shape).astype(samples.dtype)[()]
    return samples.dtype.type(weighted.sum() * share_of_a_sample(samples, weights))
