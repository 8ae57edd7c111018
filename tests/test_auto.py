"""`auto` takes, for where points lie, the method that it is said to take, with the same bits."""

import numpy as np
import pytest

import kdexent
from kdexent.arguments.problem import Request, loss_problem
from kdexent.strategies.auto import NO_GAPS, gaps_of
from kdexent.strategies.direct.all_pairs import takes_all_pairs
from kdexent.strategies.evaluate_rows import row_shape, taken

RNG = np.random.default_rng(11)
NORMAL = RNG.standard_normal(20_000)
MODES = np.where(np.arange(20_000) % 2, 0.3 * NORMAL + 3, 0.3 * NORMAL - 3)


def problem_of(x, a, b, bandwidth, kernel="gaussian", period=None, bins=256):
    return loss_problem(x, np.zeros(x.shape), a, b, bandwidth, kernel, bins, "midpoint", None, period)


def gaps(x, a, b, bandwidth, rtol=1e-9, method="auto", **options):
    shape, centers = row_shape(problem_of(x, a, b, bandwidth, **options), 0, False)
    return gaps_of(shape, Request(method, None, rtol), centers, x)


def test_parts_of_the_bins_that_are_far():
    assert gaps(NORMAL, -2, 2, 0.1) == NO_GAPS
    far, farther = gaps(MODES, -3.5, 3.5, 0.1)  # a gap of 4, less what the kernel reaches: 3 of 7
    assert 5 <= far <= 8 and farther == 0
    far, farther = gaps(np.abs(NORMAL), -20, 20, 0.05)
    assert 13 <= far <= 15 and 12 <= farther <= far
    assert gaps(NORMAL, 100, 101, 0.1) == (16, 16)
    assert gaps(MODES, -3.5, 3.5, 0.1, kernel="cauchy") == NO_GAPS


def test_points_that_are_left_out_of_the_look_are_no_gaps():
    # 128 of them lie further apart than the kernel reaches, all of them do not.
    assert gaps(NORMAL, -2, 2, 0.002) == NO_GAPS
    assert gaps(np.sort(NORMAL), -2, 2, 0.002) == NO_GAPS


def test_where_it_does_not_matter():
    assert gaps(MODES, -3.5, 3.5, 0.1, method="cells") == NO_GAPS
    assert gaps(MODES, -3.5, 3.5, 0.1, rtol=0.0) == NO_GAPS


@pytest.mark.parametrize("turn", [0.0, 3.0, -50.0])
def test_a_circle_with_an_empty_night(turn):
    day = RNG.uniform(6, 24, 20_000)
    far, _ = gaps(day + turn, turn, turn + 24, 0.1, period=24.0)
    assert 2 <= far <= 4  # of 16: 5 hours of 24, rounded down
    across = np.mod(RNG.uniform(-9, 9, 20_000), 24)
    assert gaps(across + turn, turn - 8, turn + 8, 0.1, period=24.0) == NO_GAPS


@pytest.mark.parametrize(
    ("x", "kernel", "bins", "method"),
    [
        (NORMAL, "laplace", 256, "cells"),
        (MODES, "laplace", 256, "direct"),
        (MODES, "gaussian", 256, "direct"),
        (MODES, "epanechnikov", 256, "cells"),
        (NORMAL[:1024], "epanechnikov", 256, "direct"),
    ],
)
def test_what_is_taken_is_what_is_said(x, kernel, bins, method):
    z = RNG.standard_normal(x.shape)
    given = {"bandwidth": 0.1, "kernel": kernel, "bins": bins}
    said = taken(problem_of(x, -3.5, 3.5, **given), Request("auto", None, 1e-9))
    plan = kdexent.Plan(x, -3.5, 3.5, **given)
    assert said.method == plan.method == method
    loss, gradient = kdexent.loss_and_grad(x, z, -3.5, 3.5, **given)
    by_name = kdexent.loss_and_grad(x, z, -3.5, 3.5, **given, method=method)
    assert loss == by_name[0] and (gradient == by_name[1]).all()
    assert plan.loss(z) == kdexent.Plan(x, -3.5, 3.5, **given, method=method).loss(z)
    # Kept tables are those of the method, whatever data came before.
    again = kdexent.loss_and_grad(x, z, -3.5, 3.5, **given)
    assert loss == again[0] and (gradient == again[1]).all()


@pytest.mark.parametrize(
    ("points", "kernel", "h", "bins", "method"),
    [
        (1_000, "gaussian", 0.05, 256, "direct"),
        (2_000, "gaussian", 0.002, 64, "direct"),  # an exponential for each pair, but few
        (4_000, "gaussian", 0.75, 256, "direct"),
        (10_000, "gaussian", 0.05, 16, "cells"),
        (10_000, "gaussian", 0.05, 64, "cells"),
        (10_000, "epanechnikov", 0.05, 16, "direct"),
    ],
)
def test_few_pairs_or_many_points(points, kernel, h, bins, method):
    problem = problem_of(NORMAL[:points], -1, 1, h, kernel=kernel, bins=bins)
    assert taken(problem, Request("auto", None, 1e-9)).method == method


@pytest.mark.parametrize(("kernel", "whole"), [("gaussian", True), ("von_mises", False)])
def test_rows_that_share_nothing(kernel, whole):
    x, a = NORMAL.reshape(4, 5_000), np.linspace(-1.5, -0.5, 4)
    given = {"kernel": kernel, "period": 2 * np.pi if kernel == "von_mises" else None, "bins": 151}
    request = Request("auto", None, 1e-9)
    assert takes_all_pairs(problem_of(x, a, a + 2, 0.1, **given), request) == whole
    # A plan is made for one row, and its steps may have several.
    assert takes_all_pairs(problem_of(x[0], a[:1], a[:1] + 2, 0.1, **given), request) == whole
    assert not takes_all_pairs(problem_of(x, -1.0, 1.0, 0.1, **given), request)
