"""Blocks of work on several threads.

Threads of our own, not a compiler's: compiled blocks release the GIL, so a Python thread runs one as
well as OpenMP would, and nothing breaks in a forked child or under concurrent callers. How work is
cut into blocks is the callers' business and never depends on the number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from . import checks

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None


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
    helpers = min(n_threads, count) - 1
    if helpers < 1:
        for first in range(0, count, most):
            work(first, min(first + most, count))
        return
    taken = 0
    taking = threading.Lock()
    stopped = False

    def share() -> None:
        nonlocal stopped, taken
        try:
            while not stopped:
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

    futures = _submit(share, helpers)
    try:
        share()
    finally:
        # A helper that has not started has nothing left to do; one that has must end first.
        running = [future for future in futures if not future.cancel()]
        wait(running)
    for future in running:
        future.result()


def _submit(work: Callable[[], None], helpers: int) -> list[Future[None]]:
    global _pool  # noqa: PLW0603  # one pool for the process, made when it is needed
    try:
        with _lock:
            if _pool is None:
                _pool = ThreadPoolExecutor(max(1, (os.cpu_count() or 2) - 1), thread_name_prefix="kdexent")
            return [_pool.submit(work) for _ in range(helpers)]
    except RuntimeError:  # the interpreter is shutting down: this thread does it all
        return []


def _forget_pool() -> None:
    global _lock, _pool
    _lock, _pool = threading.Lock(), None


# A forked child inherits the pool without its threads.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_pool)
