"""What the arguments of entropy, cross_entropy and kl_divergence may be."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import checks

_LARGE, _UNIT = 2.0**900, 2.0**-128


def masses(name: str, value: Any) -> NDArray[Any]:
    """Return an array of masses, finite and not negative."""
    array = checks.real_array(name, value)
    checks.require_masses(name, array)
    return array


def in_range(p: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return masses in float64 times powers of two that keep products with logarithms finite, and these.

    What such products come to may be finite where some of them are not.
    """
    masses = p.astype(np.float64)
    large = masses.max(axis=-1, keepdims=True) > _LARGE
    units = np.where(large, _UNIT, 1.0)
    return np.multiply(masses, units, out=masses, where=large), units


def common_shape(axis: Any, arrays: dict[str, NDArray[Any]]) -> tuple[tuple[int, ...], int]:
    """Return the shape that arrays broadcast to, and the axis of the distributions as a number from 0 on.

    Along that axis all have the same length: one mass does not stand for all of another's.
    """
    shape: tuple[int, ...] = ()
    for name, array in arrays.items():
        try:
            shape = np.broadcast_shapes(shape, array.shape)
        except ValueError:
            others = ", ".join(f"{other} {a.shape}" for other, a in arrays.items() if other != name)
            raise ValueError(f"{name} of shape {array.shape} does not broadcast with {others}") from None
    index = checks.axis_of("p", np.broadcast_to(0, shape), axis)
    for name, array in arrays.items():
        before = len(shape) - array.ndim
        if index < before or array.shape[index - before] != shape[index]:
            raise ValueError(
                f"{name} must have {shape[index]} masses along the axis of the distributions, "
                f"got shape {array.shape}"
            )
    return shape, index
