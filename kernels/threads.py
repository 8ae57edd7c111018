"""Blocks of work on several threads.

Threads of our own, not a compiler's: compiled blocks release the GIL, so a Python thread runs one as
well as OpenMP would, and nothing breaks in a forked child or under concurrent callers. How work is
cut into blocks is the callers' business and never depends on the number of threads.

Callers at once share what one of them may use: a helper works only while there are no more threads at
work than the call that it helps was given. Callers always work themselves.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import checks

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_working = 0  # threads inside `run_ranges`, callers and helpers


def available() -> int:
    """Return the number of threads that Numba is set to use in this process."""
    import numba  # noqa: PLC0415  # import kdexent stays light
    from numba.np.ufunc import parallel  # noqa: PLC0415  # import kdexent stays light

    limit: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # set when numba is imported
    # Asking Numba starts its threads, so ask only where they run already.
    return min(limit, numba.get_num_threads()) if getattr(parallel, "_is_initialized", False) else limit


def thread_count(n_threads: Any) -> int:
    """Return `n_threads` clamped to 1 .. the machine's number, which is also what None means."""
    if n_threads is None:
        return available()
    return max(1, min(checks.integer("n_threads", n_threads), available()))


def run_blocks(count: int, block: Callable[[int], None], n_threads: int) -> None:
    """Call block(0) .. block(count - 1), on up to n_threads threads, this one among them."""
    run_ranges(count, lambda first, last: block(first), n_threads, 1)


def run_ranges(count: int, work: Callable[[int, int], None], n_threads: int, most: int) -> None:
    """Call work(first, last) until all of 0 .. count - 1 are done, at most so many at once.

    Threads take shorter ranges towards the end, so that none is left waiting for long.
    """
    helpers = _enter(min(n_threads, count) - 1, n_threads)
    try:
        if helpers < 1:
            for first in range(0, count, most):
                work(first, min(first + most, count))
        else:
            _share(count, work, n_threads, most, helpers)
    finally:
        _leave(1)


def _share(count: int, work: Callable[[int, int], None], n_threads: int, most: int, helpers: int) -> None:
    taken = 0
    taking = threading.Lock()
    stopped = False

    def take(helping: bool) -> None:
        nonlocal stopped, taken
        try:
            while not stopped and not (helping and _working > n_threads):
                with taking:
                    first = taken
                    taken += max(1, min(most, (count - first) // (2 * n_threads)))
                    last = min(taken, count)
                if first >= count:
                    return
                work(first, last)
        except BaseException:
            stopped = True
            raise

    def help_out() -> None:
        try:
            take(True)
        finally:
            _leave(1)

    futures = _submit(help_out, helpers)
    _leave(helpers - len(futures))
    try:
        take(False)
    finally:
        stopped = True
        # A helper that has not started has nothing left to do; one that has must end first.
        running = [future for future in futures if not future.cancel()]
        _leave(len(futures) - len(running))
        for future in running:
            future.exception()
    for future in running:
        future.result()


def _enter(helpers: int, n_threads: int) -> int:
    """Count a caller and up to so many helpers among those at work; return how many there is room for."""
    global _working  # noqa: PLW0603  # one count for the process
    with _lock:
        helpers = max(0, min(helpers, n_threads - 1 - _working))
        _working += 1 + helpers
    return helpers


def _leave(threads: int) -> None:
    global _working  # noqa: PLW0603  # one count for the process
    with _lock:
        _working = max(0, _working - threads)


def _submit(work: Callable[[], None], helpers: int) -> list[Future[None]]:
    global _pool  # noqa: PLW0603  # one pool for the process, made when it is needed
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415  # a small first call does without it

    try:
        with _lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="kdexent")
            return [_pool.submit(work) for _ in range(helpers)]
    except RuntimeError:  # the interpreter is shutting down: this thread does it all
        return []


def _forget_threads() -> None:
    global _lock, _pool, _working
    _lock, _pool, _working = threading.Lock(), None, 0


# A forked child inherits the pool without its threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
