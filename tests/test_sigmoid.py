"""Sigmoid cross-entropy: the definition, other libraries' answers, any layout, and bad input."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from problems import differences, layouts, outs
from scipy.special import expit, log_expit
from sklearn._loss import HalfBinomialLoss

import kdexent
from kdexent import reference

jax.config.update("jax_enable_x64", True)

BOTH = pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
REDUCTIONS = ("mean", "sum", "none")
INF, NAN = np.inf, np.nan


def problem(seed, lead, classes, dtype=np.float64):
    """Return logits of spread 3, labels 0 or 1, labels between, and weights of which some are 0."""
    rng = np.random.default_rng(seed)
    logits = 3 * rng.normal(size=(*lead, classes))
    labels = rng.integers(0, 2, logits.shape)
    between = rng.random(logits.shape)
    weights = rng.uniform(0.5, 2, lead) * (rng.random(lead) < 0.8)
    return logits.astype(dtype), labels, between.astype(dtype), np.asarray(weights, dtype)


def by_hand(logits, labels, weights=1.0):
    """Return the loss and gradient of each label in float64."""
    z, y, w = (np.asarray(array, float) for array in (logits, labels, weights))
    w = w[..., np.newaxis] if w.ndim else w
    return -w * (y * log_expit(z) + (1 - y) * log_expit(-z)), w * (expit(z) - y)


def assert_close(actual, expected, dtype, scale=1.0):
    """Assert equality to some rounding of `dtype`, of what is a difference of numbers up to `scale`."""
    tolerance = 16 * np.finfo(dtype).eps
    for part, exact in zip(actual, expected, strict=True):
        assert np.asarray(part).dtype == dtype and np.shape(part) == np.shape(exact)
        np.testing.assert_allclose(part, exact, rtol=tolerance, atol=tolerance * scale)


# Fast and reference agree.


@DTYPES
@pytest.mark.parametrize("classes", [1, 2, 3, 7, 8, 10, 33, 1000, 5000])
@pytest.mark.parametrize("lead", [(), (0,), (5,), (37,), (2, 3)], ids=str)
def test_fast_is_reference(lead, classes, dtype):
    logits, labels, between, weights = problem(classes, lead, classes, dtype)
    few = np.where(np.random.default_rng(1).random(labels.shape) < 0.3, -100, labels)
    options = [
        (labels, {}),
        (between, {}),
        (between, {"sample_weight": weights, "label_smoothing": 0.1}),
        (labels, {"label_smoothing": 1.0}),
        (few, {"ignore_index": -100, "sample_weight": weights}),
        (labels, {"ignore_index": 0, "label_smoothing": 0.2}),
    ]
    for about, chosen in options:
        for reduction in REDUCTIONS:
            expected = reference.sigmoid_cross_entropy_and_grad(logits, about, reduction=reduction, **chosen)
            actual = kdexent.sigmoid_cross_entropy_and_grad(logits, about, reduction=reduction, **chosen)
            assert_close(actual, expected, dtype, 2.0)
            loss = kdexent.sigmoid_cross_entropy(logits, about, reduction=reduction, **chosen)
            np.testing.assert_array_equal(loss, actual[0])
            loss = reference.sigmoid_cross_entropy(logits, about, reduction=reduction, **chosen)
            np.testing.assert_array_equal(loss, expected[0])


@DTYPES
@pytest.mark.parametrize(("count", "classes"), [(50_000, 1), (20_011, 10), (301, 1_000)])
def test_fast_is_reference_where_threads_share_the_rows(count, classes, dtype):
    logits, labels, between, weights = problem(3, (count,), classes, dtype)
    for about, options in [
        (labels, {}),
        (labels, {"ignore_index": 1}),
        (between, {"sample_weight": weights}),
    ]:
        for reduction in REDUCTIONS:
            expected = reference.sigmoid_cross_entropy_and_grad(logits, about, reduction=reduction, **options)
            actual = kdexent.sigmoid_cross_entropy_and_grad(logits, about, reduction=reduction, **options)
            assert_close(actual, expected, dtype, 2.0)


# The definition.


@DTYPES
@pytest.mark.parametrize("lead", [(), (40,), (3, 4)], ids=str)
def test_formulas(implementation, lead, dtype):
    logits, labels, between, weights = problem(4, lead, 6, dtype)
    for about in (labels, between):
        for options in ({}, {"sample_weight": weights}):
            losses, gradients = by_hand(logits, about, options.get("sample_weight", 1.0))
            total = 6 * np.sum(options.get("sample_weight", np.ones(lead)), dtype=float)
            for reduction, expected in (
                ("none", (losses, gradients)),
                ("sum", (losses.sum(), gradients)),
                ("mean", (losses.sum() / total, gradients / total) if total else (0.0, 0 * gradients)),
            ):
                actual = implementation.sigmoid_cross_entropy_and_grad(
                    logits, about, reduction=reduction, **options
                )
                assert_close(actual, expected, dtype, 2.0)


@DTYPES
def test_logits_of_any_size(implementation, dtype):
    logits = np.array([1e4, -1e4, 1e4, -1e4, 50, -50, 700, -700, 0], dtype)
    labels, eps = np.array([1, 1, 0, 0, 1, 0, 0.5, 0.25, 1], dtype), np.finfo(dtype).eps
    losses, gradients = implementation.sigmoid_cross_entropy_and_grad(logits, labels, reduction="none")
    expected_losses, expected = by_hand(logits, labels)
    np.testing.assert_allclose(losses, expected_losses, rtol=64 * eps)
    np.testing.assert_allclose(gradients, expected, rtol=8 * eps, atol=eps)


def test_a_label_that_cannot_be(implementation):
    logits, labels = np.array([-INF, -INF, -INF, 1.0]), np.array([0, 1, 0.25, 1])
    losses, gradients = implementation.sigmoid_cross_entropy_and_grad(logits, labels, reduction="none")
    np.testing.assert_allclose(losses, [0, INF, INF, np.log1p(np.exp(-1.0))], rtol=1e-15)
    np.testing.assert_allclose(gradients, [0, -1, -0.25, expit(1.0) - 1], rtol=1e-15)
    loss, gradient = implementation.sigmoid_cross_entropy_and_grad(logits, labels)
    assert loss == INF
    np.testing.assert_allclose(gradient, gradients / 4, rtol=1e-15)


def test_smoothing_moves_labels_towards_a_half(implementation):
    logits, labels, between, weights = problem(5, (20,), 6)
    for about in (labels, between):
        for eps in (0.0, 0.1, 1.0):
            options = {"sample_weight": weights}
            actual = implementation.sigmoid_cross_entropy_and_grad(
                logits, about, label_smoothing=eps, **options
            )
            expected = implementation.sigmoid_cross_entropy_and_grad(
                logits, (1 - eps) * about + eps / 2, **options
            )
            assert_close(actual, expected, np.float64)


def test_weights_count_samples(implementation):
    logits, labels, _, _ = problem(6, (4,), 3)
    times = np.array([3, 0, 1, 2])
    losses, gradients = by_hand(logits, labels, times)
    for reduction, share in (("mean", 1 / 18), ("sum", 1.0)):
        actual = implementation.sigmoid_cross_entropy_and_grad(
            logits, labels, sample_weight=times, reduction=reduction
        )
        assert_close(actual, (share * losses.sum(), share * gradients), np.float64, 3.0)
        repeated = np.repeat(logits, times, axis=0), np.repeat(labels, times, axis=0)
        loss = implementation.sigmoid_cross_entropy(*repeated, reduction=reduction)
        assert actual[0] == pytest.approx(loss, rel=1e-14)


@pytest.mark.parametrize("ignored", [-100, -1, 0, 1, 2])
def test_ignored_labels_are_as_if_left_out(implementation, ignored):
    logits, labels, _, weights = problem(7, (3, 10), 4)
    labels = np.where(np.random.default_rng(2).random(labels.shape) < 0.3, ignored, labels)
    counts = labels != ignored
    each = np.broadcast_to(weights[..., np.newaxis], labels.shape)[counts]
    losses, gradients = by_hand(logits[counts], labels[counts])
    for about in (labels, labels.astype(float)):
        loss, gradient = implementation.sigmoid_cross_entropy_and_grad(
            logits, about, sample_weight=weights, ignore_index=ignored
        )
        assert loss == pytest.approx(np.average(losses, weights=each), rel=1e-14)
        assert (gradient[~counts] == 0).all()
        np.testing.assert_allclose(gradient[counts], each * gradients / each.sum(), rtol=1e-13, atol=1e-16)
        alone = implementation.sigmoid_cross_entropy(logits, about, ignore_index=ignored, reduction="none")
        assert (alone[~counts] == 0).all()
        np.testing.assert_allclose(alone[counts], losses, rtol=1e-14, atol=1e-16)


def test_what_has_no_weight_does_not_count(implementation):
    logits, labels = np.array([[0.0, -INF], [1.0, 0.0]]), np.array([[0, 1], [1, 0]])
    for options in ({"sample_weight": [0.0, 1.0]}, {"ignore_index": 7}):
        about = labels if "sample_weight" in options else np.array([[7, 7], [1, 0]])
        loss, gradient = implementation.sigmoid_cross_entropy_and_grad(logits, about, **options)
        losses, gradients = by_hand(logits[1], labels[1])
        assert loss == pytest.approx(losses.mean(), rel=1e-15)
        np.testing.assert_allclose(gradient, [[0, 0], gradients / 2], rtol=1e-14)


@pytest.mark.parametrize(
    "options", [{"ignore_index": 1}, {"sample_weight": np.zeros(5)}], ids=["ignored", "0"]
)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_nothing_that_counts_is_0(implementation, options, reduction):
    logits = problem(8, (5,), 3)[0]
    loss, gradient = implementation.sigmoid_cross_entropy_and_grad(
        logits, np.ones((5, 3)), reduction=reduction, **options
    )
    np.testing.assert_array_equal(loss, np.zeros((5, 3)) if reduction == "none" else 0.0)
    np.testing.assert_array_equal(gradient, np.zeros((5, 3)))


# Other libraries.


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn(implementation, weighted):
    logits, labels, between, weights = problem(9, (200,), 1)
    chosen = weights if weighted else None
    for about in (labels.astype(float), between):
        loss, gradient = HalfBinomialLoss().loss_gradient(about[:, 0], logits[:, 0].copy(), chosen)
        actual = implementation.sigmoid_cross_entropy_and_grad(
            logits, about, sample_weight=chosen, reduction="none"
        )
        assert_close(actual, (loss[:, np.newaxis], gradient[:, np.newaxis]), np.float64, 2.0)


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_torch(implementation, reduction):
    torch = pytest.importorskip("torch", reason="torch is no dependency: compared with where it is")
    logits, _, between, _ = problem(10, (30,), 7)
    z = torch.tensor(logits, requires_grad=True)
    loss = torch.nn.functional.binary_cross_entropy_with_logits(z, torch.tensor(between), reduction=reduction)
    loss.sum().backward()
    actual = implementation.sigmoid_cross_entropy_and_grad(logits, between, reduction=reduction)
    assert_close(actual, (loss.detach().numpy(), z.grad.numpy()), np.float64)


def _jax_loss(z, y, weights, reduction):
    losses = -weights * (y * jax.nn.log_sigmoid(z) + (1 - y) * jax.nn.log_sigmoid(-z))
    return losses.sum() / (weights.sum() * z.shape[-1]) if reduction == "mean" else losses.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_automatic_differentiation(implementation, reduction, smoothing):
    logits, labels, between, weights = problem(11, (3, 5), 6)
    for about in (labels, between):
        y = (1 - smoothing) * about + smoothing / 2
        expected = jax.value_and_grad(_jax_loss)(jnp.asarray(logits), y, weights[..., np.newaxis], reduction)
        loss, gradient = implementation.sigmoid_cross_entropy_and_grad(
            logits, about, sample_weight=weights, label_smoothing=smoothing, reduction=reduction
        )
        assert_close((np.sum(loss), gradient), (expected[0], np.asarray(expected[1])), np.float64, 2.0)


@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_finite_differences(implementation, smoothing):
    logits, labels, between, weights = problem(12, (4,), 5)
    options = {"sample_weight": weights + 0.1, "label_smoothing": smoothing}
    for about in (labels, between):
        _, gradient = implementation.sigmoid_cross_entropy_and_grad(logits, about, **options)
        expected = differences(
            lambda z, about=about: implementation.sigmoid_cross_entropy(z, about, **options), logits
        )
        np.testing.assert_allclose(gradient, expected, rtol=5e-6, atol=1e-12)


def test_forty_digits(implementation):
    z, y = [0.3, -1.1, 20.7, -45.0], [0.125, 1.0, 0.75, 0.0]
    with mpmath.workdps(40):
        p = [1 / (1 + mpmath.exp(-mpmath.mpf(v))) for v in z]
        losses = [float(-t * mpmath.log(v) - (1 - t) * mpmath.log(1 - v)) for v, t in zip(p, y, strict=True)]
        slopes = [float(v - t) for v, t in zip(p, y, strict=True)]
    actual, gradient = implementation.sigmoid_cross_entropy_and_grad(z, y, reduction="none")
    np.testing.assert_allclose(actual, losses, rtol=2e-14)
    np.testing.assert_allclose(gradient, slopes, rtol=2e-14)
    assert implementation.sigmoid_cross_entropy(z, y) == pytest.approx(np.mean(losses), rel=2e-15)


# What holds for every problem.


@BOTH
@given(data=st.data(), smoothing=st.floats(0, 1))
def test_bounds_and_the_other_sign(module, data, smoothing):
    shape = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 40))
    z = data.draw(arrays(float, shape, elements=st.floats(-800, 800)))
    y = data.draw(arrays(float, shape, elements=st.integers(0, 256).map(lambda k: k / 256)))
    losses, gradient = module.sigmoid_cross_entropy_and_grad(
        z, y, reduction="none", label_smoothing=smoothing
    )
    other, other_gradient = module.sigmoid_cross_entropy_and_grad(
        -z, 1 - y, reduction="none", label_smoothing=smoothing
    )
    t = (1 - smoothing) * y + smoothing / 2
    assert (losses >= 0).all()
    assert (gradient <= 1 - t + 1e-15).all() and (gradient >= -t - 1e-15).all()
    np.testing.assert_allclose(other, losses, rtol=1e-13, atol=1e-12)
    np.testing.assert_allclose(other_gradient, -gradient, rtol=0, atol=1e-15)


# Any layout and dtype is read where it is; out takes the result.


@pytest.mark.parametrize("shape", [(30, 7), (3, 4, 70), (2_000, 20)], ids=str)
@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
def test_layouts(implementation, layout, shape):
    given_arrays = problem(13, shape[:-1], shape[-1])
    logits, labels, between, weights = given_arrays
    z, y, t, w = others = [layouts(array)[layout] for array in given_arrays]
    for about, other in ((labels, y), (between, t)):
        expected = implementation.sigmoid_cross_entropy_and_grad(logits, about, sample_weight=weights)
        actual = implementation.sigmoid_cross_entropy_and_grad(z, other, sample_weight=w)
        assert_close(actual, expected, np.float64)
    for array, other in zip(given_arrays, others, strict=True):
        np.testing.assert_array_equal(other, array)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "longdouble", "bool"])
def test_other_real_dtypes_compute_in_float64(implementation, dtype):
    logits, labels = np.random.default_rng(14).integers(0, 2, (2, 9, 5)).astype(dtype)
    actual = implementation.sigmoid_cross_entropy_and_grad(logits, labels)
    expected = implementation.sigmoid_cross_entropy_and_grad(logits.astype(float), labels.astype(float))
    assert_close(actual, expected, np.float64)


@DTYPES
@pytest.mark.parametrize("shape", [(7,), (30, 7), (3, 4, 70), (4_000, 11)], ids=str)
@pytest.mark.parametrize("layout", outs((1, 1), float))
def test_out(layout, shape, dtype):
    logits, _, between, _ = problem(17, shape[:-1], shape[-1], dtype)
    loss, expected = kdexent.sigmoid_cross_entropy_and_grad(logits, between)
    for z in (logits, np.asfortranarray(logits)):
        out = outs(shape, dtype)[layout]
        actual, gradient = kdexent.sigmoid_cross_entropy_and_grad(z, between, out=out)
        assert gradient is out
        np.testing.assert_allclose(actual, loss, rtol=16 * np.finfo(dtype).eps)
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("shape", [(30, 7), (3_000, 60)], ids=str)
@pytest.mark.parametrize("which", ["logits", "labels"])
def test_out_may_be_an_input_or_overlap_one(which, shape):
    logits, _, labels, _ = problem(18, shape[:-1], shape[-1])
    loss, expected = kdexent.sigmoid_cross_entropy_and_grad(logits, labels)
    room = np.zeros((shape[0] + 1, shape[1]))
    for read, out in ((room[:-1], room[:-1]), (room[:-1], room[1:]), (room[1:], room[:-1])):
        arguments = {"logits": logits, "labels": labels}
        read[...] = arguments[which]
        arguments[which] = read
        assert kdexent.sigmoid_cross_entropy_and_grad(**arguments, out=out)[0] == loss
        np.testing.assert_array_equal(out, expected)


# Bad input.

LOGITS, LABELS = problem(0, (4,), 3)[:2]


def at(array, index, value):
    changed = np.array(array, float)
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
    *[
        ({name: value}, TypeError, rf"{name} must hold real numbers")
        for name in ("logits", "labels")
        for value in NUMBERS.values()
    ],
    ({"logits": [[1.0, 2.0], [3.0]]}, ValueError, r"logits must be a rectangular array"),
    ({"labels": [[1.0, 0.0], [1.0]]}, ValueError, r"labels must be a rectangular array"),
    ({"logits": 1.0, "labels": 0}, ValueError, r"logits must have shape \(\.\.\., C\)"),
    ({"logits": np.empty((4, 0))}, ValueError, r"logits must have shape \(\.\.\., C\)"),
    (
        {"logits": at(LOGITS, (1, 2), NAN)},
        ValueError,
        r"logits must be finite or -inf, got logits\[1, 2\] = nan",
    ),
    ({"logits": at(LOGITS, (3, 0), INF)}, ValueError, r"logits\[3, 0\] = inf"),
    ({"logits": at(LOGITS, (1, 2), NAN).astype("f4")}, ValueError, r"logits\[1, 2\] = nan"),
    (
        {"logits": at(LOGITS, (1, 2), NAN), "sample_weight": [1.0, 0, 1, 1]},
        ValueError,
        r"logits\[1, 2\] = nan",
    ),
    (
        {"labels": np.zeros(4, int)},
        ValueError,
        r"labels must have the shape of the logits, \(4, 3\), got \(4,\)",
    ),
    ({"labels": np.zeros((3, 4))}, ValueError, r"labels must have the shape of the logits"),
    ({"labels": np.zeros((4, 1))}, ValueError, r"labels must have the shape of the logits"),
    ({"labels": 0}, ValueError, r"labels must have the shape of the logits"),
    (
        {"labels": at(LABELS, (1, 2), 1.5)},
        ValueError,
        r"labels must lie in \[0, 1\], got labels\[1, 2\] = 1.5",
    ),
    ({"labels": at(LABELS, (1, 2), -1)}, ValueError, r"labels\[1, 2\] = -1"),
    ({"labels": at(LABELS, (1, 2), -1), "ignore_index": -100}, ValueError, r"labels\[1, 2\] = -1"),
    ({"labels": at(LABELS, (1, 2), NAN)}, ValueError, r"labels\[1, 2\] = nan"),
    ({"labels": at(LABELS, (1, 2), NAN), "ignore_index": -1}, ValueError, r"labels\[1, 2\] = nan"),
    ({"labels": at(LABELS, (1, 2), INF)}, ValueError, r"labels\[1, 2\] = inf"),
    ({"ignore_index": 1.5}, TypeError, r"ignore_index must be an integer"),
    ({"ignore_index": False}, TypeError, r"ignore_index must be an integer"),
    ({"ignore_index": "0"}, TypeError, r"ignore_index must be an integer"),
    (
        {"sample_weight": 1.0},
        ValueError,
        r"sample_weight must have one for each sample, shape \(4,\), got \(\)",
    ),
    ({"sample_weight": np.ones((4, 3))}, ValueError, r"sample_weight must have one for each sample"),
    ({"sample_weight": [1.0, -1, 1, 1]}, ValueError, r"sample_weight\[1\] = -1"),
    ({"sample_weight": [1.0, NAN, 1, 1]}, ValueError, r"sample_weight\[1\] = nan"),
    ({"sample_weight": [1.0, INF, 1, 1]}, ValueError, r"sample_weight\[1\] = inf"),
    ({"sample_weight": np.ones(4, complex)}, TypeError, r"sample_weight must hold real numbers"),
    ({"sample_weight": ["1"] * 4}, TypeError, r"sample_weight must hold real numbers"),
    ({"label_smoothing": -0.1}, ValueError, r"label_smoothing must lie in \[0, 1\], got -0.1"),
    ({"label_smoothing": 1.1}, ValueError, r"label_smoothing must lie in \[0, 1\], got 1.1"),
    ({"label_smoothing": NAN}, ValueError, r"label_smoothing must be finite"),
    ({"label_smoothing": [0.1, 0.2]}, ValueError, r"label_smoothing must be a scalar"),
    ({"label_smoothing": "much"}, TypeError, r"label_smoothing must hold real numbers"),
    ({"reduction": "average"}, ValueError, r"reduction must be one of 'mean', 'sum', 'none', got 'average'"),
    ({"reduction": None}, TypeError, r"reduction must be one of"),
]
OUT = [
    (np.zeros((4, 3)).tolist(), TypeError, r"out must be a NumPy array"),
    (np.zeros((3, 4)), ValueError, r"out must have shape \(4, 3\), got \(3, 4\)"),
    (np.zeros((4, 3), "f4"), TypeError, r"out must have dtype float64, got float32"),
    (np.broadcast_to(0.0, (4, 3)), ValueError, r"out must be writeable"),
]


@pytest.mark.parametrize("name", ["sigmoid_cross_entropy", "sigmoid_cross_entropy_and_grad"])
@pytest.mark.parametrize(
    ("changes", "exception", "message"), CASES, ids=[f"{i}-{'-'.join(c)}" for i, (c, *_) in enumerate(CASES)]
)
def test_bad_arguments(implementation, name, changes, exception, message):
    with pytest.raises(exception, match=message):
        getattr(implementation, name)(**{"logits": LOGITS, "labels": LABELS, **changes})


@pytest.mark.parametrize(("out", "exception", "message"), OUT)
def test_bad_out(out, exception, message):
    with pytest.raises(exception, match=message):
        kdexent.sigmoid_cross_entropy_and_grad(LOGITS, LABELS, out=out)


@pytest.mark.parametrize("value", [NAN, INF])
def test_bad_logits_are_found_anywhere(value):
    for place in (0, 10_000, 19_999):
        logits = at(np.zeros((20_000, 5)), (place, 4), value)
        with pytest.raises(ValueError, match=rf"logits\[{place}, 4\] = {value}"):
            kdexent.sigmoid_cross_entropy(logits, np.zeros((20_000, 5)))
