"""The same bits out, whatever the number of threads, and every time."""

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, random_problem
from tiers import thorough_but_for, thorough_but_for_few
from ways import refusal

import kdexent
from kdexent.arguments.problem import loss_problem
from kdexent.logits import shares
from kdexent.runtime import pool
from kdexent.strategies.direct.direct import direct
from kdexent.strategies.sums import blocks

WRT = ("z", "x", "bandwidth")
THREADS = [2, 1000, 1, None, 0, -1]
REPEATS = 12
# More points than two blocks, several lanes and tiles, and some bins that need the points one by one.
SHAPES = {"row": (20_000, (), 128), "batch": (100, (800,), 80)}


@pytest.fixture(autouse=True)
def several_threads(monkeypatch):
    """Let short rows use threads too, and more of them than the machine may have."""
    monkeypatch.setattr(blocks, "_LIGHT", 0)
    monkeypatch.setattr(pool, "available", lambda: 3)
    monkeypatch.setattr(pool, "_MOST_HELPERS", 2)


def skip_unless_it_applies(method, x, z, options):
    try:
        kdexent.loss(x[..., :2], z[..., :2], 1.0, 5.0, method=method, **options)
    except ValueError as error:
        # A reason that is not true of the kernel is an error, and no skip.
        pytest.skip(refusal(error, options["kernel"]))


def everything(x, z, method, n_threads, options):
    """Return what every function gives, as bytes."""
    about = {**options, "method": method, "n_threads": n_threads}
    loss, gradients = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=WRT, **about)
    again, by_z = kdexent.loss_and_grad(x, z, 1.0, 5.0, **about)
    alone = kdexent.loss(x, z, 1.0, 5.0, **about)
    points = np.linspace(-3.0, 9.0, 150)
    density = {name: value for name, value in about.items() if name != "bins"}
    if method == "cells":  # not for kernels with knots
        density["method"] = "auto"
    log_q = kdexent.log_density(x, z, points, **density)
    plan = kdexent.Plan(x, 1.0, 5.0, **about)
    planned, by_plan = plan.loss_and_grad(z, wrt=WRT)
    parts = (
        loss,
        *gradients,
        again,
        by_z,
        alone,
        log_q,
        planned,
        *by_plan,
        plan.loss(z),
        plan.log_density(z),
    )
    return [np.asarray(part).tobytes() for part in parts]


@thorough_but_for_few(shape=["row"])
@thorough_but_for(kernel=["gaussian"], period=[None], method=["auto"])
@pytest.mark.parametrize("method", kdexent.METHODS)
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_same_bits_on_any_number_of_threads(kernel, period, shape, method):
    points, rows, bins = SHAPES[shape]
    if shape == "batch" and method not in ("auto", "direct"):
        rows = (4,)
    x, z = random_problem(0, points, rows, period)
    options = {"bandwidth": 0.1, "kernel": kernel, "period": period, "bins": bins}
    skip_unless_it_applies(method, x, z, options)
    expected = everything(x, z, method, 1, options)
    for repeat in range(REPEATS):
        n_threads = THREADS[repeat % len(THREADS)]
        assert everything(x, z, method, n_threads, options) == expected, n_threads


@thorough_but_for_few()
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_sums_do_not_depend_on_where_arrays_lie(kernel, period):
    # Code that may add one by one where it writes close to what it reads would do so in some of these places.
    x, z = random_problem(0, 2_000, (1,), period)
    problem = loss_problem(x, z, 1.0, 5.0, 0.1, kernel, 128, "midpoint", None, period)
    ((_, _, strategy),) = direct(problem)
    memory, points = np.zeros(3 * x.size), slice(x.size, 2 * x.size)
    memory[points] = z[0]
    about = z.max(axis=1), problem.centers.block(0, 1), strategy.family.parameters
    found, room = set(), np.empty(strategy.way.words(1, 128))
    for place in range(0, memory.size, 101):
        mass = memory[place : place + 1]
        if x.size <= place < 2 * x.size:
            continue
        mass[:], density = 0, np.zeros((1, 128))
        strategy.way.loops.forward()(x, memory[np.newaxis, points], *about, density, mass, room)
        found.add((float(mass[0]), density.tobytes()))
    assert len(found) == 1


@thorough_but_for(method=["auto"])
@pytest.mark.parametrize(
    ("kernel", "method"),
    [*(("gaussian", method) for method in kdexent.METHODS), ("laplace", "direct"), ("boxcar", "direct")],
)
def test_same_bits_of_a_long_row(kernel, method):
    x, z = random_problem(1, 300_000)
    options = {"bandwidth": 0.05, "bins": 256, "kernel": kernel}
    expected = everything(x, z, method, 1, options)
    for _ in range(REPEATS):
        assert everything(x, z, method, 2, options) == expected


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


def classifiers():
    """Return what every function of the softmax family gives, as bytes."""
    rng = np.random.default_rng(0)
    for shape in ((9_000, 10), (300, 1000)):
        z, other = rng.normal(size=(2, *shape))
        y, p, q = rng.integers(0, shape[1], shape[0]), kdexent.softmax(z), kdexent.softmax(other)
        yield kdexent.softmax(z)
        yield kdexent.log_softmax(z, axis=0)
        for reduction in ("mean", "none"):
            yield from kdexent.softmax_cross_entropy_and_grad(z, y, reduction=reduction)
            yield from kdexent.softmax_cross_entropy_and_grad(z, p, reduction=reduction)
            yield from kdexent.sigmoid_cross_entropy_and_grad(z, p, reduction=reduction)
        for rows in (slice(None), 0):
            yield kdexent.entropy(p[rows])
            yield kdexent.cross_entropy(p[rows], q[rows])
            yield kdexent.kl_divergence(p[rows], q[rows])
        yield kdexent.kl_divergence(p.ravel(), q.ravel())


def test_same_bits_of_the_softmax_family(monkeypatch):
    expected = None
    for repeat in range(REPEATS):
        monkeypatch.setattr(shares, "available", lambda threads=1 + repeat % 3: threads)
        found = [np.asarray(value).tobytes() for value in classifiers()]
        expected = expected or found
        assert found == expected
