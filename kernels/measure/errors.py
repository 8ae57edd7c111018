"""When a result agrees with the exact one."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["ROUNDING", "Agreement", "Tolerance", "agreement"]


class Tolerance(NamedTuple):
    """The largest errors allowed, as `agreement` measures them."""

    loss: float
    gradient: float

    def plus(self, loss: float, gradient: float) -> Tolerance:
        """Return the tolerance that allows so much more."""
        return Tolerance(self.loss + loss, self.gradient + gradient)


# By the dtype of the result: what rounding may cost, on either side, in sums of a million terms.
ROUNDING = {
    "float64": Tolerance(loss=1e-11, gradient=1e-11),
    "float32": Tolerance(loss=1e-5, gradient=2e-5),
}


class Agreement(NamedTuple):
    """Measured errors beside those allowed."""

    loss_error: float
    gradient_error: float
    tolerance: Tolerance

    @property
    def loss_agrees(self) -> bool:
        # Written so that NaN disagrees.
        return self.loss_error <= self.tolerance.loss

    @property
    def gradient_agrees(self) -> bool:
        return self.gradient_error <= self.tolerance.gradient

    @property
    def agrees(self) -> bool:
        return self.loss_agrees and self.gradient_agrees


def agreement(
    result: tuple[Any, Any], exact: tuple[Any, Any], tolerance: Tolerance | None = None
) -> Agreement:
    """Return how far two (loss, gradient) are apart.

    Parameters
    ----------
    result, exact : tuple of (loss, gradient)
        Losses of shape (...) and gradients of shape (..., N), in one dtype.
    tolerance : Tolerance, optional
        What is allowed; what rounding may cost if not given.

    Returns
    -------
    Agreement
        Over all rows, the largest abs(L - L0) / max(1, abs(L0)), and the largest abs(g - g0) over
        the largest abs(g0). Infinite or NaN results give NaN or infinity, which never agrees.
    """
    if tolerance is None:
        tolerance = ROUNDING[np.asarray(exact[1]).dtype.name]
    loss, gradient = (np.asarray(array, np.float64) for array in result)
    loss0, gradient0 = (np.asarray(array, np.float64) for array in exact)
    with np.errstate(invalid="ignore", over="ignore"):
        loss_error = np.max(np.abs(loss - loss0) / np.maximum(1.0, np.abs(loss0)))
        gradient_error = np.max(np.abs(gradient - gradient0)) / largest(gradient0)
    return Agreement(float(loss_error), float(gradient_error), tolerance)


def largest(gradient: Any) -> float:
    """Return the largest magnitude of a gradient; 1 for the gradient 0 that one point alone has."""
    return float(np.max(np.abs(gradient))) or 1.0
