"""Probabilities as labels may have been rounded to any floating-point type, whatever they are stored in."""

import numpy as np
import pytest

import kdexent
from kdexent import reference

FUNCTIONS = ("softmax_cross_entropy", "softmax_cross_entropy_and_grad")
EVERY = pytest.mark.parametrize(
    "function",
    [getattr(module, name) for module in (kdexent, reference) for name in FUNCTIONS],
    ids=[f"{module}-{name}" for module in ("fast", "reference") for name in FUNCTIONS],
)
DTYPES = [np.float16, np.float32, np.float64, np.longdouble]
of_logits = pytest.mark.parametrize("of_logits", [np.float64, np.float32])


def distributions(classes, spread):
    rng = np.random.default_rng(classes)
    return reference.softmax(spread * rng.normal(size=(50, classes)))


@EVERY
@of_logits
@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize("rounded", [np.float16, np.float32])
@pytest.mark.parametrize("classes", [1, 2, 3, 10, 100, 1_000])
def test_rows_rounded_once(function, classes, rounded, stored, of_logits):
    if np.dtype(stored).itemsize < np.dtype(rounded).itemsize:
        return  # twice
    for spread in (0.0, 1.0, 5.0):
        labels = distributions(classes, spread).astype(rounded).astype(stored)
        result = function(np.zeros(labels.shape, of_logits), labels)
        loss = result[0] if isinstance(result, tuple) else result
        assert loss == pytest.approx(np.log(classes), rel=1e-3)


@pytest.mark.parametrize("classes", [2, 1_000])
def test_the_worst_rows_of_halves(classes):
    # Each one as far above what it was rounded from as it can be, and then below.
    whole = np.full(classes, 1 / classes).astype(np.float16)
    for other in (np.nextafter(whole, np.float16(1)), np.nextafter(whole, np.float16(0))):
        middle = (whole.astype(float) + other.astype(float)) / 2
        for p in (whole, other):
            if (middle / middle.sum()).astype(np.float16)[0] == p[0]:
                kdexent.softmax_cross_entropy(np.zeros(classes), p.astype(float) / middle.sum())


@EVERY
@of_logits
@pytest.mark.parametrize("stored", DTYPES)
@pytest.mark.parametrize("total", [1.02, 0.98, 1.002, 0.998, 2.0, 0.0])
@pytest.mark.parametrize("classes", [2, 10, 1_000])
def test_other_sums_are_refused(function, classes, total, stored, of_logits):
    labels = np.full((3, classes), 1 / classes)
    labels[1] *= total
    with pytest.raises(
        ValueError, match=r"sum of labels must be 1 in every row, to 0\.001, got the sum of labels\[1\]"
    ):
        function(np.zeros(labels.shape, of_logits), labels.astype(stored))


@pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("classes", [3, 60])
def test_the_gradient_is_that_of_the_loss(module, smoothing, classes):
    labels = distributions(classes, 2.0).astype(np.float16).astype(float)[:4]
    labels[0] *= 1.0005 / labels[0].sum()
    logits = np.random.default_rng(0).normal(size=labels.shape)
    options = {"reduction": "sum", "label_smoothing": smoothing}
    _, gradient = module.softmax_cross_entropy_and_grad(logits, labels, **options)
    targets = (1 - smoothing) * labels + smoothing / classes
    expected = reference.softmax(logits) * targets.sum(axis=1, keepdims=True) - targets
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-14)
    step = 1e-5 * np.eye(classes)[1]
    up, down = (module.softmax_cross_entropy(logits + s, labels, **options) for s in (step, -step))
    assert (up - down) / 2e-5 == pytest.approx(gradient[:, 1].sum(), rel=1e-6, abs=1e-8)
