"""Bins that fast sums are not certain of are right when all pairs of them are taken, not of many."""

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, Rounding, assert_gradients_agree, assert_losses_agree
from strategies import by_tails, skip_windows_of_all_points
from tiers import thorough_but_for_few

import kdexent
from kdexent import reference
from kdexent.families import row_parameters
from kdexent.names import FACTS, KNOTS
from kdexent.strategies import few_bins
from kdexent.strategies.sums.blocks import RowData
from kdexent.strategies.sums.reach import Bins, RowShape
from kdexent.strategies.tails.certificate import Certain

WRT = ("z", "x", "bandwidth")
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
RNG = np.random.default_rng(1)
# Two modes with a gap of some bandwidths, and a target that goes beyond both.
X = np.r_[RNG.normal(1.0, 0.1, 150), RNG.normal(4.0, 0.1, 150)]
Z = RNG.standard_normal(300)
TARGET = 0.2, 5.0


@pytest.fixture(autouse=True)
def taken(monkeypatch):
    """Those that were taken, of few points too."""
    found, sets_of = [], few_bins.sets_of

    def noted(*arguments, **options):
        found.append(sets_of(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(few_bins, "sets_of", noted)
    monkeypatch.setattr(few_bins, "_ONCE", 0.0)
    monkeypatch.setattr(few_bins, "_POINT", 0.0)
    return found


def some(taken, bins):
    """Return whether some bins were taken, and not all of them."""
    return any(sets and len(sets[0]) < bins for sets in taken)


@thorough_but_for_few(dtype=[np.float64], method=["cells"])
@pytest.mark.parametrize("method", ["cells", "window"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@ALL
def test_they_agree_with_the_reference(taken, kernel, period, dtype, method):
    skip_windows_of_all_points(kernel, method)
    x, z = X.astype(dtype), Z.astype(dtype)
    edges = np.sort(np.r_[TARGET, RNG.uniform(*TARGET, 29)])
    equal_alone = method == "cells" and KNOTS[kernel]
    for bins in (30,) if equal_alone else (30, edges):
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
        assert some(taken, 30)


@pytest.mark.parametrize("method", ["cells", "window"])
def test_points_in_any_order_have_their_densities(taken, method):
    points = RNG.permutation(np.linspace(-1.0, 6.0, 40))
    expected = reference.log_density(X, Z, points, bandwidth=0.12)
    found = kdexent.log_density(X, Z, points, bandwidth=0.12, method=method)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert some(taken, 40)


def test_parts_of_the_target_out_of_reach(taken, monkeypatch):
    options = {"bandwidth": 0.3, "kernel": "epanechnikov", "bins": 40}
    monkeypatch.setattr(few_bins, "_EMPTY_PAIR", 0.0)
    loss, gradient = kdexent.loss_and_grad(X, Z, *TARGET, method="cells", **options)
    assert some(taken, 40) and loss == np.inf
    np.testing.assert_allclose(gradient, reference.loss_and_grad(X, Z, *TARGET, **options)[1], atol=1e-12)


def sets_of(points, weak, spacing):
    """Return the sets of 1,024 bins over data from the first bin to the fifth part of the last one's."""
    h, centers, x = 0.1, spacing * np.arange(1024), np.linspace(0.0, 204 * spacing, points)
    shape = RowShape("gaussian", h, None, Bins(centers[-1], spacing, 1024), points, False)
    is_weak = np.zeros(1024, bool)
    for first, last in weak:
        is_weak[first:last] = True
    certain = Certain(centers, np.where(is_weak, 0.0, 1.0), is_weak, 0.0, 0.0, is_weak.sum())
    row, family = RowData(x, x, 1), row_parameters("gaussian", np.array([h]), None)
    return few_bins.sets_of(row, shape, family, centers, certain, again=False)


@pytest.mark.parametrize(
    ("points", "weak", "spacing", "expected"),
    [
        (20_000, [(0, 10), (12, 14), (40, 60)], 0.005, [range(60)]),  # a point costs more than some bins
        (20_000, [(0, 3), (250, 253)], 0.005, [[0, 1, 2, 250, 251, 252]]),
        (20_000, [(0, 20), (200, 220)], 0.005, [range(20), range(200, 220)]),
        (20_000, [(0, 1_000)], 0.005, [range(1024)]),  # no less than all
        (10_000_000, [(0, 200)], 0.005, []),
        (20_000, [(60, 1024)], 0.5, []),  # out of all points' reach
    ],
)
def test_what_is_summed_together(monkeypatch, points, weak, spacing, expected):
    monkeypatch.undo()  # what the estimates say
    assert [list(each) for each in sets_of(points, weak, spacing)] == [list(each) for each in expected]


def test_a_vanishing_gradient_is_not_tried_for_again_and_again(taken):
    x = 0.5 + 1e-6 * Z
    expected = kdexent.loss_and_grad(x, Z, -0.5, 1.5, method="direct", bandwidth=0.1, bins=64)
    found = kdexent.loss_and_grad(x, Z, -0.5, 1.5, method="cells", bandwidth=0.1, bins=64)
    assert found[0] == pytest.approx(expected[0], rel=1e-12) and len(taken) <= 2
    np.testing.assert_allclose(found[1], expected[1], rtol=0, atol=1e-9 * np.abs(expected[1]).max())


def test_tails_are_there_beside(taken):
    with by_tails():
        kdexent.loss_and_grad(X, Z, *TARGET, method="cells", bandwidth=0.12, bins=30)
    assert taken and not any(taken)
