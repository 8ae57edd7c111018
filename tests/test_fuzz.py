"""Any shapes, strides, byte orders, dtypes and values: the reference's answer, or the documented error.

FUZZ_EXAMPLES says how many are tried of each kernel; CI tries more than the default.
"""

import os
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from problems import Rounding, assert_gradients_agree, assert_losses_agree
from strategies import by_tails
from tiers import thorough_but_for

import kdexent
from kdexent import reference
from kdexent.names import CIRCLE_ONLY, COMPACT

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
DTYPES = ["<f8", ">f8", "<f4", ">f4", "<f2", "<i4", ">i8", "u1", "?", "longdouble"]
# Data far away, but not so far on a circle that rounding moves them by a part of the period.
SPECIAL = [np.nan, np.inf, -np.inf, 5e-324, 0.0, -0.0, -745.0, 3e4]
FAR = [1e12, 1e30, -1e30]


def laid_out(array, layout, folder):
    """Return the same numbers in memory of another layout."""
    if layout == "strided":
        array = np.repeat(array, 3, axis=-1)[..., ::3]
    elif layout == "backwards":
        array = array[..., ::-1].copy()[..., ::-1]
    elif layout == "fortran":
        array = np.asfortranarray(array)
    elif layout == "broadcast":
        array = np.broadcast_to(array, array.shape)
    elif layout == "unaligned":
        memory = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
        memory[...] = array
        array = memory
    elif layout == "mapped":
        path = folder / f"{np.random.default_rng().integers(2**62)}.npy"
        np.save(path, array)
        array = np.load(path, mmap_mode="r")
        path.unlink()
    elif layout == "read-only":
        array = array.copy()
        array.flags.writeable = False
    elif layout == "list":
        array = array.tolist()
    return array


LAYOUTS = [
    "plain",
    "strided",
    "backwards",
    "fortran",
    "broadcast",
    "unaligned",
    "mapped",
    "read-only",
    "list",
]


@st.composite
def shapes(draw, rows, last):
    """Return a shape that broadcasts with `rows`, or now and then one that may not."""
    if draw(st.integers(0, 40)) == 0:
        return draw(st.lists(st.integers(0, 3), max_size=3)), draw(st.integers(0, 9))
    lead = [draw(st.sampled_from([n, n, 1])) for n in rows]
    return lead[draw(st.integers(0, len(lead))) :], last


@st.composite
def calls(draw, kernel):
    """Return the arguments of a call."""
    rows = draw(st.lists(st.integers(1, 3), max_size=3))
    points, bins = draw(st.integers(1, 24)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    spread = draw(st.sampled_from([0.0, 1e-3, 1.0, 30.0, 1e4]))
    far = draw(st.sampled_from([0.0, 0.0, 0.0, 50.0, -1e5]))

    def data(scale, offset, special):
        lead, last = draw(shapes(rows, points))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            numbers = rng.normal(size=(*lead, last)) * scale + offset
            numbers = numbers.astype(draw(st.sampled_from(DTYPES[:4] * 3 + DTYPES)))
            if numbers.size and numbers.dtype.kind == "f" and draw(st.integers(0, 8)) == 0:
                numbers.flat[rng.integers(numbers.size)] = draw(st.sampled_from(special))
        return numbers

    def parameter(low, high):
        lead, _ = draw(shapes(rows, 1))
        value = rng.uniform(low, high, lead if draw(st.booleans()) else ())
        if draw(st.integers(0, 40)) == 0:
            value = value * draw(st.sampled_from([np.nan, np.inf, -1.0, 0.0]))
        return float(value) if np.ndim(value) == 0 else value

    circle = kernel in CIRCLE_ONLY or draw(st.booleans())
    bandwidth = draw(st.sampled_from([1e-3, 0.05, 0.4, 3.0, 100.0]))
    if circle and kernel in COMPACT:
        bandwidth = min(bandwidth, 3.0)  # wider compact kernels on a circle are slow, in the reference too
    options = {
        "bandwidth": parameter(0.9 * bandwidth, 1.1 * bandwidth),
        "kernel": kernel,
        "bins": bins,
        "period": 2 * np.pi if circle else None,
    }
    if draw(st.integers(0, 3)) == 0:
        options["rule"] = "gauss"
    if draw(st.integers(0, 3)) == 0:
        lead, _ = draw(shapes(rows, bins))
        options["target"] = (
            np.abs(data(1.0, 0.0, SPECIAL)) if draw(st.integers(0, 9)) == 0 else rng.random((*lead, bins))
        )
    x = data(1.5, far, SPECIAL if circle else SPECIAL + FAR)
    z = data(spread, 0.0, SPECIAL)
    return x, z, parameter(-1.5, -0.5), parameter(0.5, 1.5), options


@thorough_but_for(kernel=["gaussian"])
@pytest.mark.parametrize("kernel", kdexent.KERNELS)
@settings(
    max_examples=EXAMPLES,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.function_scoped_fixture,
        HealthCheck.data_too_large,
    ],
)
@given(
    data=st.data(),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    method=st.sampled_from(["auto", "auto", "direct", "cells", "window"]),
    wrt=st.sampled_from(["z", "z", ("x", "bandwidth"), ("bandwidth", "z", "x")]),
    far_bins=st.sampled_from([nullcontext, by_tails]),
)
def test_the_reference_s_answer_or_the_documented_error(
    tmp_path, kernel, data, layouts, method, wrt, far_bins
):
    *arrays, a, b, options = data.draw(calls(kernel))
    given_arrays = [laid_out(array, layout, tmp_path) for array, layout in zip(arrays, layouts, strict=True)]
    before = [np.array(array) for array in given_arrays]
    names = (wrt,) if isinstance(wrt, str) else wrt
    try:
        expected = reference.loss_and_grad(*given_arrays, a, b, wrt=names, **options)
    except (ValueError, TypeError) as error:
        expected = error
    try:
        with far_bins():
            found = kdexent.loss_and_grad(
                *given_arrays, a, b, wrt=names, method=method, rtol=1e-12, n_threads=2, **options
            )
    except (ValueError, TypeError) as error:
        found = error
    for array, copy in zip(given_arrays, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    if isinstance(found, Exception) and str(found).startswith("method"):
        assert method != "auto" and "use one of" in str(found)
        return
    if isinstance(expected, Exception) or isinstance(found, Exception):
        assert (type(found), str(found)) == (type(expected), str(expected))
        return
    loss, gradients = found
    rtol, z = (2e-5 if np.asarray(loss).dtype == np.float32 else 1e-11), np.asarray(arrays[1], float)

    def exact(x):
        value, parts = reference.loss_and_grad(x, arrays[1], a, b, wrt=names, **options)
        return value, *parts

    if options["period"] is not None and np.size(loss):
        # Taking turns off rounds each bin's distance by itself, in the reference as well.
        far = np.abs(np.asarray(arrays[0], float)).max()
        rtol += 4 * np.finfo(float).eps * far / np.min(options["bandwidth"])
    rounding = Rounding(exact, arrays[0])
    assert_losses_agree(loss, expected[0], rtol, rounding)
    if z.size == 0 or np.size(loss) == 0:
        return
    for index, name in enumerate(names):
        about = (options["bandwidth"], name, rtol, (rounding, index + 1))
        assert_gradients_agree(gradients[index], expected[1][index], z, *about)
