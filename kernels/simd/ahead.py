"""Memory that a pass needs soon: asked for while it computes."""

from ..runtime.jit import Function, helper
from .vector_math import generated


def _ahead(write: bool) -> Function:
    @generated(instead=helper(lambda array, index: None))
    def fetch(code, array, index):
        code.fetch(array, index, write)

    return fetch


# f(array, index) for compiled code: the cache line of that element of an array (n,), or past its end.
to_read, to_write = _ahead(False), _ahead(True)
