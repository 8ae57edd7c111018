"""The strategies: why one does not apply, what it costs, its sums, and what it compiles."""

from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from .. import names
from ..runtime.jit import Function
from ..runtime.undisturbed import load
from .cells import cells
from .direct import direct
from .row import Sums
from .sums.reach import RowShape
from .window import window


class Method(NamedTuple):
    """A strategy, as `auto` and `warmup` see it."""

    functions: Callable[..., list[Callable[[], Function]]]  # kernel, domain, only_z, plans
    # shape, order, rtol, first_bin, centers (M,) from there, x (N,) to prepare or None, n_threads
    sums: Callable[..., Sums] | None  # None: all pairs
    cost: Callable[[RowShape, float], float] | None = None  # ns on one thread; None: it keeps no tolerance
    why_not: Callable[[RowShape], str | None] = lambda shape: None


def _grid() -> ModuleType:
    return load(".strategies.grid.grid")  # the only user of FFTs, imported when it is called


METHODS = {
    "direct": Method(direct.functions, None, direct.cost),
    "window": Method(window.functions, window.sums, window.cost, window.why_not),
    "grid": Method(lambda *given: _grid().functions(*given), lambda *given: _grid().sums(*given)),
    "cells": Method(cells.functions, cells.sums, cells.cost, cells.why_not),
}
names.check_entries("METHODS in strategies/methods.py", (names.AUTO, *METHODS), names.METHODS)
