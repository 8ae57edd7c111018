"""Arrays of other libraries, answered in their kind, and what is refused by name, no numbers and booleans."""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
from public_calls import CALLS, arrays_of, call

import kdexent


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


class Read:
    """An array that DLPack alone reads, of a library that nobody knows."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Exchanged(Read):
    """The same of a library that says how its arrays are made."""

    def __array_namespace__(self):
        return SimpleNamespace(from_dlpack=lambda array: Exchanged(np.from_dlpack(array)))


ANSWERING = [name for name in CALLS if not name.startswith("reference.") and name != "choose"]


def flat(result):
    return [each for part in result for each in flat(part)] if isinstance(result, tuple) else [result]


@pytest.mark.parametrize("name", ANSWERING)
def test_what_is_asked_in_a_kind_is_answered_in_it(name):
    arrays = {key: value for key, value in CALLS[name][1].items() if isinstance(value, np.ndarray)}
    found = flat(call(name, **{key: Exchanged(value) for key, value in arrays.items()}))
    assert {type(each) for each in found} == {Exchanged}
    for each, expected in zip(found, arrays_of(call(name)), strict=True):
        np.testing.assert_array_equal(each.array, expected)


@pytest.mark.parametrize("argument", ["x", "z"])
def test_one_array_of_a_kind_is_enough(argument):
    loss, (by_z, by_h) = call(
        "loss_and_grad", wrt=("z", "bandwidth"), **{argument: Exchanged(CALLS["loss"][1][argument])}
    )
    assert [each.array.ndim for each in (loss, by_z, by_h)] == [1, 2, 1]


def test_what_the_data_are_compared_with_is_of_any_kind():
    given = {name: Exchanged(CALLS["loss"][1][name]) for name in ("a", "b", "bandwidth", "target")}
    found = call("loss", **given)
    assert type(found) is np.ndarray
    np.testing.assert_array_equal(found, call("loss"))


def test_what_was_given_to_be_written_is_returned_as_it_is():
    out = np.empty_like(CALLS["loss"][1]["z"])
    loss, by_z = call("loss_and_grad", z=Exchanged(CALLS["loss"][1]["z"]), out=out)
    assert type(loss) is Exchanged and by_z is out


@pytest.mark.parametrize(
    "about",
    [{}, {"__array_namespace__": None}, {"__array_namespace__": lambda self: None}, {"__module__": None}],
    ids=["nothing", "none", "empty", "no module"],
)
def test_arrays_of_a_library_that_makes_none_are_answered_with_arrays(about):
    z = type("Odd", (Read,), about)(CALLS["loss"][1]["z"])
    assert type(call("loss", z=z)) is np.ndarray


def test_a_plan_answers_in_the_kind_of_its_logits():
    x, z = (CALLS["loss"][1][name] for name in "xz")
    plan = kdexent.Plan(Exchanged(x), 0.5, 4.0, bandwidth=0.5, bins=6)
    assert type(plan.loss(z)) is np.ndarray
    assert type(plan.loss(Exchanged(z))) is Exchanged


def test_several_gradients_are_written_where_they_were_given():
    given = CALLS["loss"][1]
    out = np.empty_like(given["z"]), np.empty_like(given["z"])
    _, found = call("loss_and_grad", x=Exchanged(given["x"]), wrt=("z", "x"), out=out)
    assert found is out


@pytest.mark.parametrize("library", ["jax.numpy", "torch"])
def test_arrays_and_tensors_are_answered_with_their_like(library):
    if library == "torch":
        like = pytest.importorskip("torch", reason="torch is no dependency: make frameworks has it")
    else:
        like = import_module(library)
    x, z = (like.asarray(CALLS["loss"][1][name].astype(np.float32)) for name in "xz")
    found = flat(kdexent.loss_and_grad(x, z, 0.5, 4.0, bandwidth=0.5, bins=6, wrt=("z", "x")))
    assert {type(each) for each in found} == {type(z)}
    expected = kdexent.loss_and_grad(
        np.asarray(x), np.asarray(z), 0.5, 4.0, bandwidth=0.5, bins=6, wrt=("z", "x")
    )
    for each, exact in zip(found, arrays_of(expected), strict=True):
        np.testing.assert_array_equal(np.asarray(each), exact)
