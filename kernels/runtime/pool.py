"""Blocks of work on several threads.

Threads of our own, not a compiler's: compiled code releases the GIL, so a Python thread runs one as
well as OpenMP would, and nothing breaks in a forked child or under concurrent callers. How work is
cut into blocks is the callers' business and never depends on the number of threads.

Callers at once share what one of them may use: a helper works only while there are no more threads at
work than the call that it helps was given. Callers always work themselves.

Between any two steps Python may run something else in the same thread, a signal's handler or a finalizer,
that calls this package too, or forks. So nothing here holds a lock: threads share sets and queues, whose
every change is one step, and who is called in between finds them whole.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

import numba
import numpy as np
from numba.core.compiler_lock import global_compiler_lock
from numba.np.ufunc import parallel

from ..arguments import checks
from .bare_threads import start
from .cores import Seat, current_core
from .jit import NATIVE
from .units import Counter, all_done, all_taken, as_helper, new_counter, ring, stop

# How often a caller looks whether helpers have ended, giving way each time, before it naps.
_POLLS, _NAP = 2000, 1e-4  # s
_MOST_HELPERS = (os.cpu_count() or 2) - 1
_at_work: set[_Job | _Place] = set()  # callers' jobs, and the places at these that helpers have or may take
_helpers: set[object] = set()  # threads that take places
_offered: deque[_Place] = deque()
_calls: SimpleQueue[None] = SimpleQueue()  # what helpers wait for
_taken: set[_Place] = set()  # by helpers that may be at work
_forking: list[int] = []  # threads
_lost: list[_Job] = []  # with helpers at work that a forked child has not


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
    _share(_Blocks(count, block), n_threads, ring)


def run_units(count: int, work: Callable[[Counter], None], n_threads: int, more_soon: bool = True) -> None:
    """Call work(counter), on up to n_threads threads, until all units 0 .. count - 1 of it are done.

    Every call takes some units from the counter, as `units` says. Helpers linger afterwards unless the cores
    are wanted for other things before more units come.
    """
    n_threads = n_threads if NATIVE else 1
    _share(_Units(count, work, new_counter(n_threads > 1), more_soon), n_threads)


class _Job:
    """Work that helpers may join until it is closed."""

    def __init__(self) -> None:
        self.places: list[_Place] = []
        self.caller, self.core = threading.get_ident(), current_core()
        self.closed = self.stopped = self.left = False
        self.error: BaseException | None = None

    def advance(self, lingers: bool) -> bool:
        """Do part of the work, as a helper that may linger or not; return whether there may be more."""
        raise NotImplementedError

    def ended(self) -> bool:
        """Return whether all is done though helpers are not back yet."""
        return False

    def stop(self) -> None:
        """Let nothing more be begun."""
        self.stopped = True

    def do(self, lingers: bool = False, wanted: Callable[[], bool] = lambda: True) -> None:
        """Do what is left of the work, as long as `wanted`."""
        while not self.stopped and wanted() and self.advance(lingers):
            pass

    def close(self) -> None:
        """Let no more helpers in, and wait until nobody works on this."""
        self.closed = True
        for polls in itertools.count():
            if _taken.isdisjoint(self.places) or (not self.stopped and self.ended()):
                break
            # Being woken would take longer than what a helper mostly has left to do.
            time.sleep(0 if polls < _POLLS else _NAP)


class _Blocks(_Job):
    """Blocks that Python hands out."""

    def __init__(self, count: int, block: Callable[[int], Iterable[None] | None]) -> None:
        super().__init__()
        self._count, self._block, self._numbers = count, block, itertools.count()

    def advance(self, lingers: bool) -> bool:
        """Do one block, or some steps of it."""
        index = next(self._numbers)
        if index < self._count:
            for _ in self._block(index) or ():
                if self.stopped:
                    break
        return index < self._count


class _Units(_Job):
    """Units that compiled code takes from a counter."""

    def __init__(
        self, count: int, work: Callable[[Counter], None], counter: Counter, more_soon: bool
    ) -> None:
        super().__init__()
        self._count, self._work, self._counter, self._more_soon = count, work, counter, more_soon

    def advance(self, lingers: bool) -> bool:
        """Do some units, and linger as a helper if more come soon."""
        self._work(as_helper(self._counter) if lingers and self._more_soon else self._counter)
        return not all_taken(self._counter, self._count)

    def ended(self) -> bool:
        """Return whether all units are done."""
        return all_done(self._counter, self._count)

    def stop(self) -> None:
        """Let no more units be taken."""
        super().stop()
        stop(self._counter)


class _Place:
    """Room for one helper at a job, while there are no more than n_threads threads at work."""

    def __init__(self, job: _Job, n_threads: int) -> None:
        self.job, self._n_threads, self.helper = job, n_threads, 0

    def take(self, seat: Seat) -> None:
        """Do part of the job; who has no other core than the caller's does not linger on it."""
        job, self.helper = self.job, threading.get_ident()
        _taken.add(self)  # and then look: the caller closes the job, and then looks here
        try:
            if not job.closed:
                job.do(seat.leave(job.core), self._is_wanted)
        except BaseException as error:  # the caller raises it again
            job.error = error
            job.stop()
        finally:
            _at_work.discard(self)
            _taken.discard(self)

    def _is_wanted(self) -> bool:
        return len(_at_work) <= self._n_threads and self.job.caller not in _forking


def _share(job: _Job, n_threads: int, call: Callable[[], None] = lambda: None) -> None:
    """Do a job on up to so many threads; `call` calls helpers where the job itself does not."""
    pressed: BaseException | None = None
    try:
        if _enter(job, n_threads):
            _offer(job)
            call()
        job.do()
    except BaseException:
        job.stop()
        raise
    finally:
        # Ctrl-C may come at any step of this too, and helpers write to the caller's arrays until they end.
        while not job.left:
            try:
                job.close()
                _leave(job)
            except BaseException as interrupt:
                job.stop()
                pressed = interrupt
        if pressed is not None:
            raise pressed
    if job.error is not None:
        try:
            raise job.error
        finally:
            job.error = None  # which knows the job


def _enter(job: _Job, n_threads: int) -> bool:
    """Count a caller among those at work, and helpers up to so many threads; return whether there are any."""
    _at_work.add(job)
    # A helper would wait for a compilation that this thread is in the middle of.
    if n_threads > 1 and not global_compiler_lock.is_locked():
        room = min(n_threads - len(_at_work), _MOST_HELPERS)
        job.places = [_Place(job, n_threads) for _ in range(room)]
        _at_work.update(job.places)
    return bool(job.places)


def _leave(job: _Job) -> None:
    for place in job.places:
        if place in _offered:
            with suppress(ValueError):  # a helper takes it just now
                _offered.remove(place)
    _at_work.difference_update(job.places)
    job.places = []  # which know the job: together they would wait for the collector, with all arrays
    _at_work.discard(job)
    job.left = True


def _offer(job: _Job) -> None:
    """Ask as many helpers to join a job as it has places."""
    while len(_helpers) < len(job.places):
        if not _start_helper():
            break
    for place in job.places:
        _offered.append(place)
        # Who waits takes all that is offered, so that more calls than helpers would be left over.
        if _calls.qsize() < len(_helpers):
            _calls.put(None)


def _start_helper() -> bool:
    """Start a thread; return whether that could be done."""
    started, me = False, object()
    try:
        _helpers.add(me)
        started = start(_help, me)
    finally:
        if not started:
            _helpers.discard(me)
    return started


def _help(me: object) -> None:
    threading.current_thread().name = "kdexent"
    np.seterr(all="ignore")  # in this thread, as callers do in theirs
    seat = Seat()
    try:
        while True:
            _helpers.add(me)  # which Ctrl-C has struck off if it came as this thread was started
            _calls.get()
            while _offered:
                with suppress(IndexError):  # another one was faster
                    _offered.popleft().take(seat)
    finally:
        _helpers.discard(me)


def _before_fork() -> None:
    """Wait until no helper is at work for this thread: a forked child goes on without helpers."""
    me = threading.get_ident()
    _forking.append(me)
    # A helper might wait for a compilation that this thread is in the middle of.
    while (helped := _helped(me)) and not global_compiler_lock.is_locked():
        time.sleep(_NAP)
    _lost.extend(helped)


def _helped(caller: int) -> list[_Job]:
    """Return the jobs of a thread that helpers, other than itself, are at work on."""
    jobs = (place.job for place in list(_taken) if place.job.caller == caller != place.helper)
    return [job for job in jobs if not job.ended()]


def _after_fork() -> None:
    with suppress(ValueError):  # a child that a handler forked during this fork has forgotten it
        _forking.remove(threading.get_ident())
    _lost.clear()


def _in_child() -> None:
    """Forget the threads, which only the parent has."""
    global _at_work, _helpers, _taken, _offered, _calls  # those of one process
    for job in _lost:
        job.error = RuntimeError("this process was forked while helpers were at work on the call")
    _at_work, _helpers, _taken, _offered, _calls = set(), set(), set(), deque(), SimpleQueue()
    _forking.clear()
    _lost.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
