"""Softmax and its cross-entropy: the definition, other libraries' answers, any layout, and bad input."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
import scipy.special
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from problems import differences, layouts, outs
from sklearn._loss import HalfMultinomialLoss

import kdexent
from kdexent import reference

jax.config.update("jax_enable_x64", True)

BOTH = pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
REDUCTIONS = ("mean", "sum", "none")
INF, NAN = np.inf, np.nan


def problem(seed, lead, classes, dtype=np.float64):
    """Return logits of spread 3, classes, probabilities, and weights of which some are 0."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(*lead, classes))
    labels = np.asarray(rng.integers(0, classes, lead))
    probabilities = np.asarray(rng.dirichlet(np.ones(classes), lead)).reshape(logits.shape)
    weights = rng.uniform(0.5, 2, lead) * (rng.random(lead) < 0.8)
    return logits.astype(dtype), labels, probabilities.astype(dtype), np.asarray(weights, dtype)


def assert_close(actual, expected, dtype, scale=1.0):
    """Assert equality to some rounding of `dtype`, of what is a difference of numbers up to `scale`."""
    loss, gradient = actual
    expected_loss, expected_gradient = expected
    tolerance = 16 * np.finfo(dtype).eps
    assert np.asarray(loss).dtype == gradient.dtype == dtype
    assert np.shape(loss) == np.shape(expected_loss)
    np.testing.assert_allclose(loss, expected_loss, rtol=tolerance, atol=tolerance * scale)
    assert gradient.shape == expected_gradient.shape
    np.testing.assert_allclose(gradient, expected_gradient, rtol=tolerance, atol=tolerance * scale)


def by_hand(logits, labels, weights=None):
    """Return the loss and gradient of each sample for classes (N,) in float64."""
    log_p = scipy.special.log_softmax(np.asarray(logits, float), axis=-1)
    chosen = np.arange(log_p.shape[-1]) == np.asarray(labels)[..., np.newaxis]
    weights = np.ones(np.shape(labels)) if weights is None else np.asarray(weights, float)
    losses = -weights * np.where(chosen, log_p, 0).sum(axis=-1)
    return losses, weights[..., np.newaxis] * (np.exp(log_p) - chosen)


# Fast and reference agree.


@DTYPES
@pytest.mark.parametrize("classes", [1, 2, 3, 7, 8, 10, 33, 48, 49, 1000, 5000])
@pytest.mark.parametrize("lead", [(), (0,), (5,), (37,), (2, 3)], ids=str)
def test_fast_is_reference(lead, classes, dtype):
    logits, labels, probabilities, weights = problem(classes, lead, classes, dtype)
    few = np.where(np.random.default_rng(1).random(lead) < 0.3, -100, labels)
    options = [
        (labels, {}),
        (labels, {"sample_weight": weights}),
        (labels, {"label_smoothing": 0.1, "sample_weight": weights}),
        (labels, {"label_smoothing": 1.0}),
        (few, {"ignore_index": -100, "sample_weight": weights}),
        (labels, {"ignore_index": 0, "label_smoothing": 0.2}),
        (probabilities, {}),
        (probabilities, {"label_smoothing": 0.3, "sample_weight": weights}),
    ]
    for given_labels, chosen in options:
        for reduction in REDUCTIONS:
            arguments = (logits, given_labels)
            expected = reference.softmax_cross_entropy_and_grad(*arguments, reduction=reduction, **chosen)
            actual = kdexent.softmax_cross_entropy_and_grad(*arguments, reduction=reduction, **chosen)
            assert_close(actual, expected, dtype, 1.0 if reduction == "mean" else 2.0)
            loss = kdexent.softmax_cross_entropy(*arguments, reduction=reduction, **chosen)
            np.testing.assert_array_equal(loss, actual[0])
            loss = reference.softmax_cross_entropy(*arguments, reduction=reduction, **chosen)
            np.testing.assert_array_equal(loss, expected[0])


@DTYPES
@pytest.mark.parametrize(("count", "classes"), [(40_000, 3), (20_011, 10), (3_001, 100), (301, 2_000)])
def test_fast_is_reference_where_threads_share_the_rows(count, classes, dtype):
    logits, labels, probabilities, weights = problem(3, (count,), classes, dtype)
    for about, options in [(labels, {}), (labels, {"sample_weight": weights}), (probabilities, {})]:
        for reduction in REDUCTIONS:
            expected = reference.softmax_cross_entropy_and_grad(logits, about, reduction=reduction, **options)
            actual = kdexent.softmax_cross_entropy_and_grad(logits, about, reduction=reduction, **options)
            assert_close(actual, expected, dtype, 2.0 if reduction != "mean" else 1.0)


# The definition.


@BOTH
@DTYPES
@pytest.mark.parametrize("axis", [-3, -2, -1, 0, 1, 2])
def test_softmax_along_an_axis(module, axis, dtype):
    z = (3 * np.random.default_rng(0).normal(size=(3, 4, 5))).astype(dtype)
    before = z.copy()
    eps = np.finfo(dtype).eps
    p, log_p = module.softmax(z, axis=axis), module.log_softmax(z, axis=axis)
    assert p.dtype == log_p.dtype == dtype
    np.testing.assert_allclose(p, scipy.special.softmax(z.astype(float), axis=axis), rtol=8 * eps)
    expected = scipy.special.log_softmax(z.astype(float), axis=axis)
    np.testing.assert_allclose(log_p, expected, rtol=16 * eps, atol=8 * eps)
    np.testing.assert_allclose(p.sum(axis=axis), 1, rtol=8 * eps)
    np.testing.assert_array_equal(z, before)


@DTYPES
@pytest.mark.parametrize("classes", [1, 2, 7, 48, 49, 1000, 5000])
def test_softmax_of_any_width(implementation, classes, dtype):
    z = problem(classes, (11,), classes, dtype)[0]
    eps = np.finfo(dtype).eps
    expected = scipy.special.softmax(z.astype(float), axis=-1)
    np.testing.assert_allclose(implementation.softmax(z), expected, rtol=16 * eps)
    np.testing.assert_allclose(implementation.log_softmax(z), np.log(expected), rtol=16 * eps, atol=8 * eps)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (3, 0)], ids=str)
def test_softmax_of_no_rows(implementation, shape):
    axis = 0 if shape[-1] == 0 else -1
    for function in (implementation.softmax, implementation.log_softmax):
        assert function(np.empty(shape), axis=axis).shape == shape


@DTYPES
def test_logits_of_any_size(implementation, dtype):
    logits = np.array([[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 1e4 - 1], [-1e4, 1e4, 1e4]], dtype)
    labels, eps = np.array([1, 2, 0, 0]), np.finfo(dtype).eps
    losses, gradients = implementation.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    expected_losses, expected = by_hand(logits, labels)
    np.testing.assert_allclose(losses, expected_losses, rtol=4 * eps)
    np.testing.assert_allclose(gradients, expected, rtol=0, atol=4 * eps)
    np.testing.assert_allclose(
        implementation.log_softmax(logits),
        scipy.special.log_softmax(logits.astype(float), axis=1),
        rtol=4 * eps,
    )


def test_a_class_that_cannot_be(implementation):
    logits = np.array([[0.5, -INF, 1.5], [-INF, 2.0, -INF], [-INF, 0.0, 1.0]])
    p = scipy.special.softmax(logits, axis=1)
    np.testing.assert_allclose(implementation.softmax(logits), p, rtol=4e-16)
    assert (implementation.softmax(logits)[logits == -INF] == 0).all()
    assert (implementation.log_softmax(logits)[logits == -INF] == -INF).all()
    labels = np.array([1, 1, 2])
    losses, gradients = implementation.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    np.testing.assert_allclose(losses, [INF, 0, np.log1p(np.exp(-1.0))], rtol=1e-15)
    np.testing.assert_allclose(gradients, p - np.eye(3)[labels], rtol=0, atol=1e-15)
    loss, gradient = implementation.softmax_cross_entropy_and_grad(logits, labels)
    assert loss == INF
    np.testing.assert_allclose(gradient, gradients / 3, rtol=0, atol=1e-15)


def test_probabilities_of_0_for_classes_that_cannot_be(implementation):
    logits, targets = np.array([[0.5, -INF, 1.5]]), np.array([[0.25, 0, 0.75]])
    expected = -(targets * np.where(targets > 0, scipy.special.log_softmax(logits, axis=1), 0)).sum()
    loss, gradient = implementation.softmax_cross_entropy_and_grad(logits, targets)
    assert loss == pytest.approx(expected, rel=1e-15)
    np.testing.assert_allclose(gradient, scipy.special.softmax(logits, axis=1) - targets, rtol=0, atol=1e-16)
    assert gradient[0, 1] == 0
    assert implementation.softmax_cross_entropy(logits, targets, label_smoothing=0.1) == INF


def test_classes_are_probabilities_that_are_one_hot(implementation):
    logits, labels, _, weights = problem(4, (20,), 6)
    for dtype in (float, int, bool):
        rows = np.eye(6)[labels].astype(dtype)
        for options in ({}, {"sample_weight": weights, "label_smoothing": 0.2}):
            actual = implementation.softmax_cross_entropy_and_grad(logits, rows, **options)
            expected = implementation.softmax_cross_entropy_and_grad(logits, labels, **options)
            assert_close(actual, expected, np.float64)


def test_smoothing_mixes_the_target_with_an_even_one(implementation):
    logits, labels, probabilities, _ = problem(5, (20,), 6)
    for about, rows in ((labels, np.eye(6)[labels]), (probabilities, probabilities)):
        for eps in (0.0, 0.1, 1.0):
            actual = implementation.softmax_cross_entropy_and_grad(logits, about, label_smoothing=eps)
            mixed = (1 - eps) * rows + eps / 6
            assert_close(actual, implementation.softmax_cross_entropy_and_grad(logits, mixed), np.float64)


def test_weights_count_samples(implementation):
    logits, labels, _, _ = problem(6, (4,), 3)
    times = np.array([3, 0, 1, 2])
    losses, gradients = by_hand(logits, labels, times)
    for reduction, share in (("mean", 1 / 6), ("sum", 1.0)):
        repeated = np.repeat(logits, times, axis=0), np.repeat(labels, times)
        actual = implementation.softmax_cross_entropy_and_grad(
            logits, labels, sample_weight=times, reduction=reduction
        )
        assert_close(actual, (share * losses.sum(), share * gradients), np.float64, 3.0)
        loss = implementation.softmax_cross_entropy(*repeated, reduction=reduction)
        assert actual[0] == pytest.approx(loss, rel=1e-14)
    actual = implementation.softmax_cross_entropy_and_grad(
        logits, labels, sample_weight=times, reduction="none"
    )
    assert_close(actual, (losses, gradients), np.float64, 3.0)


def test_what_has_no_weight_does_not_count(implementation):
    logits, labels = np.array([[0.0, -INF], [1.0, 0.0]]), np.array([1, 1])
    for options in ({"sample_weight": [0.0, 1.0]}, {"ignore_index": 7}):
        about = labels if "sample_weight" in options else np.array([7, 1])
        loss, gradient = implementation.softmax_cross_entropy_and_grad(logits, about, **options)
        expected_loss, expected = by_hand(logits[1], 1)
        assert loss == pytest.approx(expected_loss, rel=1e-15)
        assert (gradient[0] == 0).all()
        np.testing.assert_allclose(gradient[1], expected, rtol=1e-15)


@pytest.mark.parametrize("ignored", [-100, -1, 0, 2, 10**6])
def test_ignored_samples_are_as_if_left_out(implementation, ignored):
    logits, labels, _, weights = problem(7, (3, 10), 4)
    labels = np.where(np.random.default_rng(2).random(labels.shape) < 0.3, ignored, labels)
    counts = labels != ignored
    options = {"ignore_index": ignored, "label_smoothing": 0.1}
    loss, gradient = implementation.softmax_cross_entropy_and_grad(
        logits, labels, sample_weight=weights, **options
    )
    expected_loss, expected = implementation.softmax_cross_entropy_and_grad(
        logits[counts], labels[counts], sample_weight=weights[counts], label_smoothing=0.1
    )
    assert loss == pytest.approx(expected_loss, rel=1e-14)
    assert (gradient[~counts] == 0).all()
    np.testing.assert_allclose(gradient[counts], expected, rtol=1e-13, atol=1e-16)
    losses = implementation.softmax_cross_entropy(logits, labels, reduction="none", **options)
    assert (losses[~counts] == 0).all() and (losses[counts] > 0).all()


@pytest.mark.parametrize(
    "options", [{"ignore_index": 1}, {"sample_weight": np.zeros(5)}], ids=["ignored", "0"]
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_that_counts_is_0(implementation, options, reduction):
    logits = problem(8, (5,), 3)[0]
    loss, gradient = implementation.softmax_cross_entropy_and_grad(
        logits, np.ones(5, int), reduction=reduction, **options
    )
    np.testing.assert_array_equal(loss, np.zeros(5) if reduction == "none" else 0.0)
    np.testing.assert_array_equal(gradient, np.zeros((5, 3)))


# Other libraries.


@DTYPES
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("classes", [3, 10, 100])
def test_scikit_learn(implementation, classes, weighted, dtype):
    logits, labels, _, weights = problem(9, (200,), classes, dtype)
    chosen = weights if weighted else None
    expected = HalfMultinomialLoss(n_classes=classes).loss_gradient(
        labels.astype(np.float64),
        np.asfortranarray(logits, np.float64),
        None if chosen is None else chosen.astype(np.float64),
    )
    actual = implementation.softmax_cross_entropy_and_grad(
        logits, labels, sample_weight=chosen, reduction="none"
    )
    assert_close(actual, expected, dtype, 2.0)
    loss = implementation.softmax_cross_entropy(logits, labels, sample_weight=chosen)
    total = 200.0 if chosen is None else chosen.sum(dtype=float)
    np.testing.assert_allclose(loss, expected[0].sum() / total, rtol=16 * np.finfo(dtype).eps)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torch(implementation, reduction):
    torch = pytest.importorskip("torch", reason="torch is no dependency: compared with where it is")
    logits, labels, probabilities, _ = problem(10, (30,), 7)
    few = np.where(np.arange(30) % 4 == 0, -100, labels)
    for about, options in [
        (labels, {}),
        (few, {"ignore_index": -100}),
        (few, {"ignore_index": -100, "label_smoothing": 0.1}),
        (probabilities, {}),
        (probabilities, {"label_smoothing": 0.1}),
    ]:
        z = torch.tensor(logits, requires_grad=True)
        loss = torch.nn.functional.cross_entropy(z, torch.tensor(about), reduction=reduction, **options)
        loss.sum().backward()
        actual = implementation.softmax_cross_entropy_and_grad(logits, about, reduction=reduction, **options)
        assert_close(actual, (loss.detach().numpy(), z.grad.numpy()), np.float64)


def _jax_loss(z, targets, weights, reduction):
    losses = -weights * (targets * jax.nn.log_softmax(z)).sum(axis=-1)
    return losses.sum() / weights.sum() if reduction == "mean" else losses.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_automatic_differentiation(implementation, reduction, smoothing):
    logits, labels, probabilities, weights = problem(11, (3, 5), 6)
    for about, rows in ((labels, np.eye(6)[labels]), (probabilities, probabilities)):
        targets = (1 - smoothing) * rows + smoothing / 6
        expected = jax.value_and_grad(_jax_loss)(jnp.asarray(logits), targets, weights, reduction)
        loss, gradient = implementation.softmax_cross_entropy_and_grad(
            logits, about, sample_weight=weights, label_smoothing=smoothing, reduction=reduction
        )
        assert_close((np.sum(loss), gradient), (expected[0], np.asarray(expected[1])), np.float64, 2.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_finite_differences(implementation, smoothing):
    logits, labels, probabilities, weights = problem(12, (4,), 5)
    for about in (labels, probabilities):
        options = {"sample_weight": weights + 0.1, "label_smoothing": smoothing}
        _, gradient = implementation.softmax_cross_entropy_and_grad(logits, about, **options)
        expected = differences(
            lambda z, about=about, options=options: implementation.softmax_cross_entropy(z, about, **options),
            logits,
        )
        np.testing.assert_allclose(gradient, expected, rtol=5e-6, atol=1e-12)


def test_forty_digits(implementation):
    z, t = [0.3, -1.1, 20.7, 0.05], [0.125, 0.5, 0.25, 0.125]
    with mpmath.workdps(40):
        powers = [mpmath.exp(mpmath.mpf(v)) for v in z]
        p = [power / mpmath.fsum(powers) for power in powers]
        by_class = [float(-mpmath.log(v)) for v in p]
        by_targets = float(-mpmath.fsum(a * mpmath.log(v) for a, v in zip(t, p, strict=True)))
        slopes = [float(v - a) for a, v in zip(t, p, strict=True)]
        of_the_top = [float(v - (c == 2)) for c, v in enumerate(p)]
        p = [float(v) for v in p]
    np.testing.assert_allclose(implementation.softmax(z), p, rtol=4e-15)
    np.testing.assert_allclose(-implementation.log_softmax(z), by_class, rtol=2e-15, atol=4e-16)
    for y, loss in enumerate(by_class):
        assert implementation.softmax_cross_entropy(z, y) == pytest.approx(loss, rel=2e-15, abs=4e-16)
    loss, gradient = implementation.softmax_cross_entropy_and_grad(z, t)
    assert loss == pytest.approx(by_targets, rel=2e-15)
    np.testing.assert_allclose(gradient, slopes, rtol=4e-15)
    _, gradient = implementation.softmax_cross_entropy_and_grad(z, 2)
    np.testing.assert_allclose(gradient, of_the_top, rtol=4e-15, atol=2e-16)


# What holds for every problem.


@st.composite
def samples(draw):
    """Return logits (N, C), some of them -inf, classes and weights."""
    shape = draw(st.integers(1, 6)), draw(st.integers(1, 60))
    logits = draw(arrays(float, shape, elements=st.integers(-800, 800).map(lambda k: k / 16)))
    logits = np.where(draw(arrays(bool, shape)), -INF, logits)
    logits[:, draw(st.integers(0, shape[1] - 1))] = 0.5
    labels = draw(arrays(int, shape[0], elements=st.integers(0, shape[1] - 1)))
    return logits, labels, draw(arrays(float, shape[0], elements=st.floats(0.25, 8)))


@BOTH
@given(problem=samples())
def test_the_gradient_sums_to_0_and_is_bounded(module, problem):
    logits, labels, weights = problem
    losses, gradient = module.softmax_cross_entropy_and_grad(
        logits, labels, sample_weight=weights, reduction="none"
    )
    S, scale = module.softmax(logits), weights[:, np.newaxis]
    assert (losses >= 0).all()
    assert (np.abs(gradient.sum(axis=1)) <= 4e-15 * weights).all()
    assert (gradient <= scale * S * (1 + 1e-15) + 1e-15).all()
    assert (gradient >= scale * (S - 1) * (1 + 1e-15) - 1e-15).all()


@BOTH
@given(problem=samples(), constant=st.integers(-(2**45), 2**45), smoothing=st.sampled_from([0.0, 0.3]))
def test_adding_a_constant_to_a_row_changes_nothing(module, problem, constant, smoothing):
    logits, labels, weights = problem
    moved = logits + (constant + np.arange(len(labels))[:, np.newaxis])
    options = {"sample_weight": weights, "label_smoothing": smoothing}
    for about in (labels, np.eye(logits.shape[1])[labels]):
        loss, gradient = module.softmax_cross_entropy_and_grad(logits, about, **options)
        moved_loss, moved_gradient = module.softmax_cross_entropy_and_grad(moved, about, **options)
        assert moved_loss == pytest.approx(loss, rel=1e-14, abs=1e-15)
        np.testing.assert_allclose(moved_gradient, gradient, rtol=0, atol=1e-15)
    for function in (module.softmax, module.log_softmax):
        np.testing.assert_allclose(function(moved), function(logits), rtol=1e-14, atol=1e-15)


# Any layout and dtype is read where it is; out takes the result.


@pytest.mark.parametrize("shape", [(30, 7), (3, 4, 70), (2_000, 20)], ids=str)
@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
def test_layouts(implementation, layout, shape):
    given_arrays = problem(13, shape[:-1], shape[-1])
    logits, labels, probabilities, weights = given_arrays
    z, y, t, w = others = [layouts(array)[layout] for array in given_arrays]
    for about, other in ((labels, y), (probabilities, t)):
        expected = implementation.softmax_cross_entropy_and_grad(logits, about, sample_weight=weights)
        actual = implementation.softmax_cross_entropy_and_grad(z, other, sample_weight=w)
        assert_close(actual, expected, np.float64)
        loss = implementation.softmax_cross_entropy(z, other, sample_weight=w)
        assert loss == pytest.approx(expected[0], rel=1e-14)
    np.testing.assert_allclose(implementation.softmax(z), implementation.softmax(logits), rtol=1e-14)
    for array, other in zip(given_arrays, others, strict=True):
        np.testing.assert_array_equal(other, array)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "longdouble", "bool"])
def test_other_real_dtypes_compute_in_float64(implementation, dtype):
    logits, labels = np.random.default_rng(14).integers(0, 2, (9, 5)).astype(dtype), np.arange(9) % 5
    actual = implementation.softmax_cross_entropy_and_grad(logits, labels)
    expected = implementation.softmax_cross_entropy_and_grad(logits.astype(float), labels)
    assert_close(actual, expected, np.float64)
    assert implementation.softmax(logits).dtype == implementation.log_softmax(logits).dtype == np.float64


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint64", ">i4"])
def test_classes_of_any_integer_dtype(implementation, dtype):
    logits, labels, _, _ = problem(15, (12,), 100)
    expected = implementation.softmax_cross_entropy_and_grad(logits, labels)
    assert_close(
        implementation.softmax_cross_entropy_and_grad(logits, labels.astype(dtype)), expected, np.float64
    )


@pytest.mark.parametrize(("of_logits", "of_labels"), [("f4", "f8"), ("f8", "f4")])
def test_the_dtype_is_that_of_the_logits(implementation, of_logits, of_labels):
    logits, _, probabilities, weights = problem(16, (12,), 5)
    actual = implementation.softmax_cross_entropy_and_grad(
        logits.astype(of_logits), probabilities.astype(of_labels), sample_weight=weights
    )
    expected = reference.softmax_cross_entropy_and_grad(
        logits.astype(of_logits).astype(float), probabilities.astype(of_labels), sample_weight=weights
    )
    assert actual[0].dtype == actual[1].dtype == np.dtype(of_logits)
    for part, exact in zip(actual, expected, strict=True):
        np.testing.assert_allclose(part, exact, rtol=1e-6, atol=1e-7 if of_logits == "f4" else 1e-15)


@DTYPES
@pytest.mark.parametrize("shape", [(7,), (30, 7), (3, 4, 70), (4_000, 11)], ids=str)
@pytest.mark.parametrize("layout", outs((1, 1), float))
def test_out(layout, shape, dtype):
    logits, labels, probabilities, _ = problem(17, shape[:-1], shape[-1], dtype)
    for about in (labels, probabilities):
        for z in (logits, np.asfortranarray(logits)):
            loss, expected = kdexent.softmax_cross_entropy_and_grad(logits, about)
            out = outs(shape, dtype)[layout]
            actual, gradient = kdexent.softmax_cross_entropy_and_grad(z, about, out=out)
            assert gradient is out
            assert actual == pytest.approx(loss, rel=1e-6 if dtype == np.float32 else 1e-14)
            np.testing.assert_allclose(out, expected, rtol=1e-6 if dtype == np.float32 else 1e-13)
            if out.base is not None and layout != "backwards":
                assert (np.delete(out.base, np.s_[: 2 * shape[-1] : 2], -1) == 7).all() or layout == "part"


@pytest.mark.parametrize("shape", [(30, 7), (3_000, 60)], ids=str)
def test_out_may_be_the_logits_or_overlap_them(shape):
    logits, labels, _, _ = problem(18, shape[:-1], shape[-1])
    loss, expected = kdexent.softmax_cross_entropy_and_grad(logits, labels)
    room = np.zeros((shape[0] + 1, shape[1]))
    for z, out in ((room[:-1], room[:-1]), (room[:-1], room[1:]), (room[1:], room[:-1])):
        z[...] = logits
        assert kdexent.softmax_cross_entropy_and_grad(z, labels, out=out)[0] == loss
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("shape", [(30, 7), (3_000, 60)], ids=str)
def test_out_may_be_the_probabilities_or_overlap_them(shape):
    logits, _, probabilities, _ = problem(18, shape[:-1], shape[-1])
    loss, expected = kdexent.softmax_cross_entropy_and_grad(logits, probabilities)
    room = np.zeros((shape[0] + 1, shape[1]))
    for t, out in ((room[:-1], room[:-1]), (room[:-1], room[1:]), (room[1:], room[:-1])):
        t[...] = probabilities
        assert kdexent.softmax_cross_entropy_and_grad(logits, t, out=out)[0] == loss
        np.testing.assert_array_equal(out, expected)


# Bad input.

LOGITS, LABELS = problem(0, (4,), 3)[:2]
ROWS = np.full((4, 3), 1 / 3)


def at(array, index, value):
    changed = np.array(array, np.result_type(array, type(value)))
    changed[index] = value
    return changed


NUMBERS = {
    "complex": np.zeros((4, 3), complex),
    "object": np.zeros((4, 3), object),
    "text": np.full((4, 3), "1"),
    "dates": np.zeros((4, 3), "M8[s]"),
    "None": None,
}
# Changed arguments, the exception, and what its message must contain.
CASES = [
    *[({"logits": value}, TypeError, r"logits must hold real numbers") for value in NUMBERS.values()],
    ({"logits": [[1.0, 2.0], [3.0]]}, ValueError, r"logits must be a rectangular array"),
    ({"logits": 1.0, "labels": 0}, ValueError, r"logits must have shape \(\.\.\., C\)"),
    ({"logits": np.empty((4, 0))}, ValueError, r"logits must have shape \(\.\.\., C\)"),
    (
        {"logits": at(LOGITS, (1, 2), NAN)},
        ValueError,
        r"logits must be finite or -inf, got logits\[1, 2\] = nan",
    ),
    ({"logits": at(LOGITS, (3, 0), INF)}, ValueError, r"logits\[3, 0\] = inf"),
    ({"logits": at(LOGITS, 2, -INF)}, ValueError, r"logits must have one above -inf in every row"),
    ({"logits": at(LOGITS, (1, 2), NAN).astype("f4")}, ValueError, r"logits\[1, 2\] = nan"),
    ({"logits": at(LOGITS, (1, 2), NAN), "labels": ROWS}, ValueError, r"logits\[1, 2\] = nan"),
    (
        {"logits": at(LOGITS, (1, 2), NAN), "sample_weight": [1.0, 0, 1, 1]},
        ValueError,
        r"logits\[1, 2\] = nan",
    ),
    ({"labels": np.zeros(3, int)}, ValueError, r"labels must have shape \(4,\).*got \(3,\)"),
    ({"labels": np.zeros((4, 1), int)}, ValueError, r"labels must have shape"),
    ({"labels": np.full((4, 4), 0.25)}, ValueError, r"labels must have shape"),
    ({"labels": 0}, ValueError, r"labels must have shape"),
    ({"labels": None}, TypeError, r"labels must hold real numbers"),
    ({"labels": LABELS.astype(float)}, TypeError, r"labels must be integers"),
    ({"labels": LABELS.astype(bool)}, TypeError, r"labels must be integers"),
    ({"labels": LABELS.astype(complex)}, TypeError, r"labels must hold real numbers"),
    ({"labels": LABELS.astype(str)}, TypeError, r"labels must hold real numbers"),
    ({"labels": at(LABELS, 1, 3)}, ValueError, r"labels must lie in 0 \.\. 2, got labels\[1\] = 3"),
    ({"labels": at(LABELS, 2, -1)}, ValueError, r"labels\[2\] = -1"),
    ({"labels": at(LABELS, 2, -1), "ignore_index": -100}, ValueError, r"labels\[2\] = -1"),
    ({"labels": np.full(4, 2**64 - 1, np.uint64)}, ValueError, r"labels\[0\] = 18446744073709551615"),
    *[
        ({"labels": value}, TypeError, r"labels must hold real numbers")
        for value in NUMBERS.values()
        if value is not None
    ],
    (
        {"labels": at(ROWS, (1, 1), -0.1)},
        ValueError,
        r"labels must be finite and not negative, got labels\[1, 1\]",
    ),
    ({"labels": at(ROWS, (1, 1), NAN)}, ValueError, r"labels\[1, 1\] = nan"),
    ({"labels": at(ROWS, (1, 1), INF)}, ValueError, r"labels\[1, 1\] = inf"),
    (
        {"labels": at(ROWS, (3, 1), 0.5)},
        ValueError,
        r"sum of labels must be 1 in every row, to 0\.001, got .*\[3\]",
    ),
    ({"labels": ROWS + 5e-4}, ValueError, r"sum of labels must be 1"),
    ({"labels": ROWS - 5e-4, "logits": LOGITS.astype("f4")}, ValueError, r"sum of labels must be 1"),
    ({"labels": np.zeros((4, 3))}, ValueError, r"sum of labels must be 1"),
    (
        {"logits": LOGITS.astype("f4"), "labels": ROWS.astype("f4") * np.float32(1.001)},
        ValueError,
        r"sum of labels must be 1",
    ),
    ({"labels": ROWS, "ignore_index": 1}, ValueError, r"ignore_index needs labels that are class numbers"),
    ({"ignore_index": 1.5}, TypeError, r"ignore_index must be an integer"),
    ({"ignore_index": True}, TypeError, r"ignore_index must be an integer"),
    ({"ignore_index": "0"}, TypeError, r"ignore_index must be an integer"),
    (
        {"sample_weight": 1.0},
        ValueError,
        r"sample_weight must have one for each sample, shape \(4,\), got \(\)",
    ),
    ({"sample_weight": np.ones((4, 1))}, ValueError, r"sample_weight must have one for each sample"),
    ({"sample_weight": [1.0, -1, 1, 1]}, ValueError, r"sample_weight\[1\] = -1"),
    ({"sample_weight": [1.0, NAN, 1, 1]}, ValueError, r"sample_weight\[1\] = nan"),
    ({"sample_weight": [1.0, INF, 1, 1]}, ValueError, r"sample_weight\[1\] = inf"),
    ({"sample_weight": np.ones(4, complex)}, TypeError, r"sample_weight must hold real numbers"),
    ({"sample_weight": np.ones(4, object)}, TypeError, r"sample_weight must hold real numbers"),
    ({"sample_weight": ["1"] * 4}, TypeError, r"sample_weight must hold real numbers"),
    ({"label_smoothing": -0.1}, ValueError, r"label_smoothing must lie in \[0, 1\], got -0.1"),
    ({"label_smoothing": 1.1}, ValueError, r"label_smoothing must lie in \[0, 1\], got 1.1"),
    ({"label_smoothing": NAN}, ValueError, r"label_smoothing must be finite"),
    ({"label_smoothing": [0.1, 0.2]}, ValueError, r"label_smoothing must be a scalar"),
    ({"label_smoothing": "much"}, TypeError, r"label_smoothing must hold real numbers"),
    ({"label_smoothing": None}, TypeError, r"label_smoothing must hold real numbers"),
    ({"reduction": "average"}, ValueError, r"reduction must be one of 'mean', 'sum', 'none', got 'average'"),
    ({"reduction": None}, TypeError, r"reduction must be one of"),
    ({"reduction": 0}, TypeError, r"reduction must be one of"),
]
OUT = [
    (np.zeros((4, 3)).tolist(), TypeError, r"out must be a NumPy array"),
    (np.zeros((3, 4)), ValueError, r"out must have shape \(4, 3\), got \(3, 4\)"),
    (np.zeros(12), ValueError, r"out must have shape \(4, 3\)"),
    (np.zeros((4, 3), "f4"), TypeError, r"out must have dtype float64, got float32"),
    (np.zeros((4, 3), int), TypeError, r"out must have dtype float64, got int64"),
    (np.broadcast_to(0.0, (4, 3)), ValueError, r"out must be writeable"),
]
Z = [
    *[(value, {}, TypeError, r"z must hold real numbers") for value in NUMBERS.values()],
    (at(LOGITS, (1, 2), NAN), {}, ValueError, r"z must be finite or -inf, got z\[1, 2\] = nan"),
    (at(LOGITS, (1, 2), INF), {}, ValueError, r"z\[1, 2\] = inf"),
    (at(LOGITS, (1, 2), INF).astype("f4"), {}, ValueError, r"z\[1, 2\] = inf"),
    (at(LOGITS, 1, -INF), {}, ValueError, r"z must have one above -inf in every row"),
    (at(LOGITS, np.s_[:, 1], -INF), {"axis": 0}, ValueError, r"z must have one above -inf"),
    (np.empty((4, 0)), {}, ValueError, r"z must not be empty along axis"),
    (np.empty((0, 4)), {"axis": 0}, ValueError, r"z must not be empty along axis"),
    (1.0, {}, ValueError, r"z must have an axis"),
    (LOGITS, {"axis": 2}, ValueError, r"axis must lie in -2 \.\. 1, got 2"),
    (LOGITS, {"axis": -3}, ValueError, r"axis must lie in"),
    (LOGITS, {"axis": 1.0}, TypeError, r"axis must be an integer"),
    (LOGITS, {"axis": None}, TypeError, r"axis must be an integer"),
    (LOGITS, {"axis": True}, TypeError, r"axis must be an integer"),
    (LOGITS, {"axis": (0, 1)}, TypeError, r"axis must be an integer"),
]


@pytest.mark.parametrize("name", ["softmax_cross_entropy", "softmax_cross_entropy_and_grad"])
@pytest.mark.parametrize(
    ("changes", "exception", "message"), CASES, ids=[f"{i}-{'-'.join(c)}" for i, (c, *_) in enumerate(CASES)]
)
def test_bad_arguments(implementation, name, changes, exception, message):
    with pytest.raises(exception, match=message):
        getattr(implementation, name)(**{"logits": LOGITS, "labels": LABELS, **changes})


@pytest.mark.parametrize(("out", "exception", "message"), OUT)
def test_bad_out(out, exception, message):
    with pytest.raises(exception, match=message):
        kdexent.softmax_cross_entropy_and_grad(LOGITS, LABELS, out=out)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize(("z", "options", "exception", "message"), Z)
def test_bad_z_or_axis(implementation, name, z, options, exception, message):
    with pytest.raises(exception, match=message):
        getattr(implementation, name)(z, **options)


@pytest.mark.parametrize("value", [NAN, INF])
@pytest.mark.parametrize("shape", [(20_000, 5), (300, 400)], ids=str)
def test_bad_logits_are_found_anywhere(shape, value):
    for place in (0, shape[0] // 2, shape[0] - 1):
        logits = at(np.zeros(shape), (place, shape[1] - 1), value)
        with pytest.raises(ValueError, match=rf"logits\[{place}, {shape[1] - 1}\] = {value}"):
            kdexent.softmax_cross_entropy(logits, np.zeros(shape[0], int))
        with pytest.raises(ValueError, match=rf"z\[{place}, {shape[1] - 1}\] = {value}"):
            kdexent.softmax(logits)


@pytest.mark.parametrize("classes", [10, 100])
def test_logits_whose_sum_overflows_are_good(classes):
    logits = np.full((40, classes), 1e308)
    logits[5, 2], logits[7, 1:] = -np.inf, 1e307
    labels = np.zeros(40, int)
    with np.errstate(over="ignore"):
        expected = reference.softmax_cross_entropy_and_grad(logits, labels)
    assert_close(kdexent.softmax_cross_entropy_and_grad(logits, labels), expected, np.float64)


@pytest.mark.parametrize("classes", [10, 100])
@pytest.mark.parametrize("row", [0, 17, 39])
@pytest.mark.parametrize("wrong", [-1, "C", 2**64 - 1])
def test_class_numbers_out_of_range_are_found_wherever_they_are(classes, row, wrong):
    logits, wrong = np.zeros((40, classes)), classes if wrong == "C" else wrong
    labels = np.zeros(40, np.uint64 if wrong > classes else np.int64)
    labels[row] = wrong
    message = rf"labels must lie in 0 .. {classes - 1}, got labels\[{row}\] = {wrong}"
    with pytest.raises(ValueError, match=message):
        kdexent.softmax_cross_entropy_and_grad(logits, labels)
