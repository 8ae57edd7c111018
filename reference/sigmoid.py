"""The cross-entropy of labels that exclude nothing, each with a logit of its own.

    p = 1 / (1 + exp(-z)),  t = (1 - eps) y + eps / 2
    l = -t log p - (1 - t) log(1 - p) = a |z| + log(1 + exp(-|z|))
    dl/dz = p - t = +-(a - 1 / (1 + exp(|z|)))

with a = 1 - t where z >= 0, and t and the lower sign where z < 0: what z speaks against.

The mean is over all labels that count, a label's weight being that of its sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent.arguments.float_errors import no_float_errors
from kdexent.arguments.labels import Samples, moderate, require_logits, sigmoid_samples

from .softmax_loss import shaped, share_of_a_sample


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
    """Return the cross-entropy; see `kdexent.sigmoid_cross_entropy`.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.sigmoid_cross_entropy([[0.0, 0.0]], [[1, 0]])), 6)
    0.693147
    """
    samples = sigmoid_samples(logits, labels, sample_weight, label_smoothing, ignore_index, reduction)
    losses, _, weights = _parts(samples)
    return _reduced(samples, losses, weights)


@no_float_errors
def sigmoid_cross_entropy_and_grad(
    logits: ArrayLike,
    labels: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> tuple[Any, NDArray[Any]]:
    """Return the cross-entropy and its gradient; see `kdexent.sigmoid_cross_entropy_and_grad`.

    Examples
    --------
    >>> from kdexent import reference
    >>> reference.sigmoid_cross_entropy_and_grad([[0.0, 0.0]], [[1, 0]])[1]
    array([[-0.25,  0.25]])
    """
    samples = sigmoid_samples(logits, labels, sample_weight, label_smoothing, ignore_index, reduction)
    losses, slopes, weights = _parts(samples)
    gradient = slopes * weights * share_of_a_sample(samples, weights)
    return _reduced(samples, losses, weights), shaped(samples, gradient)


def _parts(samples: Samples) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return losses, dl/dz and weights, each (N, C)."""
    require_logits(samples, per_row=False)
    z, y = samples.logits.astype(np.float64), samples.labels.astype(np.float64)
    weights = np.where(y >= 0, samples.weights[:, np.newaxis], 0.0)
    against = (1 - samples.smoothing) * np.where(z >= 0, 1 - y, y) + samples.smoothing / 2
    low = np.exp(-np.abs(z))
    linear = np.multiply(against, np.abs(z), out=np.zeros(z.shape), where=against != 0)
    slopes = np.where(z >= 0, 1, -1) * (against - low / (1 + low))
    return linear + np.log1p(low), slopes, moderate(weights) if samples.reduction == "mean" else weights


def _reduced(samples: Samples, losses: NDArray[Any], weights: NDArray[Any]) -> Any:
    """Return the losses (N, C) weighted and reduced, in the dtype of the logits."""
    weighted = np.multiply(losses, weights, out=np.zeros(losses.shape), where=weights > 0)
    if samples.reduction == "none":
        return shaped(samples, weighted)
    return samples.dtype.type(weighted.sum() * share_of_a_sample(samples, weights))
