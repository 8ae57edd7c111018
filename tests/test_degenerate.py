"""Where one loss is a special case of another, it has the other's value and gradient."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from strategies import KEEPING

import kdexent
from kdexent import reference

BOTH = pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
# Points a distance of 1 apart, and a bandwidth that reaches one bin from each.
H = 0.3
LOG_K = -np.log(2 * H)


@st.composite
def samples(draw):
    """Return logits (N, C) and classes."""
    shape = draw(st.integers(1, 5)), draw(st.integers(1, 30))
    logits = draw(arrays(float, shape, elements=st.floats(-300, 300)))
    return logits, draw(arrays(int, shape[0], elements=st.integers(0, shape[1] - 1)))


def classes_as_points(module, logits, labels, **options):
    """Return the KDE loss of points 0 .. C - 1 for each sample, with one bin about its class."""
    x = np.arange(logits.shape[1], dtype=float)
    return module.loss_and_grad(
        x, logits, labels - 0.25, labels + 0.25, bandwidth=H, kernel="boxcar", bins=1, **options
    )


@BOTH
@given(problem=samples())
def test_one_bin_on_one_point_is_a_class(module, problem):
    logits, labels = problem
    losses, gradients = classes_as_points(module, logits, labels)
    expected, exact = module.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    np.testing.assert_allclose(losses, expected - LOG_K, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(gradients, exact, rtol=0, atol=1e-15)
    one_hot = np.arange(logits.shape[1]) == labels[:, np.newaxis]
    np.testing.assert_allclose(gradients, module.softmax(logits) - one_hot, rtol=0, atol=1e-15)


@BOTH
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_one_bin_on_one_point_of_many_classes(module, dtype):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 3_000)).astype(dtype), rng.integers(0, 3_000, 4)
    eps = np.finfo(dtype).eps
    losses, gradients = module.loss_and_grad(
        np.arange(3_000, dtype=dtype),
        logits,
        labels - 0.25,
        labels + 0.25,
        bandwidth=H,
        kernel="boxcar",
        bins=1,
    )
    expected, exact = module.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    assert losses.dtype == gradients.dtype == expected.dtype == exact.dtype == dtype
    np.testing.assert_allclose(losses, expected - LOG_K, rtol=16 * eps)
    np.testing.assert_allclose(gradients, exact, rtol=0, atol=4 * eps)


@pytest.mark.parametrize("method", KEEPING)
def test_every_method(method):
    rng = np.random.default_rng(1)
    logits, labels = rng.normal(size=(4, 50)), rng.integers(0, 50, 4)
    losses, gradients = classes_as_points(kdexent, logits, labels, method=method)
    expected, exact = kdexent.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    np.testing.assert_allclose(losses, expected - LOG_K, rtol=1e-14)
    np.testing.assert_allclose(gradients, exact, rtol=0, atol=1e-15)


@BOTH
def test_a_class_that_cannot_be(module):
    logits, labels = np.array([[0.5, -np.inf, 1.5]]), np.array([1])
    losses, _ = classes_as_points(module, logits, labels)
    assert losses[0] == module.softmax_cross_entropy(logits, labels) == np.inf


@BOTH
@given(problem=samples(), seed=st.integers(0, 99))
def test_a_bin_on_every_point_takes_probabilities(module, problem, seed):
    logits, _ = problem
    count, classes = logits.shape
    target = np.random.default_rng(seed).dirichlet(np.ones(classes), count).reshape(logits.shape)
    losses, gradients = module.loss_and_grad(
        np.arange(classes, dtype=float),
        logits,
        -0.5,
        classes - 0.5,
        bandwidth=H,
        kernel="boxcar",
        bins=classes,
        target=target,
    )
    expected, exact = module.softmax_cross_entropy_and_grad(logits, target, reduction="none")
    # A density can underflow where its logarithm does not.
    finite = logits.max(axis=1) - logits.min(axis=1) < 600
    np.testing.assert_allclose(losses[finite], expected[finite] - LOG_K, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(gradients[finite], exact[finite], rtol=0, atol=1e-14)


@BOTH
@given(problem=samples())
def test_an_even_target_is_complete_smoothing(module, problem):
    logits, labels = problem
    classes = logits.shape[1]
    smooth = module.softmax_cross_entropy_and_grad(logits, labels, label_smoothing=1.0)
    even = module.softmax_cross_entropy_and_grad(logits, np.full(logits.shape, 1 / classes))
    assert smooth[0] == pytest.approx(even[0], rel=1e-14, abs=1e-15)
    np.testing.assert_allclose(smooth[1], even[1], rtol=0, atol=1e-15)


@BOTH
@given(problem=samples())
def test_softmax_cross_entropy_is_the_cross_entropy_with_softmax(module, problem):
    logits, labels = problem
    one_hot = np.eye(logits.shape[1])[labels]
    by_rows = module.softmax_cross_entropy(logits, labels, reduction="none")
    S = module.softmax(logits)
    np.testing.assert_allclose(by_rows, module.cross_entropy(one_hot, S), rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(by_rows, module.kl_divergence(one_hot, S), rtol=1e-13, atol=1e-15)


@BOTH
@given(problem=samples())
def test_where_the_model_is_right_the_gradient_is_0(module, problem):
    logits, _ = problem
    S = module.softmax(logits)
    loss, gradient = module.softmax_cross_entropy_and_grad(logits, S, reduction="none")
    np.testing.assert_allclose(gradient, 0, rtol=0, atol=1e-15)
    np.testing.assert_allclose(loss, module.entropy(S), rtol=1e-12, atol=1e-14)


@BOTH
@given(z=arrays(float, st.integers(1, 30), elements=st.floats(-700, 700)), one=st.booleans())
def test_sigmoid_is_softmax_of_two_classes(module, z, one):
    labels = np.full(len(z), int(one))
    loss, gradient = module.sigmoid_cross_entropy_and_grad(z, labels)
    pairs = np.stack([np.zeros(len(z)), z], axis=1)
    expected, exact = module.softmax_cross_entropy_and_grad(pairs, labels)
    assert loss == pytest.approx(expected, rel=1e-14, abs=1e-15)
    np.testing.assert_allclose(gradient, exact[:, 1], rtol=0, atol=1e-15)


@BOTH
@given(problem=samples())
def test_features_that_name_the_sample_make_a_linear_classifier_a_table(module, problem):
    logits, labels = problem
    for reduction in ("mean", "sum"):
        loss, gradient = module.linear_softmax_loss_and_grad(
            logits.T, np.eye(len(logits)), labels, reduction=reduction
        )
        expected, exact = module.softmax_cross_entropy_and_grad(logits, labels, reduction=reduction)
        assert loss == pytest.approx(expected, rel=1e-14, abs=1e-14)
        np.testing.assert_allclose(gradient, exact.T, rtol=0, atol=1e-15)
