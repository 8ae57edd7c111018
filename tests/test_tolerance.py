"""`rtol` is a promise: met at every value, and a looser one costs less."""

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
from strategies import KEEPING, make_sums
from tiers import thorough_but_for

import kdexent
from kdexent.names import FACTS
from kdexent.strategies.tails.certificate import FLOOR, certain_of, certify, room_for

WRT = ("z", "x", "bandwidth")
TOLERANCES = [1e-2, 1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13]
# Bandwidths around those of a bin, of the interval and of the circle.
BANDWIDTHS = [0.02, 0.3, 1.5, 6.0]


@thorough_but_for(kernel=["gaussian"], period=[None], bandwidth=[0.3])
@pytest.mark.parametrize("bandwidth", BANDWIDTHS)
@pytest.mark.parametrize("method", [method for method in KEEPING if method != "direct"])
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_every_tolerance_is_met(kernel, period, method, bandwidth):
    if method == "window" and FACTS[kernel].heavy:
        with pytest.raises(ValueError, match="reach"):
            kdexent.loss([2.0], [0.0], 1, 5, kernel=kernel, method=method, bandwidth=1.0, period=period)
        return
    x, z = random_problem(11, 3_000, (), period)
    options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 90, "period": period}

    def exactly(x):
        loss, gradients = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=WRT, method="direct", **options)
        return loss, *gradients

    exact_loss, *exact = exactly(x)
    rounding = Rounding(exactly, x)
    for rtol in TOLERANCES:
        loss, gradients = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=WRT, method=method, rtol=rtol, **options)
        _, by_z = kdexent.loss_and_grad(x, z, 1.0, 5.0, method=method, rtol=rtol, **options)
        assert_losses_agree(loss, exact_loss, rtol + 1e-13, rounding)
        for index, gradient in zip((0, 1, 2, 0), (*gradients, by_z), strict=True):
            about = (exact[index], z, bandwidth, WRT[index], rtol, (rounding, index + 1))
            assert_gradients_agree(gradient, *about)


@thorough_but_for(kernel=["gaussian"])
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k != "von_mises"])
def test_a_looser_tolerance_costs_less(kernel):
    # The estimated cost, and the error that is paid for it: within four decades of what was asked for.
    x, z = random_problem(12, 20_000)
    options = {"bandwidth": 0.3, "kernel": kernel, "bins": 90}
    exact = kdexent.loss_and_grad(x, z, 1.0, 5.0, method="direct", **options)[1]
    costs = []
    for rtol in TOLERANCES[:-1]:  # for less all pairs are summed
        sums, _, _ = make_sums(x, z, 1.0, 5.0, "cells", None, rtol, False, **options)
        costs.append(sums.plan.cost)
        gradient = kdexent.loss_and_grad(x, z, 1.0, 5.0, method="cells", rtol=rtol, **options)[1]
        error = np.abs(gradient - exact).max() / np.abs(exact).max()
        assert error >= 1e-5 * rtol or error < 1e-13
    assert all(cost <= 1.3 * min(costs[i:]) for i, cost in enumerate(costs))
    assert costs[-1] > 1.1 * costs[0]


def test_rtol_zero_sums_all_pairs():
    x, z = random_problem(13, 20_000)
    options = {"bandwidth": 0.3, "bins": 200}
    exact = kdexent.loss_and_grad(x, z, 1.0, 5.0, method="direct", **options)
    result = kdexent.loss_and_grad(x, z, 1.0, 5.0, rtol=0.0, **options)
    assert result[0] == exact[0]
    np.testing.assert_array_equal(result[1], exact[1])


def test_a_gradient_that_nearly_vanishes_keeps_its_digits():
    # A very wide kernel: all responsibilities are almost the weights themselves.
    x, z = random_problem(14, 3_000)
    options = {"bandwidth": 200.0, "bins": 64}
    expected = kdexent.loss_and_grad(x, z, 1.0, 5.0, method="direct", **options)[1]
    gradient = kdexent.loss_and_grad(x, z, 1.0, 5.0, method="cells", **options)[1]
    assert np.abs(expected).max() < 1e-6
    assert_gradients_agree(gradient, expected, z, 200.0, "z", 1e-9)


def test_a_gradient_that_nearly_vanishes_at_the_best_weights_keeps_its_digits():
    # Points all around and nearly equal weights: each gives what it takes, but for a millionth.
    x = 2 * np.pi * (np.arange(20_000) + 0.5) / 20_000
    z = 1e-6 * np.cos(3 * x)
    options = {"bandwidth": 0.3, "kernel": "von_mises", "period": 2 * np.pi, "bins": 300}
    expected = kdexent.loss_and_grad(x, z, 0.0, 2 * np.pi, method="direct", **options)[1]
    gradient = kdexent.loss_and_grad(x, z, 0.0, 2 * np.pi, method="cells", rtol=1e-2, **options)[1]
    assert np.abs(gradient - expected).max() <= 1e-2 * np.abs(expected).max()


def test_a_bin_is_certain_up_to_its_tolerance():
    # As good as asked for; a little worse; no mass; too little to be trusted.
    density, p = np.array([2.0, 2.0, 2.0, 0.5 * FLOOR]), np.array([0.5, 0.25, 0.0, 0.25])
    error = np.array([2e-6, 2.0001e-6, 1.0, 0.0])
    log_q, weights = room_for(4)
    results = certify()(density, error, p, 1e-6, FLOOR, 1.0, log_q, weights)
    _, _, weak, loss, relative, count = certain_of(p, log_q, weights, results)
    assert weak.tolist() == [False, True, False, True] and count == 2
    assert weights.tolist() == [0.25, 0.0, 0.0, 0.0]
    assert log_q[0] == pytest.approx(np.log(2) + 1, rel=1e-15) and loss == -0.5 * log_q[0]
    assert relative == 1e-6
