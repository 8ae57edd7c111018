"""Rows that are nearly certain keep their digits: what is left beside a probability of almost 1."""

import mpmath
import numpy as np
import pytest

import kdexent
from kdexent import reference

DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
CLASSES = [1, 2, 3, 4, 5, 7, 8, 9, 10, 17, 47, 48, 49, 50, 56, 100, 1_000, 1_500]
# Roundings of the dtype that a result may be off by.
ALLOWED = {np.dtype(np.float64): 12, np.dtype(np.float32): 1}


def rows_up_to(far, count, classes, dtype, seed=0):
    """Return logits, of which the label's lies up to `far` above the others, and labels."""
    rng = np.random.default_rng([seed, classes, count])
    labels = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, classes)) * rng.choice([1.0, 3.0, 20.0], (count, 1))
    others = np.where(np.arange(classes) == labels[:, np.newaxis], -np.inf, logits).max(axis=1)
    logits[np.arange(count), labels] = np.where(others > -np.inf, others, 0) + np.linspace(0, far, count)
    return logits.astype(dtype), labels


def exact(logits, labels):
    """Return sums of exponentials beside each label's, to 40 digits."""
    return [
        mpmath.fsum(
            mpmath.exp(mpmath.mpf(float(z)) - mpmath.mpf(float(row[y]))) for c, z in enumerate(row) if c != y
        )
        for row, y in zip(logits, labels, strict=True)
    ]


def far_of(dtype):
    return 700.0 if dtype == np.float64 else 84.0


def assert_near(actual, expected, dtype, allowed=None):
    """Assert small relative errors of what is a normal number."""
    expected = np.array([float(value) for value in expected])
    info = np.finfo(dtype)
    normal = np.abs(expected) >= info.tiny
    # Rounding to the dtype, and what is computed in float64.
    tolerance = (ALLOWED[np.dtype(dtype)] if allowed is None else allowed) * info.eps
    np.testing.assert_allclose(np.asarray(actual, float)[normal], expected[normal], rtol=tolerance, atol=0)
    assert (np.abs(np.asarray(actual, float)[~normal]) <= 2 * info.tiny).all()


@DTYPES
@pytest.mark.parametrize("classes", CLASSES)
def test_every_row_keeps_its_digits(implementation, classes, dtype):
    with mpmath.workdps(40):
        for count in (1, 13) if classes >= 1_000 else (1, 8, 45):
            logits, labels = rows_up_to(far_of(dtype), count, classes, dtype)
            beside = exact(logits, labels)
            losses, gradients = implementation.softmax_cross_entropy_and_grad(
                logits, labels, reduction="none"
            )
            assert_near(losses, [mpmath.log1p(r) for r in beside], dtype)
            assert_near(gradients[np.arange(count), labels], [-r / (1 + r) for r in beside], dtype)
            alone = implementation.softmax_cross_entropy(logits, labels, reduction="none")
            np.testing.assert_array_equal(alone, losses)


@DTYPES
@pytest.mark.parametrize("classes", CLASSES)
def test_logarithms_of_nearly_1_keep_their_digits(implementation, classes, dtype):
    with mpmath.workdps(40):
        for count in (1, 13):
            logits, labels = rows_up_to(far_of(dtype), count, classes, dtype)
            expected = [-mpmath.log1p(r) for r in exact(logits, labels)]
            found = implementation.log_softmax(logits)[np.arange(count), labels]
            # From probabilities of 1 - 1/256 on all digits are left, up to there all but eight bits.
            assert_near(found, expected, dtype, 300 if dtype == np.float64 else None)


@DTYPES
@pytest.mark.parametrize("classes", [2, 10, 60])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_keep_their_digits(implementation, weighted, reduction, classes, dtype):
    count, ignored = 300, 7
    logits, labels = rows_up_to(30.0, count, classes, dtype)
    logits[np.arange(count), labels] += dtype(far_of(dtype) - 40)  # no row is far from certain
    weights = np.random.default_rng(1).uniform(0, 3, count) if weighted else np.ones(count)
    counts = labels != ignored
    with mpmath.workdps(40):
        beside, chosen = exact(logits, labels), weights * counts
        total = mpmath.fsum(w * mpmath.log1p(r) for w, r in zip(chosen, beside, strict=True))
        share = 1 / mpmath.fsum(chosen) if reduction == "mean" else 1
        options = {"ignore_index": ignored, "reduction": reduction}
        if weighted:
            options["sample_weight"] = weights
        loss, gradients = implementation.softmax_cross_entropy_and_grad(logits, labels, **options)
        assert_near([loss], [share * total], dtype, None if dtype == np.float32 else 40)
        own = [-share * w * r / (1 + r) for w, r in zip(chosen, beside, strict=True)]
        assert_near(gradients[np.arange(count), labels], own, dtype, 2 if dtype == np.float32 else 16)


@pytest.mark.parametrize("classes", [2, 10, 49, 300])
def test_exponentials_that_underflow_alone_count_together(implementation, classes):
    logits, labels = np.zeros((19, classes)), np.arange(19) % classes
    far = np.linspace(705, 744, 19)
    logits[np.arange(19), labels] = far
    weights = np.full(19, 2.0**40)
    with mpmath.workdps(40):
        beside = [(classes - 1) * mpmath.exp(-mpmath.mpf(d)) for d in far]
        losses, gradients = implementation.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
        assert_near(losses, beside, np.float64)
        assert_near(gradients[np.arange(19), labels], [-r for r in beside], np.float64)
        if implementation is kdexent:
            losses, gradients = implementation.softmax_cross_entropy_and_grad(
                logits, labels, sample_weight=weights, reduction="none"
            )
            assert_near(losses, [2**40 * r for r in beside], np.float64)
            assert_near(gradients[np.arange(19), labels], [-(2**40) * r for r in beside], np.float64)


@DTYPES
def test_known_values(implementation, dtype):
    loss, gradient = implementation.softmax_cross_entropy_and_grad(np.array([[40, 0]], dtype), [0])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(loss, 4.248354255291589e-18, rtol=2 * eps)
    np.testing.assert_allclose(gradient, 4.248354255291589e-18 * np.array([[-1, 1]]), rtol=2 * eps)


@DTYPES
@pytest.mark.parametrize("classes", [2, 12, 60])
def test_ties_and_classes_that_cannot_be(implementation, classes, dtype):
    logits = np.full((9, classes), -np.inf, dtype)
    labels = np.arange(9) % classes
    logits[np.arange(9), labels] = 3
    losses, gradients = implementation.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    np.testing.assert_array_equal(losses, 0)
    np.testing.assert_array_equal(gradients, 0)
    other = (labels + 1) % classes
    logits[np.arange(9), other] = 3
    losses, gradients = implementation.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(losses, np.log(2), rtol=eps)
    np.testing.assert_allclose(gradients[np.arange(9), labels], -0.5, rtol=eps)
    np.testing.assert_allclose(gradients[np.arange(9), other], 0.5, rtol=eps)


@pytest.mark.parametrize("classes", [2, 12, 60])
@pytest.mark.parametrize("smoothing", [1e-12, 0.1])
def test_smoothed_labels(implementation, classes, smoothing):
    logits, labels = rows_up_to(60.0, 21, classes, np.float64)
    with mpmath.workdps(40):
        s, expected, slopes = mpmath.mpf(smoothing), [], []
        for row, y, r in zip(logits, labels, exact(logits, labels), strict=True):
            log_total, z = mpmath.log1p(r), [mpmath.mpf(v) for v in row]
            rest = mpmath.fsum(v - z[y] for v in z) / classes
            expected.append((1 - s) * log_total + s * (log_total - rest))
            slopes.append(-r / (1 + r) + s - s / classes)
    losses, gradients = implementation.softmax_cross_entropy_and_grad(
        logits, labels, label_smoothing=smoothing, reduction="none"
    )
    assert_near(losses, expected, np.float64)
    np.testing.assert_allclose(
        gradients[np.arange(21), labels], [float(v) for v in slopes], rtol=1e-14, atol=2e-16
    )


@pytest.mark.parametrize("classes", [2, 12, 60])
def test_probabilities_that_are_certain(implementation, classes):
    logits, labels = rows_up_to(30.0, 21, classes, np.float64)
    about = logits, np.eye(classes)[labels]
    losses, gradients = implementation.softmax_cross_entropy_and_grad(*about, reduction="none")
    with mpmath.workdps(40):
        beside = exact(logits, labels)
        # Differences of logits are rounded here.
        assert_near(losses, [mpmath.log1p(r) for r in beside], np.float64, 200)
        assert_near(gradients[np.arange(21), labels], [-r / (1 + r) for r in beside], np.float64, 200)


@DTYPES
@pytest.mark.parametrize("classes", [2, 10, 60])
def test_linear_classifier(implementation, classes, dtype):
    W = np.arange(classes, dtype=dtype)[:, np.newaxis] * dtype(-30)
    X = np.ones((11, 1), dtype)
    loss, gradient = implementation.linear_softmax_loss_and_grad(W, X, np.zeros(11, int))
    with mpmath.workdps(40):
        r = mpmath.fsum(mpmath.exp(-30 * c) for c in range(1, classes))
        assert_near([loss], [mpmath.log1p(r)], dtype, 20 if dtype == np.float64 else 1)
        assert_near(gradient[:1, 0], [-r / (1 + r)], dtype, 20 if dtype == np.float64 else 1)


@DTYPES
@pytest.mark.parametrize("sign", [1, -1])
def test_sigmoid(implementation, sign, dtype):
    z = sign * np.linspace(0, far_of(dtype), 41).astype(dtype)
    y = np.full(41, (1 + sign) // 2)
    losses, gradients = implementation.sigmoid_cross_entropy_and_grad(
        z[:, None], y[:, None], reduction="none"
    )
    with mpmath.workdps(40):
        powers = [mpmath.exp(-mpmath.mpf(abs(float(v)))) for v in z]
        assert_near(losses[:, 0], [mpmath.log1p(r) for r in powers], dtype)
        assert_near(gradients[:, 0], [-sign * r / (1 + r) for r in powers], dtype)


@pytest.mark.parametrize("classes", [3, 10, 48, 49, 200])
def test_threads_share_certain_rows(classes):
    logits, labels = rows_up_to(60.0, 400_000 // classes, classes, np.float64)
    expected = reference.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    losses, gradients = kdexent.softmax_cross_entropy_and_grad(logits, labels, reduction="none")
    np.testing.assert_allclose(losses, expected[0], rtol=5e-15)
    own = np.arange(len(labels)), labels
    np.testing.assert_allclose(gradients[own], expected[1][own], rtol=5e-15)
    np.testing.assert_allclose(kdexent.softmax_cross_entropy(logits, labels), expected[0].mean(), rtol=1e-14)


@pytest.mark.parametrize("rows", [1, 8, 11])
def test_entries_of_other_classes(implementation, rows):
    # The difference of the logits is rounded, and e^-d moves by what that lost.
    row = np.array([-464.410655929025, 117.45010329424152])
    gradient = implementation.softmax_cross_entropy_and_grad([row] * rows, [1] * rows, reduction="sum")[1]
    with mpmath.workdps(40):
        right = float(mpmath.exp(mpmath.mpf(row[0]) - mpmath.mpf(row[1])))
    allowed = 12 if implementation is kdexent else 600  # by the logarithm of the probability
    np.testing.assert_allclose(gradient, np.tile([right, -right], (rows, 1)), rtol=allowed * 2**-52)


@pytest.mark.parametrize("doubt", [1e-20, 1e-10, 1e-4])
def test_probabilities_that_are_nearly_certain(implementation, doubt):
    labels = np.array([[1 - doubt, doubt]])
    gradient = implementation.softmax_cross_entropy_and_grad([[60.0, 0.0]], labels)[1]
    with mpmath.workdps(40):
        beside = mpmath.exp(-60)
        whole = mpmath.mpf(labels[0, 0]) + mpmath.mpf(labels[0, 1])
        own = float(mpmath.mpf(labels[0, 1]) - whole * beside / (1 + beside))
        other = float(whole * beside / (1 + beside) - mpmath.mpf(labels[0, 1]))
    np.testing.assert_allclose(gradient, [[own, other]], rtol=1e-13)
