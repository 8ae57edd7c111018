"""Compiled functions that other compiled code calls by a name, without compiling them once more.

Numba compiles what a function calls into each of its callers. Of functions that take seconds or minutes this
compiles a call alone: the name stands in the caller's code, on disk too, and is looked up in this process.
"""

import inspect
from collections.abc import Iterable
from typing import Any

import llvmlite.binding as llvm
import numba
import numpy as np
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.core.registry import cpu_target
from numba.core.typing.templates import signature
from numba.extending import intrinsic

from .jit import NATIVE, Function

_kept: dict[str, Any] = {}  # whose code must not be freed, by name


def _wrong_argument(function: Any, of: Any, given: Iterable[Any]) -> str | None:
    """Return what is wrong with arguments of some types, if anything is."""
    names = inspect.signature(getattr(function, "py_func", function)).parameters
    for name, kind, of_given in zip(names, of.args, given, strict=True):
        if cpu_target.typing_context.can_convert(of_given, kind) is None:
            return f"{name} must be {str(kind).removeprefix('readonly ')}, got {of_given}"
    return None


def as_if_compiled(function: Function, of: Any) -> Function:
    """Return a plain function that takes what it would take if it were compiled for the signature `of`."""

    def type_of(value):
        try:
            return numba.typeof(value)
        except ValueError:  # of which Numba knows nothing
            return types.pyobject

    def call(*arguments):
        if (wrong := _wrong_argument(function, of, map(type_of, arguments))) is not None:
            raise TypeError(wrong)
        pairs = zip(arguments, of.args, strict=True)
        with np.errstate(all="ignore"):
            return function(*(np.float64(value) if kind == types.float64 else value for value, kind in pairs))

    return call


def name_ahead(name: str, function: Any, of: Any) -> None:
    """Have code that is loaded before `linked` is given this name call this function instead.

    It must be compiled for the same signature, and be kept. Without it such code would end the process.
    """
    compiled = function.overloads[of.args]
    llvm.add_symbol(name, compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def linked(name: str, function: Any, of: Any) -> Any:
    """Return what compiled code calls, of a function that is compiled for the signature `of`.

    The name must be the same in every process, and be given in each before code that has it is loaded. It
    needs another one when its arguments change: callers that are kept on disk do not see that.
    """
    if not NATIVE:
        return function
    if name not in _kept:
        name_ahead(name, function, of)
        _kept[name] = function

    @intrinsic
    def call(typing, *arguments):
        if len(arguments) != len(of.args):
            return None
        if (wrong := _wrong_argument(function, of, arguments)) is not None:
            raise TypingError(wrong)

        def generate(context, builder, given, values):
            each = zip(cgutils.unpack_tuple(builder, values[0]), arguments, of.args, strict=True)
            values = [context.cast(builder, *pair) for pair in each]
            kind = context.call_conv.get_function_type(of.return_type, of.args)
            callee = cgutils.get_or_insert_function(builder.module, kind, name)
            status, result = context.call_conv.call_function(builder, callee, of.return_type, of.args, values)
            with cgutils.if_unlikely(builder, status.is_error):
                context.call_conv.return_status_propagate(builder, status)
            return result

        return signature(of.return_type, types.StarArgTuple.from_types(arguments)), generate

    return call
