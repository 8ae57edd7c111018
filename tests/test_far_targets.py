"""Far from the target, at the edge of a compact kernel and under large logits no digits are lost.

What decides is the ratio of two kernel values. All numbers here, and all differences of a centre and a
point, are exact in binary, so that nothing but the method can lose them.
"""

import mpmath as mp
import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, SMOOTH, softmax
from tiers import FEW, thorough, thorough_but_for, thorough_but_for_few
from ways import EPS, WAYS, assert_all_agree, exactly, solve, solve_or_skip

import kdexent
from kdexent import reference
from kdexent.names import CIRCLE_ONLY, COMPACT

pytestmark = pytest.mark.usefixtures("tails")
# auto and its plans take all pairs of so few.
DIFFERENT = [way for way in WAYS if way not in ("auto", "plan")]
EACH = pytest.mark.parametrize("way", DIFFERENT)
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
TAILS = [
    (kernel, circle) for kernel in SMOOTH for circle in (False, True) if circle or kernel not in CIRCLE_ONLY
]


def lattice(seed, points=30):
    """Return whole numbers in ties and normal logits."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 24, points).astype(float), rng.normal(size=points)


@thorough_but_for(kernel=["gaussian"], circle=[False])
@thorough_but_for(kernel=["von_mises"], side=[1], away=[20.0, 20_000.0, 2.0**40])
@pytest.mark.parametrize("away", [20.0, 1e3, 20_000.0, 500_000.0, 2.0**30, 2.0**40])
@pytest.mark.parametrize("side", [1, -1])
@pytest.mark.parametrize(("kernel", "circle"), TAILS)
def test_far_targets(kernel, circle, side, away):
    x, z = lattice(3)
    a = away if side > 0 else -away
    # The far target is near the point opposite to the data, or a quarter of a turn away.
    for turn in (2.0, 4.0) if circle else (None,):
        period = None if turn is None else turn * 2.0 ** np.ceil(np.log2(away + 25))
        for h in (0.5, 4.0, 0.3):
            options = {"bandwidth": h, "kernel": kernel, "bins": 4, "period": period}
            assert_all_agree(DIFFERENT, x, z, a, a + 1, **options)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("away", [1e3, 20_000.0, 500_000.0, 2.0**30])
@pytest.mark.parametrize("kernel", SMOOTH)
def test_data_on_both_sides_of_a_far_target(kernel, away):
    x, z = lattice(4)
    x = np.where(np.arange(30) % 2, x - away, away - x)
    options = {"bandwidth": 0.5, "kernel": kernel, "bins": 4}
    options["period"] = 8.0 * 2.0 ** np.ceil(np.log2(away)) if kernel in CIRCLE_ONLY else None
    for a in (-1.0, 0.0, 0.25):
        assert_all_agree(DIFFERENT, x, z, a, a + 1, **options)


@thorough_but_for(kernel=FEW)
@EACH
@pytest.mark.parametrize("away", [20_000.0, 500_000.0, 2.0**28])
@pytest.mark.parametrize("kernel", ["gaussian", "von_mises"])
def test_only_the_nearest_points_answer(kernel, away, way):
    rng = np.random.default_rng(3)
    x, z = rng.integers(0, 24, 200).astype(float), rng.normal(size=200)
    expected = softmax(z) - softmax(np.where(x == x.max(), z, -np.inf))
    for period in (2.0**32,) if kernel in CIRCLE_ONLY else (None, 2.0**32):
        options = {"bandwidth": 0.5, "kernel": kernel, "bins": 4, "period": period}
        _, gradients = solve_or_skip(way, x, z, away, away + 1, **options)
        np.testing.assert_allclose(gradients[0], expected, rtol=0, atol=1e-15)


@thorough_but_for(kernel=FEW)
@EACH
@pytest.mark.parametrize("away", [100.0, 20_000.0, 2.0**24])
@pytest.mark.parametrize("kernel", ["gaussian", "laplace"])
def test_logits_that_balance_the_kernel(kernel, away, way):
    # Every point has the same share of the one bin, though logits and logarithms of K span millions.
    x, center, h = np.arange(24.0), away + 0.5, 0.5
    z = (center - x) / h if kernel == "laplace" else (center - x) ** 2 / (2 * h * h)
    z -= z.min()
    _, gradients = solve_or_skip(way, x, z, away, away + 1, bandwidth=h, kernel=kernel, bins=1)
    np.testing.assert_allclose(gradients[0], softmax(z) - 1 / 24, rtol=0, atol=1e-14)


@thorough
@pytest.mark.parametrize("away", [2.0**20, 2.0**40])
@pytest.mark.parametrize("kernel", ["laplace", "logistic"])
def test_logits_that_balance_a_point_far_away_and_one_at_the_bin(kernel, away):
    x = np.array([away + 0.25, away + 0.75, 0.5])
    assert_all_agree(DIFFERENT, x, np.abs(x - 0.5), 0.0, 1.0, bandwidth=1.0, kernel=kernel, bins=1)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("margin", [2.0**-30, 2.0**-12, 0.25, 8.0])
@pytest.mark.parametrize("circle", [False, True])
@pytest.mark.parametrize("kernel", sorted(COMPACT))
def test_points_near_the_edge_of_a_compact_kernel(kernel, circle, margin):
    # The farthest points are within the margin of the bandwidth, which is 2^20.
    x, z = lattice(5)
    h = 2.0**20
    center = h - margin + x.min()
    options = {"bandwidth": h, "kernel": kernel, "bins": 1, "period": 2.0**23 if circle else None}
    assert_all_agree(DIFFERENT, x, z, center - 0.5, center + 0.5, **options)


@thorough_but_for_few()
@EACH
@pytest.mark.parametrize("target", [(1.0, 5.0), (20.0, 24.0), (40.0, 48.0)], ids=["in", "edge", "out"])
@ALL
def test_a_constant_added_to_the_logits(kernel, period, target, way):
    rng = np.random.default_rng(7)
    x, z = rng.normal(3, 2, 2_000), np.round(64 * rng.normal(size=2_000)) / 64
    options = {"bandwidth": 0.5, "kernel": kernel, "bins": 32, "period": None if period is None else 64.0}
    at_rest = solve_or_skip(way, x, z, *target, **options)
    for power in (0, 10, 33, 40):
        for constant in (2.0**power, -(2.0**power)):
            assert ((z + constant) - constant == z).all()
            loss, gradients = solve(way, x, z + constant, *target, **options)
            assert loss == at_rest[0] or abs(loss - at_rest[0]) <= 1e-14 * max(1, abs(at_rest[0]))
            for gradient, before in zip(gradients, at_rest[1], strict=True):
                np.testing.assert_allclose(gradient, before, rtol=0, atol=1e-13 * np.abs(before).max())


@thorough_but_for_few()
@ALL
def test_ratios_have_every_digit(kernel, period):
    # Of two points the gradient is S_1 less the logistic function of z_1 - z_2 + log K_1/K_2.
    circle = period is not None
    for h in (0.25, 1.0) if kernel not in COMPACT else (2.0**20 + 0.5, 2.0**21):
        for away in (1.0, 2.0**10, 2.0**20):
            x, z = np.array([0.0, 2.0**-18]), np.array([0.5, -0.25])
            options = {"bandwidth": h, "kernel": kernel, "bins": 1, "period": 2.0**24 if circle else None}
            exact = exactly(x, z, away - 0.25, away + 0.25, **options)
            found = reference.loss_and_grad(x, z, away - 0.25, away + 0.25, **options)[1]
            assert abs(mp.mpf(found[0]) - exact.by_z[0]) <= 4 * EPS


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("turns", [1e3, 1.19e7])
@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "logistic", "cauchy", "von_mises", "epanechnikov"])
def test_densities_many_turns_from_the_first(kernel, turns):
    # The differences are exact in binary, whatever turns of 2 pi are.
    x, z = np.array([0.0, 0.125, 0.5]) + np.round(2 * np.pi * turns), np.zeros(3)
    points = np.array([0.125, 0.25]) + np.round(2 * np.pi * turns)
    options = {"bandwidth": 0.0625, "kernel": kernel, "period": 2 * np.pi}
    expected = reference.log_density(x - x[0], z, points - x[0], **options)
    for method in ("direct", "auto", "reference"):
        function = reference.log_density if method == "reference" else kdexent.log_density
        about = options if method == "reference" else {**options, "method": method}
        np.testing.assert_allclose(function(x, z, points, **about), expected, rtol=1e-9, atol=1e-9)
