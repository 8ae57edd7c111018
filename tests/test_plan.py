"""A plan gives what single calls give, whatever the logits and however they lie in memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from problems import random_problem
from tiers import thorough_but_for

import kdexent
from kdexent.simd.scatter import tables
from kdexent.strategies.sums import partials

POINTS = 60_000
OPTIONS = {
    "line": {"bandwidth": 0.1, "bins": 200},
    "narrow": {"bandwidth": 0.004, "bins": 200},
    "whole circle": {"bandwidth": 0.1, "bins": 200, "period": 4.0},  # two copies of some points
    "knots": {"bandwidth": 0.1, "bins": 60, "kernel": "epanechnikov"},
    "knots on a circle": {"bandwidth": 0.1, "bins": 60, "kernel": "epanechnikov", "period": 4.0},
    "knots of high degree": {"bandwidth": 0.1, "bins": 60, "kernel": "triweight"},
}
FEW_PLANS = thorough_but_for(problem=["line", "narrow", "knots", "knots on a circle"])


@pytest.fixture(params=OPTIONS, ids=str)
def problem(request):
    """Return x and a plan with its options, which sorts its points."""
    x = random_problem(1, POINTS)[0]
    options = {**OPTIONS[request.param], "method": "cells"}
    plan = kdexent.Plan(x, 1.0, 5.0, **options)
    assert plan.stored_bytes >= 18 * POINTS
    return x, plan, options


def assert_same(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-11)
    largest = np.abs(expected[1]).max()
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-9 * largest)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", ["cells", "window", "grid"])
@pytest.mark.parametrize("points", [5_000, 30_000])
def test_memory_that_partial_sums_find_decides_nothing(points, method, dtype, monkeypatch):
    # Few blocks leave some of their partial sums without any points.
    x, z = random_problem(5, points, dtype=dtype)

    def everything():
        plan = kdexent.Plan(x, 1.0, 5.0, bandwidth=0.1, bins=60, method=method)
        calls = plan.loss_and_grad(z), kdexent.loss_and_grad(x, z, 1.0, 5.0, bandwidth=0.1, method=method)
        return [np.asarray(part).tobytes() for call in calls for part in call]

    expected = everything()

    def poisoned(count, size, *make):
        found = tables(count, size, *make)
        found[:] = np.nan if make else found
        return found

    monkeypatch.setattr(partials, "tables", poisoned)
    assert everything() == expected


@FEW_PLANS
@pytest.mark.parametrize("step", [0.0, 1.0, 100.0, -100.0, 1000.0])
def test_logits_that_rise_or_fall_along_the_data(problem, step):
    # Weights are relative to what came before: every block's may be relative to another logit.
    x, plan, options = problem
    z = random_problem(2, POINTS)[1] + step * (np.arange(POINTS) // 1000)
    expected = kdexent.loss_and_grad(x, z, 1.0, 5.0, **options)
    assert_same(plan.loss_and_grad(z), expected)
    assert plan.loss(z) == pytest.approx(expected[0], rel=1e-11)


@FEW_PLANS
def test_logits_masked_block_after_block(problem):
    x, plan, options = problem
    z = random_problem(3, POINTS)[1]
    z[: POINTS // 2] = -np.inf
    found = plan.loss_and_grad(z)
    assert_same(found, kdexent.loss_and_grad(x, z, 1.0, 5.0, **options))
    assert not found[1][: POINTS // 2].any()


@FEW_PLANS
def test_logits_and_gradients_that_are_not_contiguous(problem):
    plan = problem[1]
    z = random_problem(4, POINTS)[1] + 300.0 * (np.arange(POINTS) // 7000)
    expected = plan.loss_and_grad(z)
    strided = np.repeat(z, 2)[::2]
    out = np.empty((POINTS, 2))[:, 0]
    for logits, gradient in ((strided, None), (z, out), (strided, out), (z[::-1][::-1], out)):
        assert_same(plan.loss_and_grad(logits, out=gradient), expected)
    single = plan.loss_and_grad(z.astype(np.float32).astype(np.float64))
    assert_same(plan.loss_and_grad(z.astype(np.float32)), single)


@FEW_PLANS
@pytest.mark.parametrize("wrt", [("z", "x", "bandwidth"), ("x",), ("bandwidth",)])
def test_every_gradient(problem, wrt):
    x, plan, options = problem
    z = random_problem(5, POINTS)[1]
    found = plan.loss_and_grad(z, wrt=wrt)[1]
    expected = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=wrt, **options)[1]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-8 * np.abs(other).max())


@FEW_PLANS
def test_calls_at_once_do_not_share_their_weights(problem):
    plan = problem[1]
    logits = random_problem(6, POINTS, (8,))[1]
    expected = [plan.loss_and_grad(z) for z in logits]
    with ThreadPoolExecutor(8) as callers:
        for found, one in zip(
            callers.map(plan.loss_and_grad, np.tile(logits, (3, 1))), 3 * expected, strict=True
        ):
            assert found[0] == one[0]
            np.testing.assert_array_equal(found[1], one[1])
