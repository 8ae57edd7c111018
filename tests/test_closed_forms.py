"""Problems whose answers are known in closed form."""

import numpy as np
import pytest

import kdexent
from kdexent import reference

BOTH = pytest.mark.parametrize("implementation", [reference, kdexent], ids=["reference", "fast"])
FULL_TURN = 2 * np.pi


@BOTH
def test_one_gaussian(implementation):
    def loss(bins):
        return implementation.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=bins)

    assert loss(8) == pytest.approx(0.4755162458, abs=5e-11)
    assert loss(20_000) == pytest.approx(0.4761672874, abs=5e-10)


@BOTH
@pytest.mark.parametrize("bins", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("shift", [0.0, -1e4])
def test_laplace_on_one_side_is_a_softmax(implementation, bins, shift):
    x = np.array([-1.0, -0.5]) + shift
    loss, gradient = implementation.loss_and_grad(x, [0, 0], 0, 1, bandwidth=0.5, kernel="laplace", bins=bins)
    np.testing.assert_allclose(gradient, [0.2310585786, -0.2310585786], atol=6e-11, rtol=0)
    assert loss == pytest.approx(2.3798854930 - shift / 0.5, abs=5e-11 if shift == 0 else 1e-8)


@BOTH
@pytest.mark.parametrize("bins", [3, 100])
def test_laplace_gradient_is_softmax_minus_softmax(implementation, bins):
    rng = np.random.default_rng(0)
    x, z, h = rng.uniform(-5, 0, 30), rng.normal(size=30), 0.7
    _, gradient = implementation.loss_and_grad(x, z, 0.0, 2.0, bandwidth=h, kernel="laplace", bins=bins)

    def softmax(v):
        return np.exp(v) / np.exp(v).sum()

    np.testing.assert_allclose(gradient, softmax(z) - softmax(z + x / h), rtol=0, atol=1e-15)


@BOTH
@pytest.mark.parametrize("turns", [0, 1, -3, 1000])
def test_von_mises_across_the_seam(implementation, turns):
    def loss(x, a):
        options = {"bandwidth": 0.5, "kernel": "von_mises", "bins": 20_000, "period": FULL_TURN}
        return implementation.loss([x], [0.0], a, a + 0.3, **options)

    turn = FULL_TURN * turns
    for value in (loss(-3.1 + turn, 3.0), loss(-3.1, 3.0 + turn), loss(-3.1 + turn, 3.0 + turn)):
        assert value == pytest.approx(0.2800270736, abs=5e-10)


@BOTH
@pytest.mark.parametrize("kernel", kdexent.KERNELS)
def test_whole_turns_change_nothing(implementation, kernel):
    rng = np.random.default_rng(3)
    x, z = rng.uniform(-3, 3, 30), rng.normal(size=30)
    # Bins that meet no point exactly at a compact kernel's edge.
    options = {"bandwidth": 0.8123, "kernel": kernel, "bins": 16, "period": FULL_TURN}
    loss, gradient = implementation.loss_and_grad(x, z, 2.5, 4.0, **options)
    turned, turned_gradient = implementation.loss_and_grad(
        x + FULL_TURN * rng.integers(-5, 6, 30), z, 2.5 + FULL_TURN, 4.0 + FULL_TURN, **options
    )
    assert turned == pytest.approx(loss, abs=1e-12)
    np.testing.assert_allclose(turned_gradient, gradient, rtol=0, atol=1e-12)


@BOTH
def test_one_hot_is_ordinary_cross_entropy(implementation):
    # Well-separated points are classes, the one bin is the label.
    z = np.array([0.3, -2.0, 1.7, 0.0])
    x = np.array([0.0, 10.0, 20.0, 30.0])
    for label in range(4):
        at = x[label]
        options = {"bandwidth": 1.0, "kernel": "boxcar", "bins": 1}
        loss, gradient = implementation.loss_and_grad(x, z, at - 0.5, at + 0.5, **options)
        S = np.exp(z) / np.exp(z).sum()
        np.testing.assert_allclose(gradient, S - (np.arange(4) == label), rtol=0, atol=5e-16)
        assert loss == pytest.approx(-np.log(S[label]) - np.log(0.5), abs=1e-15)


@BOTH
def test_wide_kernel_on_a_circle_is_uniform(implementation):
    for kernel in kdexent.KERNELS:
        options = {"bandwidth": 1e6, "kernel": kernel, "bins": 2, "period": FULL_TURN}
        loss = implementation.loss([1.0, 2.0], [0.0, 1.0], 0.0, 3.0, **options)
        # A compact kernel covers the circle a whole number of times, give or take one image.
        assert loss == pytest.approx(np.log(FULL_TURN), abs=1e-5)
