"""The linear softmax classifier: f = X W', the softmax cross-entropy of f, and a quadratic penalty.

L = reduce_n(-f_(n, y_n) + log sum_c exp f_nc) + l2/2 sum W^2
dL/dW_c = reduce_n((p_nc - [c = y_n]) x_n) + l2 W_c,  p = softmax(f)
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent.arguments.float_errors import no_float_errors
from kdexent.arguments.linear_samples import LinearSamples, linear_samples, require_finite_scores, scores_of

from .softmax_loss import log_softmax, slopes


@no_float_errors
def linear_softmax_loss(
    W: ArrayLike, X: Any, labels: ArrayLike, *, l2: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return the loss; see `kdexent.linear_softmax_loss`.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.linear_softmax_loss([[0.0], [0.0]], [[1.0]], [1])), 6)
    0.693147
    """
    samples = linear_samples(W, X, labels, l2, reduction)
    return _loss(samples, _log_p(samples))


@no_float_errors
def linear_softmax_loss_and_grad(
    W: ArrayLike, X: Any, labels: ArrayLike, *, l2: float = 0.0, reduction: str = "mean"
) -> tuple[Any, NDArray[Any]]:
    """Return the loss and its gradient by W; see `kdexent.linear_softmax_loss_and_grad`.

    Examples
    --------
    >>> from kdexent import reference
    >>> reference.linear_softmax_loss_and_grad([[0.0], [0.0]], [[1.0]], [1])[1]
    array([[ 0.5],
           [-0.5]])
    """
    samples = linear_samples(W, X, labels, l2, reduction)
    log_p = _log_p(samples)
    chosen = samples.labels[:, np.newaxis] == np.arange(len(samples.W))
    errors = slopes(log_p, chosen.astype(np.float64))
    by_features = (samples.X.T.astype(np.float64) @ errors).T
    gradient = samples.share * by_features + samples.l2 * samples.W.astype(np.float64)
    return _loss(samples, log_p), gradient.astype(samples.dtype)


def _log_p(samples: LinearSamples) -> NDArray[np.float64]:
    scores = scores_of(samples.W, samples.X)
    if not np.isfinite(scores).all():
        require_finite_scores(samples.X)
    return log_softmax(scores) if len(scores) else scores


def _loss(samples: LinearSamples, log_p: NDArray[np.float64]) -> Any:
    chosen = log_p[np.arange(len(log_p)), samples.labels]
    penalty = samples.l2 / 2 * (samples.W.astype(np.float64) ** 2).sum()
    return samples.dtype.type(-samples.share * chosen.sum() + penalty)
