"""No floating-point exception and no warning comes out of a call, whatever np.errstate is around it.

Every test runs with warnings as errors.
"""

import threading

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS
from public_calls import CALLS, arrays_of, call, plan_loss_and_grad
from tiers import thorough_but_for_few

import kdexent
from kdexent import reference

STATES = ("raise", "warn", "call", "print", "log")

INF, TINY, HUGE = np.inf, 1e-310, 1e307


def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("name", CALLS)
def test_good_input(name):
    expected = None if name == "choose" else arrays_of(call(name))
    with np.errstate(all="raise"):
        found = call(name)
        assert set(np.geterr().values()) == {"raise"}
    if expected is not None:
        for array, right in zip(arrays_of(found), expected, strict=True):
            np.testing.assert_array_equal(array, right)


def extremes(shape):
    """Return logits and masses at the ends of what numbers can be."""
    logits = rng().choice([-HUGE, -745.0, -TINY, 0.0, TINY, 745.0, HUGE], shape)
    masked = np.where(rng().random(shape) < 0.3, -INF, logits)
    masked[..., 0] = 0.0
    return {"large": logits, "masked": masked, "tiny": TINY * rng().random(shape)}


CLASSIFIERS = [
    name for name, (_, given) in CALLS.items() if "logits" in given or ("z" in given and "x" not in given)
]
MASSES = [name for name, (_, given) in CALLS.items() if "p" in given]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", extremes((1, 1)))
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_extreme_logits(name, kind, dtype):
    shape = 300, 4
    logits = extremes(shape)[kind]
    if dtype == np.float32:
        logits = np.where(np.isinf(logits), logits, np.clip(logits, -3e38, 3e38)).astype(dtype)
    changes = {"z" if "z" in CALLS[name][1] else "logits": logits}
    if "labels" in CALLS[name][1]:
        single = CALLS[name][1]["labels"].ndim == 1
        labels = rng().integers(0, 4, 300) if single else rng().choice([0.0, TINY, 1.0], shape)
        changes |= {
            "labels": labels,
            "sample_weight": rng().choice([0.0, TINY, 1.0], 300),
            "label_smoothing": 0.0,
        }
    with np.errstate(all="raise"):
        call(name, **changes)


@pytest.mark.parametrize("name", MASSES)
def test_extreme_masses(name):
    changes = {
        key: rng().choice([0.0, TINY, 1.0, 1e300], (300, 5)) for key in ("p", "q") if key in CALLS[name][1]
    }
    with np.errstate(all="raise"):
        call(name, **changes)


@pytest.mark.parametrize("name", [name for name, (_, given) in CALLS.items() if "W" in given])
def test_extreme_features(name):
    features = rng().choice([0.0, TINY, -1e150, 1e150], (300, 5))
    with np.errstate(all="raise"):
        call(
            name,
            W=rng().choice([0.0, TINY, -1e150, 1e150], (4, 5)),
            X=features,
            labels=rng().integers(0, 4, 300),
        )


def data(kind, points):
    """Return x, z, a, b and h of one kind."""
    x, z = rng().uniform(0, 5, points), rng().normal(size=points)
    return {
        "plain": (x, z, 1.0, 4.0, 0.3),
        "logits": (x, extremes(points)["masked"], 1.0, 4.0, 0.3),
        "far": (x, z, 1e5, 1e5 + 3, 0.3),
        "narrow": (x, z, 1.0, 4.0, 1e-9),
        "wide": (x, z, 1.0, 4.0, 50.0),
        "small units": (1e-100 * x, z, 1e-100, 4e-100, 3e-101),
        "large units": (1e100 * x, z, 1e100, 4e100, 3e99),
        "single": (x.astype(np.float32), np.float32(300) * z.astype(np.float32), 1.0, 4.0, 0.3),
    }[kind]


@thorough_but_for_few()
@pytest.mark.parametrize(
    "kind", ["plain", "logits", "far", "narrow", "wide", "small units", "large units", "single"]
)
@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_every_kernel_and_method(kernel, period, kind):
    x, z, a, b, h = data(kind, 200)
    if period is not None:  # a circle of the same share of the data everywhere
        period *= (b - a) / 3
    options = {"bandwidth": h, "kernel": kernel, "period": period}
    names = "z", "x", "bandwidth"
    at = np.linspace(a, b, 8)
    with np.errstate(all="raise"):
        reference.loss_and_grad(x, z, a, b, bins=8, wrt=names, **options)
        reference.log_density(x, z, at, **options)
        for method in kdexent.METHODS:
            options["method"] = method
            for bins in (8, 400):  # few pairs go the direct way
                where_it_applies(kdexent.loss_and_grad, x, z, a, b, bins=bins, wrt=names, **options)
            where_it_applies(kdexent.log_density, x, z, at, **options)
            where_it_applies(plan_loss_and_grad, x, z, a, b, bins=400, **options)


def where_it_applies(function, *given, method, **options):
    try:
        function(*given, method=method, **options)
    except ValueError as error:
        if not str(error).startswith(f"method {method!r} needs"):
            raise


@pytest.mark.parametrize("state", STATES)
def test_every_state(state):
    heard = []
    with np.errstate(all=state, call=lambda *about: heard.append(about)):
        kdexent.loss_and_grad(np.arange(5.0), [-INF, 0.0, 1e3, -1e3, 1.0], 0, 1, bandwidth=1e-3)
        reference.loss_and_grad(np.arange(5.0), [-INF, 0.0, 1e3, -1e3, 1.0], 0, 1, bandwidth=1e-3)
    assert not heard


def test_several_threads_keep_their_states():
    """A state that one call left to another would show after some of many."""
    x, z = rng().normal(size=(2, 20_000))
    states = []

    def calls(state):
        with np.errstate(all=state):
            for _ in range(20):
                kdexent.loss(x, 300 * z, 3.0, 5.0, bandwidth=0.1, bins=64)
                states.append((state, set(np.geterr().values())))

    threads = [
        threading.Thread(target=calls, args=(state,)) for state in ("raise", "ignore", "warn", "print")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(states) == 80 and all(found == {state} for state, found in states)


def test_helpers_are_quiet():
    x, z = rng().normal(size=(2, 300_000))
    with np.errstate(all="raise"):
        for method in ("direct", "cells"):
            kdexent.loss_and_grad(x, 300 * z, 5.0, 9.0, bandwidth=0.1, bins=64, method=method)


def test_the_state_returns_after_an_error():
    with np.errstate(all="raise"):
        with pytest.raises(ValueError, match="bandwidth"):
            kdexent.loss([0.0], [0.0], 0, 1, bandwidth=-1)
        assert set(np.geterr().values()) == {"raise"}
