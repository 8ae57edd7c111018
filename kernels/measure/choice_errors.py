"""How far a loss and gradient are from the truth, and what rtol and rounding allow."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Errors", "Truth", "make_truth", "relative_errors"]

Floats = NDArray[np.float64]

_VALUES_AT_A_TIME = 2**22
# Some tens of eps of what the gradient is a difference of, and a loss's own rounding.
_ROUNDING = 100


class Errors(NamedTuple):
    """Errors of the worst row."""

    loss: float
    gradient: float
    within: bool  # rtol and rounding, in every row


class Truth(NamedTuple):
    """What to compare with, its rows flattened."""

    losses: Floats  # (R,)
    gradients: Floats  # (R, N)
    largest: Floats  # max|g| of each row, (R,); 1 where it is 0
    rounding: Floats  # what floating point may cost, in units of eps and `largest`, (R,)


def _columns(shape: tuple[int, ...]) -> Iterator[slice]:
    """Yield parts of the N columns, so that no temporary is as large as the gradient."""
    step = max(1, _VALUES_AT_A_TIME // shape[0])
    return (slice(first, first + step) for first in range(0, shape[1], step))


def make_truth(result: tuple[Any, Any], logits: NDArray[Any]) -> Truth:
    """Return the truth from a (loss, gradient) and the logits (..., N)."""
    losses = np.asarray(result[0], np.float64).reshape(-1)
    gradients = np.asarray(result[1], np.float64)
    rows = math.prod(gradients.shape[:-1])
    top = np.broadcast_to(logits.max(axis=-1).astype(np.float64), gradients.shape[:-1]).reshape(rows, 1)
    logits = np.broadcast_to(logits, gradients.shape)
    gradients = gradients.reshape(rows, -1)
    largest, mass = np.zeros(rows), np.zeros(rows)
    for part in _columns(gradients.shape):
        np.maximum(largest, np.abs(gradients[:, part]).max(axis=-1), out=largest)
        mass += np.exp(logits[..., part].reshape(rows, -1) - top).sum(axis=-1)
    largest[largest == 0] = 1
    return Truth(losses, gradients, largest, _ROUNDING / mass / largest)


def relative_errors(result: tuple[Any, Any], truth: Truth, rtol: float) -> Errors:
    """Return |L - L0| / max(1, |L0|) and max|g - g0| / max|g0|, the largest of all rows."""
    losses = np.asarray(result[0], np.float64).reshape(-1)
    gradients = np.asarray(result[1]).reshape(truth.gradients.shape)
    eps = np.finfo(gradients.dtype).eps
    with np.errstate(invalid="ignore"):
        loss = np.abs(losses - truth.losses) / np.maximum(1, np.abs(truth.losses))
    loss[losses == truth.losses] = 0  # both infinite
    loss[np.isnan(loss)] = np.inf
    gradient = np.zeros(len(losses))
    for part in _columns(gradients.shape):
        apart = np.abs(gradients[:, part] - truth.gradients[:, part]).max(axis=-1)
        np.maximum(gradient, apart, out=gradient)
    gradient /= truth.largest
    within = (loss <= rtol + _ROUNDING * eps) & (gradient <= rtol + eps * truth.rounding)
    return Errors(float(loss.max()), float(gradient.max()), bool(within.all()))
