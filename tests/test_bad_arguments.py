"""Every argument of every function, bad in every way: an exception names it, and nothing is touched."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import kdexent
from kdexent import reference

X, Z = np.linspace(0, 5, 7), np.zeros(7)
GOOD = {"x": X, "z": Z, "a": 1.0, "b": 4.0, "bandwidth": 0.5, "bins": 8}
NAN, INF = np.nan, np.inf


def with_entry(array, value):
    changed = np.array(array, float)
    changed[..., 3] = value
    return changed


def numbers(array, rows):
    """Return what no argument that takes real numbers may be."""
    array = np.array(array, float)
    return {
        "complex": array + 1j,
        "object": array.astype(object),
        "text": array.astype(str),
        "dates": array.astype("M8[s]"),
        "a structure": np.zeros(array.shape, [("f", float)]),
        "None": None,
        "a word": "narrow",
        "a dictionary": {},
        "a set": {1.0},
        "a function": len,
        "ragged": [[1.0], [1.0, 2.0]],
        "wrong rows": np.broadcast_to(array, (*rows, *array.shape)),
    }


# What an argument may not be, by what is wrong with it. Two rows of x make three of anything else wrong.
TWO_ROWS = {"x": np.stack([X, X])}
DATA = {"NaN": NAN, "inf": INF}
NAMES = {
    "unknown": "nothing of the kind",
    "number": 3,
    "None": None,
    "list": ["gaussian"],
    "bytes": b"gaussian",
}
BAD = {
    "x": {
        **numbers(X, (2, 3)),
        **{kind: with_entry(X, value) for kind, value in {**DATA, "-inf": -INF}.items()},
        "float32 NaN": with_entry(X, NAN).astype(np.float32),
        "empty": np.empty(0),
        "a scalar": 1.0,
        "wrong length": np.zeros(6),
        "big integer": [10**400] * 7,
        "decimals": [Decimal(1)] * 7,
        "fractions": [Fraction(1, 2)] * 7,
    },
    "z": {
        **numbers(Z, (3,)),
        **{kind: with_entry(Z, value) for kind, value in DATA.items()},
        "empty": np.empty(0),
        "all masked": np.full(7, -INF),
        "a scalar": 1.0,
        "wrong length": np.zeros(8),
    },
    "a": {**numbers(1.0, (3,)), **DATA, "-inf": -INF, "no interval": 4.0, "beyond b": 5.0},
    "b": {**numbers(4.0, (3,)), **DATA, "-inf": -INF, "no interval": 1.0, "below a": 0.0},
    "bandwidth": {
        **numbers(0.5, (3,)),
        **DATA,
        "zero": 0.0,
        "negative": -0.5,
        "huge": 10**400,
        "one zero": [0.5, 0.0],
    },
    "bins": {
        "zero": 0,
        "negative": -1,
        "float": 8.0,
        "NaN": NAN,
        "bool": True,
        "None": None,
        "text": "8",
        "complex": 8j,
        "empty": [],
        "one edge": [1.0],
        "decreasing": [4.0, 1.0],
        "equal edges": [1.0, 2.0, 2.0, 4.0],
        "NaN edge": [1.0, NAN, 4.0],
        "inf edge": [1.0, INF],
        "other ends": [1.5, 2.0, 4.0],
        "two dimensions": [[1.0, 4.0]],
        "complex edges": [1.0, 2j, 4.0],
        "object edges": np.array([1.0, None, 4.0]),
        "text edges": ["1", "4"],
    },
    "rule": NAMES,
    "kernel": NAMES,
    "target": {
        **{kind: value for kind, value in numbers(np.ones(8), (3,)).items() if kind != "None"},
        **{kind: with_entry(np.ones(8), value) for kind, value in {**DATA, "negative": -1.0}.items()},
        "all zero": np.zeros(8),
        "wrong length": np.ones(9),
        "empty": np.empty(0),
        "a scalar": 1.0,
    },
    "period": {
        **{kind: value for kind, value in numbers(6.0, (1,)).items() if kind != "None"},
        **DATA,
        "zero": 0.0,
        "negative": -6.0,
        "too short": 2.9,
        "empty": np.empty(0),
    },
    "method": {**NAMES, "kernel's name": "gaussian"},
    "order": {"without a method": 2, "float": 2.0, "text": "2", "negative": -1, "bool": True, "NaN": NAN},
    "rtol": {**numbers(1e-9, (2,)), **DATA, "negative": -1e-9, "one": 1.0, "empty": np.empty(0)},
    "n_threads": {"float": 2.0, "text": "2", "NaN": NAN, "list": [2], "complex": 2j, "bool": True},
    "wrt": {"unknown": "y", "empty": (), "twice": ("z", "z"), "list": ["z"], "None": None, "number": 1},
    "out": {
        "list": [0.0] * 7,
        "wrong length": np.empty(6),
        "wrong rows": np.empty((1, 7)),
        "float32": np.empty(7, np.float32),
        "integers": np.empty(7, int),
        "object": np.empty(7, object),
        "complex": np.empty(7, complex),
        "read-only": np.broadcast_to(0.0, 7),
        "a tuple": (np.empty(7),),
        "a scalar": 0.0,
    },
    "points": {
        **numbers([1.0, 2.0, 3.0, 4.0], (3,)),
        **{kind: with_entry(np.ones(4), value) for kind, value in {**DATA, "-inf": -INF}.items()},
        "a scalar": 1.0,
    },
}
# A message may begin with another name: where two do not fit together, either.
ALSO = {
    "x": ["x", "z", "points"],
    "a": ["a ", "a[", "b - a", "b has"],
    "b": ["b ", "b[", "b - a"],
    "bins": ["bins", "a must be the matching end", "b must be the matching end"],
    "period": ["period", "b - a"],
    "kernel": ["kernel"],
}
TAKES = {
    "loss": ["x", "z", "a", "b", "bandwidth", "bins", "rule", "kernel", "target", "period"],
    "log_density": ["x", "z", "points", "bandwidth", "kernel", "period"],
}
TAKES["loss_and_grad"] = [*TAKES["loss"], "wrt"]
FAST = ["method", "order", "rtol", "n_threads"]


def call(function, arguments):
    arguments = dict(arguments)
    first = [arguments.pop(name) for name in ("x", "z", "points", "a", "b") if name in arguments]
    return function(*first, **arguments)


def plan(*args, wrt="z", out=None, **options):
    x, z, a, b = args
    return kdexent.Plan(x, a, b, **options).loss_and_grad(z, wrt=wrt, out=out)


FUNCTIONS = {
    **{f"reference.{name}": (getattr(reference, name), takes) for name, takes in TAKES.items()},
    **{name: (getattr(kdexent, name), [*takes, *FAST]) for name, takes in TAKES.items()},
    "Plan": (plan, [*TAKES["loss_and_grad"], *FAST, "out"]),
    "choose": (kdexent.choose, [*(set(TAKES["loss"]) - {"rule", "target"}), "rtol"]),
}
FUNCTIONS["loss_and_grad"][1].append("out")
CALLS = [
    (function, name, kind)
    for function, (_, names) in FUNCTIONS.items()
    for name in sorted(names)
    for kind in BAD[name]
    if (function.split(".")[-1], name, kind) != ("log_density", "period", "too short")  # no interval
]


def arrays_of(arguments):
    return {name: value for name, value in arguments.items() if isinstance(value, np.ndarray)}


def test_there_are_enough_of_them():
    assert len({(name, kind) for _, name, kind in CALLS}) >= 150


@pytest.mark.parametrize(("function", "name", "kind"), CALLS)
def test_bad_argument(function, name, kind):
    arguments = {**GOOD, name: BAD[name][kind]}
    if function.endswith("log_density"):
        arguments = {key: value for key, value in arguments.items() if key not in ("a", "b", "bins")}
        arguments.setdefault("points", [1.0, 2.0, 3.0, 4.0])
    if kind == "wrong rows" and name not in ("x", "out", "rtol", "period"):
        arguments |= TWO_ROWS
    elif kind == "wrong rows" and name == "x":
        arguments["z"] = np.zeros((2, 2, 7))
    before = {key: array.tobytes() for key, array in arrays_of(arguments).items() if array.dtype != object}
    with pytest.raises((ValueError, TypeError)) as raised:
        call(FUNCTIONS[function][0], arguments)
    message = str(raised.value)
    assert any(message.startswith(part) for part in ALSO.get(name, [name])), message
    after = arrays_of(arguments)
    for key, bytes_before in before.items():
        assert after[key].tobytes() == bytes_before, key


@pytest.mark.parametrize("name", ["a", "b", "bandwidth"])
def test_no_rows_are_not_bad(name):
    arguments = {**GOOD, name: np.empty(0)}
    for function in ("reference.loss_and_grad", "loss_and_grad", "Plan"):
        loss, gradient = call(FUNCTIONS[function][0], arguments)
        assert loss.shape == (0,) and gradient.shape == (0, 7)
