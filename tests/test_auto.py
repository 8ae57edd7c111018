"""`auto` takes the method that it is said to take, with the same bits."""

import numpy as np
import pytest

import kdexent
from kdexent.arguments.problem import Request, loss_problem
from kdexent.strategies.direct.all_pairs import takes_all_pairs
from kdexent.strategies.evaluate_rows import taken

RNG = np.random.default_rng(11)
NORMAL = RNG.standard_normal(20_000)
MODES = np.where(np.arange(20_000) % 2, 0.3 * NORMAL + 3, 0.3 * NORMAL - 3)


def problem_of(x, a, b, bandwidth, kernel="gaussian", period=None, bins=256):
    return loss_problem(x, np.zeros(x.shape), a, b, bandwidth, kernel, bins, "midpoint", None, period)


@pytest.mark.parametrize(
    ("x", "kernel", "bins", "method"),
    [
        (NORMAL, "logistic", 256, "cells"),
        (NORMAL, "laplace", 256, "direct"),
        (MODES, "laplace", 256, "direct"),
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
        (10_000, "gaussian", 0.05, 24, "cells"),
        (10_000, "gaussian", 0.05, 64, "cells"),
        (10_000, "epanechnikov", 0.05, 16, "direct"),
    ],
)
def test_few_pairs_or_many_points(points, kernel, h, bins, method):
    problem = problem_of(NORMAL[:points], -1, 1, h, kernel=kernel, bins=bins)
    assert taken(problem, Request("auto", None, 1e-9)).method == method


@pytest.mark.parametrize(("kernel", "whole"), [("gaussian", True), ("von_mises", False)])
def test_rows_of_a_batch(kernel, whole):
    x, a = NORMAL.reshape(4, 5_000), np.linspace(-1.5, -0.5, 4)
    given = {"kernel": kernel, "period": 2 * np.pi if kernel == "von_mises" else None, "bins": 151}
    request = Request("auto", None, 1e-9)
    assert takes_all_pairs(problem_of(x, a, a + 2, 0.1, **given), request) == whole
    # A plan is made for one row, and its steps may have several.
    assert takes_all_pairs(problem_of(x[0], a[:1], a[:1] + 2, 0.1, **given), request) == whole
    assert takes_all_pairs(problem_of(x, -1.0, 1.0, 0.1, **given), request) == whole
    assert not takes_all_pairs(problem_of(x[0], -1.0, 1.0, 0.1, **given), request)
