"""Points where a kernel or its derivative jumps: every method takes them as the formula does."""

import numpy as np
import pytest
from strategies import KEEPING
from tiers import thorough_but_for
from ways import WAYS, WRT, solve_or_skip

import kdexent
from kdexent import reference
from kdexent.names import CIRCLE_ONLY

FAST = pytest.mark.parametrize("way", [way for way in WAYS if way != "reference"])
KERNELS = pytest.mark.parametrize(
    "kernel", [kernel for kernel in kdexent.KERNELS if kernel not in CIRCLE_ONLY]
)
PERIODS = pytest.mark.parametrize("period", [None, 24.0, 64.0], ids=["line", "whole", "part"])


def on_integers(points):
    """Return points on integers below 24, the centres of 24 bins on [-0.5, 23.5], and logits."""
    rng = np.random.default_rng(points)
    return rng.integers(0, 24, points).astype(float), np.round(64 * rng.normal(size=points)) / 64


def assert_near(found, expected, bandwidth):
    assert found[0] == pytest.approx(expected[0], rel=1e-9, abs=1e-9)
    for name, gradient, right in zip(WRT, found[1], expected[1], strict=True):
        unit = 1.0 if name == "z" else 1 / bandwidth
        atol = 1e-9 * np.abs(right).max() + 1e-13 * unit
        np.testing.assert_allclose(gradient, right, rtol=0, atol=atol)


@thorough_but_for(kernel=["epanechnikov"])
@FAST
@PERIODS
@KERNELS
def test_points_on_the_centres_and_edges_of_bins(kernel, period, way):
    x, z = on_integers(300)
    for h in (5.0, 1.0, 2.5, 7.25):
        options = {"bandwidth": h, "kernel": kernel, "bins": 24, "period": period}
        found = solve_or_skip(way, x, z, -0.5, 23.5, **options)
        expected = reference.loss_and_grad(x, z, -0.5, 23.5, wrt=WRT, **options)
        assert_near(found, expected, h)


@thorough_but_for(kernel=["epanechnikov"])
@PERIODS
@KERNELS
def test_large_rows(kernel, period):
    x, z = on_integers(100_000)
    options = {"bandwidth": 5.0, "kernel": kernel, "bins": 24, "period": period}
    expected = kdexent.loss_and_grad(x, z, -0.5, 23.5, wrt=WRT, method="direct", **options)
    assert_near(kdexent.loss_and_grad(x, z, -0.5, 23.5, wrt=WRT, **options), expected, 5.0)
    plan = kdexent.Plan(x, -0.5, 23.5, **options)
    assert_near(plan.loss_and_grad(z, wrt=WRT), expected, 5.0)
    np.testing.assert_allclose(
        plan.loss_and_grad(z)[1], expected[1][0], rtol=0, atol=1e-9 * abs(expected[1][0]).max()
    )


@pytest.mark.parametrize("method", KEEPING)
@pytest.mark.parametrize("ends", [(0, 5), (5, 0), (0, 0)])
def test_both_edges_of_boxcar_count(method, ends):
    def loss(x, z):
        options = {"bandwidth": 1.0, "kernel": "boxcar", "bins": 1, "method": method}
        return kdexent.loss(x, z, -0.5, 0.5, **options)

    assert loss([-1.0, 1.0], ends) == pytest.approx(np.log(2), rel=1e-14)
    assert loss([-1.0, 0.0, 1.0], [ends[0], 0, ends[1]]) == pytest.approx(np.log(2), rel=1e-14)
    if method != "cells":
        at = kdexent.log_density(
            np.arange(5.0), np.zeros(5), [2.0], bandwidth=1.0, kernel="boxcar", method=method
        )
        assert at[0] == pytest.approx(np.log(3 / 5 / 2), rel=1e-14)
