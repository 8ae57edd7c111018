"""What the arguments of the softmax and sigmoid losses may be, as reference and fast code both take them."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import checks
from .arrays import Floats

REDUCTIONS = ("mean", "sum", "none")
_ALL_ALIKE = np.ones(1)
_ALL_ALIKE.flags.writeable = False
# How far from 1 the sum of a row of probabilities may be: what rounding up to some 10,000 of them to float16
# costs, whatever dtype they have now.
SUM_TOLERANCE = 1e-3
# Powers of two between which the largest weight neither overflows in sums nor makes small losses underflow.
_LEAST_POWER, _MOST_POWER = 0, 300


class Samples(NamedTuple):
    """Checked arguments of a loss over samples, leading dimensions flattened to N rows."""

    shape: tuple[int, ...]  # of the samples
    logits: NDArray[Any]  # (N, C)
    labels: NDArray[Any]  # (N,) classes, -1 for samples that do not count; or (N, C) probabilities
    given: NDArray[Any]  # labels in the shape and dtype that they came in
    weights: Floats  # (N,), or (1,) for all alike
    smoothing: float
    reduction: str
    ignores: bool  # some label may not count

    @property
    def classes(self) -> int:
        classes: int = self.logits.shape[1]
        return classes

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.logits.dtype

    @property
    def full_shape(self) -> tuple[int, ...]:
        """Of the logits as the caller counts them."""
        return (*self.shape, self.classes)

    def in_shape(self, rows: NDArray[Any]) -> NDArray[Any]:
        """Return logits or labels (N, C) as the caller counts them."""
        return rows.reshape(self.full_shape)


def softmax_samples(
    logits: Any,
    labels: Any,
    sample_weight: Any,
    label_smoothing: Any,
    ignore_index: Any,
    reduction: Any,
    check_classes: bool = True,
) -> Samples:
    """Check the arguments of `softmax_cross_entropy`; class numbers unless who uses them does."""
    z, shape = _logits(logits)
    given = checks.rectangular("labels", labels)
    if given.dtype.kind not in "biuf":
        checks.real_array("labels", given)
    if given.dtype.kind in "iu" and given.shape == shape:
        chosen = softmax_classes(given, z.shape[1], ignore_index, check_classes)
    elif given.shape == (*shape, z.shape[1]):
        if ignore_index is not None:
            raise ValueError(f"ignore_index needs labels that are class numbers, got {ignore_index!r}")
        chosen = checks.real_array("labels", given).reshape(z.shape)
    elif given.shape == shape:
        raise TypeError(f"labels must be integers, one for each sample, got dtype {given.dtype}")
    else:
        raise ValueError(
            f"labels must have shape {shape} (classes) or {(*shape, z.shape[1])} (probabilities), "
            f"got {given.shape}"
        )
    options = _options(shape, sample_weight, label_smoothing, reduction)
    return Samples(shape, z, chosen, given, *options, ignore_index is not None)


def sigmoid_samples(
    logits: Any, labels: Any, sample_weight: Any, label_smoothing: Any, ignore_index: Any, reduction: Any
) -> Samples:
    """Check the arguments of `sigmoid_cross_entropy`; labels that do not count become -1."""
    z, shape = _logits(logits)
    y = checks.real_array("labels", labels)
    if y.shape != (*shape, z.shape[1]):
        raise ValueError(f"labels must have the shape of the logits, {(*shape, z.shape[1])}, got {y.shape}")
    ignored = np.zeros(y.shape, bool)
    if ignore_index is not None:
        ignored = y == checks.integer("ignore_index", ignore_index)
    checks.require("labels", y, ignored | ((y >= 0) & (y <= 1)), "must lie in [0, 1]")
    y = (np.where(ignored, -1, y) if ignored.any() else y).reshape(z.shape)
    options = _options(shape, sample_weight, label_smoothing, reduction)
    return Samples(shape, z, y, y, *options, ignore_index is not None)


def require_logits(samples: Samples, per_row: bool) -> None:
    """Raise if a logit is NaN or +inf or, with `per_row`, if all of a row are -inf."""
    logits = samples.in_shape(samples.logits)
    checks.require("logits", logits, ~np.isnan(logits) & (logits != np.inf), "must be finite or -inf")
    if per_row:
        possible = (logits > -np.inf).any(axis=-1)
        checks.require("logits", logits[..., 0], possible, "must have one above -inf in every row")


def _logits(logits: Any) -> tuple[NDArray[Any], tuple[int, ...]]:
    z = checks.logits_array("logits", logits)
    if z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(f"logits must have shape (..., C) with at least one class, got {z.shape}")
    return z.reshape(math.prod(z.shape[:-1]), z.shape[-1]), z.shape[:-1]


def softmax_classes(
    labels: NDArray[Any], classes: int, ignore_index: Any, check: bool = True
) -> NDArray[np.int64]:
    """Return class numbers, -1 for those that are ignored; check the others unless who uses them does."""
    y = np.ascontiguousarray(labels.reshape(-1), np.int64)
    if ignore_index is None:
        if check and y.size and y.view(np.uint64).max() >= classes:  # a negative one is larger than all
            require_classes(labels, classes)
        return y
    ignored = labels == checks.integer("ignore_index", ignore_index)
    require_classes(labels, classes, ignored)
    return np.where(ignored.reshape(-1), -1, y)


def require_classes(labels: NDArray[Any], classes: int, ignored: Any = False) -> None:
    """Raise if a class number is none and is not ignored."""
    good = (labels >= 0) & (labels < classes) | ignored
    checks.require("labels", labels, good, f"must lie in 0 .. {classes - 1}")


def require_probabilities(samples: Samples) -> None:
    """Raise unless rows of labels hold probabilities that sum to 1."""
    p = samples.in_shape(samples.labels)
    checks.require_masses("labels", p)
    total = p.sum(axis=-1, dtype=np.float64)
    rule = f"must be 1 in every row, to {SUM_TOLERANCE:g}"
    checks.require("the sum of labels", total, np.abs(total - 1) <= SUM_TOLERANCE, rule)


def _options(
    shape: tuple[int, ...], sample_weight: Any, label_smoothing: Any, reduction: Any
) -> tuple[Floats, float, str]:
    """Return weights of samples (N,), or (1,) for all alike, the smoothing and the reduction."""
    weights = _ALL_ALIKE
    if sample_weight is not None:
        given = checks.real_array("sample_weight", sample_weight)
        if given.shape != shape:
            raise ValueError(f"sample_weight must have one for each sample, shape {shape}, got {given.shape}")
        checks.require_masses("sample_weight", given)
        weights = np.ascontiguousarray(given, np.float64).reshape(-1)
    smoothing = checks.scalar("label_smoothing", label_smoothing)
    if not 0 <= smoothing <= 1:
        raise ValueError(f"label_smoothing must lie in [0, 1], got {smoothing}")
    return weights, smoothing, checks.one_of("reduction", reduction, REDUCTIONS)


def moderate(weights: Floats) -> Floats:
    """Return weights times a power of two, which no mean depends on and that keeps their sums in range."""
    largest = float(weights.max(initial=0.0))
    power = math.frexp(largest)[1]
    if largest == 0 or _LEAST_POWER <= power <= _MOST_POWER:
        return weights
    if power < _LEAST_POWER:
        return np.ldexp(weights, _LEAST_POWER - power)
    scaled = weights * 2.0 ** (_MOST_POWER - power)
    return np.where(weights > 0, np.maximum(scaled, np.nextafter(0.0, 1.0)), 0.0)


def weights_and_share(samples: Samples, counts: NDArray[Any] | int) -> tuple[Floats, float]:
    """Return weights, and by how much a unit of weight counts: 1, or its share in all weights for the mean.

    counts is how many losses of each sample count, (N,), or of all samples alike. Where nothing counts the
    mean is 0.
    """
    weights = samples.weights
    if samples.reduction != "mean":
        return weights, 1.0
    if weights is _ALL_ALIKE:
        total = float(counts * len(samples.logits) if isinstance(counts, int) else counts.sum())
    else:
        alike = isinstance(counts, int)
        weights = moderate(weights if alike else np.where(counts > 0, weights, 0.0))
        total = float(weights.sum() * counts if alike else (weights * counts).sum())
    return weights, 1 / total if total > 0 else 0.0
