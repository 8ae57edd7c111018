"""What is kept when a call has returned: nothing of its data, and tables of a largest size."""

import gc
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest
from allocations import traced
from processes import run
from tiers import thorough, thorough_but_for

import kdexent
from kdexent.arguments import kept
from kdexent.runtime import pool

POINTS = 250_000


def of_density(method, by="z", first=-1.0):
    def call(x, z, out):
        options = {"bandwidth": 0.1, "bins": 40, "method": method, "n_threads": 2, "wrt": by}
        kdexent.loss_and_grad(x, z, first, first + 2, out=out, **options)

    return call


def of_rows(x, z, out):
    shape = (-1, 100)
    kdexent.loss_and_grad(x.reshape(shape), z.reshape(shape), -1, 1, bandwidth=0.1, bins=40, n_threads=2)


def of_classes(x, z, out):
    rows = x.reshape(-1, 10), np.abs(z).reshape(-1, 10)
    kdexent.softmax_cross_entropy_and_grad(rows[0], rows[1] / rows[1].sum(axis=1, keepdims=True))
    kdexent.sigmoid_cross_entropy_and_grad(x, np.minimum(np.abs(z), 1), out=out)
    kdexent.softmax(rows[0][:, ::-1])
    kdexent.entropy(rows[1])


def of_samples(x, z, out):
    kdexent.linear_softmax_loss_and_grad(np.zeros((3, 10)), x.reshape(-1, 10), np.arange(25_000) % 3)


CALLS = {
    **{method: of_density(method) for method in kdexent.METHODS},
    "slopes": of_density("direct", "x"),
    "tails": of_density("auto", first=6.0),
    "rows": of_rows,
    "classes": of_classes,
    "samples": of_samples,
}


def nowhere(*_):
    return False


HELPERS = {
    "helpers": {"available": lambda: 2, "_MOST_HELPERS": 1},
    "a limit of threads": {"available": lambda: 2, "_MOST_HELPERS": 4, "start": nowhere},
    "one core": {"available": lambda: 2, "_MOST_HELPERS": 0},
}


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@thorough_but_for(helpers=["helpers"], bad=[False])
@thorough_but_for(helpers=["helpers"], name=["auto", "rows", "classes"])
@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
@pytest.mark.parametrize("helpers", HELPERS)
@pytest.mark.parametrize("name", CALLS)
def test_data_are_free_when_a_call_has_returned(monkeypatch, no_collector, name, helpers, bad):
    # At once, without the collector, which may come late.
    monkeypatch.setattr(pool, "_helpers", set())
    for attribute, value in HELPERS[helpers].items():
        monkeypatch.setattr(pool, attribute, value)
    data = [*np.random.default_rng(0).normal(size=(2, POINTS)), np.empty(POINTS)]
    data[:2] = (array.copy() for array in data[:2])
    if bad:
        data[0][-1] = np.nan
    references = [weakref.ref(array) for array in data]
    try:
        CALLS[name](*data)
    except ValueError:
        assert bad
    else:
        assert not bad
    del data
    end = time.monotonic() + 10  # a helper may be on its way back
    while any(reference() is not None for reference in references) and time.monotonic() < end:
        time.sleep(0.001)
    assert [reference() is None for reference in references] == [True, True, True]
    assert not pool._at_work and not pool._offered
    assert pool._calls.qsize() <= len(pool._helpers)


def test_threads_that_cannot_be_started():
    # For want of memory for their stacks: more than there are addresses.
    out = run("""
        import threading, tracemalloc
        import numpy as np, kdexent
        from kdexent.runtime import pool

        pool.available = lambda: 2
        pool._MOST_HELPERS = 1
        x, z = np.random.default_rng(0).normal(size=(2, 250_000))
        out = np.empty(250_000)

        def call():
            return kdexent.loss_and_grad(x.copy(), z.copy(), -1, 1, bandwidth=0.1, bins=40, out=out)[0]

        pool.start, start = lambda *_: False, pool.start
        alone = call()  # which imports and compiles, if need be
        pool.start = start
        threading.stack_size(2**47)
        call()
        tracemalloc.start()
        print({call() for _ in range(20)} == {alone}, tracemalloc.get_traced_memory()[0] < 100_000)
        print(len(pool._helpers), len(pool._offered), pool._calls.qsize())
    """)
    assert out == "True True\n0 0 0"


def test_helpers_that_die_are_replaced(monkeypatch):
    monkeypatch.setattr(pool, "_helpers", set())
    monkeypatch.setattr(pool, "_MOST_HELPERS", 1)
    monkeypatch.setattr("sys.unraisablehook", lambda _: None)
    take, names = pool._Place.take, set()

    def die(place, seat):
        take(place, seat)
        raise MemoryError

    for mortal in (True, False):
        monkeypatch.setattr(pool._Place, "take", die if mortal else take)
        for _ in range(5):
            both = threading.Barrier(2, timeout=60)

            def block(_, both=both):
                names.add(threading.get_ident())
                both.wait()

            pool.run_blocks(2, block, 2)
    assert len(names) > 2
    assert not pool._at_work and not pool._taken


def many_bins(step):
    kdexent.loss([0.3, 0.4], [0.0, 0.1], -1, 1 + step / 100, bandwidth=0.1, bins=2_000_000)


def too_many_bins(step):
    kdexent.loss([0.3], [0.0], -1, 1, bandwidth=0.1, bins=7_000_000 + step)


def gauss_bins(step):
    kdexent.loss([0.3], [0.0], -1, 1, bandwidth=0.1 + step / 100, bins=100 + step, rule="gauss")


def frames(step):
    for part in range(60):
        kdexent.loss([0.3], [0.0], -1, 1, bandwidth=2 + step + part / 100, bins=4096)


X, Z = np.random.default_rng(0).normal(size=(2, 5_000))


def rows_of(method, bandwidth, **more):
    def call(step):
        options = {"bandwidth": bandwidth * (1 + step / 100), "bins": 2048, "method": method, **more}
        kdexent.loss_and_grad(X, Z, -1, 1, wrt=("z", "x", "bandwidth"), **options)

    return call


TABLES = {
    "many bins": many_bins,
    "too many bins": too_many_bins,
    "Gauss-Legendre nodes": gauss_bins,
    "frames": frames,
    "grids": rows_of("grid", 1e-4),
    "narrow cells": rows_of("cells", 3e-4, order=8),
    "cells of cauchy": rows_of("cells", 1e-3, kernel="cauchy"),
    "cells between knots": rows_of("cells", 0.2, kernel="triweight"),
    "windows": rows_of("window", 1e-3),
}


@thorough
def test_tables_have_a_largest_size():
    for call in TABLES.values():
        call(-1)  # compiled code and modules are no tables
    gc.collect()
    with traced():
        for step in range(5):
            for call in TABLES.values():
                call(step)
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 64 * 2**20
    assert sum(store.bytes for store in kept._stores) <= kept.MOST_BYTES
    for store in kept._stores:
        counted = store.bytes
        store.count()
        assert store.bytes == counted


def test_the_size_of_a_table():
    array = np.zeros(1000)
    views = array[::2], [array[:10], array.reshape(10, 100)]
    size = kept.size_of(views)
    assert 8_000 < size < 9_000
    assert kept.size_of({"a": views, "b": np.zeros(1000)}) > 16_000


def test_results_are_kept_by_their_arguments():
    made = []

    @kept.kept(3)
    def table(count, fill=None):
        made.append(count)
        return None if count == 0 else np.full(count, fill)

    for count in (1, 2, 0, 1, 2, 0, 3, 1):
        table(count)
    assert made == [1, 2, 0, 3, 1]  # the first of four went
    made.clear()
    huge = kept.MOST_BYTES // 8
    table(huge, 0.0)
    table(huge, 0.0)
    assert made == [huge, huge]


@pytest.mark.parametrize("callers", [8])
def test_calls_at_once_keep_no_more(monkeypatch, callers):
    monkeypatch.setattr(kept, "MOST_BYTES", 100_000)

    @kept.kept(50)
    def table(count):
        return np.full(count, float(count))

    def work(seed):
        for count in np.random.default_rng(seed).integers(1, 4_000, 400).tolist():
            assert (table(count) == count).all()

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(callers)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for store in kept._stores:
        store.count()
    assert sum(store.bytes for store in kept._stores) <= 100_000 + 32_000 * callers
