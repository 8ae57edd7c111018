"""`out` may share memory with any argument in any guise, not with itself; and no input is ever touched."""

import array as arrays

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from public_calls import CALLS, TAKING_OUT, arrays_of, call

import kdexent


class Exposed:
    """An array behind NumPy's interface, as a tensor's is."""

    def __init__(self, values):
        self.__array_interface__ = values.__array_interface__
        self._values = values


class Converted:
    """An array behind a method."""

    def __init__(self, values):
        self._values = values

    def __array__(self, dtype=None, copy=None):
        return self._values


GUISES = {
    "ndarray": lambda values: values,
    "a view": lambda values: values[...],
    "memoryview": memoryview,
    "__array_interface__": Exposed,
    "__array__": Converted,
    "backwards": lambda values: values[..., ::-1],
}


def places(name):
    """Return names of the arguments of floats whose memory a gradient fits into."""
    size = arrays_of(call(f"reference.{name.removeprefix('Plan.')}"))[-1].nbytes  # which compiles nothing
    return [
        argument
        for argument, value in CALLS[name][1].items()
        if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.nbytes <= size
    ]


PLACES = [(name, argument) for name in TAKING_OUT for argument in places(name)]


def shared(value, size):
    """Return a copy of an argument and an array of `size` numbers, in the same memory."""
    memory = np.zeros(size)
    inside = memory[size - value.size :].reshape(value.shape)
    inside[...] = value
    return inside, memory


@pytest.mark.parametrize("guise", GUISES)
@pytest.mark.parametrize(("name", "argument"), PLACES)
def test_out_in_the_memory_of_an_argument(name, argument, guise):
    value, expected = CALLS[name][1][argument], arrays_of(call(name))
    inside, memory = shared(value, expected[-1].size)
    if guise == "backwards":
        inside[...] = value[..., ::-1].copy()
    given = GUISES[guise](inside)
    out = memory.reshape(expected[-1].shape)
    found = call(name, **{argument: given}, out=out)
    assert found[1] is out
    for array, right in zip(arrays_of(found), expected, strict=True):
        np.testing.assert_array_equal(array, right)


def test_out_in_the_memory_of_a_tensor(monkeypatch):
    torch = pytest.importorskip("torch", reason="torch is no dependency: tried where it is")
    monkeypatch.setitem(GUISES, "tensor", torch.from_numpy)
    for name, argument in PLACES:
        test_out_in_the_memory_of_an_argument(name, argument, "tensor")


@pytest.mark.parametrize("argument", ["a", "b", "bandwidth"])
@pytest.mark.parametrize("name", ["loss_and_grad", "Plan.loss_and_grad"])
def test_out_for_the_bandwidth_in_the_place_of_a_number_a_row(name, argument):
    expected = call(name, wrt=("bandwidth", "z"))[1]
    value = CALLS[name][1][argument].copy()
    found = call(name, **{argument: value}, wrt=("bandwidth", "z"), out=(value, np.empty_like(expected[1])))[
        1
    ]
    assert found[0] is value
    for array, right in zip(found, expected, strict=True):
        np.testing.assert_array_equal(array, right)


@pytest.mark.parametrize("method", kdexent.METHODS)
@pytest.mark.parametrize("argument", ["x", "z", "target"])
def test_out_in_the_memory_of_an_argument_by_every_method(argument, method):
    size = 600
    x, z = np.random.default_rng(1).normal(size=(2, size))
    given = {"x": x, "z": z, "target": np.linspace(1, 2, size // 2)}
    options = {"bandwidth": 0.2, "bins": size // 2, "method": method}

    def gradient(data, out=None):
        return kdexent.loss_and_grad(data["x"], data["z"], -1, 1, target=data["target"], out=out, **options)[
            1
        ]

    expected = gradient(given)
    inside, memory = shared(given[argument], size)
    np.testing.assert_array_equal(gradient({**given, argument: memoryview(inside)}, memory), expected)


def test_two_gradients_in_each_others_argument():
    x, z = np.random.default_rng(2).normal(size=(2, 300))
    expected = kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.2, bins=300, wrt=("z", "x"))[1]
    kdexent.loss_and_grad(x, z, -1, 1, bandwidth=0.2, bins=300, wrt=("z", "x"), out=(x, z))
    np.testing.assert_array_equal((x, z), expected)


@pytest.mark.parametrize("points", [8, 3000])
def test_two_gradients_in_the_same_memory(points):
    x, z = np.random.default_rng(3).normal(size=(2, points))
    options = {"bandwidth": 0.2, "bins": 64, "wrt": ("z", "x")}
    both = np.empty(2 * points)
    plan = kdexent.Plan(x, -1.0, 1.0, bandwidth=0.2, bins=64)
    for second in (both[:points], both[points - 1 : -1], both[points - 1 :: -1], both[::2]):
        for function in (
            lambda out: kdexent.loss_and_grad(x, z, -1, 1, out=out, **options),
            lambda out: plan.loss_and_grad(z, wrt=("z", "x"), out=out),
        ):
            with pytest.raises(ValueError, match=r"^out\[1\] must not share memory with out\[0\]"):
                function((both[:points], second))
    expected = kdexent.loss_and_grad(x, z, -1, 1, **options)[1]
    kdexent.loss_and_grad(x, z, -1, 1, out=(both[::2], both[1::2]), **options)  # not a number in common
    np.testing.assert_array_equal((both[::2], both[1::2]), expected)


@pytest.mark.parametrize("name", TAKING_OUT)
def test_out_whose_numbers_share_memory(name):
    gradient = arrays_of(call(name))[-1]
    for strides in ((0, 8), (8, 8), (8 * gradient.shape[1] - 8, 8), (-8, 8)):
        out = as_strided(np.zeros(100)[20:], gradient.shape, strides)
        with pytest.raises(ValueError, match=r"^out must have a place of its own"):
            call(name, out=out)
    out = np.empty((*gradient.shape[::-1], 2))[..., 1].T[::-1, ::-1]  # any other layout will do
    np.testing.assert_array_equal(call(name, out=out)[1], gradient)


@pytest.mark.parametrize("name", TAKING_OUT)
def test_out_of_a_subclass(name):
    expected = arrays_of(call(name))[-1]
    out = np.zeros(expected.shape).view(np.matrix)
    assert call(name, out=out)[1] is out
    np.testing.assert_array_equal(np.asarray(out), expected)


@pytest.mark.parametrize("name", TAKING_OUT)
def test_out_of_another_kind(name):
    gradient = arrays_of(call(name))[-1]
    for out in (
        memoryview(gradient),
        arrays.array("d", gradient.ravel()),
        Exposed(gradient),
        gradient.tolist(),
    ):
        with pytest.raises(TypeError, match=r"^out must be a NumPy array"):
            call(name, out=out)


FLOATS = [
    (name, argument)
    for name, (_, given) in CALLS.items()
    for argument, value in given.items()
    if isinstance(value, np.ndarray) and value.dtype.kind == "f"
]


@pytest.mark.parametrize(("name", "argument"), FLOATS)
def test_bad_data_leave_the_inputs_alone(name, argument):
    """Whatever `out` holds then: that is unspecified."""
    bad = CALLS[name][1][argument].copy()
    bad[(-1,) * bad.ndim] = np.nan
    given = {**CALLS[name][1], argument: bad}
    before = {key: value.tobytes() for key, value in given.items() if isinstance(value, np.ndarray)}
    out = {"out": np.zeros(arrays_of(call(name))[-1].shape)} if name in TAKING_OUT else {}
    with pytest.raises(ValueError, match=rf"^{argument}\b"):
        call(name, **given, **out)
    assert {key: given[key].tobytes() for key in before} == before


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", [each for each in TAKING_OUT if "cross_entropy" in each])
def test_bad_logits_that_out_takes_the_place_of(name, value):
    logits = CALLS[name][1]["logits"].copy()
    logits[1, 2] = value
    with pytest.raises(ValueError, match=r"^logits must be finite or -inf"):
        call(name, logits=logits, out=logits)
    logits = np.full((2, 4), -np.inf)
    if name.startswith("softmax"):
        with pytest.raises(ValueError, match=r"^logits must be finite or -inf"):
            call(name, logits=logits, labels=[1, 0], sample_weight=None, out=logits)
