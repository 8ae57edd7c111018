"""What the arguments of entropy, cross_entropy and kl_divergence may be."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks


def masses(name: str, value: Any) -> NDArray[Any]:
    """Return an array of masses, finite and not negative."""
    array = checks.real_array(name, value)
    good = (array >= 0) & np.isfinite(array)
    checks.require(name, array, np.asarray(good), "must be finite and not negative")
    return array


def common_shape(axis: Any, arrays: dict[str, NDArray[Any]]) -> tuple[tuple[int, ...], int]:
    """Return the shape that arrays broadcast to, and the axis of the distributions as a number from 0 on."""
    shape: tuple[int, ...] = ()
    for name, array in arrays.items():
        try:
            shape = np.broadcast_shapes(shape, array.shape)
        except ValueError:
            others = ", ".join(f"{other} {a.shape}" for other, a in arrays.items() if other != name)
            raise ValueError(f"{name} of shape {array.shape} does not broadcast with {others}") from None
    return shape, checks.axis_of("p", np.broadcast_to(0, shape), axis)
