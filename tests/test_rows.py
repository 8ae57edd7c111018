"""Many small rows in one call: each as good as alone, whatever the others are, and however it is summed."""

import numpy as np
import pytest
from problems import (
    IDS,
    KERNELS_AND_DOMAINS,
    Rounding,
    assert_gradients_agree,
    assert_losses_agree,
    random_problem,
)
from tiers import thorough_but_for_few

import kdexent
from kdexent import reference
from kdexent.strategies.direct import direct

ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
POINTS = 90


def unlike_rows(period, points=POINTS):
    """Return rows in a narrow cluster, far away, with ties, on a grid, masked, and sure of one point."""
    x, z = random_problem(1, points, (8,), period)
    x[1] = 2.0 + 0.01 * x[1]
    x[2] += 30.0 if period is None else 0.5 * period
    x[3] = np.round(x[3], 1)
    x[4] = np.arange(points) * 4.5 / points
    z[5, 3:] = -np.inf
    z[6] *= 200.0
    z[7, 0] += 40.0
    return x, z


def check(x, z, a, b, **options):
    def exact(x):
        return reference.loss_and_grad(x, z, a, b, **options)

    losses, gradient = kdexent.loss_and_grad(x, z, a, b, method="direct", **options)
    (expected, by_z), rounding = exact(x), Rounding(exact, x)
    assert_losses_agree(kdexent.loss(x, z, a, b, method="direct", **options), expected, 1e-12, rounding)
    assert_losses_agree(losses, expected, 1e-12, rounding)
    logits = np.broadcast_to(z, gradient.shape)
    assert_gradients_agree(gradient, by_z, logits, options["bandwidth"], "z", 1e-12, (rounding, 1), slack=400)


@thorough_but_for_few(bins=[151])
@pytest.mark.parametrize("bins", [5, 20, 70, 151])
@ALL
def test_unlike_rows(kernel, period, bins):
    x, z = unlike_rows(period)
    for bandwidth in (0.15, np.linspace(0.1, 1.0, len(x))):
        options = {"kernel": kernel, "bandwidth": bandwidth, "bins": bins, "period": period}
        check(x, z, 1.0, 4.5, **options)
        check(x, z, np.linspace(0.5, 1.5, len(x)), 4.5, **options)


@thorough_but_for_few()
@ALL
def test_rows_of_several_chunks(kernel, period):
    # Whose second half finds out anew which bins meet all points.
    x, z = unlike_rows(period, 1_100)
    for bandwidth in (0.04, 0.15):
        check(x, z, 1.0, 4.5, kernel=kernel, bandwidth=bandwidth, bins=70, period=period)


@thorough_but_for_few()
@ALL
def test_a_row_of_several_blocks(kernel, period):
    # Whose halves are two passes, by threads that share the blocks.
    x, z = (each[0] for each in unlike_rows(period, 40_000))
    x[:600] = 2.0 + 0.01 * x[:600]
    options = {"kernel": kernel, "bandwidth": 0.04, "bins": 70, "period": period}
    check(x, z, 1.0, 4.5, **options)
    found = [
        kdexent.loss_and_grad(x, z, 1.0, 4.5, method="direct", n_threads=n_threads, **options)
        for n_threads in (1, 2)
    ]
    assert found[0][0] == found[1][0] and (found[0][1] == found[1][1]).all()


@thorough_but_for_few()
@ALL
def test_rows_that_share_points_or_logits(kernel, period):
    x, z = unlike_rows(period)
    options = {"kernel": kernel, "bandwidth": 0.3, "bins": 70, "period": period}
    check(x[0], z, 1.0, 4.5, **options)
    check(x[4], z, 1.0, 4.5, **options)
    check(x, z[0], 1.0, 4.5, **options)
    check(x[0], z, np.linspace(0.5, 1.5, len(z)), 4.5, **options)


@pytest.mark.parametrize("period", [None, 20.0])
@pytest.mark.parametrize(
    ("points", "bins", "bandwidth", "way"),
    [
        (512, 33, 0.1, direct.RUNS_IN_REACH),
        (512, 1_024, 0.01, direct.RUNS_IN_REACH),
        (513, 64, 0.05, direct.RUNS_IN_REACH),
        (513, 257, 0.05, direct.DOUBLE),
        (512, 1_025, 0.5, direct.DOUBLE),
        (512, 15, 0.5, direct.DOUBLE),
        (513, 16, 0.01, direct.REACHED),
    ],
)
def test_ways_of_gaussian_rows(points, bins, bandwidth, way, period):
    sizes = direct.Sizes(points, bins, equal=True, single=False)
    spacing = np.array([4.0 / bins])
    assert direct.best_way("gaussian", np.array([bandwidth]), period, spacing, sizes) == way


@pytest.mark.parametrize(("period", "way"), [(None, direct.DOUBLE), (20.0, direct.RUNS_IN_REACH)])
def test_longer_rows_are_sorted_where_other_runs_do_not_apply(period, way):
    sizes = direct.Sizes(513, 64, equal=True, single=False)
    assert direct.best_way("gaussian", np.array([0.1]), period, np.array([4.0 / 64]), sizes) == way


@pytest.mark.parametrize(("period", "way"), [(None, direct.DOUBLE), (20.0, direct.RUNS_IN_REACH)])
def test_two_runs_see_most_points(period, way):
    sizes = direct.Sizes(512, 16, equal=True, single=False)
    assert direct.best_way("gaussian", np.array([0.5]), period, np.array([0.25]), sizes) == way


@thorough_but_for_few()
@ALL
def test_a_row_is_the_same_alone(kernel, period):
    x, z = unlike_rows(period)
    options = {"kernel": kernel, "bandwidth": 0.3, "bins": 70, "period": period, "method": "direct"}
    losses, gradient = kdexent.loss_and_grad(x, z, 1.0, 4.5, **options)
    for r in range(len(x)):
        loss, by_z = kdexent.loss_and_grad(x[r], z[r], 1.0, 4.5, **options)
        np.testing.assert_allclose(loss, losses[r], rtol=1e-13)
        np.testing.assert_allclose(by_z, gradient[r], atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "bandwidth", "period", "start"),
    [
        # Half the circle, or nearly, in reach, by rounding and far from 0.
        ("von_mises", 11.384617544448679, 360.0, 0.0),
        ("von_mises", 0.031, 1.0, 1e12),
        ("biweight", 0.318, 1.0, 1e13),
        # Lengths without an inverse, and the largest.
        ("biweight", 2.3e-308, None, 0.0),
        ("biweight", 2.3e-308, 1.5e-307, 0.0),
        ("triweight", 1e301, None, 0.0),
        ("gaussian", 1e301, None, 0.0),
    ],
)
@pytest.mark.parametrize("bins", [17, 64, 65])
def test_lengths_at_the_limits(kernel, bandwidth, period, start, bins):
    length = (1e-307 if bandwidth < 1e-300 else 2.0) if period is None else period
    x = start + length * np.random.default_rng(bins).random((2, POINTS))
    z = np.random.default_rng(bins).normal(size=x.shape)
    options = {"kernel": kernel, "bandwidth": bandwidth, "period": period, "bins": bins}
    losses, _ = kdexent.loss_and_grad(x, z, start, start + length, method="direct", **options)
    expected = reference.loss(x, z, start, start + length, **options)
    np.testing.assert_allclose(losses, expected, rtol=1e-12 if start == 0 else 0.01)


@pytest.mark.parametrize(("kernel", "bandwidth"), [("triangular", 0.07), ("biweight", 0.2), ("boxcar", 0.1)])
@pytest.mark.parametrize("start", [0.0, 1_000.0])
def test_a_single_point_has_no_gradient_by_its_logit(kernel, bandwidth, start):
    for x in (0.02078124999999998, 0.15078124999999992, 3.1):
        options = {"kernel": kernel, "bandwidth": bandwidth, "period": 6.3, "bins": 64}
        _, by_z = kdexent.loss_and_grad([start - x], [0.0], start, start + 6.3, method="direct", **options)
        assert abs(by_z[0]) < 1e-15


def test_boxcar_that_leaves_nothing_of_the_circle_but_some_ulp():
    options = {"kernel": "boxcar", "bandwidth": 0.5 - 3e-16, "period": 1.0, "bins": 64}
    found = kdexent.loss([0.5 + 1e-15, 0.0], [0.0, 0.0], 0.0, 6.4e-15, method="direct", **options)
    expected = reference.loss([0.5 + 1e-15, 0.0], [0.0, 0.0], 0.0, 6.4e-15, **options)
    assert found == pytest.approx(expected, abs=1e-12)
