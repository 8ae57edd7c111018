"""How helpers compile, which become machine code only inside the functions that call them.

Numba would optimise a helper to the end and make machine code of it that nothing runs, then do both again
for each of its callers, and theirs: a quarter of the time that compiling takes.
"""

from typing import Any

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler

# Helpers that have so many levels of helpers in them are optimised before their callers are, as some loops
# become twice as fast by that. Optimising those of more levels made none faster.
_OPTIMISED = 2


class _Inlined(JITCodeLibrary):
    """Code that only others bring along."""

    def _optimize_final_module(self) -> None:
        self._depth = 1 + max((getattr(each, "_depth", -1) for each in self._linking_libraries), default=-1)
        if self._depth <= _OPTIMISED:
            super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        """Return that there is none."""
        return 0

    @property
    def codegen(self) -> Any:
        """What would store the environment of machine code: nothing, here."""
        return self

    def set_env(self, name: str, environment: Any) -> None:
        """Leave it to the callers' machine code."""


class InlinedCompiler(Compiler):
    """Numba's compiler, for helpers."""

    def define_pipelines(self) -> Any:
        """Compile as always, into a library that others bring along."""
        state: Any = self.state
        state.library = _Inlined(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()
