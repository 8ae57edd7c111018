"""The only definition of an error, and when a result agrees with the exact one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arguments.arrays import Floats

_VALUES_AT_A_TIME = 2**18
# Some tens of eps of what the gradient is a difference of, and a loss's own rounding.
_EPS_ALLOWED = 100


class Tolerance(NamedTuple):
    """The largest errors allowed, of every row or of each."""

    loss: float | Floats
    gradient: float | Floats

    def plus(self, loss: float, gradient: float) -> Tolerance:
        """Return the tolerance that allows so much more."""
        return Tolerance(self.loss + loss, self.gradient + gradient)


# By the dtype of the result: what rounding may cost two computations that share none of it, in sums of
# a million terms.
ROUNDING = {
    "float64": Tolerance(loss=1e-11, gradient=1e-11),
    "float32": Tolerance(loss=1e-5, gradient=2e-5),
}


class Error(NamedTuple):
    """An error, beside what is allowed."""

    value: float
    allowed: float

    @property
    def share(self) -> float:
        return self.value / self.allowed


class Agreement(NamedTuple):
    """The errors of each row, abs(L - L0) / max(1, abs(L0)) and max abs(g - g0) / max abs(g0)."""

    losses: Floats  # (R,)
    gradients: Floats  # (R,)
    tolerance: Tolerance

    @property
    def loss_error(self) -> float:
        """The worst row's."""
        return float(self.losses.max())

    @property
    def gradient_error(self) -> float:
        """The worst row's."""
        return float(self.gradients.max())

    @property
    def loss_agrees(self) -> bool:
        return bool((self.losses <= self.tolerance.loss).all())

    @property
    def gradient_agrees(self) -> bool:
        return bool((self.gradients <= self.tolerance.gradient).all())

    @property
    def agrees(self) -> bool:
        return self.loss_agrees and self.gradient_agrees

    @property
    def worst(self) -> Error:
        """The error that is the largest part of what is allowed."""
        errors = np.stack((self.losses, self.gradients))
        allowed = np.stack([np.broadcast_to(each, self.losses.shape) for each in self.tolerance])
        at = np.unravel_index(np.argmax(errors / allowed), errors.shape)
        return Error(float(errors[at]), float(allowed[at]))

    @property
    def problem(self) -> str:
        """Which errors are too large, in words; nothing where none is."""
        kinds = (
            ("loss", self.loss_agrees, self.loss_error, self.tolerance.loss),
            ("gradient", self.gradient_agrees, self.gradient_error, self.tolerance.gradient),
        )
        return "; ".join(
            f"{name} error {error:.1e} is over {np.min(allowed):.1e}"
            for name, agrees, error, allowed in kinds
            if not agrees
        )


def agreement(
    result: tuple[Any, Any], exact: tuple[Any, Any], tolerance: Tolerance | None = None
) -> Agreement:
    """Return how far two (loss, gradient) are apart, row by row: R losses of any shape, and R gradients.

    What rounding may cost is allowed if no tolerance is given. Equal infinite losses are no error, NaN is an
    infinite one.
    """
    losses = loss_errors(result[0], exact[0])
    gradient, gradient0 = (np.asarray(each[1]).reshape(len(losses), -1) for each in (result, exact))
    if tolerance is None:
        tolerance = ROUNDING[gradient0.dtype.name]
    apart = np.zeros(len(losses))
    with np.errstate(invalid="ignore", over="ignore"):
        for part in _columns(gradient0):
            gap = np.subtract(gradient[:, part], gradient0[:, part], dtype=np.float64)
            np.maximum(apart, np.abs(gap, out=gap).max(axis=-1), out=apart)
        gradients = apart / largest(gradient0)
    gradients[np.isnan(gradients)] = np.inf
    return Agreement(losses, gradients, tolerance)


def loss_errors(losses: Any, exact: Any) -> Floats:
    """Return abs(L - L0) / max(1, abs(L0)) of each row, (R,)."""
    loss, loss0 = (np.asarray(each, np.float64).reshape(-1) for each in (losses, exact))
    with np.errstate(invalid="ignore", over="ignore"):
        found: Floats = np.abs(loss - loss0) / np.maximum(1, np.abs(loss0))
    found[loss == loss0] = 0
    found[np.isnan(found)] = np.inf
    return found


def largest(gradient: NDArray[Any]) -> Floats:
    """Return each row's largest magnitude, (R,) of (R, N); 1 for the gradient 0 that one point alone has."""
    found = np.zeros(len(gradient))
    for part in _columns(gradient):
        np.maximum(found, np.abs(gradient[:, part]).max(axis=-1), out=found)
    found[found == 0] = 1
    return found


def _columns(array: NDArray[Any]) -> Iterator[slice]:
    """Yield parts of the columns (R, N), so that no temporary is as large as the array."""
    step = max(1, _VALUES_AT_A_TIME // len(array))
    return (slice(first, first + step) for first in range(0, array.shape[1], step))


class Truth(NamedTuple):
    """Exact values, and what floating point costs any gradient beside them."""

    result: tuple[Any, Any]
    rounding: Floats  # in units of eps and the row's largest |g|, (R,)

    def agreement(self, result: tuple[Any, Any], rtol: float) -> Agreement:
        """Return a result's errors beside those that rtol and rounding allow."""
        eps = np.finfo(np.asarray(result[1]).dtype).eps
        return agreement(
            result, self.result, Tolerance(rtol + _EPS_ALLOWED * eps, rtol + eps * self.rounding)
        )


def truth(result: tuple[Any, Any], logits: NDArray[Any]) -> Truth:
    """Return the truth from a (loss, gradient) and the logits (..., N)."""
    shape = np.shape(result[1])
    rows = math.prod(shape[:-1])
    gradients = np.asarray(result[1], np.float64).reshape(rows, -1)
    top = np.broadcast_to(logits.max(axis=-1).astype(np.float64), shape[:-1]).reshape(rows, 1)
    logits = np.broadcast_to(logits, shape)
    mass = np.zeros(rows)
    for part in _columns(gradients):
        mass += np.exp(logits[..., part].reshape(rows, -1) - top).sum(axis=-1)
    return Truth(result, _EPS_ALLOWED / mass / largest(gradients))
