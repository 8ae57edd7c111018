"""Bad input gets an exception that names the argument, in reference and fast alike."""

import numpy as np
import pytest
from tiers import thorough_but_for

import kdexent
from kdexent import reference
from kdexent.names import FACTS

X, Z = np.linspace(0, 5, 7), np.zeros(7)
GOOD = {"x": X, "z": Z, "a": 1.0, "b": 4.0, "bandwidth": 0.5, "bins": 8}


def at(array, index, value):
    changed = np.array(array, float)
    changed[index] = value
    return changed


NOT_NUMBERS = [
    1j,
    "1",
    None,
    object(),
    [[1, 2], [3]],
    np.array(["a"]),
    np.array([1.0, None]),
    np.datetime64("2020"),
]
# Changed arguments, the exception, and what its message must contain.
CASES = [
    ({"x": at(X, 3, np.nan)}, ValueError, r"x must be finite, got x\[3\] = nan"),
    ({"x": at(X, 6, np.inf)}, ValueError, r"x must be finite, got x\[6\] = inf"),
    ({"x": at(X, 0, -np.inf)}, ValueError, r"x must be finite, got x\[0\] = -inf"),
    ({"x": at([X, X], (1, 2), np.nan), "z": [Z, Z]}, ValueError, r"x\[1, 2\] = nan"),
    ({"z": at(Z, 2, np.nan)}, ValueError, r"z\[2\] = nan"),
    ({"z": at(Z, 2, np.inf)}, ValueError, r"z\[2\] = inf"),
    ({"z": np.full(7, -np.inf)}, ValueError, r"\bz\b.*every row"),
    ({"z": at([Z, Z], (1, slice(None)), -np.inf)}, ValueError, r"\bz\b.*every row"),
    ({"x": [], "z": []}, ValueError, r"x must have at least one point"),
    ({"x": 1.0, "z": 1.0}, ValueError, r"x must have at least one point, got shape \(\)"),
    ({"z": np.zeros(6)}, ValueError, r"z must have one logit for each of the 7 points"),
    ({"x": np.zeros((2, 7)), "z": np.zeros((3, 7))}, ValueError, r"z has rows of shape \(3,\)"),
    ({"a": np.ones(2), "b": np.full(3, 4.0)}, ValueError, r"b has rows of shape \(3,\)"),
    ({"x": np.zeros((2, 7)), "bandwidth": np.ones(3)}, ValueError, r"bandwidth has rows of shape \(3,\)"),
    ({"a": 4.0}, ValueError, r"b - a must be positive \(a < b\)"),
    ({"a": 5.0}, ValueError, r"b - a must be positive \(a < b\)"),
    ({"a": np.array([1.0, 5.0])}, ValueError, r"b - a\[1\] = -1"),
    ({"a": np.nan}, ValueError, r"a must be finite"),
    ({"a": -np.inf}, ValueError, r"a must be finite"),
    ({"b": np.inf}, ValueError, r"b must be finite"),
    ({"b": [4.0, np.nan]}, ValueError, r"b\[1\] = nan"),
    ({"a": -1.7e308, "b": 1.7e308}, ValueError, r"a must be at most 1.07\d*e\+301 in size"),
    ({"bandwidth": 0.0}, ValueError, r"bandwidth must be positive"),
    ({"bandwidth": -1}, ValueError, r"bandwidth must be positive"),
    ({"bandwidth": np.nan}, ValueError, r"bandwidth must be finite"),
    ({"bandwidth": np.inf}, ValueError, r"bandwidth must be finite"),
    ({"bandwidth": [1.0, 0.0]}, ValueError, r"bandwidth\[1\] = 0"),
    ({"bandwidth": 10**400}, ValueError, r"bandwidth must be finite"),
    ({"bins": 0}, ValueError, r"bins must be at least 1, got 0"),
    ({"bins": -3}, ValueError, r"bins must be at least 1"),
    ({"bins": 8.0}, TypeError, r"bins must be an integer"),
    ({"bins": True}, TypeError, r"bins must be an integer"),
    ({"bins": None}, TypeError, r"bins must be an integer"),
    ({"bins": "8"}, TypeError, r"bins must be an integer"),
    ({"bins": []}, ValueError, r"bins must be"),
    ({"bins": [1.0]}, ValueError, r"bins must be"),
    ({"bins": [[1.0, 4.0]]}, ValueError, r"bins must be"),
    ({"bins": [1.0, 3.0, 2.0, 4.0]}, ValueError, r"bins must have increasing edges, got bins\[1\] = 2.0"),
    ({"bins": [1.0, 2.0, 2.0, 4.0]}, ValueError, r"bins must have increasing edges"),
    ({"bins": [1.0, np.nan, 4.0]}, ValueError, r"bins must have finite edges"),
    ({"bins": [0.9, 2.0, 4.0]}, ValueError, r"a must be the matching end of bins"),
    ({"bins": [1.0, 2.0, 4.1]}, ValueError, r"b must be the matching end of bins"),
    ({"bins": [1.0, 2.0, 4.0], "rule": "gauss"}, ValueError, r"rule 'gauss' takes bins"),
    ({"rule": "simpson"}, ValueError, r"rule must be one of 'midpoint', 'gauss', got 'simpson'"),
    ({"rule": 3}, TypeError, r"rule must be one of"),
    ({"target": np.ones(7)}, ValueError, r"target must have shape \(\.\.\., 8\)"),
    ({"target": 1.0}, ValueError, r"target must have shape"),
    ({"target": np.zeros(8)}, ValueError, r"target must have a positive mass"),
    ({"target": at(np.ones(8), 5, -1)}, ValueError, r"target\[5\] = -1"),
    ({"target": at(np.ones(8), 5, np.nan)}, ValueError, r"target\[5\] = nan"),
    ({"target": at(np.ones(8), 5, np.inf)}, ValueError, r"target\[5\] = inf"),
    ({"target": np.stack([np.ones(8), np.zeros(8)])}, ValueError, r"target\[1\]"),
    ({"target": np.ones((3, 8)), "x": np.zeros((2, 7))}, ValueError, r"target has rows of shape \(3,\)"),
    ({"kernel": "gausian"}, ValueError, r"kernel must be one of 'gaussian', .*, got 'gausian'"),
    ({"kernel": None}, TypeError, r"kernel must be one of"),
    ({"kernel": ["gaussian"]}, TypeError, r"kernel must be one of"),
    ({"kernel": "von_mises"}, ValueError, r"kernel 'von_mises' needs a period; use one of 'gaussian'"),
    ({"period": 0.0}, ValueError, r"period must be positive"),
    ({"period": -1.0}, ValueError, r"period must be positive"),
    ({"period": np.nan}, ValueError, r"period must be finite"),
    ({"period": np.inf}, ValueError, r"period must be finite"),
    ({"period": [6.0, 7.0]}, ValueError, r"period must be a scalar"),
    ({"period": 2.9}, ValueError, r"b - a must be at most the period 2.9"),
    ({"period": 2.9, "b": [3.0, 4.0]}, ValueError, r"b - a\[1\] = 3.0"),
    *[
        ({name: value}, (TypeError, ValueError), rf"\b{name}\b")
        for name in ("x", "z")
        for value in NOT_NUMBERS
    ],
    *[
        ({name: value}, (TypeError, ValueError), rf"\b{name}\b")
        for name in ("a", "bandwidth")
        for value in NOT_NUMBERS
    ],
    ({"period": 1j}, TypeError, r"period must hold real numbers"),
    ({"period": "6"}, TypeError, r"period must hold real numbers"),
    ({"target": np.full(8, 1j)}, TypeError, r"target must hold real numbers"),
    ({"bins": np.array([1.0, 2.0, 4.0 + 1j])}, TypeError, r"bins must hold real numbers"),
]
FAST_ONLY = [
    ({"method": "fft"}, ValueError, r"method must be one of .*'direct'.*, got 'fft'"),
    ({"method": None}, TypeError, r"method must be one of"),
    ({"order": 2}, ValueError, r"order must be None"),
    ({"rtol": -1e-9}, ValueError, r"rtol must lie in \[0, 1\)"),
    ({"rtol": 1.0}, ValueError, r"rtol must lie in \[0, 1\)"),
    ({"rtol": np.nan}, ValueError, r"rtol must be finite"),
    ({"rtol": "tiny"}, TypeError, r"rtol must hold real numbers"),
    ({"rtol": [1e-9, 1e-8]}, ValueError, r"rtol must be a scalar"),
    ({"n_threads": 1.5}, TypeError, r"n_threads must be an integer"),
    ({"n_threads": "2"}, TypeError, r"n_threads must be an integer"),
]
GRADIENT_ONLY = [
    ({"wrt": "y"}, ValueError, r"wrt must be one of 'z', 'x', 'bandwidth', got 'y'"),
    ({"wrt": ()}, ValueError, r"wrt must name at least one"),
    ({"wrt": ("z", "z")}, ValueError, r"wrt must name each argument once"),
    ({"wrt": ["z"]}, TypeError, r"wrt must be a name or a tuple"),
    ({"wrt": None}, TypeError, r"wrt must be a name or a tuple"),
]
OUT = [
    ({"out": [0.0] * 7}, TypeError, r"out must be a NumPy array"),
    ({"out": np.empty(6)}, ValueError, r"out must have shape \(7,\), got \(6,\)"),
    ({"out": np.empty((1, 7))}, ValueError, r"out must have shape"),
    ({"out": np.empty(7, np.float32)}, TypeError, r"out must have dtype float64, got float32"),
    ({"out": np.broadcast_to(np.empty(7), 7)}, ValueError, r"out must be writeable"),
    ({"out": np.empty(7), "wrt": ("z", "x")}, TypeError, r"out must be a tuple of 2 arrays"),
    ({"out": (np.empty(7),), "wrt": ("z", "x")}, TypeError, r"out must be a tuple of 2 arrays"),
    ({"out": (np.empty(7), np.empty(8)), "wrt": ("z", "x")}, ValueError, r"out\[1\] must have shape \(7,\)"),
]


def ids(cases):
    return [f"{i}-{'-'.join(changes)}" for i, (changes, *_) in enumerate(cases)]


def assert_raises(function, changes, exception, message):
    arguments = {**GOOD, **changes}
    before = {name: value.copy() for name, value in arguments.items() if isinstance(value, np.ndarray)}
    x, z, a, b = (arguments.pop(name) for name in "xzab")
    with pytest.raises(exception, match=message):
        function(x, z, a, b, **arguments)
    for name, value in before.items():
        np.testing.assert_array_equal({**GOOD, **changes}[name], value)


@pytest.mark.parametrize(
    "function", [reference.loss, reference.loss_and_grad, kdexent.loss, kdexent.loss_and_grad]
)
@pytest.mark.parametrize(("changes", "exception", "message"), CASES, ids=ids(CASES))
def test_arguments_of_all(function, changes, exception, message):
    assert_raises(function, changes, exception, message)


@pytest.mark.parametrize("function", [kdexent.loss, kdexent.loss_and_grad])
@pytest.mark.parametrize(("changes", "exception", "message"), FAST_ONLY, ids=ids(FAST_ONLY))
def test_arguments_of_the_fast_functions(function, changes, exception, message):
    assert_raises(function, changes, exception, message)


@pytest.mark.parametrize("function", [reference.loss_and_grad, kdexent.loss_and_grad])
@pytest.mark.parametrize(("changes", "exception", "message"), GRADIENT_ONLY, ids=ids(GRADIENT_ONLY))
def test_arguments_of_gradients(function, changes, exception, message):
    assert_raises(function, changes, exception, message)


@pytest.mark.parametrize(("changes", "exception", "message"), OUT, ids=ids(OUT))
def test_out(changes, exception, message):
    assert_raises(kdexent.loss_and_grad, changes, exception, message)


@pytest.mark.parametrize("function", [reference.log_density, kdexent.log_density], ids=["reference", "fast"])
@pytest.mark.parametrize(
    ("changes", "exception", "message"),
    [
        ({"points": 1.0}, ValueError, r"points must have shape"),
        ({"points": [1.0, np.nan]}, ValueError, r"points\[1\] = nan"),
        ({"points": [1.0, np.inf]}, ValueError, r"points\[1\] = inf"),
        ({"points": ["a"]}, TypeError, r"points must hold real numbers"),
        ({"points": np.zeros((3, 2)), "x": np.zeros((2, 7))}, ValueError, r"points has rows of shape \(3,\)"),
        ({"x": at(X, 3, np.nan)}, ValueError, r"x\[3\] = nan"),
        ({"z": np.full(7, -np.inf)}, ValueError, r"\bz\b"),
        ({"bandwidth": 0}, ValueError, r"bandwidth must be positive"),
        ({"kernel": "von_mises"}, ValueError, r"needs a period"),
        ({"period": -1}, ValueError, r"period must be positive"),
    ],
)
def test_log_density(function, changes, exception, message):
    arguments = {"x": X, "z": Z, "points": [1.0, 2.0], "bandwidth": 0.5, **changes}
    x, z, points = (arguments.pop(name) for name in ("x", "z", "points"))
    with pytest.raises(exception, match=message):
        function(x, z, points, **arguments)


def test_bad_data_in_any_block_is_found():
    x, z = np.zeros(50_000), np.zeros(50_000)
    z[49_999] = np.nan
    with pytest.raises(ValueError, match=r"z\[49999\] = nan"):
        kdexent.loss_and_grad(x, z, -1.0, 1.0, bandwidth=1.0, bins=300)


@pytest.mark.parametrize("name", ["kernel", "domain", "wrt"])
def test_warmup(name):
    with pytest.raises(ValueError, match=rf"{name} must be one of .*, got 'plane'"):
        kdexent.warmup(**{name: "plane"})


@thorough_but_for(kernel=["gaussian"], period=[None])
@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "period"), [("x", None), ("x", 6.0), ("z", None), ("z", 6.0)])
@pytest.mark.parametrize("kernel", ["gaussian", "laplace", "cauchy", "triweight"])
@pytest.mark.parametrize("method", kdexent.METHODS)
def test_every_method_finds_bad_data_and_touches_no_input(method, kernel, name, period, value):
    if name == "z" and value == -np.inf:
        return  # a masked point
    for place in (0, 300, 599):
        x, z = np.random.default_rng(place).normal(size=(2, 600))
        {"x": x, "z": z}[name][place] = value
        options = {"bandwidth": 0.2, "kernel": kernel, "bins": 64, "period": period, "method": method}
        out, before = np.empty(600), (x.tobytes(), z.tobytes())
        applies = not (method == "window" and FACTS[kernel].heavy)
        with pytest.raises(ValueError, match=rf"{name}\[{place}\]" if applies else "method 'window'"):
            kdexent.loss_and_grad(x, z, -1.0, 1.0, out=out, **options)
        assert (x.tobytes(), z.tobytes()) == before  # what out holds is unspecified
        if name == "z" and applies:
            plan = kdexent.Plan(x, -1.0, 1.0, **options)
            with pytest.raises(ValueError, match=rf"z\[{place}\]"):
                plan.loss_and_grad(z)


@pytest.mark.parametrize(("name", "value"), [("x", np.nan), ("x", -np.inf), ("z", np.nan), ("z", np.inf)])
def test_bad_data_of_a_call_without_rows(name, value):
    data = {"x": np.zeros(3), "z": np.zeros(3)}
    data[name][1] = value
    with pytest.raises(ValueError, match=rf"{name}\[1\]"):
        kdexent.loss(data["x"], data["z"], 0.0, 1.0, bandwidth=np.zeros(0), bins=4)
    with pytest.raises(ValueError, match=rf"{name}\[1\]"):
        kdexent.log_density(data["x"], data["z"], [0.5], bandwidth=np.zeros(0))


@pytest.mark.parametrize("implementation", [kdexent, reference], ids=["fast", "reference"])
@pytest.mark.parametrize(
    ("name", "labels", "value", "where"),
    [
        ("softmax_cross_entropy", np.zeros((2, 3), int), np.nan, r"logits\[1, 2, 3\] = nan"),
        ("softmax_cross_entropy_and_grad", np.full((2, 3, 4), 0.25), np.inf, r"logits\[1, 2, 3\] = inf"),
        ("sigmoid_cross_entropy_and_grad", np.zeros((2, 3, 4)), np.nan, r"logits\[1, 2, 3\] = nan"),
    ],
)
def test_places_are_those_in_the_callers_array(name, labels, value, where, implementation):
    logits = np.zeros((2, 3, 4))
    logits[1, 2, 3] = value
    with pytest.raises(ValueError, match=where):
        getattr(implementation, name)(logits, labels)
    if "softmax" in name:
        logits[1, 2] = -np.inf
        with pytest.raises(ValueError, match=r"logits\[1, 2\]"):
            getattr(implementation, name)(logits, labels)
    with pytest.raises(ValueError, match=r"logits\[1\]"):
        implementation.sigmoid_cross_entropy([0.0, value], [0.0, 0.0])


@pytest.mark.parametrize("implementation", [kdexent, reference], ids=["fast", "reference"])
def test_places_of_probabilities_are_those_in_the_callers_array(implementation):
    labels = np.full((2, 3, 4), 0.25)
    labels[1, 2, 3] = 0.5
    with pytest.raises(ValueError, match=r"the sum of labels\[1, 2\]"):
        implementation.softmax_cross_entropy(np.zeros((2, 3, 4)), labels)
    labels[1, 2, 3] = -0.5
    with pytest.raises(ValueError, match=r"labels\[1, 2, 3\]"):
        implementation.softmax_cross_entropy(np.zeros((2, 3, 4)), labels)
