"""Arrays of other libraries, such as tensors: what is asked in one is answered in its kind, by DLPack."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any, ParamSpec

import numpy as np
from numpy.typing import NDArray

P = ParamSpec("P")


def _is_foreign(value: Any) -> bool:
    return hasattr(value, "__dlpack__") and not isinstance(value, np.ndarray | np.generic)


def as_numpy(value: Any) -> NDArray[Any]:
    """Return what can be read as an array, as one of NumPy's or of a subclass."""
    by_dlpack_alone = _is_foreign(value) and not hasattr(value, "__array__")
    return np.from_dlpack(value) if by_dlpack_alone else np.asanyarray(value)


def in_kind(*data: str) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    """Return a decorator for functions that answer in the kind of the first of some arguments that has one.

    Others do not count: a target of another library is no reason to answer in its precision.
    """

    def decorate(function: Callable[P, Any]) -> Callable[P, Any]:
        names = [*inspect.signature(function).parameters]
        places = [(names.index(name), name) for name in data]

        @functools.wraps(function)
        def answer(*args: P.args, **options: P.kwargs) -> Any:
            result = function(*args, **options)
            for place, name in places:
                value = args[place] if place < len(args) else options.get(name)
                if _is_foreign(value) and (make := _from_dlpack(value)) is not None:
                    out = options.get("out")
                    return _made(make, result) if out is None else (_made(make, result[0]), out)
            return result

        return answer

    return decorate


def _made(make: Callable[[Any], Any], result: Any) -> Any:
    """Return a result, or each of several, as `make` makes it of an array."""
    if isinstance(result, tuple):
        return tuple(_made(make, each) for each in result)
    return make(np.asarray(result))


def _from_dlpack(array: Any) -> Callable[[Any], Any] | None:
    """Return what makes arrays of the library that an array is of, if that says how."""
    asked = getattr(array, "__array_namespace__", None)
    modules = (str(each.__module__).partition(".")[0] for each in type(array).__mro__)
    libraries = [asked()] if callable(asked) else [sys.modules.get(module) for module in modules]
    return next((make for each in libraries if callable(make := getattr(each, "from_dlpack", None))), None)
