"""Calls that come into the middle of others: from signals' handlers, finalizers and forked children."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from moments import Moments
from processes import run
from tiers import thorough, thorough_but_for

import kdexent
from kdexent.runtime import pool

POINTS = 200_000  # that two threads share


def problem(points=POINTS):
    return np.random.default_rng(0).normal(size=(2, points))


def of_density(method):
    x, z = problem()
    options = {"bandwidth": 0.1, "bins": 40, "method": method, "n_threads": 2}
    return lambda: kdexent.loss_and_grad(x, z, -1, 1, **options)


def of_tails():
    x, z = problem()
    return lambda: kdexent.loss_and_grad(x, z, 5, 9, bandwidth=0.1, bins=40, n_threads=2)


def of_plan():
    x, z = problem()
    plan = kdexent.Plan(x, -1, 1, bandwidth=0.1, bins=40, method="cells", n_threads=2)
    return lambda: plan.loss_and_grad(z)


def of_classes():
    z = problem()[0].reshape(-1, 10)
    labels = np.arange(len(z)) % 10
    return lambda: kdexent.softmax_cross_entropy_and_grad(z, labels)


def of_masses():
    p = np.abs(problem()[0]).reshape(-1, 10)
    return lambda: (kdexent.entropy(p), kdexent.softmax(p))


CALLS = {
    **{method: lambda method=method: of_density(method) for method in kdexent.METHODS},
    "tails": of_tails,
    "plan": of_plan,
    "classes": of_classes,
    "masses": of_masses,
}


def bits(results):
    return [np.asarray(result).tobytes() for result in results]


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(pool, "available", lambda: 2)
    monkeypatch.setattr(pool, "_MOST_HELPERS", 1)


@thorough_but_for(name=["direct", "cells", "plan", "classes"])
@pytest.mark.parametrize("name", CALLS)
def test_a_call_at_any_step_of_another(two_threads, name):
    # As a signal's handler makes, at each moment at which Python may run one.
    call = CALLS[name]()
    expected, seen, calls = bits(call()), set(), itertools.count()

    def again():
        next(calls)
        assert bits(call()) == expected

    traced = sys.gettrace()
    files = {str(path) for path in Path(kdexent.__file__).parent.rglob("*.py")}
    sys.settrace(Moments(seen, files, again))
    try:
        found = call()
    finally:
        sys.settrace(traced)
    assert bits(found) == expected and next(calls) > 50
    assert not pool._at_work and not pool._offered
    assert {"_share", "do", "_enter", "_leave"} <= {function for function, *_ in seen}


# What a process of its own does while it makes calls, and what it calls.
SETTING = """
    import gc, os, random, signal, sys, time, warnings, weakref
    import numpy as np, kdexent
    warnings.simplefilter("ignore")  # forking a process with threads is the point
    x, z = np.random.default_rng(0).normal(size=(2, 400_000))

    def call(points=400_000, n_threads=2, bandwidth=0.1):
        loss, gradient = kdexent.loss_and_grad(
            x[:points], z[:points], -1, 1, bandwidth=bandwidth, bins=64, n_threads=n_threads
        )
        return loss, gradient.tobytes()
"""
CALLS_WITHIN = (
    SETTING
    + """
    small = dict.fromkeys((100, 20_000, 150_000))
    for points in small:
        small[points] = call(points)
    expected, within = call(), 0

    def check():
        global within
        for points, known in small.items():
            assert call(points, 1 + within % 2) == known
        within += 1
"""
)


def test_calls_from_handlers_of_random_signals():
    # Handlers come into the middle of handlers, three deep.
    out = run(
        CALLS_WITHIN
        + """
    depth = deepest = 0

    def handler(*_):
        global depth, deepest
        if depth == 3:
            return
        depth += 1
        deepest = max(deepest, depth)
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 3e-3))
        check()
        depth -= 1
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 3e-3))

    random.seed(0)
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 1e-3)
    end = time.monotonic() + 5
    while time.monotonic() < end or deepest < 3:
        assert call() == expected
    signal.setitimer(signal.ITIMER_REAL, 0)
    from kdexent.runtime import pool
    print(within > 20, deepest, len(pool._at_work), len(pool._offered))
    """
    )
    assert out == "True 3 0 0"


FINALIZERS = {
    "__del__": """
    class Garbage:
        def __init__(self):
            self.me = self

        def __del__(self):
            finish()
    """,
    "weakref callbacks": """
    class Garbage:
        def __init__(self):
            self.me = self
            references.append(weakref.ref(self, lambda _: finish()))
    """,
}


@pytest.mark.parametrize("kind", FINALIZERS)
def test_calls_from_finalizers(kind):
    # The collector runs them wherever Python makes an object, in helpers as well.
    out = run(
        CALLS_WITHIN
        + "\n    references = []\n"
        + FINALIZERS[kind]
        + """
    errors, finished = [], 0

    def finish():
        global finished
        try:
            check()
        except BaseException as error:
            errors.append(error)
        if finished < 400:
            Garbage()
        finished += 1

    gc.set_threshold(1)
    Garbage()
    while finished < 400:
        assert call() == expected
    print(finished >= 400, errors)
    """
    )
    assert out == "True []"


@thorough
@pytest.mark.parametrize("cache", ["cold", "warm"])
def test_handlers_during_a_first_call(cache, tmp_path):
    # While modules are imported, and functions compiled or loaded; handlers need the same and other ones.
    code = (
        SETTING
        + """
    found, depth = [], 0

    def handler(*_):
        global depth
        if depth == 2:
            return
        depth += 1
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        found.append((call(1_000), call(20_000, 1)))
        found.append((call(1_000), call(20_000)))
        kdexent.softmax_cross_entropy([[0.0, 1.0]], [1])
        kdexent.reference.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8)
        depth -= 1

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    first = call(20_000)
    while not found:
        time.sleep(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)
    print(all(pair == (call(1_000), first) for pair in found))
    """
    )
    if cache == "warm":
        assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "True"
    assert run(code, NUMBA_CACHE_DIR=str(tmp_path)) == "True"


needs_fork = pytest.mark.skipif(not hasattr(sys.modules["os"], "fork"), reason="the platform has no fork")


@needs_fork
def test_a_fork_at_any_step():
    # Both processes end the call; the child does, without helpers, what is left of it.
    out = run(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        + """
import os, time, warnings
import numpy as np, kdexent
from kdexent.runtime import pool
from moments import Moments

warnings.simplefilter("ignore")
pool._MOST_HELPERS = 1
x, z = np.random.default_rng(0).normal(size=(2, 250_000))
CALLS = {
    "units": lambda: kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.1, bins=64, n_threads=2),
    "blocks": lambda: kdexent.loss_and_grad(
        x, z, -1, 1, bandwidth=0.1, bins=256, method="direct", n_threads=2
    ),
}
for name, call in CALLS.items():
    expected, seen, parent = call(), set(), os.getpid()
    children, failed = [], 0

    def fork():
        if os.getpid() == parent:
            child = os.fork()
            if child:
                children.append(child)
            else:
                sys.settrace(None)

    for _ in range(2):
        sys.settrace(Moments(seen, {pool.__file__}, fork))
        try:
            loss, gradient = call()
        except BaseException:
            loss = None
        sys.settrace(None)
        good = loss == expected[0] and (gradient == expected[1]).all() and (call()[1] == expected[1]).all()
        if os.getpid() != parent:
            os._exit(0 if good else 1)
        failed += not good
    for child in children:
        failed += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    print(name, len(children) > 20, failed)
""",
        timeout=200,
    )
    assert out == "units True 0\nblocks True 0"


@thorough
@needs_fork
def test_a_handler_forks_during_a_first_call(tmp_path):
    out = run(
        SETTING
        + """
    parent, children = os.getpid(), []

    def handler(*_):
        if os.getpid() == parent and len(children) < 5:
            child = os.fork()
            if child:
                children.append(child)
                signal.setitimer(signal.ITIMER_REAL, 0.3)

    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    found = call(20_000), call(20_000)
    if os.getpid() != parent:
        os._exit(0 if found[0] == found[1] else 1)
    while len(children) < 5:
        time.sleep(0.01)
    signal.setitimer(signal.ITIMER_REAL, 0)
    ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(ends, found[0] == found[1])
    """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out == "[0, 0, 0, 0, 0] True"


ENDS = {
    # What this refers to is there until the process ends, so that nothing is torn down before.
    "exit functions": "import atexit; atexit.register(finish)",
    "teardown": """
    class Last:
        def __del__(self, finish=finish):
            finish()

    last = Last()
    """,
}


@pytest.mark.parametrize("end", ENDS)
def test_calls_at_the_end_of_a_process(end):
    # Threads cannot be started any more, nor do those that there are come; and one kernel is new. Where
    # Python is torn down already NumPy may raise, but nobody waits.
    out = run(
        SETTING
        + """
    def finish(call=kdexent.loss_and_grad, x=x, z=z, known=call(), out=sys.stdout):
        options = {"bandwidth": 0.1, "bins": 64, "n_threads": 2}
        loss, gradient = call(x, z, -1, 1, **options)
        other = call(x[:100], z[:100], -1, 1, kernel="tricube", **options)
        out.write(f"{loss == known[0] and gradient.tobytes() == known[1]} {other[0] > 0}")
        out.flush()
    """
        + ENDS[end]
    )
    assert out == "True True" or (end == "teardown" and not out)
