"""The same bits on any number of threads, under concurrent callers, in forked children and cold caches."""

import os
import subprocess
import sys
import textwrap
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, random_problem

import kdexent

WRT = ("z", "x", "bandwidth")
PACKAGE = Path(kdexent.__file__).parent


def run(code, **environment):
    """Run code in a process of its own and return what it printed."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
@pytest.mark.parametrize(
    ("points", "rows", "bins"), [(20_000, (), 128), (100, (800,), 32)], ids=["row", "batch"]
)
def test_same_bits_on_any_number_of_threads(kernel, period, points, rows, bins):
    x, z = random_problem(0, points, rows, period)
    options = {"bandwidth": 0.1, "kernel": kernel, "period": period, "bins": bins}
    loss, gradients = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=WRT, n_threads=1, **options)
    _, by_z = kdexent.loss_and_grad(x, z, 1.0, 5.0, n_threads=1, **options)
    for n_threads in (2, 1000, None, 0, -1):
        again, gradients_again = kdexent.loss_and_grad(
            x, z, 1.0, 5.0, wrt=WRT, n_threads=n_threads, **options
        )
        _, by_z_again = kdexent.loss_and_grad(x, z, 1.0, 5.0, n_threads=n_threads, **options)
        np.testing.assert_array_equal(again, loss)
        for mine, other in zip((*gradients_again, by_z_again), (*gradients, by_z), strict=True):
            np.testing.assert_array_equal(mine, other)


def test_many_callers_at_once():
    problems = [random_problem(seed, points) for seed, points in enumerate([50, 30_000] * 8)]
    expected = [kdexent.loss_and_grad(x, z, 1.0, 5.0, bandwidth=0.1, n_threads=1) for x, z in problems]

    def call(problem):
        return kdexent.loss_and_grad(*problem, 1.0, 5.0, bandwidth=0.1)

    with ThreadPoolExecutor(8) as callers:
        for _ in range(3):
            for (loss, gradient), (exact, by_z) in zip(callers.map(call, problems), expected, strict=True):
                assert loss == exact
                np.testing.assert_array_equal(gradient, by_z)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_forked_child_after_threads_ran():
    out = run("""
        import os, warnings
        import numpy as np, kdexent
        x, z = np.random.default_rng(0).normal(size=(2, 50_000))
        expected = kdexent.loss(x, z, -1, 1, bandwidth=0.1)
        warnings.simplefilter("ignore")  # forking a process with threads is the point
        child = os.fork()
        if child == 0:
            os._exit(0 if kdexent.loss(x, z, -1, 1, bandwidth=0.1) == expected else 1)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(status, kdexent.loss(x, z, -1, 1, bandwidth=0.1) == expected)
    """)
    assert out == "0 True"


def test_numba_settings_are_left_alone():
    import numba  # noqa: PLC0415  # in a few tests only

    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        x, z = random_problem(0, 30_000)
        kdexent.loss(x, z, 1.0, 5.0, bandwidth=0.1)
        with pytest.raises(ValueError, match="x must be finite"):
            kdexent.loss(np.full(5, np.nan), np.zeros(5), 1.0, 5.0, bandwidth=0.1)
        assert numba.get_num_threads() == 1
    finally:
        numba.set_num_threads(before)


def test_import_is_light():
    out = run("""
        import sys, numpy
        import kdexent
        print([name for name in ("numba", "scipy", "llvmlite", "kdexent.kde") if name in sys.modules])
        kdexent.KERNELS, kdexent.METHODS, kdexent.reference.loss
        print("numba" in sys.modules)
    """)
    assert out == "[]\nFalse"


def test_nothing_writable_still_works(tmp_path):
    # A package whose folder, home and cache folder all refuse to be written to.
    blocked = tmp_path / "file"
    blocked.write_text("")
    out = run(
        """
        import os, sys
        os.access = lambda *args, **options: False
        import tempfile
        def refuse(*args, **options):
            raise PermissionError("read-only file system")
        tempfile.TemporaryFile = refuse
        import kdexent
        print(round(kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8), 10))
        """,
        HOME=str(blocked),
    )
    assert out == "0.4755162458"


def _first_call(cache):
    return run(
        """
        import kdexent
        from kdexent import jit
        compiled = []
        original = jit._PackageCache.save_overload
        def save(self, *args):
            compiled.append(self._kdexent_name)
            return original(self, *args)
        jit._PackageCache.save_overload = save
        kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, kernel="tricube", bins=8)
        print(len(compiled))
        """,
        NUMBA_CACHE_DIR=str(cache),
    )


def test_cache_is_used_and_notices_edits_of_any_file(tmp_path, monkeypatch):
    assert int(_first_call(tmp_path)) > 0
    assert int(_first_call(tmp_path)) == 0
    out = run(
        """
        from kdexent import jit
        stamp = jit._package_stamp()
        jit._package_stamp.cache_clear()
        from pathlib import Path
        read = Path.read_bytes
        Path.read_bytes = lambda self: read(self) + (b"#" if self.name == "arithmetic.py" else b"")
        print(stamp != jit._package_stamp())
        """
    )
    assert out == "True"


def test_eight_cold_starts_at_once(tmp_path):
    def start(_):
        return run(
            "import kdexent; print(kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8).hex())",
            NUMBA_CACHE_DIR=str(tmp_path),
        )

    with ThreadPoolExecutor(8) as starters:
        assert len(set(starters.map(start, range(8)))) == 1


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
    tracemalloc.start()
    kdexent.loss_and_grad(x, z, 1.0, 5.0, out=out, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # 64 lanes of sums over bins, or some of sums over cells, and nothing of the size of x.
    assert peak < (64 * bins * 8 + 400_000 if method == "direct" else 8_000_000)


def test_ctrl_c_between_blocks():
    out = run("""
        import signal, time
        import numpy as np, kdexent
        kdexent.loss_and_grad(
            np.zeros(1000), np.zeros(1000), -1, 1, bandwidth=0.001, bins=2000, method="direct"
        )
        x, z = np.random.default_rng(0).normal(size=(2, 3_000_000))
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        def interrupt(*_):
            raise KeyboardInterrupt
        signal.signal(signal.SIGALRM, interrupt)
        try:
            kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.001, bins=20_000, method="direct")
            print("finished")
        except KeyboardInterrupt:
            print("interrupted")
        print(round(kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8), 10))
    """)
    assert out == "interrupted\n0.4755162458"


def test_warmup_leaves_nothing_to_compile(tmp_path):
    out = run(
        """
        import kdexent
        from kdexent import jit
        kdexent.warmup("epanechnikov", domain="line", plans=True)
        def refuse(*args):
            raise AssertionError("compiled after warmup")
        jit._specialise = refuse
        for period in (None,):
            for bandwidth in (0.1, 7.0):
                options = {"bandwidth": bandwidth, "kernel": "epanechnikov", "period": period}
                far, near = ([0.3, 9.0], [0.0, 1.0], -0.1, 0.1), ([0.3], [0.0], -0.1, 5.0)
                kdexent.loss_and_grad(*far, bins=8, wrt=("z", "x", "bandwidth"), **options)
                kdexent.loss_and_grad(*near, bins=8, **options)
                kdexent.log_density([0.3], [0.0], [0.1], **options)
                for method in ("cells", "window"):
                    for wrt in ("z", ("z", "x", "bandwidth")):
                        kdexent.loss_and_grad(*far, bins=8, wrt=wrt, method=method, **options)
                        kdexent.loss_and_grad(*near, bins=8, wrt=wrt, method=method, **options)
                kdexent.Plan(far[0], *far[2:], bins=8, method="cells", **options).loss_and_grad(far[1])
        print("ok")
        """,
        NUMBA_CACHE_DIR=str(tmp_path),
    )
    assert out == "ok"


def test_cached_code_and_new_code_do_not_mix(tmp_path):
    # Two variants of one loop, each compiled in a process of its own, then both loaded by a third.
    code = """
        import sys
        import numpy as np
        from kdexent.cell_geometry import OUTSIDE, even
        from kdexent.cell_points import point_passes
        for kind in "{kinds}".split():
            cells = even(0.0, 4.0, 1.0)
            if kind == "knots":
                cells = cells._replace(kind="knots", parts=2, breaks=(0.0, 0.25))
            sums, states = np.zeros((1, (cells.cells + OUTSIDE) * 3)), np.zeros((1, 6))
            x, z = np.array([0.1, 1.35, 12.6, 3.9]), np.zeros(4)
            point_passes(3, kind, False).moments()(x, z, 4, cells.array(), states, sums)
            by, powers = np.empty(4), np.arange(1.0, sums.size + 1)
            point_passes(3, kind, False).values()(x, z, 0.0, cells.array(), powers, 0.0, 1.0, by)
            print(sums.tolist(), by.tolist())
    """
    apart = [run(code.format(kinds=kinds), NUMBA_CACHE_DIR=str(tmp_path)) for kinds in ("even", "knots")]
    assert run(code.format(kinds="even knots"), NUMBA_CACHE_DIR=str(tmp_path)) == "\n".join(apart)


def test_a_plan_does_not_depend_on_the_calls_before():
    # A gradient that nearly vanishes is computed with more care, but only that one.
    x, z = random_problem(1, 20_000)
    for bandwidth in (0.3, 40.0):
        plan = kdexent.Plan(x, 1.0, 5.0, bandwidth=bandwidth, bins=64, method="cells")
        fresh = kdexent.Plan(x, 1.0, 5.0, bandwidth=bandwidth, bins=64, method="cells")
        first = plan.loss_and_grad(z)
        plan.loss_and_grad(0 * z)
        again, other = plan.loss_and_grad(z), fresh.loss_and_grad(z)
        assert first[0] == again[0] == other[0]
        np.testing.assert_array_equal(first[1], again[1])
        np.testing.assert_array_equal(first[1], other[1])
