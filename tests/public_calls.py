"""A good call of every public function that computes, for tests of what all have in common."""

from __future__ import annotations

import numpy as np

import kdexent
from kdexent import reference

ROWS, POINTS, BINS = 3, 12, 6
_RNG = np.random.default_rng(7)


def _data():
    return {"x": _RNG.uniform(0, 5, (ROWS, POINTS)), "z": _RNG.normal(size=(ROWS, POINTS))}


def _interval():
    return {
        "a": np.linspace(0.5, 1, ROWS),
        "b": np.linspace(4, 4.5, ROWS),
        "bandwidth": np.linspace(0.4, 0.6, ROWS),
    }


def plan_loss_and_grad(x, z, a, b, *, wrt="z", out=None, **options):
    return kdexent.Plan(x, a, b, **options).loss_and_grad(z, wrt=wrt, out=out)


def plan_loss(x, z, a, b, **options):
    return kdexent.Plan(x, a, b, **options).loss(z)


def plan_log_density(x, z, a, b, **options):
    return kdexent.Plan(x, a, b, **options).log_density(z)


def choose(x, z, a, b, **options):
    return str(kdexent.choose(x, z, a, b, methods="direct", bin_counts=[8], **options))


PLANS = {
    "Plan.loss": plan_loss,
    "Plan.loss_and_grad": plan_loss_and_grad,
    "Plan.log_density": plan_log_density,
}
_DENSITY = {**_data(), "points": _RNG.uniform(0, 5, BINS), "bandwidth": 0.5, "period": 7.0}
_LOSS = {**_data(), **_interval(), "bins": BINS, "target": _RNG.uniform(1, 2, (ROWS, BINS)), "period": 7.0}
_CLASSES = {
    "logits": _RNG.normal(size=(ROWS, 4)),
    "labels": np.array([0, 3, 1]),
    "sample_weight": _RNG.uniform(1, 2, ROWS),
    "label_smoothing": 0.1,
}
_LINEAR = {
    "W": _RNG.normal(size=(4, 5)),
    "X": _RNG.normal(size=(ROWS, 5)),
    "labels": np.array([0, 3, 1]),
    "l2": 0.1,
}
_BINARY = {**_CLASSES, "labels": _RNG.uniform(size=(ROWS, 4))}
_P, _Q = _RNG.uniform(1, 2, (2, ROWS, 4))
_COMPUTING = {
    "loss": _LOSS,
    "loss_and_grad": _LOSS,
    "log_density": _DENSITY,
    "select_bandwidth": {**_data(), "period": 7.0, "rule": "likelihood"},
    "softmax": {"z": _RNG.normal(size=(ROWS, 4)), "axis": -1},
    "log_softmax": {"z": _RNG.normal(size=(ROWS, 4)), "axis": -1},
    "softmax_cross_entropy": _CLASSES,
    "softmax_cross_entropy_and_grad": _CLASSES,
    "sigmoid_cross_entropy": _BINARY,
    "sigmoid_cross_entropy_and_grad": _BINARY,
    "entropy": {"p": _P, "axis": -1},
    "cross_entropy": {"p": _P, "q": _Q, "axis": -1},
    "kl_divergence": {"p": _P, "q": _Q, "axis": -1},
    "linear_softmax_loss": _LINEAR,
    "linear_softmax_loss_and_grad": _LINEAR,
}
assert _COMPUTING.keys() == set(reference.__all__)

# name: (function, its arguments)
CALLS = {
    **{f"reference.{name}": (getattr(reference, name), given) for name, given in _COMPUTING.items()},
    **{name: (getattr(kdexent, name), given) for name, given in _COMPUTING.items()},
    **{name: (function, _LOSS) for name, function in PLANS.items()},
    "choose": (choose, {**_data(), **_interval(), "bins": BINS, "target": np.ones(BINS)}),
}
TAKING_OUT = [name for name in CALLS if name.endswith("_and_grad") and not name.startswith("reference.")]
LOGITS = ("z", "logits")


def call(name, **changes):
    """Call a function with some of its arguments changed."""
    function, arguments = CALLS[name]
    arguments = {**arguments, **changes}
    first = [arguments.pop(given) for given in ("x", "z", "points", "a", "b") if given in arguments]
    return function(*first, **arguments)


def arrays_of(result):
    """Return a result as a flat list of arrays."""
    if isinstance(result, tuple):
        return [array for part in result for array in arrays_of(part)]
    return [np.asarray(result)]
