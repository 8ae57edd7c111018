"""Compiled functions that belong together, each compiled when it is first asked for."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from ...runtime.jit import Function, lazily

Compiled = Callable[[], Function]
Kind = TypeVar("Kind", bound=NamedTuple)


class Loops(NamedTuple):
    """The two halves of a strategy."""

    forward: Compiled
    adjoint: Compiled


def compiled(
    kind: type[Kind],
    name: str,
    key: str,
    arguments: tuple[Any, ...],
    *made: tuple[Callable[..., Function], Any],
) -> Kind:
    """Return a NamedTuple `kind` of compiled functions: of what makes each of its fields, and a signature.

    They are made of the arguments, and kept under `name.field.key`.
    """
    return kind._make(
        lazily(partial(make, *arguments), signature, f"{name}.{field}.{key}")
        for field, (make, signature) in zip(kind._fields, made, strict=True)
    )
