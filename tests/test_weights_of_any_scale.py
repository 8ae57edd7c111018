"""A mean over weighted samples and a target of masses have no scale: any that numbers hold gives the same."""

import mpmath
import numpy as np
import pytest

import kdexent
from kdexent import reference

MODULES = pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
NAMES = pytest.mark.parametrize("name", ["softmax", "sigmoid"])
OPTIONS = pytest.mark.parametrize(
    "options", [{}, {"ignore_index": 1}, {"label_smoothing": 0.25}], ids=["plain", "ignoring", "smoothed"]
)
# Of float64, the subnormal ones included, and of which sums overflow.
POWERS = [-1060, -1026, -1000, -300, 299, 310, 900, 1019, 1022]


def problem(name, count, classes=3, dtype=np.float64):
    rng = np.random.default_rng([count, classes])
    logits = rng.normal(size=(count, classes)).astype(dtype)
    shape = count if name == "softmax" else logits.shape
    return logits, rng.integers(0, classes if name == "softmax" else 2, shape)


def call(module, name, *arguments, **options):
    return getattr(module, f"{name}_cross_entropy_and_grad")(*arguments, **options)


@MODULES
@NAMES
@OPTIONS
@DTYPES
@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize("count", [1, 2, 41])
def test_a_factor_changes_no_mean(module, name, count, power, options, dtype):
    logits, labels = problem(name, count, dtype=dtype)
    # Small integers, which any power of two keeps exact.
    weights = np.random.default_rng(count).integers(1, 8, count).astype(float)
    expected = call(module, name, logits, labels, sample_weight=weights, **options)
    scaled = np.ldexp(weights, min(power, 1021))
    actual = call(module, name, logits, labels, sample_weight=scaled, **options)
    for part, exact in zip(actual, expected, strict=True):
        np.testing.assert_allclose(part, exact, rtol=4 * np.finfo(dtype).eps, atol=0)
    alone = getattr(module, f"{name}_cross_entropy")(logits, labels, sample_weight=scaled, **options)
    assert alone == actual[0]


@MODULES
@NAMES
@pytest.mark.parametrize("weight", [5e-324, 1e-309, 9e307, 1.7e308])
def test_equal_weights_are_as_none(module, name, weight):
    logits, labels = problem(name, 50)
    expected = call(module, name, logits, labels)
    actual = call(module, name, logits, labels, sample_weight=np.full(50, weight))
    for part, exact in zip(actual, expected, strict=True):
        np.testing.assert_allclose(part, exact, rtol=1e-14)


@MODULES
@NAMES
@pytest.mark.parametrize("ends", [(-320, 308), (-308, 0), (0, 307), (-10, 10), (290, 308), (-323, -300)])
def test_weights_of_many_magnitudes(module, name, ends):
    logits, labels = problem(name, 33)
    weights = 10.0 ** np.linspace(*ends, 33)
    losses, slopes = call(module, name, logits, labels, reduction="none")
    loss, gradient = call(module, name, logits, labels, sample_weight=weights)
    each = 1 if name == "softmax" else 3
    with mpmath.workdps(40):
        w = [mpmath.mpf(float(v)) for v in weights]
        total = mpmath.fsum(w) * each
        expected = mpmath.fsum(
            v * mpmath.mpf(float(part))
            for v, row in zip(w, losses, strict=True)
            for part in np.atleast_1d(row)
        )
        shares = np.array([float(v / total) for v in w])
    assert loss == pytest.approx(float(expected / total), rel=1e-14)
    np.testing.assert_allclose(gradient, slopes * shares[:, np.newaxis], rtol=1e-14, atol=1e-320)


@MODULES
@NAMES
def test_what_is_ignored_sets_no_scale(module, name):
    logits, labels = problem(name, 30)
    labels[:10] = 7
    weights = np.where(np.arange(30) < 10, 1.7e308, 1e-300)
    expected = call(module, name, logits[10:], labels[10:])
    loss, gradient = call(module, name, logits, labels, sample_weight=weights, ignore_index=7)
    assert loss == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(gradient[10:], expected[1], rtol=1e-14)
    assert not gradient[:10].any()


@MODULES
@pytest.mark.parametrize("weight", [1e-3, 1e-300, 1e300])
def test_small_losses_under_small_weights(module, weight):
    logits, labels = np.zeros((20, 2)), np.zeros(20, int)
    logits[:, 0] = 700
    loss, gradient = module.softmax_cross_entropy_and_grad(logits, labels, sample_weight=np.full(20, weight))
    with mpmath.workdps(40):
        expected = float(mpmath.exp(-700))
    assert loss == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(gradient[:, 0], -expected / 20, rtol=1e-14)


@MODULES
def test_a_weight_however_small_counts_where_the_loss_is_infinite(module):
    logits, labels = np.array([[0.0, -np.inf], [0.0, 0.0]]), np.array([1, 0])
    for weights in ([1e-309, 1.7e308], [5e-324, 1.0]):
        assert module.softmax_cross_entropy(logits, labels, sample_weight=weights) == np.inf
    loss = module.softmax_cross_entropy(logits, labels, sample_weight=[0.0, 1.7e308])
    assert loss == pytest.approx(np.log(2), rel=1e-15)


@MODULES
@pytest.mark.parametrize("power", POWERS)
def test_target_masses_of_any_scale(module, power):
    rng = np.random.default_rng(0)
    x, z, masses = rng.normal(size=20), rng.normal(size=20), rng.integers(0, 8, (2, 5)).astype(float)
    about = {"bandwidth": 0.5, "bins": 5}
    expected = module.loss_and_grad(x, z, -1.0, 1.0, target=masses, **about)
    actual = module.loss_and_grad(x, z, -1.0, 1.0, target=np.ldexp(masses, min(power, 1020)), **about)
    for part, exact in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(part, exact)


@MODULES
@pytest.mark.parametrize("rows", [1, 8, 11])
@pytest.mark.parametrize("reduction", ["sum", "none"])
def test_a_smoothed_loss_that_is_nearly_no_float(module, rows, reduction):
    weights = np.array([9e307] + [0.0] * (rows - 1))
    options = {"sample_weight": weights, "label_smoothing": 0.9, "reduction": reduction}
    loss = module.softmax_cross_entropy([[0.0, 2.95]] * rows, [0] * rows, **options)
    assert np.ravel(loss)[0] == pytest.approx(1.5061643789305816e308, rel=1e-14)


@MODULES
@pytest.mark.parametrize("rows", [1, 8, 11])
def test_smoothed_logits_whose_sum_is_no_float(module, rows):
    logits = [[0.0, -1e308, -1e308, -1e308]] * rows
    options = {"label_smoothing": 0.5, "reduction": "none"}
    assert module.softmax_cross_entropy(logits, [0] * rows, **options) == pytest.approx(3.75e307)
