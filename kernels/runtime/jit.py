"""How this package compiles: the fastmath flags, the error model and the disk cache.

`helper`, `plain` and `loop` mark functions that compiled code calls; `lazily` compiles one for given
argument types when it is first needed, and keeps it on disk. None lets NaN or infinity be assumed
away.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numba
from numba.core.caching import FunctionCache
from numba.core.compiler_lock import global_compiler_lock
from numba.core.event import TimingListener, install_listener, trigger_event
from numba.core.runtime.nrt import rtsys
from numba.extending import overload, register_jitable

from .entries import Entries
from .inlined import InlinedCompiler
from .undisturbed import undisturbed

# What compiled code is made of, and what comes of it: Numba finds the types of its arguments.
Function = Callable[..., Any]
Same = TypeVar("Same", bound=Function)

# Products and sums may fuse; nothing else moves, so the rounding tricks of `arithmetic` hold.
EXACT = {"contract"}
# Sums may be taken in any order, which is what lets the compiler use vector registers for them.
SUMS = {"contract", "reassoc", "nsz"}

# What numba tells while it compiles, and we while we compile or load.
COMPILING, GETTING_READY = "numba:compile", "kdexent:get-ready"

_config: Any = numba.config
# Vector code is generated, but not where functions are plain Python (NUMBA_DISABLE_JIT), nor where all
# indices are to be checked (NUMBA_BOUNDSCHECK).
NATIVE = not _config.DISABLE_JIT
GENERATES = NATIVE and not _config.BOUNDSCHECK
# Compiled into every caller: several compiled functions would bring a copy each, under one name, and the one
# that is loaded first would be called by all, so that bits depended on earlier calls. Python cannot call what
# has no wrapper for it; to compile that too takes a fifth of the time.
_IN_CALLERS: dict[str, Any] = {
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": InlinedCompiler,
}
_CALLED: dict[str, Any] = {"nogil": True, "no_cfunc_wrapper": True}


def helper(function: Function) -> Function:
    """Compile `function` into whatever compiled code calls it."""
    compiled: Function = numba.njit(fastmath=EXACT, error_model="numpy", **_IN_CALLERS)(function)
    return compiled


def plain(function: Function) -> Function:
    """Like `helper`, but nothing in it fuses with what surrounds it."""
    compiled: Function = numba.njit(fastmath=False, error_model="numpy", **_IN_CALLERS)(function)
    return compiled


def loop(function: Function) -> Function:
    """Like `helper`, for a function with sums over points in it."""
    compiled: Function = numba.njit(fastmath=SUMS, error_model="numpy", **_IN_CALLERS)(function)
    return compiled


def elementwise(function: Same) -> Same:
    """Let compiled code call `function` with numbers, which Python calls as it is, with arrays too."""
    register_jitable(fastmath=EXACT, error_model="numpy")(function)
    return function


def compiled_as(of_numbers: Function) -> Callable[[Same], Same]:
    """Let compiled code call one function, of numbers, where it names another, of arrays."""

    def mark(function: Same) -> Same:
        overload(function, jit_options={"fastmath": EXACT, "error_model": "numpy"}, strict=False)(
            lambda *arguments: of_numbers
        )
        return function

    return mark


def for_callers(function: Function) -> Any:
    """Compile `function` into others' compiled code that calls it; Python may call it too."""
    return numba.njit(fastmath=SUMS, error_model="numpy", **_CALLED)(function)


def _specialise(function: Function, signature: Any, name: str) -> Any:
    """Compile `function` for `signature`, or load it from the disk cache.

    `name` tells apart functions that share their code and differ in the helpers they close over.
    """
    function.__qualname__ = f"{function.__qualname__}_{name}"
    dispatcher: Any = numba.njit(fastmath=SUMS, error_model="numpy", **_CALLED)(function)
    if not hasattr(dispatcher, "compile"):  # NUMBA_DISABLE_JIT
        return dispatcher
    with suppress(RuntimeError, OSError):  # nowhere to write: compile afresh in every process
        dispatcher._cache = _PackageCache(function, name)
    dispatcher.compile(signature)
    dispatcher.disable_compile()
    return dispatcher


def lazily(make: Callable[[], Function], signature: Any, name: str) -> Callable[[], Function]:
    """Return a function that returns make()'s result compiled, compiling it the first time."""

    compiled: list[Function] = []

    def compile_once() -> Function:
        # Numba's own: who compiles what calls this package would take a second lock in another order.
        with global_compiler_lock:
            if not compiled:
                with trigger_event(GETTING_READY):
                    compiled.append(_specialise(make(), signature, name))
            return compiled[0]

    def get() -> Function:
        return compiled[0] if compiled else undisturbed(compile_once)

    return get


@contextmanager
def code_timing(event: str) -> Iterator[Callable[[], float]]:
    """A context in which the function given returns the seconds so far of COMPILING or GETTING_READY."""
    listener: Any = TimingListener()
    with install_listener(event, listener):
        yield lambda: listener.duration if listener.done else 0.0


@lru_cache(maxsize=1)
def _package_stamp() -> str:
    """Return a hash of every source file of the package."""
    digest = hashlib.sha256()
    root = Path(__file__).parents[1]
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()


def cache_folder() -> Path | None:
    """Return the folder below which compiled code is kept, or None if none can be written to."""
    with suppress(RuntimeError, OSError):
        folder = Path(_PackageCache(cache_folder, "").cache_path)
        # Beside the sources each folder of them has one.
        return folder.parents[1] if folder.name == "__pycache__" else folder.parent
    return None


class _PackageCache(FunctionCache):
    """Numba's disk cache with a key of its own.

    Numba's key is the function's own file and the identity of what it closes over, so that it
    misses edits to other files and never recognises a closure over another compiled function.
    """

    def __init__(self, function: Function, name: str) -> None:
        super().__init__(function)
        self._kdexent_name = name
        self._cache_file: Any = Entries(self._cache_path, f"kdexent.{name}", _package_stamp())

    def load_overload(self, signature: Any, target_context: Any) -> Any:
        """Return the compiled function if it is on disk.

        Numba would first load what it needs to compile, half a second of imports. Running takes its
        runtime alone, and on a miss the compiler loads the rest itself.
        """
        rtsys.initialize(target_context)
        with suppress(Exception):  # compiling does without the entry, whatever is wrong with it
            return self._load_overload(signature, target_context)
        return None

    def save_overload(self, signature: Any, data: Any) -> None:
        """Keep a compiled function for later processes, if there is room."""
        with suppress(OSError):
            self._save_overload(signature, data)

    def _index_key(self, signature: Any, codegen: Any) -> tuple[Any, ...]:
        # Options of Numba's that make other code of the same source.
        names = "BOUNDSCHECK", "OPT", "USING_SVML", "LOOP_VECTORIZE", "SLP_VECTORIZE", "DEBUGINFO_DEFAULT"
        options = (str(getattr(_config, name)) for name in names)
        return signature, codegen.magic_tuple(), self._kdexent_name, *options
