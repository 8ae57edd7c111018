"""The adjoint of every strategy is the transpose of its forward."""

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, random_problem
from strategies import WAYS, make_sums
from tiers import thorough_but_for, thorough_but_for_few

from kdexent.strategies.cells.cell_sums import CellSums
from kdexent.strategies.cells.sorted_sums import SortedSums
from kdexent.strategies.row import Asked, Sums
from kdexent.strategies.sums.blocks import RowData

BINS = {
    "few": {"bins": 7},
    "many": {"bins": 200},
    "edges": {"bins": np.array([1.0, 1.1, 1.7, 2.0, 3.5, 5.0])},
}


def mismatch(sums, row, centers, seed):
    """Return |<A s, y> - <s, At y>| / (|A s| |y|) for the weights s = exp(z - top) and random y.

    With share 0 the gradient by z is -s (At y).
    """
    y = np.random.default_rng(seed).uniform(0, 1, len(centers))
    forward, out = sums.forward(row, Asked(adjoint=True, derivatives=False)), {"z": np.empty(row.points)}
    density = forward.density
    sums.adjoint(row, forward, y, 0.0, out)
    return abs(density @ y + out["z"].sum()) / max(np.linalg.norm(density) * np.linalg.norm(y), 1e-300)


def from_first(centers):
    return centers.min(), centers - centers.min()


@thorough_but_for_few(order=[None])
@pytest.mark.parametrize(("method", "order"), WAYS)
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_adjoint_is_the_transpose(kernel, period, method, order):
    for seed, bins in enumerate(BINS):
        for bandwidth in (0.03, 0.4, 2.5):
            x, z = random_problem(seed, 600, (), period)
            options = BINS[bins] | {"bandwidth": bandwidth, "kernel": kernel, "period": period}
            made = make_sums(x, z, 1.0, 5.0, method, order, **options)
            if made is not None:
                assert mismatch(*made, seed) <= 1e-13


@thorough_but_for(kernel=["gaussian"], period=[None])
@pytest.mark.parametrize("bandwidth", [0.03, 0.4])
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_equal_bins_see_what_each_sees_on_its_own(kernel, period, bandwidth):
    x, z = random_problem(4, 600, (), period)
    options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": 700}
    sums, row, centers = make_sums(x, z, 1.0, 5.0, "cells", None, **options)
    alone = CellSums(sums.plan._replace(stride=0), *from_first(centers))
    y = np.random.default_rng(2).uniform(0, 1, 700)
    found = []
    for way in (sums, alone):
        forward, out = way.forward(row, Asked(True, True)), {"z": np.empty(600), "x": np.empty(600)}
        _, doubt = way.adjoint(row, forward, y, 0.0, out)
        found.append([forward.density, forward.error, forward.widening, out["z"], out["x"], np.array(doubt)])
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-11 * np.abs(expected).max())


@thorough_but_for_few()
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_sorted_points_give_the_sums_of_points_in_any_order(kernel, period):
    x, z = random_problem(3, 5_000, (), period)
    options = {"bandwidth": 0.4, "kernel": kernel, "period": period, "bins": 50}
    sums, row, centers = make_sums(x, z, 1.0, 5.0, "cells", None, **options)
    again = SortedSums(sums.plan, *from_first(centers), x, 1)
    assert again.stored > 0
    assert mismatch(again, row, centers, 0) <= 1e-13
    y = np.random.default_rng(1).uniform(0, 1, 50)
    densities, gradients = [], []
    for way in (sums, again):
        forward, out = way.forward(row, Asked(True, False)), {"z": np.empty(5_000), "x": np.empty(5_000)}
        densities.append(forward.density)
        way.adjoint(row, forward, y, 0.1, out)
        gradients.append(out)
    np.testing.assert_allclose(*densities, rtol=1e-12)
    for name in ("z", "x"):
        expected = gradients[0][name]
        np.testing.assert_allclose(gradients[1][name], expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@thorough_but_for(kernel=["gaussian"], period=[None], bandwidth=[0.4])
@pytest.mark.parametrize("bandwidth", [0.03, 0.4])
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_one_compiled_step_gives_what_its_parts_do(kernel, period, bandwidth):
    # Bins that threads share, and derivatives by h, take the parts.
    x, z = random_problem(5, 3_000, (), period)
    options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": 200}
    sums, _, _ = make_sums(x, z, 1.0, 5.0, "cells", None, **options)
    p, found = np.random.default_rng(2).dirichlet(np.ones(200)), []
    for certified in (CellSums.certified, Sums.certified):
        row, out = RowData(x, z, 1), {"z": np.empty(3_000)}
        forward, certain = certified(sums, row, Asked(True, False), p, 1e-9)
        largest, doubt = sums.adjoint(row, forward, certain.weights, 0.1, out)
        numbers = np.array([certain.loss, certain.relative, certain.weak_bins, largest, doubt])
        found.append([forward.density, forward.error, *certain[:3], out["z"], numbers])
    for value, expected in zip(*found, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-11, atol=1e-11 * np.abs(expected).max())
