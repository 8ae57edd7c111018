"""Entropy, cross-entropy and relative entropy of discrete distributions, in nats."""

from __future__ import annotations  # help() shows them as they are written

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arguments import checks
from .arguments.arrays import FLOAT32, FLOAT64, contiguous
from .arguments.distributions import common_shape, in_range, masses
from .arguments.float_errors import no_float_errors
from .arguments.kinds import in_kind
from .logits.masses import CHUNK, CROSS, ENTROPY, RELATIVE, mass_rows
from .logits.shares import rows_of_a_unit, share_units


@in_kind("p")
@no_float_errors
def entropy(p: ArrayLike, axis: int = -1) -> Any:
    """Return the entropy H(P) = -sum p log p along an axis, with 0 log 0 = 0.

    Parameters
    ----------
    p : array_like
        Masses, finite and not negative. They are taken as they are: nothing is normalised.
    axis : int, default -1
        The axis of the distributions.

    Returns
    -------
    float or ndarray
        Entropies in nats, one for each distribution: float32 for float32, float64 otherwise.

    Raises
    ------
    ValueError
        If a mass is negative or not finite, or there are none along the axis.
    TypeError
        If p does not hold real numbers or axis is no integer.

    Notes
    -----
    O(size) time in one pass.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.entropy([0.5, 0.25, 0.25, 0.0])), 6)
    1.039721
    """
    return _sums(ENTROPY, axis, {"p": p})


@in_kind("p", "q")
@no_float_errors
def cross_entropy(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Any:
    """Return the cross-entropy H(P, Q) = -sum p log q along an axis, with 0 log 0 = 0.

    Parameters
    ----------
    p, q : array_like
        Masses, finite and not negative, of shapes that broadcast. Nothing is normalised.
    axis : int, default -1
        The axis of the distributions.

    Returns
    -------
    float or ndarray
        Cross-entropies in nats; +inf where a q is 0 and its p is not. float32 if both are.

    Raises
    ------
    ValueError, TypeError
        As from `entropy`, and for shapes that do not broadcast.

    Notes
    -----
    O(size) time in one pass. H(P, Q) = H(P) + KL(P || Q).

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.cross_entropy([1.0, 0.0], [0.25, 0.75])), 6)
    1.386294
    """
    return _sums(CROSS, axis, {"p": p, "q": q})


@in_kind("p", "q")
@no_float_errors
def kl_divergence(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Any:
    """Return the relative entropy KL(P || Q) = sum p log(p / q) along an axis, with 0 log 0 = 0.

    Parameters
    ----------
    p, q, axis
        As in `cross_entropy`.

    Returns
    -------
    float or ndarray
        Divergences in nats; +inf where a q is 0 and its p is not. float32 if both are.

    Raises
    ------
    ValueError, TypeError
        As from `cross_entropy`.

    Notes
    -----
    O(size) time in one pass. Logarithms are of ratios: a distribution has no divergence from itself, to
    the last bit, and ratios may overflow.

    Examples
    --------
    >>> import kdexent
    >>> round(float(kdexent.kl_divergence([0.5, 0.5], [0.25, 0.75])), 6)
    0.143841
    """
    return _sums(RELATIVE, axis, {"p": p, "q": q})


def _sums(kind: str, axis: int, given: dict[str, ArrayLike]) -> Any:
    arrays = {name: checks.real_array(name, value) for name, value in given.items()}
    shape, index = common_shape(axis, arrays)
    dtype = FLOAT32 if all(array.dtype == FLOAT32 for array in arrays.values()) else FLOAT64
    rows = [_rows(array, shape, index, dtype) for array in arrays.values()]
    width, lead = shape[index], (*shape[:index], *shape[index + 1 :])
    sums = np.empty((math.prod(lead), -(-width // CHUNK)))
    run, size = mass_rows(kind, dtype)(), rows_of_a_unit(sums.size, min(width, CHUNK))
    bad = np.zeros(-(-sums.size // size), np.int64)
    numbers = sums.shape[0] * width
    share_units(numbers, len(bad), lambda *units: run(rows[0], rows[-1], size, sums, bad, *units))
    if bad.any():
        for name, array in arrays.items():
            masses(name, array)
    result = sums[:, 0] if sums.shape[1] == 1 else sums.sum(axis=1)
    if not np.isfinite(result).all():
        _mend(kind, rows[0], rows[-1], result)
    return result.reshape(lead).astype(dtype)[()]


def _mend(kind: str, p: NDArray[Any], q: NDArray[Any], sums: NDArray[np.float64]) -> None:
    """Compute sums (N,) again where terms overflowed: they may be finite, or have another sign."""
    for row in np.flatnonzero(~np.isfinite(sums)):
        scaled, unit = in_range(p[row if len(p) > 1 else 0])
        counts = scaled > 0
        logs = np.log(scaled[counts] / unit)
        others = q[row if len(q) > 1 else 0][counts].astype(np.float64)
        if kind != ENTROPY:
            logs = (logs if kind == RELATIVE else 0.0) - np.log(others)
        sums[row] = (scaled[counts] * (-logs if kind == ENTROPY else logs)).sum() / unit[0]


def _rows(array: NDArray[Any], shape: tuple[int, ...], index: int, dtype: np.dtype) -> NDArray[Any]:
    """Return rows (N, K) of an array broadcast to a shape, or the one row (1, K) that serves them all."""
    if array.ndim == 1 and index == len(shape) - 1 and array.shape[0] == shape[-1]:
        return contiguous(array[np.newaxis], dtype)
    last = np.moveaxis(np.broadcast_to(array, shape), index, -1)
    return contiguous(last.reshape(-1, shape[index]), dtype)
