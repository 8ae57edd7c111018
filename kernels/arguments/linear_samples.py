"""What the arguments of the linear softmax classifier may be, as reference and fast code both take them."""

from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import checks
from .arrays import Floats
from .labels import softmax_classes


class LinearSamples(NamedTuple):
    """Checked arguments: samples with features, and weights for each class."""

    W: NDArray[Any]  # (C, D)
    X: Any  # (N, D), an array or a SciPy sparse array in rows
    labels: NDArray[np.int64]  # (N,)
    l2: float
    reduction: str
    dtype: np.dtype[Any]

    @property
    def share(self) -> float:
        """By how much a sample counts."""
        count = len(self.labels)
        return 1 / count if self.reduction == "mean" and count else 1.0


def linear_samples(W: Any, X: Any, labels: Any, l2: Any, reduction: Any) -> LinearSamples:
    """Check the arguments of `linear_softmax_loss`."""
    W = checks.real_array("W", W)
    if W.ndim != 2 or 0 in W.shape:
        raise ValueError(f"W must have shape (C, D), one row of weights for each class, got {W.shape}")
    checks.require_finite("W", W)
    sparse = hasattr(X, "tocsr")
    X = X.tocsr() if sparse else checks.real_array("X", X)
    if sparse:
        checks.real_array("X", X.data[:0])
    if X.ndim != 2 or X.shape[1] != W.shape[1]:
        raise ValueError(f"X must have shape (N, {W.shape[1]}), a column for each of W's, got {X.shape}")
    y = checks.rectangular("labels", labels)
    if y.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, one for each sample, got dtype {y.dtype}")
    if y.shape != (X.shape[0],):
        raise ValueError(f"labels must have shape ({X.shape[0]},), got {y.shape}")
    strength = checks.real_parameter("l2", l2)
    if not isinstance(strength, float) or strength < 0:
        raise ValueError(f"l2 must be a number that is not negative, got {l2!r}")
    single = W.dtype == np.float32 and X.dtype == np.float32
    dtype = np.dtype(np.float32 if single else np.float64)
    reduction = checks.one_of("reduction", reduction, ("mean", "sum"))
    return LinearSamples(W, X, softmax_classes(y, W.shape[0], None), strength, reduction, dtype)


def scores_of(W: NDArray[Any], X: Any) -> Floats:
    """Return X W' in float64, (N, C)."""
    scores: Floats = X.astype(np.float64, copy=False) @ W.T.astype(np.float64, copy=False)
    return scores


def require_finite_scores(X: Any) -> NoReturn:
    """Raise what is wrong where scores are not finite."""
    checks.require_finite("X", X.data if hasattr(X, "tocsr") else X)
    raise ValueError("W and X must have products that are finite, and some overflow")
