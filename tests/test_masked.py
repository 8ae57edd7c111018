"""Masked arrays: a masked logit is one of -inf, and no other argument of any function may have a mask."""

import numpy as np
import pytest
from public_calls import CALLS, LOGITS, TAKING_OUT, arrays_of, call

import kdexent

ARGUMENTS = [
    (name, argument)
    for name, (_, given) in CALLS.items()
    for argument in (*given, *(("out",) if name in TAKING_OUT else ()))
    if argument not in LOGITS
]
WITH_LOGITS = [
    (name, each)
    for name, (_, given) in CALLS.items()
    for each in LOGITS
    if each in given and name != "choose"  # which measures for seconds
]
NO_CLASS = np.array([[0, 1, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0]], bool)  # where no label is


def masked(value, where=True):
    """Return an argument with a mask on one entry, or on none."""
    array = np.ma.array(value)
    array[(0,) * array.ndim if array.ndim else ()] = np.ma.masked if where else array.ravel()[0]
    return array


def bytes_of(given):
    """Return the bytes of a masked array and its mask, or of those in a list."""
    if isinstance(given, list):
        return [bytes_of(part) for part in given]
    return np.ma.getdata(given).tobytes(), np.ma.getmaskarray(given).tobytes()


def gradient_of(name):
    return np.empty_like(arrays_of(call(name))[-1])


@pytest.mark.parametrize("how", ["masked", "nothing masked", "in a list"])
@pytest.mark.parametrize(("name", "argument"), ARGUMENTS)
def test_no_other_argument_has_a_mask(name, argument, how):
    value = gradient_of(name) if argument == "out" else CALLS[name][1][argument]
    array = masked(value, how != "nothing masked")
    before = bytes_of(array)
    given = [array] if how == "in a list" else array
    with pytest.raises(TypeError) as raised:
        call(name, **{argument: given})
    assert str(raised.value).startswith(argument), raised.value
    assert bytes_of(array) == before


@pytest.mark.parametrize("constant", [np.ma.masked, [0.5, np.ma.masked, 4.0]], ids=["alone", "in a list"])
@pytest.mark.parametrize(
    "argument", ["a", "b", "bandwidth", "bins", "target", "period", "rtol", "order", "n_threads"]
)
def test_the_masked_constant(argument, constant):
    with pytest.raises(TypeError, match=rf"^{argument}\b.*mask"):
        call("loss", **{"method": "cells" if argument == "order" else "auto", argument: constant})


def variants(z, mask):
    """Return ways to write logits some of which are masked, with what they are."""
    exact = np.where(mask, -np.inf, z)
    array = np.ma.array(z, mask=mask)
    rubbish = np.ma.array(np.where(mask, np.nan, z), mask=mask)
    lists = [
        [np.ma.masked if m else v for v, m in zip(*row, strict=True)] for row in zip(z, mask, strict=True)
    ]
    whole, single = np.round(4 * z).astype(int), z.astype(np.float32)
    return {
        "float64": (array, exact),
        "NaN below the mask": (rubbish, exact),
        "float32": (np.ma.array(single, mask=mask), np.where(mask, np.float32(-np.inf), single)),
        "integers": (np.ma.array(whole, mask=mask), np.where(mask, -np.inf, whole)),
        "lists": (lists, exact),
        "a list of arrays": (list(array), exact),
        "strided": (np.ma.array(np.repeat(z, 2, -1), mask=np.repeat(mask, 2, -1))[:, ::2], exact),
        "no mask": (np.ma.array(z), z),
    }


@pytest.mark.parametrize("kind", variants(np.zeros((1, 1)), np.ones((1, 1), bool)))
@pytest.mark.parametrize(("name", "argument"), WITH_LOGITS)
def test_a_masked_logit_is_minus_infinity(name, argument, kind):
    z = CALLS[name][1][argument]
    mask = NO_CLASS if z.shape == NO_CLASS.shape else np.arange(z.size).reshape(z.shape) % 5 == 2
    given, exact = variants(z, mask)[kind]
    before = bytes_of(given)
    changes = {"label_smoothing": 0.0} if argument == "logits" else {}
    if name.split(".")[-1].startswith("sigmoid"):
        changes["labels"] = np.where(mask, 0.0, 1.0)
    found, right = (call(name, **{argument: logits, **changes}) for logits in (given, exact))
    for array, expected in zip(arrays_of(found), arrays_of(right), strict=True):
        assert type(array) is np.ndarray and array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected)
    if name.endswith("_and_grad") and kind != "no mask":
        assert (arrays_of(found)[-1][mask] == 0).all()
    assert bytes_of(given) == before


def test_masks_in_choose():
    mask = np.arange(12) < 3
    x, z = np.arange(12.0), np.ma.array(np.zeros(12), mask=mask)
    choice = kdexent.choose(x, z, 0, 1, bandwidth=1.0, methods="direct")
    right = kdexent.loss(x, np.where(mask, -np.inf, 0), 0, 1, bandwidth=1.0, bins=4096)
    assert abs(choice.converged - right) < 1e-5


@pytest.mark.parametrize(("name", "argument"), WITH_LOGITS)
def test_a_row_without_a_logit_is_named(name, argument):
    if name.split(".")[-1].startswith("sigmoid"):
        return  # whose labels have no row
    z = np.ma.array(CALLS[name][1][argument])
    z[1] = np.ma.masked
    with pytest.raises(ValueError, match=rf"^{argument} must .* in every row"):
        call(name, **{argument: z})


@pytest.mark.parametrize("method", kdexent.METHODS)
def test_masks_by_every_method(method):
    x, z = np.random.default_rng(5).normal(size=(2, 400))
    mask = x > 0.5
    options = {"bandwidth": 0.3, "bins": 300, "method": method, "wrt": ("z", "x", "bandwidth")}
    found = kdexent.loss_and_grad(x, np.ma.array(z, mask=mask), -1.0, 1.0, **options)
    right = kdexent.loss_and_grad(x, np.where(mask, -np.inf, z), -1.0, 1.0, **options)
    for array, expected in zip(arrays_of(found), arrays_of(right), strict=True):
        np.testing.assert_array_equal(array, expected)
    assert (found[1][0][mask] == 0).all() and (found[1][1][mask] == 0).all()
