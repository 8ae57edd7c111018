"""Memory that a pass needs soon: asked for while it computes."""

from __future__ import annotations

from collections.abc import Callable

from numba import types
from numba.extending import intrinsic

from ..runtime.jit import GENERATES, helper
from .code import VectorCode


def _ahead(write: bool) -> Callable:
    if not GENERATES:
        return helper(lambda array, index: None)

    @intrinsic
    def fetch(typing, array, index):
        def generate(context, builder, signature, arguments):
            VectorCode(context, builder, signature, arguments).fetch(0, arguments[1], write)
            return context.get_dummy_value()

        return types.void(array, index), generate

    return fetch


# f(array, index) for compiled code: the cache line of that element, which may lie past the array's end.
to_read, to_write = _ahead(False), _ahead(True)
