"""Long calls, and many of them: memory that does not grow."""

import tracemalloc

import numpy as np
import pytest
from allocations import traced
from problems import random_problem
from processes import run
from tiers import thorough, thorough_but_for

import kdexent
from kdexent.runtime import pool
from kdexent.strategies.direct import reached
from kdexent.strategies.direct.neighbours import most_bins


@thorough_but_for(kernel=["gaussian"])
@pytest.mark.parametrize("kernel", ["gaussian", "triweight", "cauchy"])
@pytest.mark.parametrize("method", ["direct", "auto"])
@pytest.mark.parametrize(("points", "bins"), [(200_000, 64), (20_000, 1024), (1_500_000, 1024)])
def test_workspace_does_not_grow_with_the_points(points, bins, method, kernel):
    if points * bins > 10**9 and method == "direct":
        points = 300_000
    x, z = random_problem(0, points)
    out = np.empty(points)
    options = {"bandwidth": 0.1, "bins": bins, "method": method, "kernel": kernel}
    kdexent.loss_and_grad(x, z, 1.0, 5.0, out=out, **options)
    with traced():
        kdexent.loss_and_grad(x, z, 1.0, 5.0, out=out, **options)
        _, peak = tracemalloc.get_traced_memory()
    # 64 lanes of sums over bins, pairs of a chunk, or some of sums over cells; nothing of the size of x.
    of_chunks = 8 * pool.available() * reached.words(1, bins) if bins <= most_bins(points) else 0
    assert peak < (64 * bins * 8 + of_chunks + 400_000 if method == "direct" else 8_000_000)


@thorough_but_for(kernel=["gaussian"])
@pytest.mark.parametrize("kernel", ["gaussian", "boxcar", "von_mises"])
def test_workspace_does_not_grow_with_the_rows(kernel):
    rows, points = 40_000, 100
    x, z = random_problem(0, points, (rows,), 6.0)
    widths, out = 10 ** np.random.default_rng(1).uniform(-2.5, 0, rows), np.empty((rows, points))
    options = {"bandwidth": widths, "kernel": kernel, "bins": 32, "period": 6.0, "out": out}
    kdexent.loss_and_grad(x, z, 0.0, 4.0, **options)
    with traced():
        kdexent.loss_and_grad(x, z, 0.0, 4.0, **options)
        _, peak = tracemalloc.get_traced_memory()
    assert peak < 0.75 * out.nbytes  # though rows of unlike bandwidths go unlike ways


@thorough
def test_a_hundred_million_points_in_one_call(tmp_path):
    # float32 on disk, read and written where it is.
    out = run(
        """
        import sys, tracemalloc
        from pathlib import Path
        import numpy as np, kdexent
        folder, points, part = Path(sys.argv[1]), 10**8, 10**6
        maps = {
            name: np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.float32, (points,))
            for name in ("x", "z", "out")
        }
        rng = np.random.default_rng(0)
        some = {"x": rng.normal(size=part).astype("f4"), "z": rng.normal(size=part).astype("f4")}
        for name, numbers in some.items():
            maps[name].reshape(-1, part)[:] = numbers
        options = {"bandwidth": 0.05, "bins": 256}
        x, z = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in "xz")
        kdexent.loss_and_grad(x, z, -1, 1, out=maps["out"], **options)
        tracemalloc.start()
        loss, gradient = kdexent.loss_and_grad(x, z, -1, 1, out=maps["out"], **options)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8_000_000, peak
        assert gradient is maps["out"]
        # A hundred copies of a million points have their loss, and each a hundredth of its gradient.
        exact, by_z = kdexent.loss_and_grad(*(some[name].astype(float) for name in "xz"), -1, 1, **options)
        assert abs(loss - exact) < 1e-6 * abs(exact), (loss, exact)
        largest = np.abs(by_z).max()
        for first in (0, 37, 99):
            found = gradient.reshape(-1, part)[first] * 100
            assert np.abs(found - by_z).max() < 1e-5 * largest
        print("right")
        """,
        str(tmp_path),
    )
    assert out == "right"


@thorough
def test_memory_does_not_grow_with_the_calls():
    out = run("""
        import gc, resource, sys
        import numpy as np, kdexent

        def used():
            gc.collect()
            with open("/proc/self/status") as file:
                return next(int(line.split()[1]) for line in file if line.startswith("RssAnon"))

        rng = np.random.default_rng(0)
        x, z = rng.normal(size=(2, 300))
        many_x, many_z = rng.normal(size=(2, 30_000))

        def calls(count):
            for i in range(count):
                h = 0.1 + 1e-6 * i  # what is kept for parameters must not grow either
                kdexent.loss_and_grad(x, z, -1, 1, bandwidth=h, bins=32, wrt=("z", "x", "bandwidth"))
                if i % 20 == 0:
                    kdexent.loss(many_x, many_z, -1, 1, bandwidth=h)
                    kdexent.loss_and_grad(x, z, 20, 21, bandwidth=h, bins=2048)
                    kdexent.Plan(x, -1, 1, bandwidth=h, bins=64, method="cells").loss_and_grad(z)
                    kdexent.log_density(x, z, x[:7], bandwidth=h)
                    try:
                        kdexent.loss(x, z * np.nan, -1, 1, bandwidth=h)
                    except ValueError:
                        pass

        calls(2_000)
        before = used()
        calls(4_000)
        print(used() - before)
        """)
    assert int(out) < 1_000  # kB
