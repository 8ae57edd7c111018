"""Bins that fast sums are not certain of are right, and none the slower, when all pairs of them are taken."""

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, Rounding, assert_gradients_agree, assert_losses_agree
from strategies import by_tails
from tiers import thorough_but_for_few

import kdexent
from kdexent import reference
from kdexent.families import row_parameters
from kdexent.names import FACTS, KNOTS
from kdexent.strategies import few_bins
from kdexent.strategies.sums.reach import Bins, RowShape

WRT = ("z", "x", "bandwidth")
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
RNG = np.random.default_rng(1)
# Two modes with a gap of some bandwidths, and a target that goes beyond both.
X = np.r_[RNG.normal(1.0, 0.1, 150), RNG.normal(4.0, 0.1, 150)]
Z = RNG.standard_normal(300)
TARGET = 0.2, 5.0


@pytest.fixture(autouse=True)
def sets(monkeypatch):
    """Those that were made."""
    made, make = [], few_bins.sets_of

    def sets_of(*arguments):
        made.append(make(*arguments))
        return made[-1]

    monkeypatch.setattr(few_bins, "sets_of", sets_of)
    return made


@thorough_but_for_few(dtype=[np.float64], method=["cells"])
@pytest.mark.parametrize("method", ["cells", "window"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@ALL
def test_they_agree_with_the_reference(sets, kernel, period, dtype, method):
    if method == "window" and FACTS[kernel].heavy:
        pytest.skip("its windows are refused")
    x, z = X.astype(dtype), Z.astype(dtype)
    edges = np.sort(np.r_[TARGET, RNG.uniform(*TARGET, 29)])
    for bins in (30, edges)[
        : 1 if method == "cells" and KNOTS[kernel] else 2
    ]:  # which takes equal bins alone
        options = {"bandwidth": 0.12, "kernel": kernel, "bins": bins, "period": period}

        def exact(x, options=options):
            loss, gradients = reference.loss_and_grad(x, z, *TARGET, wrt=WRT, **options)
            return loss, *gradients

        expected_loss, *expected = exact(x)
        rounding, rtol = Rounding(exact, x), 1e-10 if dtype == np.float64 else 2e-5
        loss, gradients = kdexent.loss_and_grad(x, z, *TARGET, wrt=WRT, method=method, **options)
        again, by_z = kdexent.loss_and_grad(x, z, *TARGET, method=method, **options)
        for found in (loss, again, kdexent.loss(x, z, *TARGET, method=method, **options)):
            assert_losses_agree(found, expected_loss, rtol, rounding)
        for index, gradient in zip((0, 1, 2, 0), (*gradients, by_z), strict=True):
            about = (expected[index], z, 0.12, WRT[index], rtol, (rounding, index + 1))
            assert_gradients_agree(gradient, *about)
    if method == "cells" and not KNOTS[kernel] and not FACTS[kernel].heavy:
        assert any(sets)


@pytest.mark.parametrize("method", ["cells", "window"])
def test_points_in_any_order_have_their_densities(sets, method):
    points = RNG.permutation(np.linspace(-1.0, 6.0, 40))
    expected = reference.log_density(X, Z, points, bandwidth=0.12)
    found = kdexent.log_density(X, Z, points, bandwidth=0.12, method=method)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert any(sets)


def test_parts_of_the_target_out_of_reach(sets, monkeypatch):
    options = {"bandwidth": 0.3, "kernel": "epanechnikov", "bins": 40}
    monkeypatch.setattr(few_bins, "_EMPTY_PAIR", 0.0)
    loss, gradient = kdexent.loss_and_grad(X, Z, *TARGET, method="cells", **options)
    assert any(sets) and loss == np.inf
    assert gradient == pytest.approx(reference.loss_and_grad(X, Z, *TARGET, **options)[1], abs=1e-12)


def shape_of(points, kernel="gaussian", spacing=0.02):
    bins = Bins(255 * spacing, spacing, 256)
    return RowShape(kernel, 0.1, None, bins, points, False), row_parameters(kernel, np.array([0.1]), None)


def weak(*runs):
    found = np.zeros(256, bool)
    for first, last in runs:
        found[first:last] = True
    return found


@pytest.mark.parametrize(
    ("points", "runs", "expected"),
    [
        (10_000, [(0, 10), (12, 14), (40, 60)], [(0, 60)]),  # a point's exponential costs more than some bins
        (10_000, [(0, 60), (200, 256)], [(0, 60), (200, 256)]),
        (10_000_000, [(0, 200)], []),
    ],
)
def test_what_is_summed_together(points, runs, expected):
    (shape, family), centers = shape_of(points), 0.02 * np.arange(256)
    found = few_bins.sets_of(shape, family, centers, weak(*runs))
    assert [(each[0], each[-1] + 1) for each in found] == expected


def test_bins_out_of_all_points_reach_are_not_summed_one_by_one():
    (shape, family), centers = shape_of(30_000, spacing=0.2), 0.2 * np.arange(256)
    assert few_bins.sets_of(shape, family, centers, weak((0, 8)))
    assert not few_bins.sets_of(shape, family, centers, weak((0, 200)))


def test_tails_are_there_beside(sets):
    with by_tails():
        kdexent.loss_and_grad(X, Z, *TARGET, method="cells", bandwidth=0.12, bins=30)
    assert sets and not any(sets)
