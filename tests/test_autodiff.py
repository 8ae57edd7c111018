"""The gradients are those that automatic differentiation finds."""

import jax
import jax.numpy as jnp
import oracle
import pytest
from problems import (
    IDS,
    KERNELS_AND_DOMAINS,
    Rounding,
    assert_gradients_agree,
    assert_losses_agree,
    random_problem,
)
from tiers import FEW, thorough_but_for

import kdexent
from kdexent import reference

jax.config.update("jax_enable_x64", True)

WRT = ("z", "x", "bandwidth")
BANDWIDTHS = [0.3, 1.0, 1.8]


def _on_line(kernel, u):
    shape, u = oracle.KERNELS[kernel], jnp.abs(u)
    if isinstance(shape, oracle.Tailed):
        return jnp.exp(shape.log_value(jnp, u))
    # The inner `where` keeps the branch that is not taken from differentiating to NaN.
    inside = jnp.where(u <= 1, u, 0.0)
    return jnp.where(u <= 1, shape.value(jnp, inside, 1 - inside), 0.0)


def _kernel(kernel, d, h, period):
    if period is None:
        return _on_line(kernel, d / h) / h
    if kernel == "von_mises":
        kappa = (period / (2 * jnp.pi * h)) ** 2
        log_bessel = jnp.log(jax.scipy.special.i0e(kappa))
        return jnp.exp(kappa * (jnp.cos(2 * jnp.pi * d / period) - 1) - log_bessel) / period
    if kernel == "cauchy":
        s = 2 * jnp.pi * h / period
        return jnp.sinh(s) / (period * (jnp.cosh(s) - jnp.cos(2 * jnp.pi * d / period)))
    d = d - period * jnp.round(d / period)
    count = int(oracle.KERNELS[kernel].reach * max(BANDWIDTHS) / period) + 2
    images = period * jnp.arange(-count, count + 1)
    return (_on_line(kernel, (d[..., None] + images) / h) / h).sum(axis=-1)


def _loss(z, x, h, a, b, kernel, bins, period):
    centers = a + (jnp.arange(bins) + 0.5) * (b - a) / bins
    q = _kernel(kernel, centers[:, None] - x, h, period) @ jax.nn.softmax(z)
    return -jnp.log(q).mean()


@thorough_but_for(h=[1.0], implementation=[kdexent])
@thorough_but_for(h=[1.0], kernel=FEW)
@pytest.mark.parametrize("implementation", [reference, kdexent], ids=["reference", "fast"])
@pytest.mark.parametrize("h", BANDWIDTHS)
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_gradients(kernel, period, h, implementation):
    x, z = random_problem(11, 60, (), period)
    expected_loss, expected = jax.value_and_grad(_loss, (0, 1, 2))(z, x, h, 1.0, 5.0, kernel, 24, period)
    options = {"bandwidth": h, "kernel": kernel, "bins": 24, "period": period}

    def exact(x):
        loss, gradients = reference.loss_and_grad(x, z, 1.0, 5.0, wrt=WRT, **options)
        return loss, *gradients

    rounding = Rounding(exact, x)
    loss, gradients = implementation.loss_and_grad(x, z, 1.0, 5.0, wrt=WRT, **options)
    assert_losses_agree(loss, expected_loss, 1e-12, rounding)
    for i, (name, gradient, wanted) in enumerate(zip(WRT, gradients, expected, strict=True)):
        assert_gradients_agree(gradient, wanted, z, h, name, 1e-11, (rounding, i + 1))
