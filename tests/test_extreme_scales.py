"""Bandwidths, periods and distances as small and as large as floats are: right values, or infinite ones."""

import warnings
from functools import partial

import mpmath as mp
import numpy as np
import oracle
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, SMOOTH, random_problem
from tiers import FEW, thorough_but_for, thorough_but_for_few
from ways import WAYS, WRT, assert_all_agree, solve, solve_or_skip

import kdexent
from kdexent import reference
from kdexent.names import CIRCLE_ONLY, COMPACT, FACTS, JUMPS

DIFFERENT = ("reference", "direct", "window", "cells")  # auto takes all pairs of so few
DENSITIES = {
    "reference": reference.log_density,
    **{method: partial(kdexent.log_density, method=method) for method in ("direct", "auto")},
}
EACH = pytest.mark.parametrize("way", DIFFERENT)
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
DENSITY = pytest.mark.parametrize("log_density", DENSITIES.values(), ids=DENSITIES)

LENGTHS = [1e-300, 1e-155, 1.0, 1e10, 1e155, 1e300]


def log_peak(kernel):
    """Return log K(0), of a kernel of the circle as a narrow one."""
    return float(mp.log(oracle.KERNELS[kernel].value_and_slope(mp.mpf(0), mp.mpf(1))[0]))


def without_number(kernel, bandwidth, period, way):
    """Return whether the fast code refuses to sum so many images."""
    fast = way not in ("reference", reference.log_density)
    return fast and kernel in COMPACT and bandwidth > 2.0**20 * period


@thorough_but_for_few()
@EACH
@ALL
def test_change_of_units(kernel, period, way):
    # Everything times s: L + log s, the same gradient by z, and those by lengths divided by s.
    x, z = random_problem(0, 30)
    options = {"bandwidth": 0.5, "kernel": kernel, "bins": 8, "period": period}
    found = solve_or_skip(way, x, z, 1.0, 5.0, **options)
    for power in (-1000, -530, -300, 60, 500, 900):
        s = 2.0**power
        scaled = {**options, "bandwidth": 0.5 * s, "period": None if period is None else period * s}
        loss, gradients = solve(way, x * s, z, s, 5.0 * s, **scaled)
        assert loss == pytest.approx(found[0] + power * np.log(2), rel=1e-14, abs=1e-14)
        for name, gradient, before in zip(WRT, gradients, found[1], strict=True):
            after = gradient if name == "z" else np.ldexp(gradient, power)
            np.testing.assert_allclose(after, before, rtol=0, atol=1e-13 * max(1, np.abs(before).max()))


@thorough_but_for_few()
@DENSITY
@pytest.mark.parametrize("bandwidth", [2.3e-308, 1e-200, 1e-155])
@ALL
def test_density_at_the_point_itself(kernel, period, bandwidth, log_density):
    log_q = log_density([0.0], [0.0], [0.0], bandwidth=bandwidth, kernel=kernel, period=period)
    assert log_q[0] == pytest.approx(log_peak(kernel) - np.log(bandwidth), rel=1e-14)


@thorough_but_for_few()
@EACH
@ALL
def test_lengths_whose_inverse_is_no_float_are_refused(kernel, period, way):
    for length in (5e-324, 1e-310):
        for name in ("bandwidth", "period"):
            options = {"bandwidth": 1.0, "period": period, "kernel": kernel, "bins": 2} | {name: length}
            with pytest.raises(ValueError, match=f"{name} must be at least 2.2"):
                WAYS[way](np.zeros(2), np.zeros(2), 0.0, 1e-320, **options)


@thorough_but_for(kernel=FEW)
@DENSITY
@pytest.mark.parametrize("period", LENGTHS)
@pytest.mark.parametrize("kernel", kdexent.KERNELS)
def test_density_of_kernels_that_are_wide_or_narrow_on_their_circle(kernel, period, log_density):
    for bandwidth in LENGTHS:
        if 1e-4 < bandwidth / period < 1e4 or without_number(kernel, bandwidth, period, log_density):
            continue
        options = {"bandwidth": bandwidth, "kernel": kernel, "period": period}
        log_q = log_density([0.0], [0.0], [0.0, period / 4, period / 2], **options)
        if bandwidth > period:  # uniform, up to the share of a boxcar's last image
            np.testing.assert_allclose(
                log_q, -np.log(period), rtol=1e-14, atol=2 * period / bandwidth + 1e-14
            )
        else:
            assert log_q[0] == pytest.approx(log_peak(kernel) - np.log(bandwidth), rel=1e-14, abs=1e-14)


@thorough_but_for(kernel=["epanechnikov", "von_mises"])
@pytest.mark.parametrize("period", LENGTHS)
@pytest.mark.parametrize("kernel", kdexent.KERNELS)
def test_circles_of_any_size(kernel, period):
    for bandwidth in LENGTHS:
        # Lengths in proportion to the smaller one.
        unit = min(bandwidth, period / 4)
        x, z = np.array([0.1, 0.3, 0.45]) * unit, np.array([0.0, 1.0, 0.5])
        options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 2, "period": period}
        ways = [way for way in DIFFERENT if not without_number(kernel, bandwidth, period, way)]
        assert_all_agree(ways, x, z, -unit, unit, **options)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("way", ["direct", "window", "cells", "auto", "plan"])
@pytest.mark.parametrize("kernel", sorted(COMPACT))
def test_sums_over_millions_of_images_are_refused(kernel, way):
    for h in (2.0**21, 1e300):
        with pytest.raises(ValueError, match="bandwidth must be at most 2\\^20 periods"):
            WAYS[way](np.zeros(2), np.zeros(2), 0.0, 0.5, bandwidth=h, kernel=kernel, bins=2, period=1.0)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("away", [1e155, 1e160, 1e250, 1e300])
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k not in CIRCLE_ONLY])
def test_distances_whose_square_is_no_float(kernel, away):
    x, z = np.array([away, 1.1 * away, away]), np.array([0.0, 0.5, 1.0])
    for bandwidth in (1e-150, 1.0, 1e100):
        assert_all_agree(DIFFERENT, x, z, -1.0, 1.0, bandwidth=bandwidth, kernel=kernel, bins=4)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("scale", [1.0, 1e270])
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k not in CIRCLE_ONLY])
def test_points_of_little_weight_have_slopes_in_any_unit(kernel, scale):
    # Their weights over the density are large, and 1/h times their weights alone would be no float.
    x, z = np.array([0.0, 9.0, 9.25]) * scale, np.array([0.0, -130.0, -130.5])
    for period in (None, 64.0 * scale):
        options = {"bandwidth": 0.5 * scale, "kernel": kernel, "bins": 4, "period": period}
        assert_all_agree(DIFFERENT, x, z, 8.5 * scale, 9.5 * scale, **options)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("bandwidth", [2.3e-308, 8e-308, 1e-305, 2.0**-400])
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k not in CIRCLE_ONLY])
def test_distances_in_bandwidths_that_are_no_float(kernel, bandwidth):
    x, z = np.array([0.5, 3.0, 7.0, 8.0, 15.0]), np.array([0.0, 0.5, 1.0, 0.0, -1.0])
    for period in (None, 64.0):
        options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 4, "period": period}
        assert_all_agree(DIFFERENT, x, z, -1.0, 1.0, **options)
        assert_all_agree(DIFFERENT, x[3:], z[3:], -1.0, 1.0, **options)


@thorough_but_for(kernel=FEW)
@pytest.mark.parametrize("scale", [1e-300, 1e-160, 1e160, 1e300])
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k not in CIRCLE_ONLY])
def test_far_bandwidths_wide_enough_for_their_distance(kernel, scale):
    # u is moderate though no square of a length is a float.
    x, z = np.array([0.5, 3.0, 7.0]) * scale, np.array([0.0, 0.5, 1.0])
    assert_all_agree(DIFFERENT, x, z, -scale, scale, bandwidth=scale, kernel=kernel, bins=4)


@thorough_but_for_few()
@ALL
def test_the_longest_distances_there_are(kernel, period):
    # All of them exact, and no point at the edge of a compact kernel.
    far = 2.0**1000
    x, z = np.array([far, -far, 0.75 * far]), np.array([0.0, 3.0, 1.0])
    for h in (2.0**-300, 0.7 * 2.0**990, 0.7 * far):
        for a, b in ((-far, -0.5 * far), (0.25 * far, 0.75 * far)):
            options = {"bandwidth": h, "kernel": kernel, "bins": 2, "period": None if period is None else far}
            assert_all_agree(DIFFERENT, x, z, a, b, **options)


@pytest.mark.parametrize("way", DIFFERENT)
@pytest.mark.parametrize(
    ("name", "value"),
    [("a", -2e301), ("b", 2e301), ("bandwidth", 2e301), ("period", 2e301)],
)
def test_longer_lengths_are_refused(name, value, way):
    options = {"a": 0.0, "b": 1.0, "bandwidth": 1.0, "bins": 2} | {name: value}
    with pytest.raises(ValueError, match=rf"{name} must be at most 1\.07\d*e\+301 in size"):
        WAYS[way]([0.0, 1.0], [0.0, 0.0], **options)


@thorough_but_for(way=["reference", "direct"])
@EACH
@pytest.mark.parametrize(
    ("x", "options", "expected", "gradient"),
    [
        ([0, 0], {"kernel": "von_mises", "period": 1e160}, 1.0751885332046727, [0.0, 0.0]),
        ([0, 0.5], {"kernel": "cauchy", "period": 1e155}, 1.474861352665488, None),
        ([0, 0.5], {"kernel": "cauchy", "period": 1e160}, 1.474861352665488, None),
        ([0, 0.5], {"kernel": "cauchy"}, 1.474861352665488, None),
    ],
)
def test_values_at_hand(x, options, expected, gradient, way):
    x, z = np.array(x, float), np.array([0.0, 1.0])
    loss, gradients = solve_or_skip(way, x, z, -1.0, 1.0, bandwidth=1.0, bins=4, **options)
    assert loss == pytest.approx(expected, rel=1e-14)
    if gradient is not None:
        np.testing.assert_allclose(gradients[0], gradient, rtol=0, atol=1e-15)


@thorough_but_for(way=["reference", "direct"])
@EACH
def test_two_points_beyond_the_square_root_of_floats(way):
    z, options = np.zeros(2), {"bandwidth": 1.0, "bins": 4}
    loss, gradients = solve(way, np.array([1e160, 1.1e160]), z, -1.0, 1.0, **options)
    assert loss == np.inf
    np.testing.assert_array_equal(gradients[0], [-0.5, 0.5])
    about = np.array([1e155, 1.1e155]), z, -1.0, 1.0
    loss, gradients = solve_or_skip(way, *about, kernel="cauchy", **options)
    share = 1 / (1 + 1.1**-2)  # q is proportional to 1/x^2
    assert loss == pytest.approx(715.0368837386425, rel=1e-14)
    np.testing.assert_allclose(gradients[0], [0.5 - share, share - 0.5], rtol=1e-12)


@thorough_but_for(kernel=FEW)
@EACH
@pytest.mark.parametrize(("bandwidth", "away"), [(2.0**-1015, 2.0**21), (2.0**-660, 2.0**500)])
@pytest.mark.parametrize("kernel", [kernel for kernel in SMOOTH if kernel not in CIRCLE_ONLY])
def test_slopes_that_are_no_float(kernel, bandwidth, away, way):
    # Many points in one place, which faster sums take together.
    x, z = np.full(200, -away), random_problem(0, 200)[1]
    options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 5}
    by_z, by_x, by_h = solve_or_skip(way, x, z, away, 2 * away, **options)[1]
    np.testing.assert_allclose(by_z, 0, atol=1e-14)
    share = np.exp(z - np.logaddexp.reduce(z))
    if FACTS[kernel].heavy:  # which decays so slowly that they are floats: -2 sum_m p_m S_i / d
        assert by_h == pytest.approx(-1 / bandwidth)
        distances = away * (2 + (np.arange(5) + 0.5) / 5)
        np.testing.assert_allclose(by_x, -2 * share * (1 / distances).mean(), rtol=1e-13)
        return
    assert by_h == -np.inf
    score = oracle.KERNELS[kernel].score(np, 1e9) if FACTS[kernel].steady else -np.inf
    np.testing.assert_allclose(by_x, share * score / bandwidth, rtol=1e-13)


@EACH
def test_logits_as_far_apart_as_floats_are(way):
    # The point far below owns the bin that it alone reaches.
    x, z = np.array([0.0, 5.0]), np.array([8e307, -8e307])
    loss, gradients = solve_or_skip(way, x, z, 4.5, 5.5, bandwidth=1.0, kernel="epanechnikov", bins=2)
    assert loss == pytest.approx(1.6e308)
    np.testing.assert_array_equal(gradients[0], [1.0, -1.0])


@pytest.mark.parametrize("function", ["loss", "loss_and_grad", "log_density"])
def test_the_reference_keeps_floating_point_errors_to_itself(function):
    where = ([1e200],) if function == "log_density" else (0, 1)
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        for kernel in kdexent.KERNELS:
            options = {"bandwidth": 1e-160, "kernel": kernel, "period": 1e160}
            getattr(reference, function)([0.0, 800.0], [0.0, -900.0], *where, **options)


@thorough_but_for_few()
@pytest.mark.parametrize("bandwidth", [0.9, 1.7, 400.0])
@ALL
def test_the_oracle_agrees_with_differences(kernel, period, bandwidth):
    x, z, centers, masses = [0.3, 1.1], [0.2, -0.4], [0.5, 0.9], [0.25, 0.75]

    def slope(first, h):
        up, down = (
            oracle.solve([x[0] + s * first, x[1]], z, centers, masses, bandwidth + s * h, kernel, period)
            for s in (1, -1)
        )
        return (up.loss - down.loss) / 2

    answer, step = oracle.solve(x, z, centers, masses, bandwidth, kernel, period), 2.0**-30
    assert abs(slope(step, 0) / step - answer.by_x[0]) < 1e-12
    if JUMPS[kernel] > 0 or period is None:  # where it jumps as images come in reach
        assert abs(slope(0, step) / step - answer.by_h) < 1e-12
