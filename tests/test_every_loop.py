"""Every compiled loop, on problems so small that it can also run as plain Python or with its indices checked.

NUMBA_DISABLE_JIT=1 and NUMBA_BOUNDSCHECK=1 run these tests in CI; the first measures which lines they reach.
"""

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, Rounding, assert_gradients_agree, assert_losses_agree
from strategies import skip_windows_of_all_points
from tiers import thorough, thorough_but_for, thorough_but_for_few

import kdexent
from kdexent import njit, reference
from kdexent.families import FAMILIES
from kdexent.names import COMPACT, KNOTS
from kdexent.strategies.tails import tail

WRT = ("z", "x", "bandwidth")
WAYS = [
    ("direct", None),
    ("window", None),
    ("cells", 8),
    ("cells", 12),
    ("grid", 1),
    ("grid", 2),
    ("grid", 4),
]
EQUAL, GAUSS = {"bins": 6}, {"bins": 5, "rule": "gauss"}


def data(seed, points, rows=(), period=None, dtype=float):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 3, (*rows, points)) + (0 if period is None else 2 * period)
    return x.astype(dtype), rng.normal(size=(*rows, points)).astype(dtype)


def check(x, z, a, b, method, order, options, plan=False, rtol=1e-9):
    """Compare loss and gradients with the reference; grids to their own error."""
    loss, gradients = reference.loss_and_grad(x, z, a, b, wrt=WRT, **options)
    options = {**options, "method": method, "order": order, "rtol": rtol}
    if plan:
        mine = kdexent.Plan(x, a, b, **options)
        found, by = mine.loss_and_grad(z, wrt=WRT)
        alone, by_z = mine.loss_and_grad(z)
    else:
        found, by = kdexent.loss_and_grad(x, z, a, b, wrt=WRT, **options)
        alone, by_z = kdexent.loss_and_grad(x, z, a, b, **options)
    if method == "grid":
        np.testing.assert_allclose([found, alone], loss, rtol=0.3)
        np.testing.assert_allclose(by_z, gradients[0], atol=0.2 * np.abs(gradients[0]).max())
        return
    # A named order has an error of its own.
    slack = 2e-5 if np.asarray(found).dtype == np.float32 else (1e-4 if order == 8 else 10 * rtol)

    def exact(moved):
        known = {name: value for name, value in options.items() if name not in ("method", "order", "rtol")}
        value, parts = reference.loss_and_grad(moved, z, a, b, wrt=WRT, **known)
        return value, *parts

    rounding = Rounding(exact, x)
    for value in (found, alone):
        assert_losses_agree(value, loss, slack, rounding)
    for index, gradient in zip((0, 1, 2, 0), (*by, by_z), strict=True):
        about = (z, options["bandwidth"], WRT[index], slack, (rounding, index + 1))
        assert_gradients_agree(gradient, gradients[index], *about)


@pytest.mark.parametrize("period", [None, 7.0])
@pytest.mark.parametrize("kernel", [name for name, family in FAMILIES.items() if family.formula.spans])
def test_spans_of_bins(kernel, period):
    x, z = data(3, 30, (3,), period)
    # In the last row points have bins on the edge of their reach, or not, by rounding.
    x[2] = 1.0 + (0.0 if period is None else 2 * period) + np.arange(-30, 60, 3) * (1.5 / 64) / 2
    for bandwidth in (0.1, 1.5 * 5 / 64, 0.3, 2.9):
        check_rows(x, z, bandwidth=bandwidth, kernel=kernel, period=period, bins=64)


def check_rows(x, z, **options):
    loss, gradient = reference.loss_and_grad(x, z, 1.0, 2.5, **options)
    found, by_z = kdexent.loss_and_grad(x, z, 1.0, 2.5, method="direct", **options)
    np.testing.assert_allclose(found, loss, rtol=1e-12)
    np.testing.assert_allclose(by_z, gradient, atol=1e-12)
    np.testing.assert_allclose(kdexent.loss(x, z, 1.0, 2.5, method="direct", **options), loss, rtol=1e-12)


def test_spans_with_ends_on_bins():
    # A point half a spacing from two bins, and as far from the last ones in reach, give or take an ulp.
    spacing = 1.5 / 64
    x = 1.0 + spacing * np.arange(-6.0, 70.0, 0.5) + np.resize([0, 4e-16, -4e-16], 152)
    for reach in (4, 4.5, 5, 5.5):
        check_rows(x, np.sin(x), bandwidth=reach * spacing, kernel="boxcar", bins=64)


@pytest.mark.parametrize(
    ("kernel", "period", "bins"),
    [
        ("triweight", None, 64),
        ("boxcar", 7.0, 16),
        ("gaussian", None, 16),
        ("gaussian", 7.0, 16),
        ("von_mises", 7.0, 16),
    ],
)
def test_pairs_in_reach(kernel, period, bins):
    x, z = data(4, 11, (2,), period)
    x[1] = (0.0 if period is None else 2 * period) + 1.0 + 0.1 * x[1]  # far from some of the bins
    bandwidth = 0.06 if bins == 16 and kernel != "boxcar" else 1.9
    options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": bins}
    check_rows(x, z, **options)
    check_rows(x[1], z, **options)
    check_rows(np.repeat(x, 48, axis=1), np.repeat(z, 48, axis=1), **options)  # more than a chunk


@pytest.mark.parametrize("period", [None, 7.0])
def test_runs_in_reach(period):
    x, z = data(4, 11, (3,), period)
    x[1] = (0.0 if period is None else 2 * period) + 1.0 + 0.1 * x[1]  # far from some of the bins
    x[2] += 3.0  # and from all
    for bandwidth in (0.06, 0.2):
        options = {"bandwidth": bandwidth, "kernel": "gaussian", "period": period, "bins": 43}
        check_rows(x, z, **options)
        check_rows(x[1], z, **options)
    check_rows(np.repeat(x, 48, axis=1), np.repeat(z, 48, axis=1), **{**options, "bandwidth": 0.04})


@thorough_but_for_few(order=[None, 2, 12])
@pytest.mark.parametrize(("method", "order"), WAYS)
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_every_method(kernel, period, method, order):
    skip_windows_of_all_points(kernel, method)
    x, z = data(0, 21, period=period)
    for bandwidth in (0.3, 1.9):
        options = {"bandwidth": bandwidth, "kernel": kernel, "period": period}
        check(x, z, 1.0, 2.5, method, order, {**options, **EQUAL})
        if method == "cells" and order == 8:
            check(x, z, 1.0, 2.5, method, order, {**options, **EQUAL}, plan=True)
        if not (method == "cells" and KNOTS[kernel]):
            check(x, z, 1.0, 2.5, method, order, {**options, **GAUSS})


@thorough_but_for_few()
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_batches_and_single_precision(kernel, period):
    for bandwidth in (0.2, 4.0):
        options = {"bandwidth": bandwidth, "kernel": kernel, "period": period}
        for dtype in (np.float64, np.float32):
            x, z = data(1, 11, (3,), period, dtype)
            check(x, z, 1.0, 2.5, "direct", None, {**options, **EQUAL})
        check(x[0], z, np.array([1.0, 1.1, 1.2]), 2.5, "direct", None, {**options, **GAUSS})


@thorough_but_for(period=[None])
@thorough_but_for(dtype=[np.float64])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("period", [None, 2 * np.pi])
def test_runs_of_equal_bins(period, dtype):
    for kernel in ("gaussian", "laplace", "logistic", "von_mises", "cauchy"):
        if kernel == "von_mises" and period is None:
            continue
        # Rows of fewer points have runs of their own.
        points, bins = (513, 20) if kernel == "gaussian" else (9, 67)
        for bandwidth in (0.4, 1.0, 3.0):
            x, z = data(2, points, period=period, dtype=dtype)
            options = {"bandwidth": bandwidth, "kernel": kernel, "period": period, "bins": bins}
            check(x, z, 0.5, 2.9, "direct", None, options)


FAR = {
    "gaussian": 30.0,
    "laplace": 300.0,
    "logistic": 300.0,
    "cauchy": 300.0,
    "triweight": 3.5,
    "boxcar": 3.5,
}


@pytest.mark.usefixtures("tails")
@thorough_but_for(kernel=["gaussian"], method=["direct", "cells"])
@pytest.mark.parametrize("method", ["direct", "cells", "window"])
@pytest.mark.parametrize("kernel", FAR)
def test_tails(kernel, method):
    skip_windows_of_all_points(kernel, method)
    x, z = data(3, 40)
    z[7] = 800.0 if kernel not in COMPACT else 3.0
    options = {"bandwidth": 0.7, "kernel": kernel, "bins": 4}
    order = 12 if method == "cells" else None
    check(x, z, FAR[kernel], FAR[kernel] + 2.0, method, order, options)
    check(x, z, 2.0, FAR[kernel] + 2.0, method, order, options)


@pytest.mark.usefixtures("tails")
@thorough
@pytest.mark.parametrize("method", ["direct", "cells", "window"])
@pytest.mark.parametrize("kernel", ["gaussian", "logistic"])
def test_tails_on_a_circle(kernel, method):
    x, z = data(3, 40)
    z[7] = 800.0
    options = {"bandwidth": 0.05, "kernel": kernel, "bins": 4, "period": 7.0}
    check(x, z, 3.1, 5.1, method, 12 if method == "cells" else None, options)


@pytest.mark.usefixtures("tails")
@thorough_but_for(kernel=["gaussian"])
@pytest.mark.parametrize("kernel", ["gaussian", "cauchy", "laplace", "triangular"])
def test_many_points_to_a_tail(monkeypatch, kernel):
    # Intervals are interpolated over where they hold many pairs; some thousand are many here.
    monkeypatch.setattr(tail, "_PAIRS", 100)
    x, z = data(4, 700)
    x = np.round(x, 1) + 1e-5 * z
    check(
        x,
        z,
        9.0,
        11.0,
        "window" if kernel != "cauchy" else "cells",
        None,
        {"bandwidth": 0.4 if kernel != "triangular" else 7.0, "kernel": kernel, "bins": 3},
    )


@thorough_but_for(kernel=["gaussian"], period=[None])
@pytest.mark.parametrize(("period", "bandwidth"), [(None, 0.5), (2.7, 1.6)])
@pytest.mark.parametrize("kernel", ["gaussian", "cauchy", "epanechnikov"])
def test_sorted_and_tied_points(kernel, period, bandwidth):
    x, z = np.repeat(np.linspace(0.0, 3.0, 6), 8), data(6, 48)[1]
    options = {"bandwidth": bandwidth, "kernel": kernel, "bins": 6, "period": period}
    check(x, z, 1.0, 2.5, "cells", 8, options)
    check(x, z, 1.0, 2.5, "cells", 8, options, plan=True)


@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "biweight"])
def test_few_bins_that_are_not_certain(kernel):
    x, z = np.linspace(0.0, 3.0, 40), data(3, 40)[1]
    x[20:] += 9.0
    check(x, z, 1.0, 11.5, "cells", 12, {"bandwidth": 0.4, "kernel": kernel, "bins": 9})


@pytest.mark.parametrize("kernel", ["boxcar", "biweight"])
def test_points_where_a_kernel_jumps(kernel):
    # Ends of cells are there: first bin and bandwidth are dyadic.
    x, z = np.arange(0.0, 3.0, 0.125), data(9, 24)[1]
    check(x, z, 0.9375, 2.4375, "cells", None, {"bandwidth": 0.25, "kernel": kernel, "bins": 6})


@thorough
def test_log_density():
    x, z = data(7, 30)
    points = np.array([-400.0, 0.1, 1.0, 2.9, 60.0])
    for kernel in ("gaussian", "cauchy", "tricube"):
        expected = reference.log_density(x, z, points, bandwidth=0.4, kernel=kernel)
        for method in ("direct", "window") if kernel != "cauchy" else ("direct", "cells"):
            found = kdexent.log_density(x, z, points, bandwidth=0.4, kernel=kernel, method=method)
            assert_losses_agree(found, expected, 1e-8)


def test_bad_data_is_found():
    for name, value in (("x", np.nan), ("x", -np.inf), ("z", np.nan), ("z", np.inf)):
        x, z = data(8, 20)
        {"x": x, "z": z}[name][13] = value
        for method, order in WAYS:
            with pytest.raises(ValueError, match=rf"{name}\[13\]"):
                kdexent.loss_and_grad(x, z, 1.0, 2.5, bandwidth=0.3, bins=6, method=method, order=order)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("classes", [1, 3, 10, 60])
def test_rows_of_classes(classes, dtype):
    rng = np.random.default_rng(classes)
    z = rng.normal(size=(11, classes)).astype(dtype)
    y, p = rng.integers(0, classes, 11), reference.softmax(rng.normal(size=z.shape)).astype(dtype)
    close = {"rtol": 1e-12, "atol": 1e-13} if dtype == np.float64 else {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(kdexent.softmax(z), reference.softmax(z), **close)
    np.testing.assert_allclose(kdexent.log_softmax(z), reference.log_softmax(z), **close)
    weights = rng.uniform(size=11)
    for labels in (y, p):
        for options in ({}, {"label_smoothing": 0.1, "reduction": "none"}, {"sample_weight": weights}):
            expected = reference.softmax_cross_entropy_and_grad(z, labels, **options)
            found = kdexent.softmax_cross_entropy_and_grad(z, labels, **options)
            alone = kdexent.softmax_cross_entropy(z, labels, **options)
            for value, exact in zip((*found, alone), (*expected, expected[0]), strict=True):
                np.testing.assert_allclose(value, exact, **close)
    for options in ({}, {"reduction": "none"}, {"sample_weight": weights, "label_smoothing": 0.1}):
        expected = reference.sigmoid_cross_entropy_and_grad(z, p, **options)
        for value, exact in zip(
            kdexent.sigmoid_cross_entropy_and_grad(z, p, **options), expected, strict=True
        ):
            np.testing.assert_allclose(value, exact, **close)
    q = reference.softmax(z)
    for name, arguments in (("entropy", (p,)), ("cross_entropy", (p, q)), ("kl_divergence", (p, q))):
        found, expected = (getattr(module, name)(*arguments) for module in (kdexent, reference))
        np.testing.assert_allclose(found, expected, **close)


def test_bad_rows_of_classes_are_found():
    for classes in (3, 60):
        for value in (np.nan, np.inf):
            z = np.zeros((9, classes))
            z[4, 2] = value
            with pytest.raises(ValueError, match=r"\[4, 2\]"):
                kdexent.softmax_cross_entropy(z, np.zeros(9, int))
            with pytest.raises(ValueError, match=r"\[4, 2\]"):
                kdexent.sigmoid_cross_entropy(z, np.zeros((9, classes)))


@pytest.mark.parametrize(("kernel", "period"), [("laplace", None), ("laplace", 7.0), ("gaussian", 7.0)])
def test_rows_of_compiled_code(kernel, period):
    domain = "line" if period is None else "circle"
    row, densities = (make(kernel, domain=domain) for make in (njit.row_loss_and_grad, njit.row_log_density))
    x, z = data(3, 20, (), period)
    x[0] += 0.5
    equal = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0])
    for bandwidth, edges in (
        (0.3, equal),
        (0.01, equal),
        (0.3, np.sqrt(3.0 * equal)),
        (0.001, equal + 3.5),
        (2.0, equal),
    ):
        options = {"kernel": kernel, "bandwidth": bandwidth, "period": period}
        bins = {"bins": edges, "target": np.arange(6.0)}
        expected, gradient = reference.loss_and_grad(x, z, edges[0], edges[-1], **options, **bins)
        centers, by_z, log_q = 0.5 * (edges[1:] + edges[:-1]), np.empty(20), np.empty(6)
        fixed, workspace = (
            (bins["target"], bandwidth, period or 0.0),
            np.empty(njit.workspace_size(kernel, 20, 6)),
        )
        assert row(x, z, centers, *fixed, by_z, workspace) == pytest.approx(expected, rel=1e-11)
        np.testing.assert_allclose(by_z, gradient, rtol=1e-9, atol=1e-13)
        densities(x, z, centers, *fixed, log_q, workspace)
        np.testing.assert_allclose(
            log_q, reference.log_density(x, z, centers, **options), rtol=1e-11, atol=1e-11
        )
    if kernel == "laplace" and period is not None:  # points beside the place where bins begin and end
        for first, last, at in ((0.0, 2.0 * np.pi, -1e-16), (-1.0, 0.0, 5e-17)):
            centers, log_q, width = np.linspace(first, last, 101), np.empty(101), last - first
            x[:3] = at
            densities(
                x, z, centers, np.ones(101), 0.3, width, log_q, np.empty(njit.workspace_size(kernel, 20, 101))
            )
            expected = reference.log_density(x, z, centers, kernel=kernel, bandwidth=0.3, period=width)
            np.testing.assert_allclose(log_q, expected, rtol=1e-11, atol=1e-11)
        centers = 0.5 * (edges[1:] + edges[:-1])
    bad = (x, z[1:]), (x * np.inf, z), (x, z * np.nan), (x, np.full(20, -np.inf))
    for points in bad:
        with pytest.raises(ValueError, match=r"x|z"):
            row(*points, centers, *fixed, by_z, workspace)
