"""Entropy, cross-entropy and relative entropy of discrete distributions, in nats.

    H(P) = -sum p log p,  H(P, Q) = -sum p log q,  KL(P || Q) = sum p log(p / q) = H(P, Q) - H(P)

0 log 0 = 0, and a q of 0 where p is not makes the last two infinite.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kdexent.arguments.arrays import FLOAT32, FLOAT64
from kdexent.arguments.distributions import common_shape, in_range, masses
from kdexent.arguments.float_errors import no_float_errors


@no_float_errors
def entropy(p: ArrayLike, axis: int = -1) -> Any:
    """Return H(P); see `kdexent.entropy`.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.entropy([0.5, 0.5])), 6)
    0.693147
    """
    (rows,), dtype = _rows(axis, p=masses("p", p))
    return _sum(rows, -_log(rows), dtype)


@no_float_errors
def cross_entropy(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Any:
    """Return H(P, Q); see `kdexent.cross_entropy`.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.cross_entropy([1.0, 0.0], [0.5, 0.5])), 6)
    0.693147
    """
    (rows, others), dtype = _rows(axis, p=masses("p", p), q=masses("q", q))
    return _sum(rows, -_log(others), dtype)


@no_float_errors
def kl_divergence(p: ArrayLike, q: ArrayLike, axis: int = -1) -> Any:
    """Return KL(P || Q); see `kdexent.kl_divergence`.

    Examples
    --------
    >>> from kdexent import reference
    >>> round(float(reference.kl_divergence([1.0, 0.0], [0.5, 0.5])), 6)
    0.693147
    """
    (rows, others), dtype = _rows(axis, p=masses("p", p), q=masses("q", q))
    rows, others = rows.astype(np.float64), others.astype(np.float64)
    logs = np.log(rows, out=np.zeros(rows.shape), where=rows > 0) - np.log(others)
    return _sum(rows, logs, dtype)


def _rows(axis: int, **arrays: NDArray[Any]) -> tuple[list[NDArray[Any]], np.dtype[Any]]:
    """Return arrays broadcast against each other with the axis last, and the dtype of the result."""
    shape, index = common_shape(axis, arrays)
    single = all(array.dtype == FLOAT32 for array in arrays.values())
    rows = [np.moveaxis(np.broadcast_to(array, shape), index, -1) for array in arrays.values()]
    return rows, FLOAT32 if single else FLOAT64


def _log(q: NDArray[Any]) -> NDArray[np.float64]:
    return np.log(q.astype(np.float64))


def _sum(p: NDArray[Any], logs: NDArray[np.float64], dtype: np.dtype[Any]) -> Any:
    """Return the sums of p times logarithms, 0 where p is 0; scaled so that no product overflows alone."""
    masses, units = in_range(p)
    products = np.multiply(masses, logs, out=np.zeros(masses.shape), where=masses > 0)
    return (products.sum(axis=-1) / units[..., 0]).astype(dtype)[()]
