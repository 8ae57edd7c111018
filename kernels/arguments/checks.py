"""The bad-input rules: what each argument may be, and the exception that names it when it is not."""

import math
import operator
from collections.abc import Iterable
from contextlib import suppress
from itertools import combinations
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from .arrays import Floats
from .kinds import as_numpy

_REAL_KINDS = "fiub"
_SMALLEST_NORMAL = float(np.finfo(np.float64).tiny)
# Up to here sums of a few lengths, and their inverses, are normal numbers.
LONGEST = 2.0**1000
# By how much an interval may be longer than a period, for rounding, as a part of its ends and the period.
SLACK = 4.0 * float(np.finfo(np.float64).eps)
_MOST_WORK: Any = 10_000  # of telling whether arrays share memory: some 0.1 ms
_NO_WEIGHT = 1e-200  # products with squared distances do not vanish above it
_COMPUTE_DTYPES = (np.dtype(np.float64), np.dtype(np.float32))


def real_array(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as a native, aligned float32 or float64 array, without copying one that is."""
    array = rectangular(name, value)
    dtype = array.dtype
    if dtype in _COMPUTE_DTYPES and dtype.isnative and array.flags.aligned:
        return array
    if dtype.kind not in _REAL_KINDS:
        raise TypeError(f"{name} must hold real numbers, got dtype {dtype}")
    try:
        return array.astype(np.float32 if dtype == np.float32 else np.float64)
    except MemoryError:
        raise ValueError(f"{name} of shape {array.shape} does not fit into memory as float64") from None


def rectangular(name: str, value: Any) -> NDArray[Any]:
    """Return `value` as an array of whatever dtype it has."""
    if type(value) is np.ndarray:
        return value
    _require_unmasked(name, value)
    try:
        array = as_numpy(value)
    except ValueError as error:
        raise ValueError(f"{name} must be a rectangular array of real numbers: {error}") from None
    except MemoryError:
        raise
    except Exception as error:  # such as tensors have, of whatever kind their library chose
        raise TypeError(f"{name} cannot be read as an array of real numbers: {error}") from error
    _require_unmasked(name, array)
    return np.asarray(array)


def logits_array(name: str, value: Any) -> NDArray[Any]:
    """Return logits as `real_array` does, -inf where they are masked: what is masked cannot be."""
    return real_array(name, value if type(value) is np.ndarray else _filled(value))


def _is_masked(value: Any) -> bool:
    return isinstance(value, np.ndarray) and hasattr(value, "mask")


def _holds_masked(value: Any) -> bool:
    """Return whether a value, or anything in its lists, has a mask, which arrays made of it would lose."""
    if not isinstance(value, (list, tuple)):
        return _is_masked(value)
    pending, seen = [value], {id(value)}
    for items in pending:
        if not any(issubclass(kind, (np.ndarray, list, tuple)) for kind in set(map(type, items))):
            continue
        for item in items:
            if _is_masked(item):
                return True
            if isinstance(item, (list, tuple)) and id(item) not in seen:
                seen.add(id(item))
                pending.append(item)
    return False


def _require_unmasked(name: str, value: Any) -> None:
    if _holds_masked(value):
        raise TypeError(f"{name} must not be masked: only logits may be, and count as -inf where they are")


def _filled(value: Any) -> Any:
    """Return logits with -inf where they are masked."""
    if isinstance(value, (list, tuple)):
        return [_filled(item) for item in value] if _holds_masked(value) else value
    if not _is_masked(value):
        return value
    if value.dtype.kind in "iub":
        value = value.astype(np.float64)
    return value.filled(-np.inf) if value.dtype.kind == "f" else np.asarray(value)


def real_parameter(name: str, value: Any) -> float | NDArray[np.float64]:
    """Return a scalar or an array of finite real numbers, one for each row, in float64; no booleans."""
    if type(value) is float or type(value) is int:
        try:
            number = float(value)
        except OverflowError:
            raise ValueError(f"{name} must be finite, got {shown(int(value))}") from None
        if not math.isfinite(number):
            raise ValueError(f"{name} must be finite, got {number}")
        return number
    array = rectangular(name, value)
    if array.dtype == np.bool_:
        raise TypeError(f"{name} must hold real numbers, got {value!r}")
    array = real_array(name, array)
    if array.ndim == 0:
        return real_parameter(name, float(array))
    array = array.astype(np.float64, copy=False)
    require_finite(name, array)
    return array


def shown(number: int) -> str:
    """Return an integer's digits, where Python gives them."""
    try:
        return str(number)
    except ValueError:
        return f"an integer of {number.bit_length()} bits"


def require(name: str, array: NDArray[Any], good: Any, rule: str) -> None:
    """Raise ValueError at the first entry of `array` that is not `good`."""
    if good.all():
        return
    index = tuple(int(i) for i in np.argwhere(~good)[0])
    where = f"{name}[{', '.join(map(str, index))}]" if index else name
    raise ValueError(f"{name} {rule}, got {where} = {array[index]}")


def require_finite(name: str, array: NDArray[Any]) -> None:
    """Raise if a number is not finite."""
    require(name, array, np.isfinite(array), "must be finite")


def require_masses(name: str, array: NDArray[Any]) -> None:
    """Raise if a mass is negative or not finite."""
    require(name, array, (array >= 0) & np.isfinite(array), "must be finite and not negative")


def require_data(x: NDArray[Any], z: NDArray[Any]) -> None:
    """Raise if a data point is not finite, a logit NaN or +inf, or all logits of a row -inf."""
    require_entries(x, z)
    require_unmasked(z)


def require_entries(x: NDArray[Any], z: NDArray[Any]) -> None:
    """Raise if a data point is not finite, or a logit NaN or +inf."""
    require_finite("x", x)
    require("z", z, ~np.isnan(z) & (z != np.inf), "must be finite or -inf (a masked point)")


def require_unmasked(z: NDArray[Any]) -> None:
    """Raise if all logits of a row are -inf."""
    unmasked = (z > -np.inf).any(axis=-1)
    require("z", z[..., 0], unmasked, "must have a logit above -inf in every row")


def weighted_points(name: str, points: Floats, weights: Floats, row: int | None) -> tuple[Floats, Floats]:
    """Return those of points (N,), of a row or the only one, that have a weight; they must not be equal."""
    heavy = weights > _NO_WEIGHT
    points, weights = points[heavy], weights[heavy]
    if points.min() == points.max():
        of_row = "" if row is None else f" in row {row}"
        raise ValueError(
            f"{name} must have two different points with a weight{of_row}, got {points[0]} alone"
        )
    return points, weights


def lengths(name: str, array: Any) -> None:
    """Raise if a length, or an end of the target, is not finite or so large that sums might not be."""
    if isinstance(array, float) and abs(array) <= LONGEST:
        return
    numbers = np.asarray(array)
    require_finite(name, numbers)
    require(name, numbers, np.abs(numbers) <= LONGEST, f"must be at most {LONGEST:.6g} in size")


def one_of(name: str, value: Any, known: tuple[str, ...]) -> str:
    """Return `value` if it is one of the known names."""
    if isinstance(value, str) and value in known:
        return value
    kind = ValueError if isinstance(value, str) else TypeError
    raise kind(f"{name} must be one of {', '.join(map(repr, known))}, got {value!r}")


def integer(name: str, value: Any) -> int:
    """Return an integer; a bool or a float is not one."""
    if type(value) is int:
        return value
    _require_unmasked(name, value)
    if not isinstance(value, bool) and not str(getattr(value, "dtype", "")).endswith("bool"):
        with suppress(Exception):  # of whatever kind a tensor's library chose
            return operator.index(value)
    raise TypeError(f"{name} must be an integer, got {value!r}")


def positive(name: str, value: float | NDArray[np.float64]) -> None:
    """Raise if a length is not positive everywhere, or its inverse no normal number."""
    if isinstance(value, float) and _SMALLEST_NORMAL <= value <= LONGEST:
        return
    numbers = np.asarray(value)
    require(name, numbers, numbers > 0, "must be positive")
    rule = f"must be at least {_SMALLEST_NORMAL}, the smallest normal number"
    require(name, numbers, numbers >= _SMALLEST_NORMAL, rule)
    lengths(name, numbers)


def scalar(name: str, value: Any) -> float:
    """Return a real parameter that is no array."""
    number = real_parameter(name, value)
    if not isinstance(number, float):
        raise ValueError(f"{name} must be a scalar, got an array of shape {number.shape}")
    return number


def tolerance(value: Any) -> float:
    """Return `rtol` as a float in [0, 1)."""
    rtol = scalar("rtol", value)
    if not 0 <= rtol < 1:
        raise ValueError(f"rtol must lie in [0, 1), got {rtol}")
    return rtol


def period_length(value: Any) -> float | None:
    """Return `period` as a positive float, or None on the line."""
    if value is None:
        return None
    period = scalar("period", value)
    positive("period", period)
    return period


def interval(a: float | NDArray[np.float64], b: float | NDArray[np.float64], period: float | None) -> None:
    """Raise unless a < b, neither is too large, and b - a is at most one period (to rounding)."""
    lengths("a", a)
    lengths("b", b)
    longest = math.inf if period is None else period
    if isinstance(a, float) and isinstance(b, float) and 0 < b - a <= longest:
        return
    length = np.asarray(b) - np.asarray(a)
    # NumPy has broadcast a and b; a length that is wrong is reported at its own index.
    require("b - a", length, length > 0, "must be positive (a < b)")
    if period is not None:
        slack = SLACK * (np.abs(a) + np.abs(b) + period)
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
    """Return `value` if it is a writeable array of the given shape and dtype, without a mask."""
    if not isinstance(value, np.ndarray) or _is_masked(value):
        raise TypeError(f"{name} must be a NumPy array without a mask, got {type(value).__name__}")
    if value.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}")
    if value.dtype != dtype:
        raise TypeError(f"{name} must have dtype {dtype}, got {value.dtype}")
    if not value.flags.writeable:
        raise ValueError(f"{name} must be writeable, got a read-only array")
    if not value.flags.c_contiguous and _overlaps_itself(value):
        raise ValueError(f"{name} must have a place of its own for each number, got strides {value.strides}")
    return value


def out_or_new(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the array for a result: `out` if it is given and fits, or a new one."""
    return np.empty(shape, dtype) if out is None else output("out", out, shape, dtype)


def _overlaps_itself(array: NDArray[Any]) -> bool:
    """Return whether entries may share memory: an axis steps less far than those within it reach."""
    reach = array.itemsize
    for step, count in sorted((abs(step), n) for step, n in zip(array.strides, array.shape, strict=True)):
        if count > 1 and step < reach:
            return array.size > 0
        reach += step * (count - 1)
    return False


def apart(outputs: dict[str, NDArray[Any]]) -> None:
    """Raise if two outputs share memory, or that is hard to say."""
    for (first, one), (second, other) in combinations(outputs.items(), 2):
        shared = True
        with suppress(np.exceptions.TooHardError):
            shared = np.shares_memory(one, other, max_work=_MOST_WORK)
        if shared:
            raise ValueError(f"{second} must not share memory with {first}")


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
