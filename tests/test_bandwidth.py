"""`kdexent.select_bandwidth` is the reference's, whatever weights, kernels, domains and units of length."""

import numpy as np
import pytest
from tiers import FEW, thorough_but_for

import kdexent
from kdexent import bandwidth, reference
from kdexent.names import BANDWIDTH_RULES, CIRCLE_ONLY, FACTS

RNG = np.random.default_rng(3)
DATA = {
    "normal": RNG.normal(size=40),
    "far points": np.r_[RNG.normal(size=30), 50.0, 57.0],
    "heavy tails": RNG.standard_cauchy(40),
}
DOMAINS = [(kernel, period) for kernel in kdexent.KERNELS for period in (None, 7.0)]
DOMAINS = [(kernel, period) for kernel, period in DOMAINS if period or kernel not in CIRCLE_ONLY]
SMOOTH = ["gaussian", "logistic", "laplace"]  # whose likelihood has one maximum here


def likelihood(x, z, h, **options):
    """Return the mean of log q at each point, of the others."""
    others = np.where(np.eye(len(x), dtype=bool), -np.inf, z)
    log_q = reference.log_density(x, others, x[:, np.newaxis], bandwidth=h, **options)[:, 0]
    return (kdexent.softmax(z) * log_q).sum()


@pytest.mark.parametrize(("kernel", "period"), DOMAINS)
@pytest.mark.parametrize("data", DATA)
def test_rule_of_thumb_is_the_reference(kernel, period, data):
    x = DATA[data]
    for z in (None, RNG.normal(size=len(x)), np.where(x > 0, -np.inf, x)):
        given = {"kernel": kernel, "period": period}
        expected = reference.select_bandwidth(x, z, **given)
        assert kdexent.select_bandwidth(x, z, **given) == pytest.approx(expected, rel=1e-12)


@thorough_but_for(kernel=[*FEW], data=["far points"])
@pytest.mark.parametrize(("kernel", "period"), DOMAINS)
@pytest.mark.parametrize("data", DATA)
def test_likelihood_is_as_large_as_the_reference_finds_it(kernel, period, data):
    x, given = DATA[data], {"kernel": kernel, "period": period}
    z = np.random.default_rng(len(kernel)).normal(size=len(x))
    h = kdexent.select_bandwidth(x, z, **given, rule="likelihood")
    expected = reference.select_bandwidth(x, z, **given, rule="likelihood")
    if kernel in SMOOTH:
        assert h == pytest.approx(expected, rel=1e-3)
    # Compact kernels have many maxima next to each other, where points come into reach.
    assert likelihood(x, z, h, **given) > likelihood(x, z, expected, **given) - 0.05


def test_likelihood_is_not_the_nearest_maximum():
    rng = np.random.default_rng(57)
    x, z = rng.standard_cauchy(300), 3 * rng.normal(size=300)
    found, expected = (
        library.select_bandwidth(x, z, kernel="cauchy", rule="likelihood") for library in (kdexent, reference)
    )
    assert found == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kernel", sorted(set(FACTS) - {"cauchy", "von_mises"}))
def test_canonical_bandwidths_are_those_of_the_kernels(kernel):
    u, width = (np.arange(-200_000, 200_000) + 0.5) / 5000, 1 / 5000
    k = np.exp(reference.log_density([0.0], [0.0], u, bandwidth=1.0, kernel=kernel))
    roughness, variance = width * (k * k).sum(), width * (k * u * u).sum()
    of_gaussian = (1 / (2 * np.sqrt(np.pi))) ** 0.2
    assert FACTS[kernel].canonical * of_gaussian == pytest.approx((roughness / variance**2) ** 0.2, rel=1e-6)


def test_kernels_without_a_variance_of_their_own():
    assert FACTS["cauchy"].canonical == pytest.approx(np.sqrt(2 * np.log(2)), rel=1e-6)
    assert FACTS["von_mises"].canonical == FACTS["gaussian"].canonical == 1


@pytest.mark.parametrize("rule", BANDWIDTH_RULES)
def test_unit_of_length_and_place(rule):
    x = DATA["normal"]
    h = kdexent.select_bandwidth(x, rule=rule)
    for scale in (1e-300, 1e-9, 3.0, 1e300):
        assert kdexent.select_bandwidth(scale * x, rule=rule) == pytest.approx(scale * h, rel=1e-3)
    assert kdexent.select_bandwidth(x + 1000, rule=rule) == pytest.approx(h, rel=1e-3)
    turned = kdexent.select_bandwidth(x + 7, period=7.0, rule=rule)
    assert turned == pytest.approx(kdexent.select_bandwidth(x, period=7.0, rule=rule), rel=1e-3)


@pytest.mark.parametrize("rule", BANDWIDTH_RULES)
def test_rows_and_what_counts_as_a_point(rule):
    x = np.stack([DATA["normal"], DATA["heavy tails"]])
    z = np.zeros((3, 1, x.shape[1]))
    widths = kdexent.select_bandwidth(x, z, rule=rule)
    assert widths.shape == (3, 2) and (widths == widths[0]).all()
    assert widths[0, 1] == kdexent.select_bandwidth(x[1], rule=rule)
    assert isinstance(kdexent.select_bandwidth(x[0], rule=rule), float)
    masked = np.r_[np.zeros(len(x[0])), -np.inf]
    assert kdexent.select_bandwidth(np.r_[x[0], 1e6], masked, rule=rule) == pytest.approx(widths[0, 0])
    twice = kdexent.select_bandwidth(np.repeat(x[0], 2), np.where(np.arange(80) % 2, 0.0, -np.inf), rule=rule)
    assert twice == pytest.approx(widths[0, 0])
    singles = kdexent.select_bandwidth(x[0].astype(np.float32), rule=rule)
    assert singles == pytest.approx(widths[0, 0], rel=1e-3)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "epanechnikov"])
def test_likelihood_of_many_points(kernel, monkeypatch):
    x = np.r_[RNG.normal(size=1500), RNG.normal(3, 0.2, 1500), 40.0]
    z = RNG.normal(size=len(x)) / 3
    every = kdexent.select_bandwidth(x, z, kernel=kernel, rule="likelihood")
    monkeypatch.setattr(bandwidth, "_FEW", 1000)
    assert kdexent.select_bandwidth(x, z, kernel=kernel, rule="likelihood") == pytest.approx(every, rel=0.02)


TIED = np.array([-1.0, -1] + [0.0] * 10)


@pytest.mark.parametrize("library", [kdexent, reference])
@pytest.mark.parametrize("weights", [np.ones(12), np.array([3, 3, 1, 1, 1, 1, 2, 3, 3, 1, 1, 3])])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_quartiles_that_are_equal_but_for_rounding_do_not_count(library, weights, scale):
    w = weights / weights.sum()
    deviation = np.sqrt((w * (TIED - (w * TIED).sum()) ** 2).sum())
    expected = 0.9 * deviation * (w**2).sum() ** 0.2
    found = library.select_bandwidth(scale * TIED, np.log(weights))
    assert found == pytest.approx(scale * expected, rel=1e-12)


def test_likelihood_of_ties_ends_at_their_distance():
    x = np.repeat(np.arange(10.0), 20)
    with pytest.warns(UserWarning, match="as small as the distance of neighbours"):
        assert kdexent.select_bandwidth(x, rule="likelihood") == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("x", "options", "kind", "message"),
    [
        ([1.0, 1.0], {}, ValueError, "x must have two different points with a weight, got 1.0 alone"),
        ([1.0, 2.0], {"z": [0.0, -1e5]}, ValueError, "two different points with a weight"),
        ([1.0, 2.0], {"z": [0.0, -710.0]}, ValueError, "two different points with a weight"),
        ([[1.0, 2.0], [3.0, 3.0]], {}, ValueError, "with a weight in row 1, got 3.0 alone"),
        ([1.0], {}, ValueError, "two different points"),
        ([], {}, ValueError, "at least one point"),
        (3.0, {}, ValueError, "at least one point"),
        ([1.0, np.nan], {}, ValueError, r"x must be finite, got x\[1\] = nan"),
        ([1.0, 2.0], {"z": [-np.inf, -np.inf]}, ValueError, "z must have a logit above -inf"),
        ([1.0, 2.0], {"z": [0.0]}, ValueError, "z must have one logit for each"),
        ([1.0, 2.0], {"kernel": "round"}, ValueError, "kernel must be one of"),
        ([1.0, 2.0], {"kernel": "von_mises"}, ValueError, "needs a period"),
        ([1.0, 2.0], {"period": 0.0}, ValueError, "period"),
        ([1.0, 2.0], {"rule": "scott"}, ValueError, "rule must be one of 'silverman', 'likelihood'"),
        ([1.0 + 1j, 2.0], {}, TypeError, "x must hold real numbers"),
    ],
)
@pytest.mark.parametrize("library", [kdexent, reference])
def test_bad_arguments(library, x, options, kind, message):
    with pytest.raises(kind, match=message):
        library.select_bandwidth(x, **options)
