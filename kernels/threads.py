"""Blocks of work on several threads.

Threads of our own, not a compiler's: compiled code releases the GIL, so a Python thread runs one as
well as OpenMP would, and nothing breaks in a forked child or under concurrent callers. How work is
cut into blocks is the callers' business and never depends on the number of threads.

Callers at once share what one of them may use: a helper works only while there are no more threads at
work than the call that it helps was given. Callers always work themselves.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from queue import SimpleQueue
from typing import Any

import numba
import numpy as np
from numba.np.ufunc import parallel

from . import checks
from .cores import Seat, current_core
from .units import Counter, all_done, all_taken, as_helper, new_counter, ring, stop

# How often a caller looks whether helpers have ended, giving way each time, before it naps.
_POLLS, _NAP = 2000, 1e-4  # s
_lock = threading.Lock()
_jobs: SimpleQueue[tuple[_Job, int]] = SimpleQueue()
_helpers = 0  # threads that take jobs
_at_work: dict[_Job, int] = {}  # callers, each with the helpers that work for it or are called to


def available() -> int:
    """Return the number of threads that Numba is set to use in this process."""
    limit: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # set when numba is imported
    # Asking Numba starts its threads, so ask only where they run already.
    return min(limit, numba.get_num_threads()) if getattr(parallel, "_is_initialized", False) else limit


def thread_count(n_threads: Any) -> int:
    """Return `n_threads` clamped to 1 .. the machine's number, which is also what None means."""
    if n_threads is None:
        return available()
    return max(1, min(checks.integer("n_threads", n_threads), available()))


def run_blocks(count: int, block: Callable[[int], Iterable[None] | None], n_threads: int) -> None:
    """Call block(0) .. block(count - 1), on up to n_threads threads, this one among them.

    A block may be done in steps, those of an iterator that it returns. Where one block fails, or Ctrl-C is
    pressed, no more steps are taken.
    """
    if count == 1:
        for _ in block(0) or ():
            pass
        return
    numbers = itertools.count()

    def one(_lingers: bool) -> bool:
        index = next(numbers)
        if index < count:
            for _ in block(index) or ():
                if job.stopped:
                    break
        return index < count

    job = _Job(one)
    _share(job, min(n_threads, count) - 1, n_threads, ring)


def run_units(count: int, work: Callable[[Counter], None], n_threads: int, more_soon: bool = True) -> None:
    """Call work(counter), on up to n_threads threads, until all units 0 .. count - 1 of it are done.

    Every call takes some units from the counter, as `units` says. Helpers linger afterwards unless the cores
    are wanted for other things before more units come.
    """
    counter = new_counter(n_threads > 1)

    def some(lingers: bool) -> bool:
        work(as_helper(counter) if lingers and more_soon else counter)
        return not all_taken(counter, count)

    _share(_Job(some, lambda: all_done(counter, count), lambda: stop(counter)), n_threads - 1, n_threads)


class _Job:
    """Work that helpers may join until it is closed.

    `some` does part of it, as a helper that may linger or not, and says whether there may be more; `ended`
    says whether all is done though helpers have not said so yet; and `halt` ends what runs early.
    """

    def __init__(
        self,
        some: Callable[[bool], bool],
        ended: Callable[[], bool] = lambda: False,
        halt: Callable[[], None] = lambda: None,
    ) -> None:
        self._some, self._ended, self._halt = some, ended, halt
        self._lock, self._running, self._closed = threading.Lock(), 0, False
        self._core = current_core()  # the caller's
        self.stopped = False
        self.error: BaseException | None = None

    def do(self, lingers: bool, wanted: Callable[[], bool] = lambda: True) -> None:
        """Do what is left of the work, as long as `wanted`."""
        while not self.stopped and wanted() and self._some(lingers):
            pass

    def join_in(self, n_threads: int, seat: Seat) -> None:
        """Do part of the work as a helper, while there are no more threads at work than n_threads.

        Who has no other core than the caller's does not linger on it.
        """
        with self._lock:
            if self._closed:
                return
            self._running += 1
        try:
            self.do(seat.leave(self._core), lambda: _threads_at_work() <= n_threads)
        except BaseException as error:  # the caller raises it again
            self.error = error
            self.stop()
        finally:
            with self._lock:
                self._running -= 1
                if not self._closed:
                    _helper_leaves(self)

    def stop(self) -> None:
        """Let nothing more be begun."""
        self.stopped = True
        self._halt()

    def close(self) -> None:
        """Let no more helpers in, and wait until nobody works on this."""
        with self._lock:
            self._closed = True
        for polls in itertools.count():
            if self._running == 0 or (not self.stopped and self._ended()):
                break
            # Being woken would take longer than what a helper mostly has left to do.
            time.sleep(0 if polls < _POLLS else _NAP)


def _share(job: _Job, helpers: int, n_threads: int, call: Callable[[], None] = lambda: None) -> None:
    """Do a job, with up to so many helpers, whom `call` calls where the job itself does not."""
    pressed: BaseException | None = None
    try:
        helpers = _enter(job, helpers, n_threads)
        if helpers:
            _offer(job, helpers, n_threads)
            call()
        job.do(False)
    except BaseException:
        job.stop()
        raise
    finally:
        # Ctrl-C may come at any step of this too, and helpers write to the caller's arrays until they end.
        while job in _at_work:
            try:
                job.close()
                _leave(job)
            except BaseException as interrupt:
                job.stop()
                pressed = interrupt
        if pressed is not None:
            raise pressed
    if job.error is not None:
        raise job.error


def _threads_at_work() -> int:
    with _lock:
        return sum(_at_work.values())


def _enter(job: _Job, helpers: int, n_threads: int) -> int:
    """Count a caller and up to so many helpers among those at work; return how many there is room for."""
    with _lock:
        helpers = max(0, min(helpers, n_threads - 1 - sum(_at_work.values())))
        _at_work[job] = 1 + helpers
    return helpers


def _helper_leaves(job: _Job) -> None:
    with _lock:
        _at_work[job] -= 1


def _leave(job: _Job) -> None:
    with _lock:
        _at_work.pop(job, None)


@lru_cache(maxsize=1)
def _most_helpers() -> int:
    return (os.cpu_count() or 2) - 1


def _offer(job: _Job, wanted: int, n_threads: int) -> None:
    """Ask so many helpers to join a job."""
    global _helpers  # noqa: PLW0603  # one number for the process
    # While the interpreter shuts down no thread starts: this one does it all.
    with _lock, suppress(RuntimeError):
        while _helpers < min(wanted, _most_helpers()):
            threading.Thread(target=_help, args=(_jobs,), name="kdexent", daemon=True).start()
            _helpers += 1
    for _ in range(wanted):
        _jobs.put((job, n_threads))


def _help(jobs: SimpleQueue[tuple[_Job, int]]) -> None:
    np.seterr(all="ignore")  # in this thread, as callers do in theirs
    seat = Seat()
    while True:
        job, n_threads = jobs.get()
        job.join_in(n_threads, seat)
        del job  # nor keep a caller's arrays


def _forget_threads() -> None:
    global _lock, _jobs, _helpers, _at_work
    _lock, _jobs, _helpers, _at_work = threading.Lock(), SimpleQueue(), 0, {}


# A forked child inherits the count of threads without them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)
