"""Entropy, cross-entropy and relative entropy: the definition, SciPy's answers, identities, and bad input."""

import math

import mpmath
import numpy as np
import pytest
import scipy.special
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from problems import layouts

import kdexent
from kdexent import reference

BOTH = pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
FUNCTIONS = ["entropy", "cross_entropy", "kl_divergence"]
OF_TWO = pytest.mark.parametrize("name", ["cross_entropy", "kl_divergence"])
INF, NAN = np.inf, np.nan


def distributions(seed, lead, width, dtype=np.float64):
    """Return P and Q along the last axis, with some zeros in P."""
    rng = np.random.default_rng(seed)
    p, q = rng.gamma(0.7, size=(2, *lead, width)) + 1e-3
    p[..., 1:] *= rng.random(p[..., 1:].shape) < 0.8
    p, q = (masses / masses.sum(axis=-1, keepdims=True) for masses in (p, q))
    return p.astype(dtype), q.astype(dtype)


def calls(module, p, q, **options):
    """Return the results of all three functions."""
    return (
        module.entropy(p, **options),
        module.cross_entropy(p, q, **options),
        module.kl_divergence(p, q, **options),
    )


def assert_close(actual, expected, dtype, factor=16):
    eps = np.finfo(dtype).eps
    for part, exact in zip(actual, expected, strict=True):
        assert np.asarray(part).dtype == dtype and np.shape(part) == np.shape(exact)
        np.testing.assert_allclose(part, exact, rtol=factor * eps, atol=factor * np.finfo(np.float64).eps)


# Fast and reference agree.


@DTYPES
@pytest.mark.parametrize("width", [1, 2, 3, 7, 8, 10, 33, 1000, 4096, 4097, 9000])
@pytest.mark.parametrize("lead", [(), (0,), (5,), (2, 3)], ids=str)
def test_fast_is_reference(lead, width, dtype):
    p, q = distributions(width, lead, width, dtype)
    assert_close(calls(kdexent, p, q), calls(reference, p, q), dtype)


@pytest.mark.parametrize("shape", [(20_000, 5), (50, 10_000)], ids=str)
def test_fast_is_reference_where_threads_share_the_rows(shape):
    p, q = distributions(1, shape[:1], shape[1])
    assert_close(calls(kdexent, p, q), calls(reference, p, q), np.float64)
    assert_close(calls(kdexent, p, q[7]), calls(reference, p, q[7]), np.float64)
    assert_close(calls(kdexent, p[7], q)[1:], calls(reference, p[7], q)[1:], np.float64)


# The definition and SciPy.


@DTYPES
@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_scipy(implementation, axis, dtype):
    p, q = (np.moveaxis(masses, -1, axis) for masses in distributions(2, (3, 4), 6))
    entropy, divergence = scipy.stats.entropy(p, axis=axis), scipy.stats.entropy(p, q, axis=axis)
    expected = entropy, entropy + divergence, divergence
    before = p.copy(), q.copy()
    actual = calls(implementation, p.astype(dtype), q.astype(dtype), axis=axis)
    assert_close(actual, expected, dtype, 64)
    actual = calls(implementation, p, q, axis=axis)
    assert_close(
        actual,
        (
            scipy.special.entr(p).sum(axis=axis),
            (scipy.special.entr(p) + scipy.special.rel_entr(p, q)).sum(axis=axis),
            scipy.special.rel_entr(p, q).sum(axis=axis),
        ),
        np.float64,
    )
    np.testing.assert_array_equal(before, (p, q))


def test_nothing_is_normalised(implementation):
    p, q = np.array([3.0, 0.0, 0.5]), np.array([0.25, 7.0, 2.0])
    expected = (
        -3 * np.log(3) - 0.5 * np.log(0.5),
        -3 * np.log(0.25) - 0.5 * np.log(2),
        3 * np.log(12) + 0.5 * np.log(0.25),
    )
    assert_close(calls(implementation, p, q), expected, np.float64)


def test_forty_digits(implementation):
    p, q = [0.5, 0.125, 0.375, 0.0], [0.0625, 1e-300, 0.9, 0.0375]
    with mpmath.workdps(40):
        pairs = [(mpmath.mpf(m), mpmath.mpf(n)) for m, n in zip(p, q, strict=True) if m > 0]
        expected = (
            float(-mpmath.fsum(m * mpmath.log(m) for m, _ in pairs)),
            float(-mpmath.fsum(m * mpmath.log(n) for m, n in pairs)),
            float(mpmath.fsum(m * mpmath.log(m / n) for m, n in pairs)),
        )
    assert_close(calls(implementation, p, q), expected, np.float64, 4)


def test_zeros(implementation):
    for masses in ([0.0], [0.0, 1.0, 0.0], [-0.0, 1.0]):
        assert implementation.entropy(masses) == 0
        assert implementation.cross_entropy(masses, np.ones(len(masses))) == 0
        assert implementation.cross_entropy(masses, masses) == 0
        assert implementation.kl_divergence(masses, masses) == 0
    p, q = [[0.5, 0.5], [1.0, 0.0]], [1.0, 0.0]
    np.testing.assert_array_equal(implementation.cross_entropy(p, q), [INF, 0])
    np.testing.assert_array_equal(implementation.kl_divergence(p, q), [INF, 0])
    assert implementation.kl_divergence([1e-320, 1.0], [0.0, 1.0]) == INF


def test_known_values(implementation):
    assert implementation.entropy(np.full(8, 0.125)) == pytest.approx(3 * math.log(2), rel=1e-15)
    assert implementation.kl_divergence([0.5, 0.5], [0.25, 0.75]) == pytest.approx(
        0.5 * math.log(4 / 3), rel=1e-15
    )
    assert implementation.cross_entropy([1.0, 0.0], [0.25, 0.75]) == pytest.approx(math.log(4), rel=1e-15)


def test_subnormal_masses(implementation):
    tiny = 5e-324
    assert implementation.entropy([tiny, 1.0]) == pytest.approx(0, abs=1e-320)
    for q in (tiny, 1e-310, 2.2e-308):
        assert implementation.cross_entropy([1.0], [q]) == pytest.approx(-math.log(q), rel=1e-15)
        assert implementation.kl_divergence([1.0], [q]) == pytest.approx(-math.log(q), rel=1e-15)
        assert implementation.kl_divergence([q, 1.0], [q, 1.0]) == 0
    single = np.array([1e-45, 1.0], np.float32)
    with_one = np.array([1.0, 0.0], np.float32)
    assert implementation.cross_entropy(with_one, single) == pytest.approx(math.log(2) * 149, rel=1e-6)


@pytest.mark.parametrize("shape", [(10**6,), (2, 10**6)], ids=str)
def test_long_rows(implementation, shape):
    p, q = distributions(3, shape[:-1], shape[-1])
    entropy, cross, divergence = calls(implementation, p, q)
    for index in np.ndindex(shape[:-1]):
        terms = scipy.special.rel_entr(p[index], q[index])
        assert entropy[index] == pytest.approx(math.fsum(scipy.special.entr(p[index])), rel=1e-14)
        assert divergence[index] == pytest.approx(math.fsum(terms), rel=1e-13)
        assert cross[index] == pytest.approx(entropy[index] + divergence[index], rel=1e-13)
    assert implementation.entropy(np.full(10**6, 1e-6)) == pytest.approx(math.log(10**6), rel=1e-14)


# Identities.


@st.composite
def pairs(draw):
    """Return P and Q whose masses are multiples of 2^-20 and sum to 1; those of Q are positive."""
    width, rng = draw(st.integers(1, 60)), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    p, q = rng.multinomial(2**20 - width, rng.dirichlet(np.full(width, draw(st.floats(0.05, 5)))), 2)
    p[draw(st.integers(0, width - 1))] += width
    return p / 2**20, (q + 1) / 2**20


@BOTH
@given(pair=pairs())
def test_cross_entropy_is_entropy_and_divergence(module, pair):
    entropy, cross, divergence = calls(module, *pair)
    assert cross == pytest.approx(entropy + divergence, rel=1e-12, abs=1e-15)


@BOTH
@given(pair=pairs())
def test_divergence_is_not_negative(module, pair):
    p, q = pair
    assert module.kl_divergence(p, q) >= -1e-16
    assert module.kl_divergence(q, q) == pytest.approx(0, abs=1e-15)
    assert module.kl_divergence(p, p) == pytest.approx(0, abs=1e-15)
    assert 0 <= module.entropy(p) <= math.log(len(p)) + 1e-14


@BOTH
@given(pair=pairs(), place=st.integers(0, 59))
def test_one_hot(module, pair, place):
    _, q = pair
    one_hot = np.zeros(len(q))
    one_hot[place % len(q)] = 1
    assert module.entropy(one_hot) == 0
    divergence = module.kl_divergence(one_hot, q)
    assert divergence == pytest.approx(-math.log(q[place % len(q)]), rel=1e-15)
    assert divergence == pytest.approx(module.cross_entropy(one_hot, q), rel=1e-15)


@BOTH
@given(pair=pairs(), seed=st.integers(0, 99))
def test_order_does_not_matter_and_impossible_events_neither(module, pair, seed):
    p, q = pair
    order = np.random.default_rng(seed).permutation(len(p))
    more = np.append(p[order], np.zeros(5)), np.append(q[order], np.arange(5.0))
    assert_close(calls(module, *more), calls(module, p, q), np.float64, 64)


def test_small_divergences(implementation):
    p = np.full(16, 1 / 16)
    moved = p + 2.0**-24 * np.tile([1, -1], 8)
    exact = scipy.special.kl_div(p, moved).sum()
    assert implementation.kl_divergence(p, moved) == pytest.approx(exact, rel=0, abs=1e-15)


# Axes, broadcasting, layouts and dtypes.


@OF_TWO
@pytest.mark.parametrize(
    ("of_p", "of_q", "axis"),
    [
        ((4,), (3, 4), -1),
        ((3, 4), (4,), -1),
        ((3, 4), (3, 1), 0),
        ((3, 1, 4), (1, 2, 4), -1),
        ((2, 1, 4), (1, 4), 1),
        ((2, 3, 4), (2, 1, 4), -3),
        ((1,), (1,), 0),
        ((5, 1), (1,), -1),
        ((0, 4), (4,), -1),
        ((4,), (5, 0, 4), -1),
    ],
)
def test_broadcasting(implementation, name, of_p, of_q, axis):
    rng = np.random.default_rng(4)
    p, q = rng.random(of_p), rng.random(of_q)
    wide = np.broadcast_arrays(p, q)
    terms = scipy.special.rel_entr(*wide)
    if name == "cross_entropy":
        terms = terms + scipy.special.entr(wide[0])
    actual = getattr(implementation, name)(p, q, axis=axis)
    assert_close((actual,), (terms.sum(axis=axis),), np.float64)


@OF_TWO
@pytest.mark.parametrize(
    ("of_p", "of_q", "axis", "shorter"),
    [
        ((3,), (1,), -1, "q"),
        ((1,), (3,), 0, "p"),
        ((), (4,), 0, "p"),
        ((4,), (), -1, "q"),
        ((2, 3), (2, 1), -1, "q"),
        ((1, 4), (3, 4), 0, "p"),
        ((4,), (3, 4), 0, "p"),
        ((2, 1, 4), (3, 4), 1, "p"),
        ((2, 1, 4), (3, 4), -3, "q"),
        ((5, 1), (4,), -1, "p"),
        ((0, 4), (0, 1), -1, "q"),
    ],
)
def test_no_mass_stands_for_several(implementation, name, of_p, of_q, axis, shorter):
    p, q = np.full(of_p, 0.25), np.full(of_q, 0.25)
    with pytest.raises(ValueError, match=rf"^{shorter} must have \d masses along the axis"):
        getattr(implementation, name)(p, q, axis=axis)


# Sums of which some terms, or some partial sums, overflow.
OVERFLOWING = [
    ([1e308, 1e308], [1e-300, 1e300]),
    ([1e308, 1e308], [1e-300, 2e300]),
    ([1e308] * 10_000, [1e-300] * 5_000 + [1e300] * 5_000),
    ([3e307] * 10_000, [0.5] * 5_000 + [2.0] * 5_000),
    ([1.7e308, *[6e307] * 4], [1.6e308, *[1.7e308] * 4]),
    ([1e308, 1e-308], [0.5, 0.5]),
    ([1e308, 1.0], [1e-300, 0.5]),
    ([1e308, 1.0], [1e308, 0.0]),
]


@pytest.mark.parametrize("case", range(len(OVERFLOWING)))
def test_what_overflows_in_part_may_be_finite(implementation, case):
    p, q = OVERFLOWING[case]
    with mpmath.workdps(40):
        pairs = [(mpmath.mpf(m), mpmath.mpf(n)) for m, n in zip(p, q, strict=True)]
        of_p = -mpmath.fsum(m * mpmath.log(m) for m, _ in pairs)
        of_both = mpmath.inf if 0.0 in q else -mpmath.fsum(m * mpmath.log(n) for m, n in pairs)
        expected = [float(of_p), float(of_both), float(of_both - of_p)]
    scale = 2e-13 * sum(m / 1e300 for m in p)
    for actual, exact in zip(calls(implementation, p, q), expected, strict=True):
        assert actual == pytest.approx(exact, rel=1e-13, abs=scale * 1e300)
    rows = [p, np.full(len(p), 0.5)]
    for actual, exact in zip(calls(implementation, rows, q), expected, strict=True):
        assert actual[0] == pytest.approx(exact, rel=1e-13, abs=scale * 1e300)


@pytest.mark.parametrize("shape", [(30, 7), (3, 4, 70), (9_000, 5)], ids=str)
@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
def test_layouts(implementation, layout, shape):
    p, q = distributions(5, shape[:-1], shape[-1])
    other_p, other_q = layouts(p)[layout], layouts(q)[layout]
    for axis in (0, -1):
        expected = calls(implementation, p, q, axis=axis)
        assert_close(calls(implementation, other_p, other_q, axis=axis), expected, np.float64)
    np.testing.assert_array_equal(other_p, p)
    np.testing.assert_array_equal(other_q, q)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "longdouble", "bool"])
def test_other_real_dtypes_compute_in_float64(implementation, dtype):
    p, q = np.random.default_rng(6).integers(0, 2, (2, 4, 9)).astype(dtype)
    q[...] = 1
    expected = calls(implementation, p.astype(float), q.astype(float))
    assert_close(calls(implementation, p, q), expected, np.float64)


@OF_TWO
def test_float32_beside_anything_else_is_float64(implementation, name):
    p, q = distributions(7, (3,), 5, np.float32)
    function = getattr(implementation, name)
    expected = function(p.astype(float), q.astype(float))
    for one, other in ((p, q.astype(float)), (p.astype(float), q)):
        assert_close((function(one, other),), (expected,), np.float64)
    assert function(p, q.tolist()).dtype == np.float64
    assert isinstance(function(p[0], q[0]), np.float32)


# Bad input.

P, Q = distributions(0, (4,), 3)


def at(array, index, value):
    changed = np.array(array, float)
    changed[index] = value
    return changed


NUMBERS = {
    "complex": P.astype(complex),
    "object": P.astype(object),
    "text": P.astype(str),
    "dates": np.zeros((4, 3), "M8[s]"),
    "None": None,
}


def bad_masses(name):
    return [
        *[({name: value}, TypeError, rf"{name} must hold real numbers") for value in NUMBERS.values()],
        ({name: [[0.5, 0.5], [1.0]]}, ValueError, rf"{name} must be a rectangular array"),
        (
            {name: at(P, (1, 2), -1e-9)},
            ValueError,
            rf"{name} must be finite and not negative, got {name}\[1, 2\] = -1e-09",
        ),
        ({name: at(P, (1, 2), NAN)}, ValueError, rf"{name}\[1, 2\] = nan"),
        ({name: at(P, (3, 0), INF)}, ValueError, rf"{name}\[3, 0\] = inf"),
        ({name: at(P, (3, 0), -INF)}, ValueError, rf"{name}\[3, 0\] = -inf"),
        ({name: at(P, (3, 0), NAN).astype("f4")}, ValueError, rf"{name}\[3, 0\] = nan"),
    ]


# Changed arguments, the exception, and what its message must contain.
CASES = [
    *bad_masses("p"),
    ({"axis": 2}, ValueError, r"axis must lie in -2 \.\. 1, got 2"),
    ({"axis": -3}, ValueError, r"axis must lie in -2 \.\. 1, got -3"),
    ({"axis": 1.0}, TypeError, r"axis must be an integer"),
    ({"axis": None}, TypeError, r"axis must be an integer"),
    ({"axis": "0"}, TypeError, r"axis must be an integer"),
    ({"axis": False}, TypeError, r"axis must be an integer"),
    ({"p": np.empty((4, 0)), "q": np.empty((4, 0))}, ValueError, r"p must not be empty along axis"),
    (
        {"p": np.empty((0, 3)), "q": np.empty((0, 3)), "axis": 0},
        ValueError,
        r"p must not be empty along axis",
    ),
    ({"p": 1.0, "q": 1.0}, ValueError, r"p must have an axis"),
]
CASES_OF_TWO = [
    *bad_masses("q"),
    ({"q": np.ones((4, 2))}, ValueError, r"q of shape \(4, 2\) does not broadcast with p \(4, 3\)"),
    ({"q": np.ones(4)}, ValueError, r"q of shape \(4,\) does not broadcast with p"),
    ({"q": at(Q[0], 1, NAN)}, ValueError, r"q\[1\] = nan"),
    ({"p": at(P, (1, 0), 0), "q": at(Q, (1, 0), NAN)}, ValueError, r"q\[1, 0\] = nan"),
]


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("changes", "exception", "message"), CASES)
def test_bad_arguments(implementation, name, changes, exception, message):
    arguments = {"p": P, "q": Q, **changes}
    if name == "entropy":
        del arguments["q"]
    with pytest.raises(exception, match=message):
        getattr(implementation, name)(**arguments)


@OF_TWO
@pytest.mark.parametrize(("changes", "exception", "message"), CASES_OF_TWO)
def test_bad_arguments_of_two(implementation, name, changes, exception, message):
    with pytest.raises(exception, match=message):
        getattr(implementation, name)(**{"p": P, "q": Q, **changes})


@pytest.mark.parametrize("value", [NAN, INF, -1.0])
@pytest.mark.parametrize("shape", [(20_000, 5), (3, 50_000)], ids=str)
def test_bad_masses_are_found_anywhere(shape, value):
    for place in (0, shape[0] // 2, shape[0] - 1):
        masses = at(np.ones(shape), (place, shape[1] - 1), value)
        for bad, arguments in (("p", (masses, np.ones(shape))), ("q", (np.ones(shape), masses))):
            with pytest.raises(ValueError, match=rf"{bad}\[{place}, {shape[1] - 1}\] = {value}"):
                kdexent.kl_divergence(*arguments)
