"""The linear softmax classifier: the definition, scikit-learn's answers, features of all kinds, bad input."""

import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
from allocations import traced
from hypothesis import given
from hypothesis import strategies as st
from problems import differences, layouts
from sklearn._loss import HalfMultinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss

import kdexent
from kdexent import reference

jax.config.update("jax_enable_x64", True)

BOTH = pytest.mark.parametrize("module", [kdexent, reference], ids=["fast", "reference"])
DTYPES = pytest.mark.parametrize("dtype", [np.float64, np.float32])
REDUCTIONS = pytest.mark.parametrize("reduction", ["mean", "sum"])
INF, NAN = np.inf, np.nan


def problem(seed, count, features, classes, dtype=np.float64):
    """Return W, X and labels, with scores of spread 1 or so."""
    rng = np.random.default_rng(seed)
    W = rng.normal(size=(classes, features)) / np.sqrt(features)
    return W.astype(dtype), rng.normal(size=(count, features)).astype(dtype), rng.integers(0, classes, count)


def assert_close(actual, expected, dtype, scale=1.0):
    """Assert equality to some rounding of `dtype`, of what is a sum of `scale` numbers of size 1 or so."""
    tolerance = 32 * np.finfo(dtype).eps
    for part, exact in zip(actual, expected, strict=True):
        assert np.asarray(part).dtype == dtype and np.shape(part) == np.shape(exact)
        np.testing.assert_allclose(part, exact, rtol=tolerance, atol=tolerance * scale)


# The definition, scikit-learn and derivatives.


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize(
    ("count", "features", "classes"),
    [(0, 3, 2), (1, 1, 1), (1, 4, 3), (50, 1, 2), (37, 20, 10), (5, 300, 7), (60, 3, 1000), (30_000, 20, 10)],
)
def test_fast_is_reference(count, features, classes, l2, reduction, dtype):
    W, X, labels = problem(count, count, features, classes, dtype)
    options = {"l2": l2, "reduction": reduction}
    expected = reference.linear_softmax_loss_and_grad(W, X, labels, **options)
    actual = kdexent.linear_softmax_loss_and_grad(W, X, labels, **options)
    assert_close(actual, expected, dtype, 1.0 if reduction == "mean" else max(1, count))
    assert actual[0] == kdexent.linear_softmax_loss(W, X, labels, **options)
    assert expected[0] == reference.linear_softmax_loss(W, X, labels, **options)


@REDUCTIONS
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_it_is_the_softmax_cross_entropy_of_scores(implementation, l2, reduction):
    W, X, labels = problem(1, 200, 6, 5)
    loss, slopes = implementation.softmax_cross_entropy_and_grad(X @ W.T, labels, reduction=reduction)
    expected = loss + l2 / 2 * (W**2).sum(), slopes.T @ X + l2 * W
    actual = implementation.linear_softmax_loss_and_grad(W, X, labels, l2=l2, reduction=reduction)
    assert_close(actual, expected, np.float64, 1 if reduction == "mean" else 200)


@REDUCTIONS
@pytest.mark.parametrize("l2", [0.0, 0.3])
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("classes", [3, 10])
def test_scikit_learn(implementation, classes, sparse, l2, reduction):
    W, X, labels = problem(2, 300, 7, classes)
    X[np.random.default_rng(0).random(X.shape) < 0.5] = 0
    model = LinearModelLoss(base_loss=HalfMultinomialLoss(n_classes=classes), fit_intercept=False)
    # scikit-learn averages over samples.
    scale = 1 if reduction == "mean" else len(X)
    loss, gradient = model.loss_gradient(
        W.ravel(order="F"), X, labels.astype(float), l2_reg_strength=l2 / scale
    )
    expected = scale * loss, scale * gradient.reshape(W.shape, order="F")
    features = scipy.sparse.csr_array(X) if sparse else X
    actual = implementation.linear_softmax_loss_and_grad(W, features, labels, l2=l2, reduction=reduction)
    assert_close(actual, expected, np.float64, scale)


def _jax_loss(W, X, labels, l2, reduction):
    losses = -jax.nn.log_softmax(X @ W.T)[jnp.arange(len(labels)), labels]
    return (losses.mean() if reduction == "mean" else losses.sum()) + l2 / 2 * (W**2).sum()


@REDUCTIONS
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_automatic_differentiation(implementation, l2, reduction):
    W, X, labels = problem(3, 40, 6, 5)
    loss, gradient = jax.value_and_grad(_jax_loss)(jnp.asarray(W), X, labels, l2, reduction)
    actual = implementation.linear_softmax_loss_and_grad(W, X, labels, l2=l2, reduction=reduction)
    assert_close(actual, (loss, np.asarray(gradient)), np.float64, 1 if reduction == "mean" else 40)


@REDUCTIONS
@pytest.mark.parametrize("l2", [0.0, 0.3])
def test_finite_differences(implementation, l2, reduction):
    W, X, labels = problem(4, 30, 3, 4)
    options = {"l2": l2, "reduction": reduction}
    _, gradient = implementation.linear_softmax_loss_and_grad(W, X, labels, **options)
    expected = differences(lambda W: implementation.linear_softmax_loss(W, X, labels, **options), W)
    np.testing.assert_allclose(gradient, expected, rtol=5e-6, atol=1e-11)


def test_scores_of_any_size(implementation):
    W, X, labels = np.array([[1e3, 0], [-1e3, 0], [0, 1]]), np.array([[10.0, 1], [-10, 1]]), [1, 0]
    loss, gradient = implementation.linear_softmax_loss_and_grad(W, X, labels)
    assert loss == pytest.approx(2e4, rel=1e-15)
    np.testing.assert_allclose(gradient, [[10, 0], [-10, 0], [0, 0]], atol=1e-15)


def test_no_samples_leave_the_penalty(implementation):
    W = problem(5, 1, 4, 3)[0]
    for reduction in ("mean", "sum"):
        loss, gradient = implementation.linear_softmax_loss_and_grad(
            W, np.empty((0, 4)), np.empty(0, int), l2=0.5, reduction=reduction
        )
        assert loss == pytest.approx(0.25 * (W**2).sum(), rel=1e-15)
        np.testing.assert_allclose(gradient, 0.5 * W, rtol=1e-15)


@BOTH
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 40),
    features=st.integers(1, 8),
    classes=st.integers(1, 12),
)
def test_the_gradient_sums_to_0_over_classes(module, seed, count, features, classes):
    W, X, labels = problem(seed, count, features, classes)
    loss, gradient = module.linear_softmax_loss_and_grad(W, X, labels)
    np.testing.assert_allclose(gradient.sum(axis=0), 0, rtol=0, atol=1e-14)
    assert (np.abs(gradient) <= np.abs(X).mean(axis=0) + 1e-15).all()
    moved = module.linear_softmax_loss(W + 3.0, X, labels)
    assert moved == pytest.approx(loss, rel=1e-12, abs=1e-13)


# Features of any kind are read where they are; out takes the result.


@DTYPES
@REDUCTIONS
@pytest.mark.parametrize("kind", ["csr_array", "csr_matrix", "csc_array", "coo_array"])
def test_sparse_features(implementation, kind, reduction, dtype):
    W, X, labels = problem(6, 400, 12, 5, dtype)
    X[np.random.default_rng(0).random(X.shape) < 0.8] = 0
    sparse = getattr(scipy.sparse, kind)(X)
    before = sparse.toarray()
    options = {"l2": 0.1, "reduction": reduction}
    expected = implementation.linear_softmax_loss_and_grad(W, X, labels, **options)
    actual = implementation.linear_softmax_loss_and_grad(W, sparse, labels, **options)
    assert_close(actual, expected, dtype, 1 if reduction == "mean" else 400)
    loss = implementation.linear_softmax_loss(W, sparse, labels, **options)
    assert loss == pytest.approx(expected[0], rel=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_array_equal(sparse.toarray(), before)


def test_sparse_features_in_several_blocks():
    rng = np.random.default_rng(7)
    X = scipy.sparse.csr_array(rng.random((40_000, 50)) * (rng.random((40_000, 50)) < 0.1))
    W, labels = rng.normal(size=(20, 50)), rng.integers(0, 20, 40_000)
    expected = reference.linear_softmax_loss_and_grad(W, X.toarray(), labels)
    assert_close(kdexent.linear_softmax_loss_and_grad(W, X, labels), expected, np.float64)


def test_sparse_integers_and_no_entries(implementation):
    W, X, labels = problem(8, 30, 4, 3)
    for dense in (np.sign(X).astype(np.int64), np.zeros(X.shape), np.zeros((0, 4))):
        expected = implementation.linear_softmax_loss_and_grad(W, dense.astype(float), labels[: len(dense)])
        sparse = scipy.sparse.csr_array(dense)
        actual = implementation.linear_softmax_loss_and_grad(W, sparse, labels[: len(dense)])
        assert_close(actual, expected, np.float64)


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
def test_layouts(implementation, layout):
    given_arrays = problem(9, 3_000, 6, 5)
    expected = implementation.linear_softmax_loss_and_grad(*given_arrays)
    others = [layouts(array)[layout] for array in given_arrays]
    assert_close(implementation.linear_softmax_loss_and_grad(*others), expected, np.float64)
    for array, other in zip(given_arrays, others, strict=True):
        np.testing.assert_array_equal(other, array)


@DTYPES
def test_memory_maps(implementation, tmp_path, dtype):
    W, X, labels = problem(10, 5_000, 8, 4, dtype)
    expected = implementation.linear_softmax_loss_and_grad(W, X, labels)
    X.tofile(tmp_path / "X")
    mapped = np.memmap(tmp_path / "X", dtype, "r", shape=X.shape)
    assert_close(implementation.linear_softmax_loss_and_grad(W, mapped, labels), expected, dtype)
    assert_close((implementation.linear_softmax_loss(W, mapped, labels),), expected[:1], dtype)


@pytest.mark.parametrize(("of_W", "of_X"), [("f4", "f8"), ("f8", "f4"), ("f4", "i4"), ("i8", "f8")])
def test_only_float32_beside_float32_is_float32(implementation, of_W, of_X):
    W, X, labels = problem(11, 50, 6, 5)
    W, X = (8 * W).astype(of_W), (4 * X).astype(of_X)
    expected = reference.linear_softmax_loss_and_grad(W.astype(float), X.astype(float), labels)
    assert_close(implementation.linear_softmax_loss_and_grad(W, X, labels), expected, np.float64, 10)


@DTYPES
@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_out(order, dtype):
    W, X, labels = problem(12, 200, 6, 5, dtype)
    loss, expected = kdexent.linear_softmax_loss_and_grad(W, X, labels, l2=0.2)
    out = np.full((5, 12), 7.0, dtype)[:, ::2] if order == "strided" else np.full((5, 6), 7.0, dtype, order)
    actual, gradient = kdexent.linear_softmax_loss_and_grad(W, X, labels, l2=0.2, out=out)
    assert gradient is out and actual == loss
    np.testing.assert_array_equal(out, expected)
    if order == "strided":
        assert (out.base[:, 1::2] == 7).all()


@pytest.mark.parametrize("function", [kdexent.linear_softmax_loss, kdexent.linear_softmax_loss_and_grad])
@pytest.mark.parametrize("kind", ["dense", "float32", "fortran", "mapped", "sparse"])
def test_memory(kind, function, tmp_path):
    W, X, labels = problem(14, 100_000, 20, 10)
    if kind == "float32":
        W, X = W.astype(np.float32), X.astype(np.float32)
    elif kind == "fortran":
        X = np.asfortranarray(X)
    elif kind == "mapped":
        X.tofile(tmp_path / "X")
        X = np.memmap(tmp_path / "X", np.float64, "r", shape=X.shape)
    elif kind == "sparse":
        X[np.random.default_rng(0).random(X.shape) < 0.5] = 0
        X = scipy.sparse.csr_array(X)
    function(W, X[:10], labels[:10])
    with traced():
        function(W, X, labels, l2=0.1)
        _, peak = tracemalloc.get_traced_memory()
    assert peak < 20e6


# Bad input.

W, X, LABELS = problem(0, 6, 4, 3)


def at(array, index, value):
    changed = np.array(array, np.result_type(array, type(value)))
    changed[index] = value
    return changed


def numbers(array):
    """Return what holds no real numbers."""
    return [
        array.astype(complex),
        array.astype(object),
        array.astype(str),
        np.zeros(array.shape, "M8[s]"),
        None,
    ]


# Changed arguments, the exception, and what its message must contain.
CASES = [
    *[({"W": value}, TypeError, r"W must hold real numbers") for value in numbers(W)],
    ({"W": [[1.0, 2.0], [3.0]]}, ValueError, r"W must be a rectangular array"),
    ({"W": W[0]}, ValueError, r"W must have shape \(C, D\).*got \(4,\)"),
    ({"W": W[np.newaxis]}, ValueError, r"W must have shape \(C, D\)"),
    ({"W": 1.0}, ValueError, r"W must have shape \(C, D\)"),
    ({"W": np.empty((0, 4))}, ValueError, r"W must have shape \(C, D\)"),
    ({"W": np.empty((3, 0)), "X": np.empty((6, 0))}, ValueError, r"W must have shape \(C, D\)"),
    ({"W": at(W, (1, 2), NAN)}, ValueError, r"W must be finite, got W\[1, 2\] = nan"),
    ({"W": at(W, (1, 2), INF)}, ValueError, r"W\[1, 2\] = inf"),
    ({"W": at(W, (1, 2), -INF)}, ValueError, r"W\[1, 2\] = -inf"),
    *[({"X": value}, TypeError, r"X must hold real numbers") for value in numbers(X)],
    ({"X": [[1.0, 2.0], [3.0]]}, ValueError, r"X must be a rectangular array"),
    ({"X": X[:, :3]}, ValueError, r"X must have shape \(N, 4\).*got \(6, 3\)"),
    ({"X": X[0]}, ValueError, r"X must have shape \(N, 4\)"),
    ({"X": X[np.newaxis]}, ValueError, r"X must have shape \(N, 4\)"),
    ({"X": 1.0}, ValueError, r"X must have shape \(N, 4\)"),
    ({"X": at(X, (5, 3), NAN)}, ValueError, r"X must be finite, got X\[5, 3\] = nan"),
    ({"X": at(X, (5, 3), INF)}, ValueError, r"X\[5, 3\] = inf"),
    ({"X": at(X, (5, 3), -INF)}, ValueError, r"X\[5, 3\] = -inf"),
    ({"X": at(X, (5, 3), NAN).astype("f4"), "W": W.astype("f4")}, ValueError, r"X\[5, 3\] = nan"),
    ({"X": at(X, (5, 3), INF), "W": at(W, (1, 3), 0.0)}, ValueError, r"X\[5, 3\] = inf"),
    ({"X": scipy.sparse.csr_array(X[:, :3])}, ValueError, r"X must have shape \(N, 4\).*got \(6, 3\)"),
    ({"X": scipy.sparse.csr_array(X.astype(complex))}, TypeError, r"X must hold real numbers"),
    ({"X": scipy.sparse.csr_array(at(X, (5, 3), NAN))}, ValueError, r"X must be finite"),
    ({"X": scipy.sparse.csr_array(at(X, (5, 3), INF))}, ValueError, r"X must be finite"),
    ({"labels": LABELS.astype(float)}, TypeError, r"labels must be integers"),
    ({"labels": LABELS.astype(bool)}, TypeError, r"labels must be integers"),
    ({"labels": LABELS.astype(str)}, TypeError, r"labels must be integers"),
    ({"labels": LABELS.astype(object)}, TypeError, r"labels must be integers"),
    ({"labels": LABELS.astype(complex)}, TypeError, r"labels must be integers"),
    ({"labels": None}, TypeError, r"labels must be integers"),
    ({"labels": np.eye(3)[LABELS]}, TypeError, r"labels must be integers"),
    ({"labels": LABELS[:5]}, ValueError, r"labels must have shape \(6,\), got \(5,\)"),
    ({"labels": LABELS[:, np.newaxis]}, ValueError, r"labels must have shape \(6,\)"),
    ({"labels": 0}, ValueError, r"labels must have shape \(6,\), got \(\)"),
    ({"labels": at(LABELS, 2, 3)}, ValueError, r"labels must lie in 0 \.\. 2, got labels\[2\] = 3"),
    ({"labels": at(LABELS, 2, -1)}, ValueError, r"labels\[2\] = -1"),
    ({"l2": -0.1}, ValueError, r"l2 must be a number that is not negative, got -0.1"),
    ({"l2": NAN}, ValueError, r"l2 must be finite"),
    ({"l2": INF}, ValueError, r"l2 must be finite"),
    ({"l2": [0.1, 0.2]}, ValueError, r"l2 must be a number"),
    ({"l2": "strong"}, TypeError, r"l2 must hold real numbers"),
    ({"l2": None}, TypeError, r"l2 must hold real numbers"),
    ({"l2": 1j}, TypeError, r"l2 must hold real numbers"),
    ({"reduction": "none"}, ValueError, r"reduction must be one of 'mean', 'sum', got 'none'"),
    ({"reduction": None}, TypeError, r"reduction must be one of"),
]
OUT = [
    (W.tolist(), TypeError, r"out must be a NumPy array"),
    (np.zeros((4, 3)), ValueError, r"out must have shape \(3, 4\), got \(4, 3\)"),
    (np.zeros((3, 4), "f4"), TypeError, r"out must have dtype float64, got float32"),
    (np.broadcast_to(0.0, (3, 4)), ValueError, r"out must be writeable"),
]


@pytest.mark.parametrize("name", ["linear_softmax_loss", "linear_softmax_loss_and_grad"])
@pytest.mark.parametrize(
    ("changes", "exception", "message"), CASES, ids=[f"{i}-{'-'.join(c)}" for i, (c, *_) in enumerate(CASES)]
)
def test_bad_arguments(implementation, name, changes, exception, message):
    with pytest.raises(exception, match=message):
        getattr(implementation, name)(**{"W": W, "X": X, "labels": LABELS, **changes})


@pytest.mark.parametrize(("out", "exception", "message"), OUT)
def test_bad_out(out, exception, message):
    with pytest.raises(exception, match=message):
        kdexent.linear_softmax_loss_and_grad(W, X, LABELS, out=out)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_bad_features_are_found_in_any_block(value):
    weights, features, labels = problem(15, 60_000, 20, 10)
    for place in (0, 30_000, 59_999):
        with pytest.raises(ValueError, match=rf"X\[{place}, 7\] = {value}"):
            kdexent.linear_softmax_loss(weights, at(features, (place, 7), value), labels)
