"""Ctrl-C ends a call soon, at whatever step it comes, and leaves nothing that later calls would feel."""

import dis
import itertools
import sys
import threading
import time
from functools import cache

import pytest
from processes import run

from kdexent import threads, units

# A call, and the same with more work than anybody waits for; or a call that is repeated so often.
INTERRUPTED = {
    "direct": [
        'loss_and_grad(x, z, -1, 1, bandwidth=0.001, bins=20, method="direct")',
        "bins=20",
        "bins=200_000",
    ],
    "window": [
        'loss_and_grad(x, z, -1, 1, bandwidth=0.3, bins=20, method="window")',
        "bins=20",
        "bins=20_000",
    ],
    "cells": ["loss_and_grad(x, z, -1, 1, bandwidth=0.05, bins=1024)"],
    "tails": ["loss_and_grad(x, z, 20, 30, bandwidth=0.05, bins=1024)"],
    "grid": ['loss(x, z, -1, 1, bandwidth=0.05, method="grid")'],
    "batch": ["loss_and_grad(xs, zs, -1, 1, bandwidth=0.2, bins=64)"],
}


@pytest.mark.parametrize("work", INTERRUPTED)
def test_ctrl_c_between_blocks(work):
    call, *change = INTERRUPTED[work]
    out = run(f"""
        import signal
        import numpy as np, kdexent
        x, z = np.random.default_rng(0).normal(size=(2, 3_000_000))
        xs, zs = x.reshape(-1, 100), z.reshape(-1, 100)
        kdexent.{call}

        def interrupt(*_):
            raise KeyboardInterrupt

        signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        try:
            for _ in range({1 if change else 100_000}):
                kdexent.{call.replace(*change) if change else call}
            print("finished")
        except KeyboardInterrupt:
            print("interrupted")
        from kdexent import threads
        print(len(threads._at_work), round(kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8), 10))
    """)
    assert out == "interrupted\n0 0.4755162458"


def test_ctrl_c_while_compiling(tmp_path):
    # Each compilation is interrupted, once, and what it compiles is there for the next call.
    out = run(
        """
        import os, signal, threading
        import numpy as np, kdexent
        from kdexent import jit

        specialise, threads, presses = jit._specialise, set(), 0

        def interrupted(*arguments):
            if threading.current_thread() not in threads:
                threads.add(threading.current_thread())
                os.kill(os.getpid(), signal.SIGINT)
            return specialise(*arguments)

        jit._specialise = interrupted
        signal.signal(signal.SIGINT, signal.default_int_handler)
        x, z = np.random.default_rng(0).normal(size=(2, 1_000))
        while True:
            try:
                fast = kdexent.loss(x, z, -1, 1, bandwidth=0.1)
                break
            except KeyboardInterrupt:
                presses += 1
        exact = kdexent.reference.loss(x, z, -1, 1, bandwidth=0.1)
        print(presses > 0, threading.main_thread() in threads, abs(fast - exact) < 1e-9)
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out == "True False True"


class Press:
    """A trace function: Ctrl-C at the first moment not in `pressed` at which the code of threads can hear it.

    Python listens where a function begins, after calls, and where a loop goes back.
    """

    _BEFORE = ("RESUME", "CALL", "JUMP_BACKWARD")

    def __init__(self, pressed):
        self._pressed, self._last = pressed, {}
        self.moment = None

    def __call__(self, frame, event, _argument):
        if frame.f_code.co_filename != threads.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            last = self._last.get(frame, "RESUME")
            self._last[frame] = opcodes(frame.f_code)[frame.f_lasti]
            moment = frame.f_code.co_name, frame.f_lineno, frame.f_lasti
            if last.startswith(self._BEFORE) and moment not in self._pressed:
                self.moment = moment
                self._pressed.add(moment)
                raise KeyboardInterrupt
        return self


@cache
def opcodes(code):
    return {step.offset: step.opname for step in dis.get_instructions(code)}


class Work:
    """Blocks, or units, that take note of how many threads are at work on them."""

    def __init__(self, count):
        self.count, self.now, self._lock = count, 0, threading.Lock()

    def block(self, _number):
        self._count(1)
        time.sleep(2e-4)
        self._count(-1)

    def unit(self, counter):
        with self._lock:
            unit = counter[units._TAKEN]
            counter[units._TAKEN] += 1
        if unit < self.count:
            self.block(unit)
            with self._lock:
                counter[units._DONE] += 1

    def _count(self, threads):
        with self._lock:
            self.now += threads


@pytest.fixture
def one_helper(monkeypatch):
    monkeypatch.setattr(threads, "_most_helpers", lambda: 1)
    threads.run_blocks(4, Work(4).block, 2)


WAYS = {
    "blocks": lambda work: threads.run_blocks(work.count, work.block, 2),
    "units": lambda work: threads.run_units(work.count, work.unit, 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_at_any_step(one_helper, way):
    traced, pressed, finished = sys.gettrace(), set(), 0
    while finished < 20:  # which steps a call takes is a matter of time
        work, press = Work(6), Press(pressed)
        try:
            sys.settrace(press)
            WAYS[way](work)
        except KeyboardInterrupt:
            assert press.moment
        else:
            assert press.moment is None, f"{press.moment}: Ctrl-C is lost"
            finished += 1
        finally:
            sys.settrace(traced)
        assert work.now == 0, f"{press.moment}: somebody is at work still"
        assert not threads._at_work, f"{press.moment}: somebody counts as at work still"
    assert {"_share", "_enter", "_offer", "do", "close", "_leave"} <= {name for name, *_ in pressed}


def test_ctrl_c_again_and_again_while_helpers_end(one_helper, monkeypatch):
    presses, caller = itertools.count(), threading.get_ident()
    both, ends = threading.Barrier(2), threading.Event()
    sleep = time.sleep

    def impatient(seconds):
        sleep(seconds)
        if threading.get_ident() == caller:
            if next(presses) == 10:
                ends.set()
            raise KeyboardInterrupt

    ended = []

    def block(_number):
        both.wait(60)
        if threading.get_ident() != caller:
            ends.wait(60)
            ended.append(True)

    monkeypatch.setattr(time, "sleep", impatient)
    with pytest.raises(KeyboardInterrupt):
        threads.run_blocks(2, block, 2)
    assert ended and not threads._at_work
