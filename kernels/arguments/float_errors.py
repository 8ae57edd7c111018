"""Public functions keep their floating-point exceptions to themselves, whatever np.errstate is around them.

Exponentials underflow and logarithms of 0 are taken on purpose; what a result cannot be is looked at, not
signalled.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
Result = TypeVar("Result")


def no_float_errors(function: Callable[P, Result]) -> Callable[P, Result]:
    """Return a function in which NumPy neither raises nor warns of underflow, overflow and the like."""
    if "__call__" in vars(np.errstate):  # from NumPy 2 on, what it decorates may run in several threads
        return np.errstate(all="ignore")(function)

    @functools.wraps(function)
    def quiet(*args: P.args, **kwargs: P.kwargs) -> Result:
        with np.errstate(all="ignore"):
            return function(*args, **kwargs)

    return quiet
