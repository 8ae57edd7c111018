"""Arguments that are no numbers although they look like it: tensors that will not convert, and booleans."""

import numpy as np
import pytest
from public_calls import CALLS, call


class Refusing:
    """What a tensor that requires a gradient, of an odd dtype or on another device does."""

    def __init__(self, error):
        self._error = error

    def __array__(self, dtype=None, copy=None):
        raise self._error

    def __index__(self):
        raise self._error


ERRORS = [
    RuntimeError("Can't call numpy() on Tensor that requires grad."),
    TypeError("Got unsupported ScalarType BFloat16"),
    NotImplementedError("no conversion"),
    BufferError("not exported"),
    AssertionError(),
]
NUMBERS = (
    "axis",
    "bins",
    "label_smoothing",
    "l2",
    "a",
    "b",
    "bandwidth",
    "period",
    "rtol",
    "ignore_index",
    "n_threads",
)
ARRAYS_AND_NUMBERS = [(name, argument) for name, (_, given) in CALLS.items() for argument in given]
OPTIONS = [
    *[("loss", argument) for argument in ("rtol", "n_threads")],
    *[(name, "ignore_index") for name in CALLS if "cross_entropy" in name and "max" in name],
    *[("Plan.loss", "rtol"), ("choose", "rtol"), ("choose", "n_threads")],
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize(("name", "argument"), ARRAYS_AND_NUMBERS + OPTIONS)
def test_what_will_not_convert_is_named(name, argument, error):
    for value in (Refusing(error), [Refusing(error)]):
        with pytest.raises(TypeError) as raised:
            call(name, **{argument: value})
        assert str(raised.value).startswith(f"{argument} "), raised.value


TENSORS = {
    "requires a gradient": lambda torch, value: torch.tensor(value, requires_grad=True),
    "bfloat16": lambda torch, value: torch.tensor(value, dtype=torch.bfloat16),
    "no memory": lambda torch, value: torch.tensor(value, device="meta"),
    "complex": lambda torch, value: torch.tensor(value) * 1j,
}


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors_that_will_not_convert_are_named(kind):
    torch = pytest.importorskip("torch", reason="torch is no dependency: tried where it is")
    for name, argument in ARRAYS_AND_NUMBERS:
        if isinstance(CALLS[name][1][argument], str):
            continue  # a number or a rule's name
        value = np.asarray(CALLS[name][1][argument], float)
        with pytest.raises(TypeError, match=rf"^{argument} "):
            call(name, **{argument: TENSORS[kind](torch, value)})


@pytest.mark.parametrize(
    "value", [True, False, np.True_, np.array(True)], ids=lambda v: f"{type(v).__name__}{v}"
)
@pytest.mark.parametrize(
    ("name", "argument"), [pair for pair in ARRAYS_AND_NUMBERS + OPTIONS if pair[1] in NUMBERS]
)
def test_booleans_are_no_numbers(name, argument, value):
    call(name, **{argument: CALLS[name][1][argument]} if argument in CALLS[name][1] else {})
    with pytest.raises(TypeError, match=rf"^{argument} "):
        call(name, **{argument: value})


@pytest.mark.parametrize("argument", ["a", "b", "bandwidth", "period"])
@pytest.mark.parametrize("name", ["loss", "reference.loss", "Plan.loss"])
def test_a_boolean_is_not_the_number_of_the_call_before(name, argument):
    """True equals 1, and what depends on numbers alone is kept for the next call with the same."""
    numbers = {"a": 0.0, "b": 1.0, "bandwidth": 1.0, "period": 1.0, "target": None, "bins": 4}
    call(name, **numbers)
    with pytest.raises(TypeError, match=rf"^{argument} "):
        call(name, **{**numbers, argument: bool(numbers[argument])})


@pytest.mark.parametrize("argument", ["a", "b", "bandwidth"])
def test_arrays_of_booleans_are_no_parameters(argument):
    with pytest.raises(TypeError, match=rf"^{argument} must hold real numbers"):
        call("loss", **{argument: np.array([True, True, True])})
