"""Compiled functions that belong together, each compiled when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ...runtime.jit import lazily

Compiled = Callable[[], Callable]


class Loops(NamedTuple):
    """The two halves of a strategy."""

    forward: Compiled
    adjoint: Compiled


def compiled(kind: Any, name: str, key: str, *made: tuple[Callable[[], Callable], Any]) -> Any:
    """Return a NamedTuple `kind` of compiled functions: of what makes each of its fields, and a signature.

    They are kept under `name.field.key`.
    """
    fields = zip(kind._fields, made, strict=True)
    return kind(*(lazily(make, signature, f"{name}.{field}.{key}") for field, (make, signature) in fields))
