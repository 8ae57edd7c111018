"""Compiled functions that other compiled code calls by a name, without compiling them once more.

Numba compiles what a function calls into each of its callers. Of functions that take seconds or minutes this
compiles a call alone: the name stands in the caller's code, on disk too, and is looked up in this process.
"""

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from numba import types
from numba.core import cgutils
from numba.core.typing import signature
from numba.extending import intrinsic

from .jit import NATIVE

_kept: dict[str, Any] = {}  # whose code must not be freed, by name


def linked(name: str, function: Any, of: Any) -> Callable:
    """Return what compiled code calls, of a function that is compiled for the signature `of`.

    The name must be the same in every process, and be given in each before code that has it is loaded.
    """
    if not NATIVE:
        return function
    if name not in _kept:
        compiled = function.overloads[of.args]
        llvm.add_symbol(name, compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))
        _kept[name] = function

    @intrinsic
    def call(typing, *arguments):
        matched = zip(arguments, of.args, strict=False)
        if len(arguments) != len(of.args) or any(typing.can_convert(*pair) is None for pair in matched):
            return None

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
