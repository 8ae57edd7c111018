"""The fast implementation computes what the reference does, for every kernel in every shape."""

import numpy as np
import pytest
from problems import (
    IDS,
    KERNELS_AND_DOMAINS,
    Rounding,
    assert_gradients_agree,
    assert_losses_agree,
    random_problem,
)
from strategies import KEEPING
from tiers import thorough_but_for, thorough_but_for_few

import kdexent
from kdexent import reference

WRT = ("z", "x", "bandwidth")
RTOL = {np.float64: 1e-11, np.float32: 1e-5}

# Shapes of x, z, a and bandwidth: one row, rows of everything, one data set under many logits, and
# dimensions that broadcast against each other.
SHAPES = {
    "row": ((), (), (), ()),
    "rows": ((3,), (3,), (3,), (3,)),
    "shared data": ((), (3,), (), ()),
    "shared logits": ((3,), (), (), (3,)),
    "grid": ((2, 1), (1, 3), (3,), (2, 1)),
}
BINS = {
    "one bin": {"bins": 1},
    "few bins": {"bins": 5},
    "many bins": {"bins": 70},
    "gauss": {"bins": 12, "rule": "gauss"},
    "edges": {"bins": np.array([1.0, 1.1, 1.7, 2.0, 3.5, 5.0])},
    "target": {"bins": 9, "target": np.array([1, 0, 2, 3, 0.5, 0, 1, 1, 4.0])},
}
BANDWIDTHS = {None: (0.02, 0.3, 5.0), 2 * np.pi: (0.02, 0.3, 1.2, 2.0, 4.0, 30.0)}


def make(shape, bins, period, dtype, seed):
    x_rows, z_rows, a_rows, h_rows = SHAPES[shape]
    rng = np.random.default_rng(seed)
    x, _ = random_problem(seed, 40, x_rows, period, dtype)
    _, z = random_problem(seed + 1, 40, z_rows, period, dtype)
    options = dict(BINS[bins])
    a, b = np.full(a_rows, 1.0), np.full(a_rows, 5.0)
    if bins != "edges":
        a, b = a + rng.uniform(-0.1, 0.1, a_rows), b + rng.uniform(-0.1, 0.1, a_rows)
    return x, z, a, b, rng.uniform(0.9, 1.1, h_rows), options


# Every method but the one whose errors are documented instead of promised: those that take all pairs of so
# few, which a kernel compiles in a second or two, and those that compile more.
ALL_PAIRS = ("auto", "direct")
FASTER = tuple(method for method in KEEPING if method not in ALL_PAIRS)
METHODS = (*ALL_PAIRS, *FASTER)


def applies(method, options):
    """Whether a method applies to these options; the error that says it does not names others."""
    try:
        kdexent.loss(
            [2.0], [0.0], 1.0, 5.0, method=method, **options | {"bandwidth": np.max(options["bandwidth"])}
        )
    except ValueError as error:
        assert str(error).startswith(f"method {method!r} needs") and "use one of" in str(error)
        return False
    return True


def check(x, z, a, b, options, dtype, method="auto"):
    """Compare loss, all gradients, the z-gradient by itself and the loss by itself."""
    options = options | {"method": method, "rtol": RTOL[dtype] / 10}

    def exact(x):
        known = {name: value for name, value in options.items() if name not in ("method", "rtol")}
        loss, gradients = reference.loss_and_grad(x, z, a, b, wrt=WRT, **known)
        return loss, *gradients

    expected_loss, *expected = exact(x)
    rounding = Rounding(exact, x)
    loss, gradients = kdexent.loss_and_grad(x, z, a, b, wrt=WRT, **options)
    loss_again, by_z = kdexent.loss_and_grad(x, z, a, b, **options)
    alone = kdexent.loss(x, z, a, b, **options)
    for value in (loss, loss_again, alone):
        assert np.asarray(value).dtype == dtype
        assert_losses_agree(value, expected_loss, RTOL[dtype], rounding)
    for index, gradient in zip((0, 1, 2, 0), (*gradients, by_z), strict=True):
        assert np.asarray(gradient).dtype == dtype
        about = (expected[index], z, options["bandwidth"], WRT[index], RTOL[dtype], (rounding, index + 1))
        assert_gradients_agree(gradient, *about)


@thorough_but_for(methods=[ALL_PAIRS], shape=["rows"], bins=["few bins", "gauss"], dtype=[np.float64])
@thorough_but_for_few(shape=["row", "grid"], bins=["target", "edges"], dtype=[np.float64])
@thorough_but_for(kernel=["gaussian"], period=[None], shape=["row"], bins=["many bins"])
@pytest.mark.parametrize("methods", [ALL_PAIRS, FASTER], ids="-".join)
@pytest.mark.parametrize("dtype", RTOL, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize("bins", BINS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_loss_and_gradients(kernel, period, shape, bins, dtype, methods):
    for seed, bandwidth in enumerate(BANDWIDTHS[period]):
        x, z, a, b, factor, options = make(shape, bins, period, dtype, seed)
        options |= {"kernel": kernel, "period": period, "bandwidth": bandwidth * factor}
        for method in methods:
            if applies(method, options):
                check(x, z, a, b, options, dtype, method)


@pytest.mark.parametrize("wrt", ["z", "x", "bandwidth", ("x",), ("bandwidth", "z"), ("x", "bandwidth", "z")])
def test_gradients_come_in_the_order_asked_for(wrt):
    x, z = random_problem(0)
    options = {"bandwidth": 0.3, "bins": 20}
    _, everything = kdexent.loss_and_grad(x, z, 1, 5, wrt=WRT, **options)
    by_name = dict(zip(WRT, everything, strict=True))
    for implementation in (kdexent, reference):
        _, gradient = implementation.loss_and_grad(x, z, 1, 5, wrt=wrt, **options)
        assert isinstance(gradient, tuple) == isinstance(wrt, tuple)
        names, gradients = ((wrt,), (gradient,)) if isinstance(wrt, str) else (wrt, gradient)
        for name, part in zip(names, gradients, strict=True):
            np.testing.assert_allclose(part, by_name[name], rtol=1e-11, atol=1e-14)


@thorough_but_for_few()
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
@pytest.mark.parametrize("rows", [(), (3,)], ids=["row", "rows"])
def test_log_density(kernel, period, rows):
    x, z = random_problem(5, 40, rows, period)
    points = np.random.default_rng(6).uniform(-8, 14, (*rows, 33))
    for bandwidth in (0.01, 0.4, 2.0, 9.0):
        options = {"bandwidth": bandwidth, "kernel": kernel, "period": period}
        expected = reference.log_density(x, z, points, **options)
        for method in METHODS:
            try:
                log_q = kdexent.log_density(x, z, points, method=method, rtol=1e-12, **options)
            except ValueError as error:
                assert str(error).startswith(f"method {method!r} needs")
                continue
            assert_losses_agree(log_q, expected, 1e-11)


def test_log_density_has_no_limit_on_points():
    x, z = random_problem(1)
    points = np.linspace(0, 6, 2**16 + 5)
    log_q = kdexent.log_density(x, z, points, bandwidth=0.2)
    last = kdexent.log_density(x, z, points[-9:], bandwidth=0.2)
    np.testing.assert_allclose(log_q[-9:], last, rtol=0, atol=1e-9)


@thorough_but_for(kernel=["gaussian"], period=[None])
@pytest.mark.parametrize("dtype", RTOL, ids=lambda dtype: dtype.__name__)
@pytest.mark.parametrize(
    ("points", "bins", "bandwidth"), [(70_000, 64, 0.05), (3_000, 3_000, 0.05), (30_000, 100, 1e-3)]
)
@pytest.mark.parametrize(
    ("kernel", "period"),
    [("gaussian", None), ("gaussian", 2 * np.pi), ("logistic", None), ("tricube", 2 * np.pi)],
)
def test_rows_of_many_blocks(kernel, period, points, bins, bandwidth, dtype):
    x, z = random_problem(2, points, (), period, dtype)
    options = {"bandwidth": bandwidth, "bins": bins, "kernel": kernel, "period": period}
    check(x, z, 1.0, 5.0, options, dtype)


def test_batch_of_many_tiles():
    x, z = random_problem(3, 60, (4_000,))
    a = np.random.default_rng(4).uniform(0, 3, 4_000)
    expected_loss, expected = reference.loss_and_grad(x, z, a, a + 1, bandwidth=0.2, bins=24)
    loss, gradient = kdexent.loss_and_grad(x, z, a, a + 1, bandwidth=0.2, bins=24)
    assert_losses_agree(loss, expected_loss, 1e-12)
    assert_gradients_agree(gradient, expected, z, 0.2, "z", 1e-12)
