"""The linear softmax classifier: its loss and gradient, a block of samples at a time."""

from __future__ import annotations  # help() shows them as they are written

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import FLOAT64
from .arguments.float_errors import no_float_errors
from .arguments.kinds import in_kind
from .arguments.linear_samples import LinearSamples, linear_samples, require_finite_scores, scores_of
from .logits.classes import CLASSES, cross_entropy_rows
from .logits.shares import rows_of_a_unit, share_units

# Numbers of a block's scores, and of its features.
_SCORES, _FEATURES = 2**18, 2**20


@in_kind("W", "X")
@no_float_errors
def linear_softmax_loss(
    W: ArrayLike, X: Any, labels: ArrayLike, *, l2: float = 0.0, reduction: str = "mean"
) -> Any:
    """Return the loss of a linear softmax classifier.

    With scores f = X W', L = reduce_n(-f_(n, y_n) + log sum_c exp f_nc) + l2/2 sum W^2.

    Parameters
    ----------
    W : array_like, shape (C, D)
        Weights of D features for each of C classes.
    X : array_like or SciPy sparse array, shape (N, D)
        Features of N samples; a column of ones gives an intercept.
    labels : array_like of integers, shape (N,)
        Each sample's class, 0 .. C - 1.
    l2 : float, default 0
        Strength of the quadratic penalty.
    reduction : {"mean", "sum"}, default "mean"
        Of the samples' losses; the penalty is added to either.

    Returns
    -------
    float
        The loss in nats: float32 if W and X are, float64 otherwise.

    Raises
    ------
    ValueError
        If an entry of W or X is not finite, a label out of range or l2 negative, and for shapes that do
        not fit; it names the argument.
    TypeError
        For labels that are no integers, and what holds no real numbers.

    Notes
    -----
    O(N C D) time, in products by BLAS (SciPy's where X is sparse) over blocks of samples: some megabytes
    beside the arguments, whatever N, and X may be memory-mapped.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.linear_softmax_loss([[0.0], [0.0]], [[1.0]], [1])), 6)
    0.693147
    """
    return _evaluate(linear_samples(W, X, labels, l2, reduction), None)


@in_kind("W", "X")
@no_float_errors
def linear_softmax_loss_and_grad(
    W: ArrayLike, X: Any, labels: ArrayLike, *, l2: float = 0.0, reduction: str = "mean", out: Any = None
) -> tuple[Any, NDArray[Any]]:
    """Return the loss of a linear softmax classifier, and its gradient by the weights.

    dL/dW_c = reduce_n((p_nc - [c = y_n]) x_n) + l2 W_c with p = softmax(f).

    Parameters
    ----------
    W, X, labels, l2, reduction
        As in `linear_softmax_loss`.
    out : ndarray, shape (C, D), optional
        Where to write the gradient, in the dtype that would be returned; it may share memory with any
        argument. What it holds after an exception is unspecified.

    Returns
    -------
    loss : float
        As from `linear_softmax_loss`.
    grad : ndarray, shape (C, D)
        The gradient.

    Raises
    ------
    ValueError, TypeError
        As from `linear_softmax_loss`, and for an `out` of the wrong shape or dtype.

    Notes
    -----
    O(N C D) time; each block of X is read once for both products.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.linear_softmax_loss_and_grad([[0.0], [0.0]], [[1.0]], [1])[1]
    array([[ 0.5],
           [-0.5]])
    """
    samples = linear_samples(W, X, labels, l2, reduction)
    shape, dtype = samples.W.shape, samples.dtype
    gradient = checks.out_or_new(out, shape, dtype)
    total = np.zeros(shape)
    loss = _evaluate(samples, total)
    gradient[...] = total
    return loss, gradient


def _evaluate(samples: LinearSamples, gradient: NDArray[np.float64] | None) -> Any:
    """Return the loss, and add to the gradient."""
    W, share = samples.W.astype(np.float64, copy=False), samples.share
    run = cross_entropy_rows(FLOAT64, CLASSES, gradient is not None)()
    nothing, one, no_losses, loss = np.empty((0, len(W))), np.ones(1), np.empty(0), 0.0
    for which, X in _blocks(samples, len(W)):
        scores = np.ascontiguousarray(scores_of(W, X))
        errors = scores if gradient is not None else nothing  # over the scores
        size = rows_of_a_unit(*scores.shape)
        sums = np.zeros((-(-len(scores) // size), 2))
        given = scores, samples.labels[which], one, 0, 0.0, share, size, sums, no_losses, errors
        # BLAS wants the cores first.
        share_units(scores.size, len(sums), functools.partial(run, *given), more_soon=False)
        if any(sums[:, 1].tolist()):
            require_finite_scores(samples.X)
        loss += float(sums[:, 0].sum())
        if gradient is not None:
            gradient += (X.T @ errors).T
    if gradient is not None:
        gradient += samples.l2 * W
    return samples.dtype.type(share * loss + samples.l2 / 2 * float(np.vdot(W, W)))


def _blocks(samples: LinearSamples, classes: int) -> Iterator[tuple[slice, Any]]:
    """Return blocks of samples and their features in float64."""
    count, features = samples.X.shape
    size = max(1, min(_SCORES // classes, _FEATURES // features))
    for first in range(0, count, size):
        which = slice(first, min(first + size, count))
        yield which, samples.X[which].astype(np.float64, copy=False)
