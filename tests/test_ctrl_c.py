"""Ctrl-C ends a call soon, at whatever step it comes, and leaves nothing that later calls would feel."""

import itertools
import sys
import threading
import time

import pytest
from moments import Moments
from processes import run
from tiers import thorough_but_for

from kdexent.runtime import pool, units

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


@thorough_but_for(work=["direct", "cells", "batch"])
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
        from kdexent.runtime import pool
        print(len(pool._at_work), round(kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8), 10))
    """)
    assert out == "interrupted\n0 0.4755162458"


def test_ctrl_c_while_compiling(tmp_path):
    # Each compilation is interrupted, once, and what it compiles is there for the next call.
    out = run(
        """
        import os, signal, threading
        import numpy as np, kdexent
        from kdexent.runtime import jit

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


def press():
    raise KeyboardInterrupt


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
    monkeypatch.setattr(pool, "_MOST_HELPERS", 1)
    pool.run_blocks(4, Work(4).block, 2)


WAYS = {
    "blocks": lambda work: pool.run_blocks(work.count, work.block, 2),
    "units": lambda work: pool.run_units(work.count, work.unit, 2),
}


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_at_any_step(one_helper, way):
    traced, pressed, finished = sys.gettrace(), set(), 0
    while finished < 20:  # which steps a call takes is a matter of time
        work, presses = Work(6), Moments(pressed, {pool.__file__}, press)
        try:
            sys.settrace(presses)
            WAYS[way](work)
        except KeyboardInterrupt:
            assert presses.moment
        else:
            assert presses.moment is None, f"{presses.moment}: Ctrl-C is lost"
            finished += 1
        finally:
            sys.settrace(traced)
        assert work.now == 0, f"{presses.moment}: somebody is at work still"
        assert not pool._at_work, f"{presses.moment}: somebody counts as at work still"
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
        pool.run_blocks(2, block, 2)
    assert ended and not pool._at_work
