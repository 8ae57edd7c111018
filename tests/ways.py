"""Every way there is to compute one row's loss and gradients, and how an answer compares with 40 digits."""

from __future__ import annotations

import mpmath as mp
import numpy as np
import oracle
import pytest
from strategies import KEEPING

import kdexent
from kdexent import reference
from kdexent.arguments.problem import loss_problem
from kdexent.names import FACTS, KNOTS
from kdexent.strategies.cells.layout import MOST_CELLS

WRT = ("z", "x", "bandwidth")
EPS = np.finfo(float).eps


def _called(method):
    def way(x, z, a, b, **options):
        return kdexent.loss_and_grad(x, z, a, b, wrt=WRT, method=method, **options)

    return way


def _planned(method):
    def way(x, z, a, b, **options):
        return kdexent.Plan(x, a, b, method=method, **options).loss_and_grad(z, wrt=WRT)

    return way


def _as_a_row_of_three(x, z, a, b, **options):
    """Return the middle row of a batch: the others have their logits the other way round."""
    rows = np.stack([z[::-1], z, z[::-1]])
    loss, gradients = kdexent.loss_and_grad(x, rows, a, b, wrt=WRT, **options)
    return loss[1], tuple(gradient[1] for gradient in gradients)


def _reference(x, z, a, b, **options):
    return reference.loss_and_grad(x, z, a, b, wrt=WRT, **options)


WAYS = {
    "reference": _reference,
    **{method: _called(method) for method in KEEPING},
    "planned cells": _planned("cells"),
    "plan": _planned("auto"),
    "batch": _as_a_row_of_three,
}


# What the promise is for each, of gradients and of the loss: rtol = 1e-9 where no other is asked for, and
# rounding for all pairs.
PROMISE = {way: (1e-12, 2e-14) if way in ("reference", "direct") else (1e-9, 1e-9) for way in WAYS}


def solve(way, x, z, a, b, **options):
    """Return the loss and the gradients by z, x and h; None where a method says that it does not apply."""
    try:
        return WAYS[way](x, z, a, b, **options)
    except ValueError as error:
        refusal(error, options.get("kernel", "gaussian"))
        return None


def solve_or_skip(way, x, z, a, b, **options):
    """Return what `solve` does; skip the test, with the method's own reason, where it does not apply."""
    try:
        return WAYS[way](x, z, a, b, **options)
    except ValueError as error:
        # A reason that is not true of the kernel is an error, and no skip.
        pytest.skip(refusal(error, options.get("kernel", "gaussian")))


def refusal(error, kernel):
    """Return the reason that a method gives for not applying; raise an error that is none, or is not true."""
    reasons = {
        "method 'window' needs a kernel with a reach": FACTS[kernel].heavy,
        "method 'cells' needs equal bins": len(KNOTS[kernel]) > 0,
        f"method 'cells' needs more than {MOST_CELLS} cells": True,
    }
    if not any(true and str(error).startswith(reason) for reason, true in reasons.items()):
        raise error
    return str(error).split(";")[0]


def assert_all_agree(ways, x, z, a, b, **options):
    """Assert that each of the ways that applies to a row keeps its promise."""
    exact = exactly(x, z, a, b, **options)
    for way in ways:
        found = solve(way, x, z, a, b, **options)
        if found is not None:
            assert_agrees(way, found, exact, z, options["bandwidth"])


def exactly(x, z, a, b, **options):
    """Return the oracle's answer for a row, at the bins' centres as they are in float64."""
    about = {"kernel": "gaussian", "rule": "midpoint", "target": None, "period": None, **options}
    names = ("bandwidth", "kernel", "bins", "rule", "target", "period")
    problem = loss_problem(x, z, a, b, *(about[name] for name in names))
    centers, masses = problem.centers.values[0], problem.masses.values[0]
    return oracle.solve(
        x.tolist(), z.tolist(), centers, masses, about["bandwidth"], about["kernel"], about["period"]
    )


def assert_agrees(way, found, exact, z, bandwidth):
    """Assert that found (loss, gradients) are right to what is promised, and 100 eps of S and S/h.

    A number beyond all floats has to be infinite, with its sign, and may be where it is that in bandwidths.
    """
    loss, gradients = found
    rtol, loss_rtol = PROMISE[way]
    if abs(exact.loss) > _LARGEST:
        assert loss == np.inf, f"{way}: loss"
    else:
        error = abs(mp.mpf(float(loss)) - exact.loss)
        assert error <= loss_rtol * max(1, abs(exact.loss)), f"{way}: loss, error {mp.nstr(error, 3)}"
    weights = np.exp(z - np.max(z))
    slack = 100 * EPS * weights.max() / weights.sum()
    for name, gradient in zip(WRT, gradients, strict=True):
        unit = mp.mpf(1) if name == "z" else mp.mpf(float(bandwidth))
        expected = [v * unit for v in np.atleast_1d(np.array(exact.gradients[name], dtype=object))]
        allowed = rtol * max(abs(v) for v in expected) + slack
        for value, right in zip(np.atleast_1d(gradient), expected, strict=True):
            if abs(right / unit) > _LARGEST or (abs(right) > _LARGEST and np.isinf(value)):
                assert value == (np.inf if right > 0 else -np.inf), f"{way}: d/d{name}, {value}"
                continue
            error = abs(mp.mpf(float(value)) * unit - right)
            assert error <= allowed, (
                f"{way}: d/d{name}, error {mp.nstr(error, 3)}, allowed {mp.nstr(allowed, 3)}"
            )


_LARGEST = mp.mpf(float(np.finfo(float).max))
