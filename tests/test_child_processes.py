"""Children of a process whose threads have worked: forked, spawned and from a fork server."""

import multiprocessing
import os
import textwrap

import pytest
from processes import run
from tiers import thorough, thorough_but_for

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

# The parent has used our threads, Numba's own and, where there is one, OpenMP's.
PARENT = """
    import multiprocessing, os, sys, warnings
    import numba, numpy as np, kdexent
    warnings.simplefilter("ignore")  # forking a process with threads is the point

    @numba.njit(parallel=True)
    def busy(n):
        total = 0.0
        for i in numba.prange(n):
            total += np.sqrt(i)
        return total

    x, z = np.random.default_rng(0).normal(size=(2, 300_000))

    def call():
        loss, gradient = kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.1)
        plan = kdexent.Plan(x[:50_000], -1, 1, bandwidth=0.1)
        return loss, gradient.tobytes(), plan.loss(z[:50_000])

    busy(1000)
    expected = call()
"""


@needs_fork
@pytest.mark.parametrize("layer", ["omp", "workqueue"])
def test_os_fork(layer):
    out = run(
        PARENT
        + """
    child = os.fork()
    if child == 0:
        grandchild = os.fork()
        good = call() == expected
        if grandchild == 0:
            os._exit(0 if good else 1)
        os._exit(0 if good and os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]) == 0 else 1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), call() == expected)
    """,
        NUMBA_THREADING_LAYER=layer,
    )
    assert out == "0 True"


@thorough_but_for(method=["fork", "spawn"])
@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_multiprocessing(method, tmp_path):
    # spawn and forkserver import the program again, so it is a file.
    program = tmp_path / "program.py"
    setup, last = textwrap.dedent(PARENT).split("busy(1000)")
    program.write_text(
        setup
        + "def child(_):\n    return call()\n\nif __name__ == '__main__':\n"
        + textwrap.indent("busy(1000)" + last, "    ")
        + """
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        print(all(found == expected for found in pool.map(child, range(4))))
    print(call() == expected)
"""
    )
    assert run(program, method, NUMBA_THREADING_LAYER="omp") == "True\nTrue"


@thorough
@needs_fork
def test_fork_while_another_thread_compiles(tmp_path):
    # A child that inherits a half-done compilation, and its lock, would wait for it for ever.
    out = run(
        """
        import os, threading, time, warnings
        import numpy as np, kdexent
        from kdexent.runtime import jit
        warnings.simplefilter("ignore")
        started, specialise = threading.Event(), jit._specialise

        def slowly(*args):
            started.set()
            time.sleep(0.2)
            return specialise(*args)

        jit._specialise = slowly
        problem = [0.3], [0.0], -0.1, 0.1
        other = threading.Thread(target=lambda: kdexent.loss(*problem, bandwidth=0.2, bins=8))
        other.start()
        started.wait()
        child = os.fork()
        if child == 0:
            os._exit(0 if abs(kdexent.loss(*problem, bandwidth=0.2, bins=8) - 0.4755162458) < 1e-9 else 1)
        other.join()
        for _ in range(600):
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                break
            time.sleep(0.1)
        else:
            os.kill(child, 9)
        print(bool(pid) and os.waitstatus_to_exitcode(status))
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out == "0"
