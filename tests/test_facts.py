"""The facts about loss and gradient that hold for every problem, kernel and method."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import IDS, KERNELS_AND_DOMAINS, SMOOTH, softmax
from tiers import FEW, thorough_but_for, thorough_but_for_few

import kdexent
from kdexent import reference

IMPLEMENTATIONS = pytest.mark.parametrize("implementation", [reference, kdexent], ids=["reference", "fast"])
ALL = pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
LINE = pytest.mark.parametrize("kernel", [k for k, period in KERNELS_AND_DOMAINS if period is None])


@st.composite
def problems(draw):
    """Return x, z, bandwidth and bins; a compact kernel's reach may end before some bins."""
    points = draw(st.integers(1, 30))
    coordinate = st.floats(-10, 10, allow_subnormal=False)
    logit = st.floats(-50, 50, allow_subnormal=False)
    x = draw(st.lists(coordinate, min_size=points, max_size=points))
    z = draw(st.lists(logit, min_size=points, max_size=points))
    return np.array(x), np.array(z), draw(st.floats(0.05, 20)), draw(st.integers(1, 40))


@thorough_but_for_few()
@IMPLEMENTATIONS
@ALL
@given(problem=problems())
def test_gradient_bounds(kernel, period, implementation, problem):
    x, z, h, bins = problem
    options = {"bandwidth": h, "kernel": kernel, "period": period, "bins": bins}
    loss, gradient = implementation.loss_and_grad(x, z, -2.0, 3.0, **options)
    S = softmax(z)
    assert abs(gradient.sum()) <= 1e-13
    assert (gradient <= S + 1e-14).all()
    assert (gradient >= S - 1 - 1e-14).all()
    assert not np.isnan(loss)


@thorough_but_for_few()
@IMPLEMENTATIONS
@ALL
@given(problem=problems(), constant=st.floats(-1000, 1000))
def test_adding_a_constant_to_the_logits_changes_nothing(kernel, period, implementation, problem, constant):
    x, z, h, bins = problem
    # Adding the constant must not round, or the logits themselves change.
    z, constant = np.round(z * 64) / 64, round(constant)
    options = {"bandwidth": h, "kernel": kernel, "period": period, "bins": bins}
    loss, gradient = implementation.loss_and_grad(x, z, -2.0, 3.0, **options)
    moved, moved_gradient = implementation.loss_and_grad(x, z + constant, -2.0, 3.0, **options)
    assert moved == pytest.approx(loss, rel=1e-13, abs=1e-13)
    np.testing.assert_allclose(moved_gradient, gradient, rtol=0, atol=1e-13)


@thorough_but_for(kernel=FEW)
@IMPLEMENTATIONS
@LINE
@given(problem=problems(), factor=st.sampled_from([2.0**-20, 0.25, 4.0, 2.0**20]))
def test_change_of_units(kernel, implementation, problem, factor):
    # Everything times s divides the density by s: L + log s, and the same gradient by z.
    x, z, h, bins = problem
    options = {"kernel": kernel, "bins": bins}
    loss, gradient = implementation.loss_and_grad(x, z, -2.0, 3.0, bandwidth=h, **options)
    scaled, scaled_gradient = implementation.loss_and_grad(
        factor * x, z, factor * -2.0, factor * 3.0, bandwidth=factor * h, **options
    )
    assert scaled == pytest.approx(loss + np.log(factor), rel=1e-13, abs=1e-12)
    np.testing.assert_allclose(scaled_gradient, gradient, rtol=0, atol=1e-13)


@thorough_but_for_few()
@IMPLEMENTATIONS
@ALL
@given(problem=problems())
def test_doubling_the_points_halves_the_gradient(kernel, period, implementation, problem):
    x, z, h, bins = problem
    options = {"bandwidth": h, "kernel": kernel, "period": period, "bins": bins}
    loss, gradient = implementation.loss_and_grad(x, z, -2.0, 3.0, **options)
    twice, twice_gradient = implementation.loss_and_grad(np.tile(x, 2), np.tile(z, 2), -2.0, 3.0, **options)
    assert twice == pytest.approx(loss, rel=1e-13, abs=1e-13)
    np.testing.assert_allclose(twice_gradient, np.tile(gradient, 2) / 2, rtol=0, atol=1e-13)


@thorough_but_for_few()
@IMPLEMENTATIONS
@ALL
@given(problem=problems(), seed=st.integers(0, 99))
def test_order_and_masked_points_do_not_matter(kernel, period, implementation, problem, seed):
    x, z, h, bins = problem
    options = {"bandwidth": h, "kernel": kernel, "period": period, "bins": bins}
    loss, gradient = implementation.loss_and_grad(x, z, -2.0, 3.0, **options)
    order = np.random.default_rng(seed).permutation(len(x))
    # As many points again, masked: their logits are -inf.
    more_x, more_z = np.append(x[order], x + 0.1), np.append(z[order], np.full(len(x), -np.inf))
    other, other_gradient = implementation.loss_and_grad(more_x, more_z, -2.0, 3.0, **options)
    assert other == pytest.approx(loss, rel=1e-13, abs=1e-13)
    np.testing.assert_allclose(other_gradient[: len(x)], gradient[order], rtol=0, atol=1e-13)
    assert (other_gradient[len(x) :] == 0).all()


@thorough_but_for(kernel=FEW)
@IMPLEMENTATIONS
@pytest.mark.parametrize("kernel", [k for k in SMOOTH if k != "von_mises"])
@given(problem=problems())
def test_divergence_from_a_uniform_target_is_not_negative(kernel, implementation, problem):
    # H(P, Q) = H(P) + KL(P||Q) once the bins resolve the density.
    x, z, h, _ = problem
    h = max(h, 0.3)
    loss = implementation.loss(x, z, -2.0, 3.0, bandwidth=h, kernel=kernel, bins=2000)
    assert loss - np.log(5.0) >= -1e-6


@thorough_but_for_few()
@IMPLEMENTATIONS
@ALL
@given(problem=problems())
def test_log_density_is_what_the_loss_averages(kernel, period, implementation, problem):
    x, z, h, bins = problem
    options = {"bandwidth": h, "kernel": kernel, "period": period}
    centers = -2.0 + (np.arange(bins) + 0.5) * 5.0 / bins
    log_q = implementation.log_density(x, z, centers, **options)
    loss = implementation.loss(x, z, -2.0, 3.0, bins=bins, **options)
    if np.isfinite(loss):
        # At the edge of a compact kernel the last bit of a centre decides what is in reach.
        assert loss == pytest.approx(-log_q.mean(), rel=1e-9, abs=1e-9) or not np.isfinite(log_q).all()
