"""When the fast and the reference result agree."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["TOLERANCES", "Agreement", "Tolerance", "agreement"]


class Tolerance(NamedTuple):
    """The largest errors allowed, as `agreement` measures them."""

    loss: float
    gradient: float


# By the dtype of the result: what rounding may cost, on either side, in sums of a million terms.
TOLERANCES = {
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


def agreement(fast: tuple[Any, Any], reference: tuple[Any, Any]) -> Agreement:
    """Return how far two (loss, gradient) are apart.

    Parameters
    ----------
    fast, reference : tuple of (loss, gradient)
        Losses of shape (...) and gradients of shape (..., N), in one dtype.

    Returns
    -------
    Agreement
        Over all rows, the largest abs(L - L0) / max(1, abs(L0)), and the largest abs(g - g0) over
        the largest abs(g0). Infinite or NaN results give NaN or infinity, which never agrees.
    """
    tolerance = TOLERANCES[np.asarray(reference[1]).dtype.name]
    loss, gradient = (np.asarray(array, np.float64) for array in fast)
    loss0, gradient0 = (np.asarray(array, np.float64) for array in reference)
    with np.errstate(invalid="ignore", over="ignore"):
        loss_error = np.max(np.abs(loss - loss0) / np.maximum(1.0, np.abs(loss0)))
        # One point alone has the gradient 0.
        scale = np.max(np.abs(gradient0)) or 1.0
        gradient_error = np.max(np.abs(gradient - gradient0)) / scale
    return Agreement(float(loss_error), float(gradient_error), tolerance)
