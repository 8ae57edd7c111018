"""The bad-input rules: what each argument may be, and the exception that names it when it is not."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

_REAL_KINDS = "fiub"
_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)
_COMPUTE_DTYPES = (np.dtype(np.float64), np.dtype(np.float32))


def real_array(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as a native, aligned float32 or float64 array, without copying one that is."""
    array = rectangular(name, value)
    dtype = array.dtype
    if dtype in _COMPUTE_DTYPES and dtype.isnative and array.flags.aligned:
        return array
    if dtype.kind not in _REAL_KINDS:
        raise TypeError(f"{name} must hold real numbers, got dtype {dtype}")
    return array.astype(np.float32 if dtype == np.float32 else np.float64)


def rectangular(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as an array of whatever dtype it has."""
    if type(value) is np.ndarray:
        return value
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of real numbers: {error}") from None


def real_parameter(name: str, value: Any) -> float | NDArray[np.float64]:
    """Return a scalar or an array of finite real numbers, one for each row, in float64."""
    if type(value) is float or type(value) is int:
        number = _to_float(name, value)
        if not math.isfinite(number):
            raise ValueError(f"{name} must be finite, got {number}")
        return number
    array = real_array(name, value)
    if array.ndim == 0:
        return real_parameter(name, float(array))
    array = array.astype(np.float64, copy=False)
    require(name, array, np.asarray(np.isfinite(array)), "must be finite")
    return array


def _to_float(name: str, value: Any) -> float:
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be finite, got {value}") from None


def require(name: str, array: NDArray[Any], good: Any, rule: str) -> None:
    """Raise ValueError at the first entry of `array` that is not `good`."""
    if good.all():
        return
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    where = f"{name}[{', '.join(map(str, index))}]" if index else name
    raise ValueError(f"{name} {rule}, got {where} = {array[index]}")


def require_data(x: NDArray[Any], z: NDArray[Any]) -> None:
    """Raise if a data point is not finite, a logit NaN or +inf, or all logits of a row -inf."""
    require("x", x, np.isfinite(x), "must be finite")
    require("z", z, ~np.isnan(z) & (z != np.inf), "must be finite or -inf (a masked point)")
    unmasked = (z > -np.inf).any(axis=-1)
    require("z", z[..., 0], unmasked, "must have a logit above -inf in every row")


def one_of(name: str, value: Any, known: Iterable[str]) -> str:
    """Return `value` if it is one of the known names."""
    known = tuple(known)
    if isinstance(value, str) and value in known:
        return value
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def integer(name: str, value: Any) -> int:
    """Return an integer; a bool or a float is not one."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None


def positive(name: str, value: float | NDArray[np.float64]) -> None:
    """Raise if `value` is not positive everywhere, or so small that its inverse is beyond any float."""
    if isinstance(value, float) and value >= _SMALLEST_NORMAL:
        return
    numbers = np.asarray(value)
    require(name, numbers, np.asarray(numbers > 0), "must be positive")
    rule = f"must be at least {_SMALLEST_NORMAL}, the smallest normal number"
    require(name, numbers, np.asarray(numbers >= _SMALLEST_NORMAL), rule)


def tolerance(value: Any) -> float:
    """Return `rtol` as a float in [0, 1)."""
    rtol = real_parameter("rtol", value)
    if not isinstance(rtol, float):
        raise ValueError(f"rtol must be a scalar, got an array of shape {rtol.shape}")
    if not 0 <= rtol < 1:
        raise ValueError(f"rtol must lie in [0, 1), got {rtol}")
    return rtol


def period_length(value: Any) -> float | None:
    """Return `period` as a positive float, or None on the line."""
    if value is None:
        return None
    period = real_parameter("period", value)
    if not isinstance(period, float):
        raise ValueError(f"period must be a scalar, got an array of shape {period.shape}")
    positive("period", period)
    return period


def interval(a: float | NDArray[np.float64], b: float | NDArray[np.float64], period: float | None) -> None:
    """Raise unless a < b, b - a is finite, and b - a is at most one period (to rounding)."""
    if (
        isinstance(a, float)
        and isinstance(b, float)
        and 0 < b - a <= (math.inf if period is None else period)
    ):
        if not math.isfinite(b - a):
            raise ValueError(f"b - a must be finite, got a = {a}, b = {b}")
        return
    with np.errstate(over="ignore"):
        length = np.asarray(b) - np.asarray(a)
    # NumPy has broadcast a and b; a length that is wrong is reported at its own index.
    require("b - a", length, length > 0, "must be positive (a < b)")
    require("b - a", length, np.isfinite(length), "must be finite")
    if period is not None:
        slack = 4 * np.finfo(np.float64).eps * (np.abs(a) + np.abs(b) + period)
        require("b - a", length, length <= period + slack, f"must be at most the period {period}")


def broadcast_rows(shapes: dict[str, tuple[int, ...]]) -> tuple[int, ...]:
    """Return the common shape of the arguments' leading dimensions."""
    common: tuple[int, ...] = ()
    for name, shape in shapes.items():
        try:
            common = np.broadcast_shapes(common, shape)
        except ValueError:
            earlier = ", ".join(f"{other} {s}" for other, s in shapes.items() if other != name and s)
            raise ValueError(
                f"{name} has rows of shape {shape}, which do not broadcast with those of {earlier}"
            ) from None
    return common


def output(name: str, value: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return `value` if it is a writeable array of the given shape and dtype."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array, got {type(value).__name__}")
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    if value.dtype != dtype:
        raise TypeError(f"{name} must have dtype {dtype}, got {value.dtype}")
    if not value.flags.writeable:
        raise ValueError(f"{name} must be writeable, got a read-only array")
    return value


def axis_of(name: str, array: NDArray[Any], axis: Any) -> int:
    """Return an axis, along which there must be something, as a number from 0 on."""
    index = integer("axis", axis)
    if array.ndim == 0:
        raise ValueError(f"{name} must have an axis, got a scalar")
    if not -array.ndim <= index < array.ndim:
        raise ValueError(f"axis must lie in {-array.ndim} .. {array.ndim - 1}, got {index}")
    if array.shape[index] == 0:
        raise ValueError(f"{name} must not be empty along axis {index}, got shape {array.shape}")
    return index % array.ndim


def unavailable(name: str, value: str, reason: str, alternatives: Iterable[str]) -> NoReturn:
    """Raise for a known name that does not apply here, naming those that do."""
    raise ValueError(f"{name} {value!r} {reason}; use one of {', '.join(map(repr, alternatives))}")
