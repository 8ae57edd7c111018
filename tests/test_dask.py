"""Points in chunks, of any number and on any workers, have the loss of all in one array."""

import os
import pickle
import signal
import time

import dask
import dask.array as da
import numpy as np
import pytest
from dask.core import get_dependencies
from distributed import Client, LocalCluster
from problems import IDS, KERNELS_AND_DOMAINS, random_problem
from tiers import thorough, thorough_but_for_few

import kdexent
import kdexent.dask as kd
from kdexent.arguments.problem import Request, loss_problem
from kdexent.dask import tasks
from kdexent.strategies import portions

WRT = "z", "x", "bandwidth"
A, B = 1.0, 4.5


def chunked(array, seed, most=6):
    """Return a dask array whose chunks along every axis are random."""
    rng = np.random.default_rng(seed)
    chunks = []
    for size in array.shape:
        inner = rng.choice(np.arange(1, size), min(size - 1, int(rng.integers(0, most))), replace=False)
        chunks.append(tuple(np.diff([0, *sorted(int(i) for i in inner), size])))
    return da.from_array(array, chunks=tuple(chunks))


def assert_as_in_one_array(x, z, a=A, b=B, seed=0, scheduler="sync", within=1e-12, **options):
    expected, slopes = kdexent.loss_and_grad(x, z, a, b, wrt=WRT, **options)
    lazy = kd.loss_and_grad(chunked(x, seed), chunked(z, seed + 1), a, b, wrt=WRT, **options)
    losses, gradients = dask.compute(*lazy, scheduler=scheduler)
    assert losses.shape == np.shape(expected) and losses.dtype == np.asarray(expected).dtype
    np.testing.assert_allclose(losses, expected, rtol=within, atol=within)
    for name, found, slope in zip(WRT, gradients, slopes, strict=True):
        assert found.shape == slope.shape and found.dtype == slope.dtype
        np.testing.assert_allclose(found, slope, rtol=0, atol=within * np.abs(slope).max(), err_msg=name)


@pytest.mark.parametrize("points", [30, 9000])
@thorough_but_for_few()
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_every_kernel(kernel, period, points):
    x, z = random_problem(points, points, period=period)
    # Fast sums of each chunk keep the promise of rtol, not the bits.
    options = {"kernel": kernel, "period": period, "bandwidth": 0.7, "bins": 40, "rtol": 1e-10}
    assert_as_in_one_array(x, z, within=3e-10, **options)
    at = np.linspace(-3.0, 9.0, 7)
    options = {"kernel": kernel, "period": period, "bandwidth": 0.7}
    found = kd.log_density(chunked(x, 3), chunked(z, 4), at, **options).compute(scheduler="sync")
    np.testing.assert_allclose(found, kdexent.log_density(x, z, at, **options), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("method", kdexent.METHODS)
def test_every_method(method):
    x, z = random_problem(1, 30_000)
    # The grid of a chunk is that of all: its error is the same, but for what cancels.
    within = 1e-3 if method == "grid" else 1e-8
    assert_as_in_one_array(x, z, bandwidth=0.2, bins=50, method=method, within=within)


def test_each_number_of_chunks():
    x, z = random_problem(2, 23)
    expected, slope = kdexent.loss_and_grad(x, z, A, B, bandwidth=0.5, bins=9)
    for size in range(1, 24):
        arrays = da.from_array(x, chunks=7), da.from_array(z, chunks=size)
        loss, by_z = kd.loss_and_grad(*arrays, A, B, bandwidth=0.5, bins=9)
        assert by_z.chunks == arrays[1].chunks
        np.testing.assert_allclose(loss.compute(scheduler="sync"), expected, rtol=1e-13)
        np.testing.assert_allclose(by_z.compute(scheduler="sync"), slope, rtol=0, atol=1e-14)
        assert kd.loss(*arrays, A, B, bandwidth=0.5, bins=9).compute(scheduler="sync") == loss.compute()


@pytest.mark.parametrize("seed", range(6))
def test_batches(seed):
    rng = np.random.default_rng(seed)
    rows = [(5,), (2, 3)][seed % 2]
    x, z = random_problem(seed, 40, rows)
    x = x[(0,) * len(rows)] if seed in (1, 4) else x
    z = z[..., :1, :] if seed in (3,) else z
    target, a = rng.random((*rows, 12)), rng.uniform(0.5, 1.0, rows[-1:])
    h = rng.uniform(0.2, 0.9, rows)
    assert_as_in_one_array(x, z, a, B, seed, bandwidth=h, bins=12, target=target)
    at = rng.uniform(0, 5, (*rows, 4))
    found = kd.log_density(chunked(x, seed), chunked(z, seed + 1), at, bandwidth=h).compute(scheduler="sync")
    np.testing.assert_allclose(found, kdexent.log_density(x, z, at, bandwidth=h), rtol=1e-12, atol=1e-12)


def test_float32():
    x, z = random_problem(3, 50, (3,), dtype=np.float32)
    assert_as_in_one_array(x, z, bandwidth=0.5, bins=16, within=1e-6)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "cauchy"])
def test_tails_are_those_of_all_points(kernel):
    # One chunk is far from all bins, another weighs nothing beside the rest and yet owns some of these.
    x = np.concatenate([np.linspace(-900, -800, 6), np.linspace(0.9, 1.1, 5), np.linspace(4, 4.5, 4)])
    z = np.concatenate([np.linspace(0, 1, 6), np.linspace(-2, 0, 5), np.full(4, -2500.0)])
    expected, slope = kdexent.loss_and_grad(x, z, A, B, bandwidth=0.05, bins=25, kernel=kernel)
    arrays = (da.from_array(each, chunks=((6, 5, 4),)) for each in (x, z))
    loss, by_z = dask.compute(*kd.loss_and_grad(*arrays, A, B, bandwidth=0.05, bins=25, kernel=kernel))
    assert loss == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(by_z, slope, rtol=0, atol=1e-12)


def test_chunks_without_a_point_that_counts():
    x, z = random_problem(4, 40, (2,))
    z[0, 10:20] = z[:, 30:] = -np.inf
    arrays = da.from_array(x, chunks=(2, 10)), da.from_array(z, chunks=(2, 10))
    expected = kdexent.loss_and_grad(x, z, A, B, bandwidth=0.5, bins=9, wrt=("z", "x"))
    lazy = kd.loss_and_grad(*arrays, A, B, bandwidth=0.5, bins=9, wrt=("z", "x"))
    loss, (by_z, by_x) = dask.compute(*lazy)
    np.testing.assert_allclose(loss, expected[0], rtol=1e-13)
    np.testing.assert_allclose(by_z, expected[1][0], rtol=0, atol=1e-14)
    np.testing.assert_allclose(by_x, expected[1][1], rtol=0, atol=1e-13)
    assert (by_z[z == -np.inf] == 0).all()


def test_bins_out_of_all_reach():
    x, z = np.array([1.1, 1.2, 9.0]), np.zeros(3)
    options = {"bandwidth": 0.3, "bins": 10, "kernel": "boxcar"}
    expected, slope = kdexent.loss_and_grad(x, z, A, B, **options)
    arrays = (da.from_array(each, chunks=1) for each in (x, z))
    loss, by_z = dask.compute(*kd.loss_and_grad(*arrays, A, B, **options))
    assert loss == expected == np.inf
    np.testing.assert_allclose(by_z, slope, atol=1e-15)


def test_nothing_is_computed_before_it_is_asked_for():
    def fail(block):
        raise AssertionError("computed")

    never = da.zeros(20, chunks=5).map_blocks(fail, dtype=float, meta=np.empty(0))
    loss, by_z = kd.loss_and_grad(never, never, A, B, bandwidth=0.5)
    assert (loss.shape, by_z.shape, by_z.chunks) == ((), (20,), never.chunks)
    assert kd.log_density(never, never, [0.0, 1.0], bandwidth=1.0).shape == (2,)


def test_sums_are_made_once(monkeypatch):
    x, z = random_problem(5, 40_000)
    arrays = [da.from_array(each, chunks=20_000) for each in (x, z)]
    for method in ("cells", "window"):
        expected, slope = kdexent.loss_and_grad(x, z, A, B, bandwidth=0.1, method=method)
        with monkeypatch.context() as patch:
            patch.delattr(portions, "evaluate")
            lazy = kd.loss_and_grad(*arrays, A, B, bandwidth=0.1, method=method)
            loss, by_z = dask.compute(*lazy, scheduler="sync")
        assert loss == pytest.approx(expected, rel=1e-9)
        np.testing.assert_allclose(by_z, slope, rtol=0, atol=1e-8 * np.abs(slope).max())


@pytest.mark.parametrize("kernel", ["laplace", "triangular"])
def test_slopes_on_kinks_are_those_of_all_points(kernel):
    centers = A + (B - A) * (np.arange(64) + 0.5) / 64
    x, z = np.random.default_rng(0).choice(centers, 8000), random_problem(12, 8000)[1]
    options = {"bandwidth": 0.1, "bins": 64, "kernel": kernel, "wrt": ("z", "x")}
    expected, slopes = kdexent.loss_and_grad(x, z, A, B, **options)
    for method in ("cells", "auto"):
        lazy = kd.loss_and_grad(
            *(da.from_array(each, chunks=4000) for each in (x, z)), A, B, method=method, **options
        )
        loss, found = dask.compute(*lazy, scheduler="sync")
        assert loss == pytest.approx(expected, rel=1e-9)
        for by, slope in zip(found, slopes, strict=True):
            np.testing.assert_allclose(by, slope, rtol=0, atol=1e-8 * np.abs(slope).max())


def test_rows_of_very_different_bandwidths():
    x, z = random_problem(13, 40, (2, 2))
    options = {"bandwidth": np.array([[0.002, 0.5]] * 2), "bins": 64}
    target = np.random.default_rng(0).random((2, 1, 64))
    assert_as_in_one_array(x, z, target=target, method="direct", **options)


def test_no_rows():
    nothing = da.zeros((0, 20), chunks=(1, 10))
    loss, by_z = kd.loss_and_grad(nothing, nothing, A, B, bandwidth=0.5)
    assert loss.compute(scheduler="sync").shape == (0,) and by_z.compute(scheduler="sync").shape == (0, 20)
    log_q = kd.log_density(nothing, nothing, [0.0, 1.0], bandwidth=0.5)
    assert log_q.compute(scheduler="sync").shape == (0, 2)


def test_floating_point_errors_stay_inside():
    x, z = np.array([1.5, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, -2000.0, -2000.0])
    lazy = kd.loss_and_grad(*(da.from_array(each, chunks=2) for each in (x, z)), A, B, bandwidth=0.5)
    with np.errstate(all="raise"):
        dask.compute(*lazy, scheduler="sync")


def test_an_order_named_is_not_computed_twice(monkeypatch):
    x, z = (da.from_array(each, chunks=20_000) for each in random_problem(14, 40_000))
    monkeypatch.delattr(portions, "evaluate")
    dask.compute(*kd.loss_and_grad(x, z, A, B, bandwidth=0.1, method="cells", order=2), scheduler="sync")


def test_another_worker_makes_sums_again(monkeypatch):
    x, z = random_problem(6, 40_000)
    arrays = [da.from_array(each, chunks=20_000) for each in (x, z)]
    expected = dask.compute(*kd.loss_and_grad(*arrays, A, B, bandwidth=0.1), scheduler="sync")
    gradients = tasks.gradients

    def of_another(names, call, portion, *rest):
        return gradients(names, call, pickle.loads(pickle.dumps(portion)), *rest)

    monkeypatch.setattr(tasks, "gradients", of_another)
    loss, by_z = dask.compute(*kd.loss_and_grad(*arrays, A, B, bandwidth=0.1), scheduler="sync")
    assert loss == expected[0]
    np.testing.assert_allclose(by_z, expected[1], rtol=0, atol=1e-9 * np.abs(expected[1]).max())


@pytest.mark.parametrize(("asked", "given"), [(None, 1), (2, 2)])
def test_chunks_take_one_thread_unless_told(monkeypatch, asked, given):
    x, z = (da.from_array(each, chunks=10) for each in random_problem(7, 20))
    threads = []
    monkeypatch.setattr(tasks, "thread_count", lambda n: threads.append(n) or 1)
    dask.compute(*kd.loss_and_grad(x, z, A, B, bandwidth=0.5, n_threads=asked), scheduler="sync")
    assert threads == [given] * 4


BAD_CALLS = [
    ({"bandwidth": -1.0}, "bandwidth"),
    ({"kernel": "round"}, "kernel must be one of"),
    ({"method": "fast"}, "method must be one of"),
    ({"n_threads": 1.5}, "n_threads must be an integer"),
    ({"target": -np.ones(8)}, "target"),
    ({"bins": 0}, "bins"),
    ({"method": "cells", "kernel": "triangular", "bins": np.array([1.0, 1.5, 4.5])}, "needs equal bins"),
    ({"z": da.zeros(3)}, "z must have one logit for each of the 20 points of x, got 3"),
    ({"x": da.zeros(())}, "x must have at least one point"),
    ({"x": da.zeros((2, 20)), "z": da.zeros((3, 20))}, "do not broadcast"),
    ({"x": da.zeros(20, dtype=complex)}, "x must hold real numbers"),
]


@pytest.mark.parametrize(("changed", "message"), BAD_CALLS, ids=[message for _, message in BAD_CALLS])
def test_bad_arguments_raise_at_once(changed, message):
    options = {"x": da.zeros(20), "z": da.zeros(20), "bandwidth": 0.5, "bins": 8, **changed}
    with pytest.raises((ValueError, TypeError), match=message):
        kd.loss_and_grad(a=A, b=B, **options)


def test_chunks_of_unknown_sizes_raise():
    x = da.ones(20, chunks=5)
    with pytest.raises(
        ValueError, match=r"x must have chunks of known sizes, as after x\.compute_chunk_sizes"
    ):
        kd.loss(x[x > 0], x, A, B, bandwidth=1.0)


@pytest.mark.parametrize("chunks", [10, 40])
@pytest.mark.parametrize("name", ["x", "z"])
def test_bad_data_are_named_with_their_chunk(name, chunks):
    arrays = dict(zip("xz", random_problem(8, 40, (2,)), strict=True))
    arrays[name][1, 25] = np.nan
    lazy = kd.loss(
        **{n: da.from_array(each, chunks=(1, chunks)) for n, each in arrays.items()}, a=A, b=B, bandwidth=1.0
    )
    where = rf"{name}\[0, {25 % chunks}\] = nan, counted from \(1, {25 // chunks * chunks}\)"
    with pytest.raises(ValueError, match=where):
        lazy.compute(scheduler="sync")


def test_a_row_without_a_point_that_counts_is_named():
    x, z = random_problem(9, 20, (3,))
    z[2] = -np.inf
    lazy = kd.loss(da.from_array(x, chunks=(1, 5)), da.from_array(z, chunks=(1, 5)), A, B, bandwidth=1.0)
    with pytest.raises(
        ValueError, match=r"z must have a logit above -inf in every row, .* counted from \(2,\)"
    ):
        lazy.compute(scheduler="sync")


def test_a_task_needs_one_chunk_or_numbers_of_bins():
    x, z = (da.from_array(each, chunks=1000) for each in random_problem(10, 20_000))
    results = kd.loss_and_grad(x, z, A, B, bandwidth=0.5, bins=16, wrt=("z", "bandwidth"))
    graph = {key: task for each in (results[0], *results[1]) for key, task in dict(each.dask).items()}
    for key in graph:
        chunks = [
            each
            for each in get_dependencies(graph, key)
            if each[0].startswith(("array", "kde-portion", "kde-gradients"))
        ]
        assert len({each[-1] for each in chunks}) <= 1, key
    problem = loss_problem(*random_problem(10, 20_000), A, B, 0.5, "gaussian", 16, "midpoint", None, None)
    portion = portions.Portion(problem, Request("cells", None, 1e-9), ("z",), 1)
    assert len(pickle.dumps(portion)) < 2 * 8 * 16 + 1000


@pytest.fixture(scope="module")
def cluster():
    """Two processes of one thread each, on loopback."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_processes(cluster):
    x, z = random_problem(11, 40_000)
    arrays = (da.from_array(each, chunks=5000) for each in (x, z))
    loss, by_z = cluster.gather(cluster.compute(kd.loss_and_grad(*arrays, A, B, bandwidth=0.1)))
    expected, slope = kdexent.loss_and_grad(x, z, A, B, bandwidth=0.1)
    assert loss == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(by_z, slope, rtol=0, atol=1e-8 * np.abs(slope).max())


def tasks_done(client):
    """Return the keys of tasks whose results a worker has."""
    return client.run_on_scheduler(
        lambda dask_scheduler: [key for key, task in dask_scheduler.tasks.items() if task.state == "memory"]
    )


@thorough
def test_the_answer_comes_though_a_worker_dies(cluster):
    slow = {"size": 3_000_000, "chunks": 100_000}
    x, z = (da.random.default_rng(seed).normal(**slow) for seed in (3, 4))
    lazy = kd.loss_and_grad(x, z, -1.0, 1.0, bandwidth=0.05, bins=64)
    loss, by_z = cluster.compute([lazy[0], (lazy[1] ** 2).sum()])
    deadline = time.monotonic() + 60
    while not any("gradients" in str(key) for key in tasks_done(cluster)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(cluster.run(os.getpid).popitem()[1], signal.SIGKILL)
    arrays = (each.compute() for each in (x, z))
    expected, slope = kdexent.loss_and_grad(*arrays, -1.0, 1.0, bandwidth=0.05, bins=64)
    assert loss.result(timeout=120) == pytest.approx(expected, rel=1e-9)
    assert by_z.result(timeout=120) == pytest.approx(slope @ slope, rel=1e-8)
