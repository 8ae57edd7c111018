"""A row in others' compiled code: as good as the reference, with no allocation, in threads, from a cache."""

import os
import sys
from contextlib import suppress

import numba
import numpy as np
import pytest
from numba.core.runtime import _nrt_python as _nrt
from numba.core.runtime import rtsys
from problems import IDS, KERNELS_AND_DOMAINS, Rounding, assert_gradients_agree, assert_losses_agree
from processes import run
from test_rows import unlike_rows
from tiers import thorough_but_for_few

import kdexent
from kdexent import njit, reference

ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
ROWS, POINTS, BINS = 40, 60, 30


@pytest.fixture(scope="module")
def laplace():
    return njit.row_loss_and_grad("laplace", domain="line")


def domain_of(period):
    return "line" if period is None else "circle"


def each_row(function, x, z, edges, target, bandwidth, period, kernel, size):
    centers = 0.5 * (edges[1:] + edges[:-1])
    workspace = np.full(njit.workspace_size(kernel, x.shape[1], len(target)), np.nan)
    out = np.full((len(x), size), np.nan)
    results = [
        function(*row, centers, target, bandwidth, period or 0.0, out[r], workspace)
        for r, row in enumerate(zip(x, z, strict=True))
    ]
    return np.array(results), out


@thorough_but_for_few(bins=[7, 151])
@pytest.mark.parametrize("bins", [1, 7, 40, 151, 300])
@ALL
def test_agrees_with_the_reference(kernel, period, bins):
    rng, (x, z) = np.random.default_rng(bins), unlike_rows(period)
    target, function = rng.uniform(0.0, 2.0, bins), njit.row_loss_and_grad(kernel, domain=domain_of(period))
    target[0] = 1.0
    target[1:2] = 0.0
    spread = np.cumsum(rng.uniform(0.1, 1.0, bins + 1))
    unequal = 1.0 + 3.5 * (spread - spread[0]) / (spread[-1] - spread[0])
    for bandwidth in (0.01, 0.15, 1.3):
        for edges in (np.linspace(1.0, 4.5, bins + 1), unequal):
            options = {"kernel": kernel, "bandwidth": bandwidth, "period": period, "target": target}

            def exact(x, edges=edges, options=options):
                return reference.loss_and_grad(x, z, edges[0], edges[-1], bins=edges, **options)

            losses, by_z = each_row(function, x, z, edges, target, bandwidth, period, kernel, x.shape[1])
            (expected, gradient), rounding = exact(x), Rounding(exact, x)
            assert_losses_agree(losses, expected, 1e-12, rounding)
            assert_gradients_agree(by_z, gradient, z, bandwidth, "z", 1e-12, (rounding, 1), slack=400)


@thorough_but_for_few(bins=[40])
@pytest.mark.parametrize("bins", [7, 40, 151])
@ALL
def test_log_density_agrees_with_the_reference(kernel, period, bins):
    (x, z), function = unlike_rows(period), njit.row_log_density(kernel, domain=domain_of(period))
    edges = np.linspace(1.0, 4.5, bins + 1)
    for bandwidth in (0.01, 0.15, 1.3):
        options = {"kernel": kernel, "bandwidth": bandwidth, "period": period}
        _, found = each_row(function, x, z, edges, np.ones(bins), bandwidth, period, kernel, bins)
        expected = reference.log_density(x, z, 0.5 * (edges[1:] + edges[:-1]), **options)
        np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
        reached = np.isfinite(expected)
        np.testing.assert_allclose(found[reached], expected[reached], rtol=1e-10, atol=1e-10)


def rows(seed=0):
    rng = np.random.default_rng(seed)
    centers = np.linspace(-1.0, 1.0, BINS)
    return rng.uniform(-1, 1, (ROWS, POINTS)), rng.normal(size=(ROWS, POINTS)), centers, np.ones(BINS)


def far_row(period, bins):
    """Return a row of as many points as bins, some of these out of reach; and its bandwidth and period.

    30 bins are not equal, and 600 are.
    """
    rng = np.random.default_rng(0)
    x, z = 0.25 * rng.integers(0, 3, bins), 0.5 * rng.integers(-9, 9, bins)
    centers = np.linspace(0.0, 2.0, bins)
    centers[:5] += 0.01 if bins == 30 else 0.0
    return [x, z, centers, np.ones(bins)], (0.001 if bins == 30 else 0.02, period or 0.0)


@thorough_but_for_few(bins=[30])
@pytest.mark.parametrize("bins", [30, 600])
@ALL
def test_a_constant_added_to_logits_changes_nothing(kernel, period, bins):
    (x, z, *of_bins), about = far_row(period, bins)
    workspace = np.empty(njit.workspace_size(kernel, bins, bins))
    for make in (njit.row_loss_and_grad, njit.row_log_density):
        function, results = make(kernel, domain=domain_of(period)), []
        for constant in (0.0, 2.0**45):
            out = np.empty(bins)
            results.append([function(x, z + constant, *of_bins, *about, out, workspace), *out])
        np.testing.assert_array_equal(*results)


@thorough_but_for_few(bins=[30, 600])
@pytest.mark.parametrize("bins", [30, 600])
@ALL
def test_results_may_go_where_arguments_are(kernel, period, bins):
    given, about = far_row(period, bins)
    workspace = np.empty(njit.workspace_size(kernel, bins, bins))
    for make in (njit.row_loss_and_grad, njit.row_log_density):
        function, expected = make(kernel, domain=domain_of(period)), np.empty(bins)
        value = function(*given, *about, expected, workspace)
        for place in range(4):
            copies = [array.copy() for array in given]
            assert function(*copies, *about, copies[place], workspace) == value
            np.testing.assert_array_equal(copies[place], expected)


def test_bins_of_a_whole_period_far_from_0():
    function = njit.row_log_density("gaussian", domain="circle")
    workspace = np.empty(njit.workspace_size("gaussian", 3, 9))
    for start in 10.0 ** np.arange(0.0, 12.0, 0.1):
        centers, out = np.linspace(start, start + 2.4115693702158354, 9), np.empty(9)
        function(centers[:3], np.zeros(3), centers, np.ones(9), 0.1, 2.4115693702158354, out, workspace)
        assert np.isfinite(out).all()


def test_calls_that_raise_keep_no_arrays(laplace):
    x, z, centers, masses = rows()
    arrays = x[0] * np.nan, z[0].copy(), centers, masses, np.empty(POINTS), np.empty(10_000)
    before = [sys.getrefcount(array) for array in arrays]
    for _ in range(10):
        with pytest.raises(ValueError, match="x must be finite"):
            laplace(*arrays[:4], 0.1, 0.0, *arrays[4:])
    assert [sys.getrefcount(array) for array in arrays] == before


def test_in_a_loop_of_threads(laplace):
    @numba.njit(parallel=True)
    def losses_of(x, z, centers, masses, out, workspaces, losses):
        for r in numba.prange(len(x)):
            workspace = workspaces[numba.get_thread_id()]
            losses[r] = laplace(x[r], z[r], centers, masses, 0.1, 0.0, out[r], workspace)

    x, z, centers, masses = rows()
    workspaces = np.empty((numba.get_num_threads(), njit.workspace_size("laplace", POINTS, BINS)))
    out, losses = np.empty(x.shape), np.empty(ROWS)
    losses_of(x, z, centers, masses, out, workspaces, losses)
    for r in range(ROWS):
        by_z = np.empty(POINTS)
        assert laplace(x[r], z[r], centers, masses, 0.1, 0.0, by_z, workspaces[0]) == losses[r]
        np.testing.assert_array_equal(by_z, out[r])


@pytest.mark.parametrize("start", [0.0, 1e4])
def test_allocates_nothing(laplace, start):
    @numba.njit
    def total_of(x, z, centers, masses, out, workspace):
        total = 0.0
        for r in range(x.shape[0]):
            total += laplace(x[r], z[r], centers, masses, 0.1, 0.0, out[r], workspace)
        return total

    x, z, centers, masses = rows()
    arguments = x, z, centers + start, masses, np.empty(x.shape)
    workspace = np.empty(njit.workspace_size("laplace", POINTS, BINS))
    total_of(*arguments, workspace)
    enabled = _nrt.memsys_stats_enabled()
    _nrt.memsys_enable_stats()
    try:
        before = rtsys.get_allocation_stats()
        assert np.isfinite(total_of(*arguments, workspace))
        made = rtsys.get_allocation_stats().alloc - before.alloc
    finally:
        if not enabled:
            _nrt.memsys_disable_stats()
    assert made <= len(arguments) + 1  # for each array that Python gives


CALLER = """
import sys
import numba, numpy as np
from kdexent import njit

row = njit.row_loss_and_grad("laplace", domain=sys.argv[1])

@numba.njit(cache=True)
def loss_of(x, z, centers, masses, out, workspace):
    return row(x, z, centers, masses, 0.1, 0.0, out, workspace)

x, centers = np.linspace(-1, 1, 9), np.linspace(-1, 1, 5)
loss = loss_of(x, x, centers, np.ones(5), np.empty(9), np.empty(njit.workspace_size("laplace", 9, 5)))
hits = sum(loss_of.stats.cache_hits.values()) if hasattr(loss_of, "stats") else 0
print(loss.hex(), hits)
"""


def loss_of_caller(folder, domain="line", **environment):
    script = folder / "caller.py"
    if not script.exists():  # the cache of old Numbas looks at the time of the last change
        script.write_text(CALLER)
    loss, hits = run(script, domain, PYTHONWARNINGS="error::RuntimeWarning", **environment).split()
    return float.fromhex(loss), int(hits)


def test_callers_that_are_kept_on_disk(tmp_path):
    first, before = loss_of_caller(tmp_path)
    second, after = loss_of_caller(tmp_path)
    assert (before, after) == (0, 1)
    assert first == second
    x, edges = np.linspace(-1, 1, 9), np.linspace(-1.25, 1.25, 6)
    options = {"bandwidth": 0.1, "kernel": "laplace", "bins": edges, "target": np.ones(5)}
    assert first == pytest.approx(reference.loss(x, x, -1.25, 1.25, **options), rel=1e-12)
    assert loss_of_caller(tmp_path, NUMBA_DISABLE_JIT="1")[0] == pytest.approx(first, rel=1e-12)


def test_callers_that_are_kept_on_disk_for_another_row(tmp_path):
    loss_of_caller(tmp_path)
    with pytest.raises(AssertionError, match="RuntimeError: compiled code from a cache"):
        loss_of_caller(tmp_path, domain="circle")


BAD = {
    "x": ("x", lambda x: np.where(x == x[0], np.inf, x)),
    "z": ("z", lambda z: np.where(z == z[0], np.nan, z)),
    "masked": ("z", lambda z: np.full_like(z, -np.inf)),
    "short z": ("z", lambda z: z[1:]),
    "centers": ("centers", lambda centers: centers * np.nan),
    "masses": ("masses", lambda masses: -masses),
    "no masses": ("masses", lambda masses: 0 * masses),
    "h": ("h", lambda h: 0.0),
    "period": ("period", lambda period: -1.0),
    "a circle": ("period", lambda period: 6.0),
    "out": ("out", lambda out: out[1:]),
    "workspace": ("workspace", lambda workspace: workspace[:100]),
}


def arguments_of_a_row():
    x, z, centers, masses = rows()
    arguments = {"x": x[0], "z": z[0], "centers": centers, "masses": masses, "h": 0.1, "period": 0.0}
    workspace = np.empty(njit.workspace_size("laplace", POINTS, BINS))
    return arguments | {"out": np.empty(POINTS), "workspace": workspace}


@pytest.mark.parametrize("fault", BAD)
def test_bad_input_is_named(laplace, fault):
    arguments = arguments_of_a_row()
    name, spoil = BAD[fault]
    with pytest.raises(ValueError, match=rf"^(x and )?{name} (must|has)"):
        laplace(*(arguments | {name: spoil(arguments[name])}).values())
    assert np.isfinite(laplace(*arguments.values()))


def test_short_workspaces_are_not_written_past_their_ends(laplace):
    x, z, centers, masses = rows()
    size, numbers = njit.workspace_size("laplace", POINTS, BINS), np.full(10_000, 0.5)
    for short in range(size):
        with suppress(ValueError):  # the size is that of the way which takes most
            laplace(x[0], z[0], centers, masses, 0.1, 0.0, np.empty(POINTS), numbers[8 : 8 + short])
        assert (numbers[:8] == 0.5).all() and (numbers[8 + short :] == 0.5).all()
        numbers[:] = 0.5


def test_centers_of_which_rounding_decides_are_not_equal(laplace):
    x, z, _, masses = rows()
    centers = 1e12 + np.random.default_rng(0).permutation(np.linspace(-2e-4, 2e-4, BINS))
    arguments = 1e12 + 2e-3 * x[0], z[0], centers, masses, 1e-3, 0.0
    loss = laplace(*arguments, np.empty(POINTS), np.empty(njit.workspace_size("laplace", POINTS, BINS)))
    log_q = reference.log_density(*arguments[:3], bandwidth=1e-3, kernel="laplace")
    assert loss == pytest.approx(-(masses / masses.sum()) @ log_q, rel=1e-12)


MISTAKES = {
    "x": lambda x: x.astype(np.float32),
    "z": lambda z: np.stack([z, z], axis=1)[:, 0],
    "centers": list,
    "masses": lambda masses: masses.astype(int),
    "period": lambda period: None,
    "out": lambda out: out[np.newaxis],
}


def with_mistake(name):
    arguments = arguments_of_a_row()
    return (arguments | {name: MISTAKES[name](arguments[name])}).values()


@pytest.mark.parametrize("name", MISTAKES)
def test_arguments_of_another_type_are_named(laplace, name):
    with pytest.raises(
        numba.errors.TypingError, match=rf"{name} must be (array\(float64, 1d, C\)|float64), got"
    ):
        laplace(*with_mistake(name))


def test_functions_that_are_not_compiled_take_the_same_types():
    done = run(
        """
        import numpy as np, pytest, test_njit
        laplace = test_njit.njit.row_loss_and_grad("laplace", domain="line")
        arguments = test_njit.arguments_of_a_row()
        arguments["x"].flags.writeable = False
        assert np.isfinite(laplace(*(arguments | {"h": np.float32(0.5), "period": 0}).values()))
        with pytest.raises(TypeError, match="z must be "):
            laplace(*(arguments | {"z": object()}).values())
        for name in test_njit.MISTAKES:
            with pytest.raises(TypeError, match=f"{name} must be "):
                laplace(*test_njit.with_mistake(name))
        print(type(laplace).__name__)
        """,
        PYTHONPATH=os.path.dirname(__file__),
        NUMBA_DISABLE_JIT="1",
    )
    assert done == "function"


def test_bad_names():
    for make in (njit.row_loss_and_grad, njit.row_log_density):
        with pytest.raises(ValueError, match="kernel"):
            make("gauss")
        with pytest.raises(ValueError, match="domain"):
            make("gaussian", domain="sphere")
        with pytest.raises(ValueError, match="domain"):
            make("von_mises", domain="line")
    with pytest.raises(ValueError, match="bins"):
        njit.workspace_size("laplace", 1, 0)
    with pytest.raises(TypeError, match="points"):
        njit.workspace_size("laplace", 1.0, 1)


@pytest.mark.parametrize("kernel", kdexent.KERNELS)
def test_more_of_everything_takes_more(kernel):
    sizes = [
        njit.workspace_size(kernel, points, bins)
        for points, bins in ((1, 1), (500, 1), (500, 99), (513, 999))
    ]
    assert sizes == sorted(sizes)
    assert njit.workspace_size(kernel, 1, 100_000) < 7_000_000  # no pairs are kept of so many bins
