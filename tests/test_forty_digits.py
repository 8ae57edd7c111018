"""Reference and fast agree with the definition evaluated at 40 digits."""

import numpy as np
import oracle
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, assert_gradients_agree, assert_losses_agree

import kdexent
from kdexent import reference
from kdexent.names import COMPACT

WRT = ("z", "x", "bandwidth")
X = np.array([0.4, 1.3, 1.9, 2.45])
Z = np.array([0.3, -1.1, 0.7, 0.05])
A, B = 0.5, 2.3
TARGET = np.array([1.0, 2.0, 0.5, 1.5])


def bandwidths(kernel, period):
    """Return narrow to wide ones, across every change of formula on the circle."""
    if period is None:
        return [0.5, 2.0] if kernel in COMPACT else [0.05, 0.5, 20.0]
    return [0.5, 1.57, 3.5, 20.0, 30.0] if kernel in COMPACT else [0.02, 0.5, 1.4, 1.6, 3.0, 20.0]


@pytest.mark.parametrize("implementation", [reference, kdexent], ids=["reference", "fast"])
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_loss_and_gradients(kernel, period, implementation):
    centers = A + (np.arange(4) + 0.5) * (B - A) / 4
    for h in bandwidths(kernel, period):
        expected_loss, *expected = oracle.loss_and_grad(
            X, Z, centers, TARGET / TARGET.sum(), h, kernel, period
        )
        options = {"bandwidth": h, "kernel": kernel, "bins": 4, "target": TARGET, "period": period}
        loss, gradients = implementation.loss_and_grad(X, Z, A, B, wrt=WRT, **options)
        assert_losses_agree(loss, expected_loss, 2e-14 * max(1, 1 / h))
        for name, gradient, exact in zip(WRT, gradients, expected, strict=True):
            # A distance of 1 is 1/h bandwidths, known to eps/h.
            assert_gradients_agree(gradient, exact, Z, h, name, 1e-14 * max(10, 1 / h**2))


@pytest.mark.parametrize("implementation", [reference, kdexent], ids=["reference", "fast"])
@pytest.mark.parametrize("kappa", [1e-6, 0.1, 5.0, 19.9, 20.1, 1e3, 1e8])
def test_von_mises_over_all_concentrations(kappa, implementation):
    period = 2 * np.pi
    h = period / (2 * np.pi * np.sqrt(kappa))
    x = np.array([0.0, 1.5]) * min(1.0, h)
    width = 0.5 * min(1.0, h)
    centers = -width + (np.arange(4) + 0.5) * (2 * width) / 4
    expected_loss, *expected = oracle.loss_and_grad(
        x, Z[:2], centers, np.full(4, 0.25), h, "von_mises", period
    )
    options = {"bandwidth": h, "kernel": "von_mises", "bins": 4, "period": period}
    loss, gradients = implementation.loss_and_grad(x, Z[:2], -width, width, wrt=WRT, **options)
    assert_losses_agree(loss, expected_loss, 1e-14)
    for name, gradient, exact in zip(WRT, gradients, expected, strict=True):
        assert_gradients_agree(gradient, exact, Z[:2], h, name, 1e-13)
