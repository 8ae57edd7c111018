"""Calls from many threads at once, on every threading layer and inside other libraries' work."""

import os
import sys
import sysconfig
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from problems import random_problem
from processes import run
from tiers import thorough

import kdexent
from kdexent.runtime import pool

# Eight callers, small and large problems mixed, while one more keeps the layer itself at work.
EIGHT_CALLERS = """
    import threading
    from concurrent.futures import ThreadPoolExecutor
    import numba, numpy as np
    import kdexent

    @numba.njit(parallel=True)
    def busy(n):
        total = 0.0
        for i in numba.prange(n):
            total += np.sqrt(i)
        return total

    busy(1000)
    assert numba.threading_layer() == {layer!r}, numba.threading_layer()
    rng = np.random.default_rng(0)
    sizes = [50, 400_000, 3_000, 50, 250_000, 30_000, 100, 1] * 2
    problems = [rng.normal(size=(2, n)) for n in sizes]

    def call(x, z, n_threads=None):
        loss, gradient = kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.1, n_threads=n_threads)
        plan = kdexent.Plan(x, -1, 1, bandwidth=0.1, n_threads=n_threads)
        return loss, gradient.tobytes(), plan.loss(z)

    expected = [call(x, z, 1) for x, z in problems]
    for (x, z), (loss, gradient, _) in zip(problems, expected):
        if len(x) <= 3_000:
            exact, by_z = kdexent.reference.loss_and_grad(x, z, -1, 1, bandwidth=0.1)
            assert abs(loss - exact) < 1e-8
            assert np.abs(np.frombuffer(gradient) - by_z).max() <= 1e-8 * np.abs(by_z).max() + 1e-15
    done = threading.Event()

    def layer_at_work():
        while not done.is_set():
            busy(10_000)

    other = threading.Thread(target=layer_at_work)
    other.start()
    before = numba.get_num_threads()
    with ThreadPoolExecutor(8) as callers:
        for _ in range(3):
            found = list(callers.map(lambda data: call(*data), problems))
            assert found == expected
    done.set()
    other.join()
    assert numba.get_num_threads() == before
    print("right")
"""


@pytest.mark.parametrize("layer", ["omp", "workqueue", "tbb"])
def test_eight_callers_on_every_threading_layer(layer):
    folders = [sysconfig.get_path("platlib"), os.path.join(sys.prefix, "lib")]
    paths = os.pathsep.join([*folders, os.environ.get("LD_LIBRARY_PATH", "")])  # where the wheel puts TBB
    out = run(EIGHT_CALLERS.format(layer=layer), NUMBA_THREADING_LAYER=layer, LD_LIBRARY_PATH=paths)
    assert out == "right"


@pytest.mark.parametrize("fail", [False, True], ids=["call", "exception"])
@pytest.mark.parametrize("mine", [1, None])
def test_numba_settings_are_left_alone(mine, fail):
    import numba  # noqa: PLC0415  # in a few tests only

    before = numba.get_num_threads()
    numba.set_num_threads(mine or before)
    try:
        x, z = random_problem(0, 250_000)
        for n_threads in (None, 1, 2, 1000):
            if fail:
                z[-1] = np.nan
                with pytest.raises(ValueError, match="z must be finite"):
                    kdexent.loss(x, z, 1.0, 5.0, bandwidth=0.1, n_threads=n_threads)
            else:
                kdexent.loss(x, z, 1.0, 5.0, bandwidth=0.1, n_threads=n_threads)
            assert numba.get_num_threads() == (mine or before)
    finally:
        numba.set_num_threads(before)


class Together:
    """Blocks that take note of how many of them run at once, once all callers have come."""

    def __init__(self, after=0):
        self.now, self.most, self._after, self._lock = 0, 0, after, threading.Lock()

    def __call__(self, block):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now if block >= self._after else 0)
        threading.Event().wait(0.002)
        with self._lock:
            self.now -= 1


@pytest.fixture
def four_helpers(monkeypatch):
    monkeypatch.setattr(pool, "_MOST_HELPERS", 4)


@pytest.mark.parametrize(
    ("callers", "n_threads", "most"), [(1, 1, 1), (1, 3, 3), (2, 2, 2), (4, 3, 4), (3, 1, 3)]
)
def test_callers_share_the_threads_that_one_may_have(four_helpers, callers, n_threads, most):
    # As dask's and joblib's threads do: each of the workers calls with all the threads there are.
    seen, start = Together(after=15), threading.Barrier(callers)

    def call(_):
        start.wait()
        pool.run_blocks(30, seen, n_threads)

    with ThreadPoolExecutor(callers) as workers:
        list(workers.map(call, range(callers)))
    assert seen.most == most


def test_helpers_are_free_again_after_an_exception(four_helpers):
    def fail(block):
        raise RuntimeError("a block failed")

    for _ in range(3):
        with pytest.raises(RuntimeError, match="a block failed"):
            pool.run_blocks(30, fail, 3)
    seen = Together(after=15)
    pool.run_blocks(30, seen, 3)
    assert seen.most == 3


def test_blocks_may_run_blocks():
    seen = Together()
    pool.run_blocks(4, lambda block: pool.run_blocks(4, seen, 2), 2)
    assert seen.now == 0 and seen.most <= 2


PROBLEM = "x, z = np.random.default_rng(0).normal(size=(2, 300_000))"


def test_inside_a_joblib_worker():
    # joblib tells the libraries in its workers how many threads each may have.
    out = run(f"""
        import joblib, numpy as np, kdexent
        {PROBLEM}

        def work(seed):
            from kdexent.runtime import pool
            return pool.available(), kdexent.loss(x, z, -1, 1, bandwidth=0.1)

        expected = kdexent.loss(x, z, -1, 1, bandwidth=0.1)
        cores = joblib.cpu_count()
        found = joblib.Parallel(n_jobs=max(2, cores))(joblib.delayed(work)(seed) for seed in range(4))
        print(all(threads == 1 and loss == expected for threads, loss in found))
    """)
    assert out == "True"


def test_inside_a_dask_worker():
    out = run(f"""
        import dask, numpy as np, kdexent
        {PROBLEM}
        expected = kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.1)

        @dask.delayed
        def work(seed):
            loss, gradient = kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.1)
            return loss == expected[0] and (gradient == expected[1]).all()

        for scheduler in ("threads", "processes"):
            found = dask.compute(*[work(seed) for seed in range(4)], scheduler=scheduler, num_workers=2)
            print(all(found))
    """)
    assert out == "True\nTrue"


@thorough
def test_inside_a_compilation(tmp_path):
    # Such as that of a user's overload, which may want a number from here. No other thread can compile then,
    # as helpers would have to whose blocks find bins in the tails.
    out = run(
        """
        import numba, numpy as np, kdexent
        from kdexent.runtime import pool
        from numba.extending import overload

        pool.available = lambda: 2
        pool._MOST_HELPERS = 1
        x, z = np.random.default_rng(0).normal(size=(2, 100_000))

        def of_one_point():
            kdexent.loss_and_grad(x, z, 20, 21, bandwidth=0.2, bins=64, method="direct", n_threads=2)
            return kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8)

        @overload(of_one_point)
        def _of_one_point():
            value = of_one_point()
            return lambda: value

        @numba.njit
        def compiled():
            return of_one_point()

        print(round(compiled(), 10))
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out == "0.4755162458"
