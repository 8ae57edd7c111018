"""Where densities underflow, logits span thousands and problems are as small as they get."""

import numpy as np
import pytest
from problems import (
    IDS,
    KERNELS_AND_DOMAINS,
    SMOOTH,
    Rounding,
    assert_gradients_agree,
    assert_losses_agree,
    random_problem,
)
from strategies import KEEPING
from tiers import FEW, thorough_but_for, thorough_but_for_few

import kdexent
from kdexent import reference
from kdexent.names import CIRCLE_ONLY, COMPACT

pytestmark = pytest.mark.usefixtures("tails")
WRT = ("z", "x", "bandwidth")
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)

EDGED = pytest.mark.parametrize(
    ("kernel", "period"), [pair for pair in KERNELS_AND_DOMAINS if pair[0] in COMPACT]
)


def check(x, z, a, b, rtol=1e-11, slack=100, **options):
    """Compare with the reference, to what moving each x by an ulp does."""

    def exact(x):
        loss, gradients = reference.loss_and_grad(x, z, a, b, wrt=WRT, **options)
        return loss, *gradients

    expected_loss, *expected = exact(x)
    rounding = Rounding(exact, x)
    loss, gradients = kdexent.loss_and_grad(x, z, a, b, wrt=WRT, **options)
    _, by_z = kdexent.loss_and_grad(x, z, a, b, **options)
    assert_losses_agree(loss, expected_loss, rtol, rounding)
    for index, gradient in zip((0, 1, 2, 0), (*gradients, by_z), strict=True):
        about = (expected[index], z, options["bandwidth"], WRT[index], rtol, (rounding, index + 1))
        assert_gradients_agree(gradient, *about, slack=slack)
    return loss, by_z


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("away", [10.0, 100.0, 1e4])
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k not in CIRCLE_ONLY])
def test_all_data_far_away(kernel, away, dtype):
    x, z = random_problem(0)
    x, z = (x + away).astype(dtype), z.astype(dtype)
    check(x, z, -1.0, 1.0, rtol=1e-10 if dtype == np.float64 else 1e-5, bandwidth=0.3, kernel=kernel, bins=40)


@thorough_but_for_few()
@ALL
def test_target_half_in_the_data_and_half_far_outside(kernel, period):
    x, z = random_problem(1)
    width = 60.0 if period is None else 5.0
    check(x, z, 3.0, 3.0 + width, bandwidth=0.08, kernel=kernel, bins=33, period=period)


@thorough_but_for_few(dtype=[np.float64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@ALL
def test_logits_that_span_thousands(kernel, period, dtype):
    x, z = random_problem(2, 60)
    z = np.where(np.arange(60) % 3 == 0, 1.0, 2000 / 3) * z
    rtol = 1e-10 if dtype == np.float64 else 1e-4
    options = {"bandwidth": 0.2, "kernel": kernel, "bins": 25, "period": period}
    check(x.astype(dtype), z.astype(dtype), 1.0, 5.0, rtol, **options)


@thorough_but_for_few()
@EDGED
def test_a_negligible_point_owns_the_bins_it_alone_reaches(kernel, period):
    options = {"bandwidth": 0.5, "kernel": kernel, "bins": 4, "period": period}
    loss, gradient = check(np.array([0.0, 3.0]), np.array([0.0, -1000.0]), 2.9, 3.1, **options)
    assert gradient[1] == pytest.approx(-1.0, abs=1e-15)
    assert loss > 990


@thorough_but_for_few()
@EDGED
def test_bins_that_no_point_reaches(kernel, period):
    # Bins at 0.5, 1.5, 2.5, 3.5; the points reach the first two.
    x, z = np.array([0.4, 1.3, 0.7]), np.array([0.1, 0.2, -0.3])
    options = {"bandwidth": 0.6, "kernel": kernel, "period": period}
    for implementation in (reference, kdexent):
        loss, (by_z, by_x, by_h) = implementation.loss_and_grad(x, z, 0.0, 4.0, bins=4, wrt=WRT, **options)
        near_loss, (near_z, near_x, near_h) = implementation.loss_and_grad(
            x, z, 0.0, 2.0, bins=2, wrt=WRT, **options
        )
        assert loss == np.inf and np.isfinite(near_loss)
        for gradient, near in ((by_z, near_z), (by_x, near_x), (by_h, near_h)):
            np.testing.assert_allclose(gradient, np.asarray(near) / 2, rtol=1e-14, atol=1e-16)
        # A target without mass there does not mind.
        masses = [0.5, 0.5, 0.0, 0.0]
        assert implementation.loss(x, z, 0.0, 4.0, bins=4, target=masses, **options) == pytest.approx(
            near_loss
        )
        log_q = implementation.log_density(x, z, [1.0, 3.2], **options)
        assert np.isfinite(log_q[0]) and log_q[1] == -np.inf


@thorough_but_for_few()
@EDGED
def test_no_point_reaches_any_bin(kernel, period):
    options = {"bandwidth": 0.01, "kernel": kernel, "bins": 5, "period": period, "wrt": WRT}
    for implementation in (reference, kdexent):
        loss, gradients = implementation.loss_and_grad([3.0, 3.1], [0.0, 1.0], 0.0, 1.0, **options)
        assert loss == np.inf
        assert all((np.asarray(gradient) == 0).all() for gradient in gradients)


@thorough_but_for_few()
@pytest.mark.parametrize("bins", [1, 10])
@pytest.mark.parametrize("points", [1, 2])
@ALL
def test_smallest_problems(kernel, period, points, bins):
    x, z = random_problem(3, points)
    for bandwidth in (0.1, 1.0, 10.0):
        check(x, z, 1.0, 5.0, bandwidth=bandwidth, kernel=kernel, bins=bins, period=period)


@ALL
def test_ties(kernel, period):
    # Points in ties, on bin centres and, for compact kernels, exactly at the edge.
    x = np.repeat([1.0, 1.5, 2.0, 3.0], 5)
    z = np.tile([0.0, 1.0], 10)
    check(x, z, 1.0, 3.0, bandwidth=0.5, kernel=kernel, bins=4, period=period)


@thorough_but_for_few()
@pytest.mark.parametrize("bandwidth", [1e-6, 1e-4, 1e-2, 1e2, 1e4, 1e6])
@ALL
def test_bandwidths(kernel, period, bandwidth):
    x, z = random_problem(4, 6)
    # A compact kernel many turns wide is a sum over as many images, each of which rounds.
    turns = bandwidth / period if period is not None and kernel in COMPACT else 0.0
    slack = 100 * (1 + turns)
    check(x, z, 1.0, 5.0, bandwidth=bandwidth, kernel=kernel, bins=3, period=period, slack=slack)
    if period is None:
        check(x * bandwidth, z, bandwidth, 5 * bandwidth, bandwidth=bandwidth, kernel=kernel, bins=3)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("kernel", [k for k, period in KERNELS_AND_DOMAINS if period is None])
def test_one_far_outlier(kernel):
    x, z = random_problem(5)
    x[7] = 1e12
    check(x, z, 1.0, 5.0, bandwidth=0.7, kernel=kernel, bins=30)


@thorough_but_for_few()
@pytest.mark.parametrize("value", [1e100, 1e160, 1.7e308])
@ALL
def test_distances_beyond_any_float_give_no_nan(kernel, period, value):
    x, z = np.array([value, -value, 1.0]), np.array([0.0, 3.0, 1.0])
    for bandwidth in (1e-3, 1.0):
        options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 20, "period": period}
        loss, gradients = kdexent.loss_and_grad(x, z, 0.9, 1.1, wrt=WRT, **options)
        assert not np.isnan(loss)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


@thorough_but_for_few()
@ALL
def test_bandwidths_that_take_different_ways_in_one_batch(kernel, period):
    x, z = random_problem(6, 30, (6,))
    bandwidth = np.array([0.02, 3.0, 0.3, 1.0, 2.0, 40.0])
    check(x, z, 1.0, 5.0, bandwidth=bandwidth, kernel=kernel, bins=20, period=period)


@thorough_but_for_few()
@ALL
def test_rows_whose_bins_are_far_among_others(kernel, period):
    x, z = random_problem(7, 30, (5,))
    x[1:4:2] *= 1e-3  # whose points lie in a corner of the target
    z[3, 1:] -= 800.0
    options = {"bandwidth": 0.05, "kernel": kernel, "bins": 40, "period": period}
    check(x, z, 1.0, 5.0, **options)
    out = np.full((5, 60), 7.0, np.float32)[:, ::2]
    losses, _ = kdexent.loss_and_grad(
        x.astype(np.float32), z.astype(np.float32), 1.0, 5.0, **options, out=out
    )
    alone = [
        kdexent.loss_and_grad(*map(np.float32, row), 1.0, 5.0, **options) for row in zip(x, z, strict=True)
    ]
    np.testing.assert_array_equal(losses, [loss for loss, _ in alone])
    np.testing.assert_array_equal(out, [gradient for _, gradient in alone])


@pytest.mark.parametrize("method", KEEPING)
def test_a_point_out_of_reach_with_a_logit_thousands_above_those_in_reach(method):
    # Relative to those in reach its weight overflows, and its kernel is 0.
    x = np.array([0.5, 2.5, 3.0])
    for high in (900.0, 1e3, 3e3, 2.1e4):
        z = np.array([-9.0, high - 9.0, high])
        loss, gradient = kdexent.loss_and_grad(
            x, z, 0.0, 1.0, bandwidth=0.6, kernel="epanechnikov", bins=4, method=method
        )
        assert np.isfinite(loss)
        np.testing.assert_allclose(
            gradient, [-1.0, np.exp(-9.0) / (1 + np.exp(-9.0)), 1 / (1 + np.exp(-9.0))]
        )
