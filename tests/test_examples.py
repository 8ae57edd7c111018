"""The examples that train a classifier and learn a KDE's weights reach the optimum, and draw it."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import zarr
from threadpoolctl import threadpool_limits

import kdexent

EXAMPLES = Path(__file__).parents[1] / "examples"
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(scope="module", autouse=True)
def one_blas_thread():
    """Tests beside these use the other cores; small products on several threads would wait for them."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture(scope="module")
def classifier():
    return runpy.run_path(str(EXAMPLES / "train_linear_softmax.py"))


@pytest.fixture(scope="module")
def gun():
    return runpy.run_path(str(EXAMPLES / "learn_kde_weights.py"))


def test_classifier_agrees_with_scikit_learn(classifier):
    X, labels = classifier["digits"](600)
    W, history = classifier["train_lbfgs"](X, labels)
    passes, losses = history.T
    assert np.all(np.diff(passes) > 0) and np.all(np.diff(losses) < 1e-14)
    coefficients, loss = classifier["compare_with_scikit_learn"](W, X, labels)
    assert coefficients < 1e-3 and loss < 1e-8
    assert classifier["accuracy"](W, X, labels) > 0.97


def test_gradient_descent_approaches_the_optimum(classifier, tmp_path):
    X, labels = classifier["digits"](600)
    _, best = classifier["train_lbfgs"](X, labels)
    W, history = classifier["train_gradient_descent"](X, labels, epochs=30)
    above = history[:, 1] - best[-1, 1]
    assert 0 < above[-1] < above[0] / 10
    assert classifier["accuracy"](W, X, labels) > 0.95
    picture = tmp_path / "losses.png"
    classifier["draw"]({"L-BFGS": best, "gradient descent": history}, picture)
    assert picture.read_bytes().startswith(PNG)


def test_kde_weights_have_the_right_gradient(gun):
    situations = gun["simulate"](50, points=30)
    w = np.array([5.0, 10.0, 1.0, -1.0, 2.0])
    _, gradient = gun["loss_and_grad"](w, situations)
    for direction, slope in zip(1e-5 * np.eye(len(w)), gradient, strict=True):
        after, before = (gun["loss_and_grad"](w + step, situations)[0] for step in (direction, -direction))
        assert (after - before) / 2e-5 == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_kde_weights_are_those_of_jax(gun):
    situations, w = gun["simulate"](20, points=30), np.array([5.0, 10.0, 1.0, -1.0, 2.0])
    loss, gradient = gun["loss_and_grad"](w, situations)
    of_jax, by_w = gun["of_jax"](situations)(w)
    assert loss == pytest.approx(of_jax, rel=1e-12)
    np.testing.assert_allclose(gradient, by_w, atol=1e-12)


def test_kde_weights_aim_better_at_unseen_situations(gun, tmp_path):
    training, held_out = gun["simulate"](400, points=50, seed=0), gun["simulate"](400, points=50, seed=1)
    weights = gun["learn"](lambda w: gun["loss_and_grad"](w, training), 5, iterations=15)
    w, history = weights[-1], gun["losses_of"](weights, training, held_out)
    assert np.all(np.diff(history[:, 0]) < 0)
    assert np.all(history[-1] < history[0] - 0.5)
    assert gun["hit_probability"](w, held_out) > 2 * gun["hit_probability"](0 * w, held_out)
    picture = tmp_path / "densities.png"
    gun["draw"](w, history, held_out, picture)
    assert picture.read_bytes().startswith(PNG)


def test_points_are_streamed_from_a_disk(tmp_path):
    example = runpy.run_path(str(EXAMPLES / "stream_from_zarr.py"))
    example["write_data"](tmp_path, 30_000, 7_000)
    loss = example["step"](tmp_path, 7_000)
    x, z, g = (zarr.open_array(str(tmp_path / f"{name}.zarr"), mode="r")[:] for name in "xzg")
    assert (x.dtype, z.dtype, g.shape) == (np.float32, np.float32, (30_000,))
    expected, gradient = kdexent.loss_and_grad(x, z, **example["TARGET"])
    assert loss == pytest.approx(float(expected), rel=1e-6)
    np.testing.assert_allclose(g, gradient, rtol=0, atol=5e-5 * np.abs(gradient).max())
