"""Fast ways are right where densities underflow, data cluster or scatter, and bandwidths are extreme."""

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
from tiers import FEW, thorough_but_for, thorough_but_for_few

import kdexent
from kdexent import reference
from kdexent.names import COMPACT, FACTS

WRT = ("z", "x", "bandwidth")
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
LINE = pytest.mark.parametrize("kernel", [k for k, period in KERNELS_AND_DOMAINS if period is None])
FAST = ["cells", "window"]
RTOL = 1e-9


def check(x, z, a, b, slack=100, **options):
    """Compare every fast way with the reference, to what moving each x by an ulp does."""

    def exact(x):
        loss, gradients = reference.loss_and_grad(x, z, a, b, wrt=WRT, **options)
        return loss, *gradients

    expected_loss, *expected = exact(x)
    rounding = Rounding(exact, x)
    for method in FAST:
        try:
            loss, gradients = kdexent.loss_and_grad(x, z, a, b, wrt=WRT, method=method, rtol=RTOL, **options)
        except ValueError as error:
            # Without a reach, or with more cells than there may be.
            assert str(error).startswith(f"method {method!r} needs")
            continue
        _, by_z = kdexent.loss_and_grad(x, z, a, b, method=method, rtol=RTOL, **options)
        plan = kdexent.Plan(x, a, b, method=method, rtol=RTOL, **options)
        planned_loss, planned = plan.loss_and_grad(z)
        for value in (loss, planned_loss):
            assert_losses_agree(value, expected_loss, RTOL, rounding)
        for index, gradient in zip((0, 1, 2, 0, 0), (*gradients, by_z, planned), strict=True):
            about = (expected[index], z, options["bandwidth"], WRT[index], RTOL, (rounding, index + 1))
            assert_gradients_agree(gradient, *about, slack=slack)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("away", [10.0, 100.0, 1e4])
@LINE
def test_all_data_far_away(kernel, away):
    x, z = random_problem(0, 400)
    check(x + 2 + 0.1 * away, z, -1.0, 1.0, bandwidth=0.1, kernel=kernel, bins=40)


@thorough_but_for_few()
@ALL
def test_target_half_in_the_data_and_half_far_outside(kernel, period):
    x, z = random_problem(1, 400)
    width = 60.0 if period is None else 5.0
    check(x, z, 3.0, 3.0 + width, bandwidth=0.08, kernel=kernel, bins=33, period=period)


@thorough_but_for_few()
@ALL
def test_logits_that_span_thousands(kernel, period):
    x, z = random_problem(2, 300)
    z = np.where(np.arange(300) % 3 == 0, 1.0, 2000 / 3) * z
    check(x, z, 1.0, 5.0, bandwidth=0.2, kernel=kernel, bins=25, period=period)


@thorough_but_for(kernel=FEW)
@LINE
@pytest.mark.parametrize("step", [1.0, -1.0])
def test_logits_that_rise_and_fall_by_thousands_along_the_row(kernel, step):
    # Longer than a chunk and a lane of the passes over points: each begins with another largest logit.
    x, _ = random_problem(8, 9000)
    z = step * np.repeat(np.arange(-45.0, 45.0), 100) * 70 + random_problem(9, 9000)[1]
    check(x, z, 1.0, 5.0, bandwidth=0.5, kernel=kernel, bins=12)


@thorough_but_for_few()
@ALL
def test_gaps(kernel, period):
    # Clusters with empty space between them, and bins that only a few points reach.
    x, z = random_problem(3, 300)
    x = np.where(np.arange(300) % 2 == 0, 1 + 0.05 * x, 4 + 0.05 * x)
    check(x, z, 0.5, 5.5, bandwidth=0.15, kernel=kernel, bins=50, period=period)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("outlier", [1e3, 1e12])
@pytest.mark.parametrize("logit", [0.0, 30.0])
@LINE
def test_one_far_outlier(kernel, outlier, logit):
    x, z = random_problem(5, 300)
    x[7], z[7] = outlier, logit
    check(x, z, 1.0, 5.0, bandwidth=0.7, kernel=kernel, bins=30)


@thorough_but_for_few()
@pytest.mark.parametrize("bandwidth", [1e-6, 1e-4, 1e-2, 1e2, 1e4])
@ALL
def test_bandwidths(kernel, period, bandwidth):
    x, z = random_problem(4, 300)
    # A compact kernel many turns wide is a sum over as many images, each of which rounds.
    turns = bandwidth / period if period is not None and kernel in COMPACT else 0.0
    check(x, z, 1.0, 5.0, bandwidth=bandwidth, kernel=kernel, bins=9, period=period, slack=100 * (1 + turns))


@thorough_but_for_few()
@ALL
def test_ties(kernel, period):
    # Points in ties, on bin centres and, for compact kernels, exactly at the edge.
    x = np.repeat([1.0, 1.25, 1.5, 2.0, 3.0], 60)
    z = np.tile([0.0, 1.0], 150)
    check(x, z, 1.0, 3.0, bandwidth=0.5, kernel=kernel, bins=4, period=period)


@thorough_but_for_few()
@ALL
def test_masked_points_and_targets_with_empty_bins(kernel, period):
    x, z = random_problem(6, 300)
    z[::3] = -np.inf
    target = np.where(np.arange(20) % 4 == 1, 0.0, 1.0 + np.arange(20))
    check(x, z, 1.0, 5.0, bandwidth=0.3, kernel=kernel, bins=20, period=period, target=target)
    gradient = kdexent.loss_and_grad(
        x, z, 1.0, 5.0, bandwidth=0.3, kernel=kernel, bins=20, period=period, method="cells"
    )[1]
    assert (gradient[::3] == 0).all()


@thorough_but_for_few()
@ALL
def test_rows_and_single_precision(kernel, period):
    x, z = random_problem(7, 300, (3,))
    bandwidth = np.array([0.05, 0.4, 1.5])
    options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 24, "period": period}
    a = np.array([1.0, 1.2, 0.9])
    expected_loss, expected = reference.loss_and_grad(x, z, a, a + 3, **options)
    for dtype, rtol in ((np.float64, RTOL), (np.float32, 1e-4)):
        data = x.astype(dtype), z.astype(dtype)
        out = np.empty((3, 300), dtype)
        loss, gradient = kdexent.loss_and_grad(*data, a, a + 3, method="cells", out=out, **options)
        assert gradient is out and np.asarray(loss).dtype == dtype
        if dtype == np.float32:
            expected_loss, expected = reference.loss_and_grad(*data, a, a + 3, **options)
        assert_losses_agree(loss, expected_loss, rtol)
        assert_gradients_agree(gradient, expected, z, bandwidth, "z", rtol)


@thorough_but_for_few()
@pytest.mark.parametrize("value", [1e100, 1e160, 1.7e308])
@ALL
def test_distances_beyond_any_float_give_no_nan(kernel, period, value):
    x, z = np.array([value, -value, 1.0]), np.array([0.0, 3.0, 1.0])
    for method in FAST[: 1 if FACTS[kernel].heavy else 2]:
        options = {"bandwidth": 0.1, "kernel": kernel, "bins": 20, "period": period, "method": method}
        loss, gradients = kdexent.loss_and_grad(x, z, 0.9, 1.1, wrt=WRT, **options)
        assert not np.isnan(loss)
        assert all(np.isfinite(gradient).all() for gradient in gradients)


def test_images_without_number_take_no_memory_without_bound():
    # 20,000 of each point: those of a few points are looked at together.
    plan = kdexent.Plan(
        np.linspace(0, 1, 50_000),
        0.0,
        0.5,
        bandwidth=1e4,
        kernel="boxcar",
        bins=8,
        period=1.0,
        method="window",
    )
    assert plan.workspace_bytes < 2**26
