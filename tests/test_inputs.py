"""Arrays of any layout and real dtype are read where they are and never modified; out takes the result."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import random_problem

import kdexent
from kdexent import reference

OPTIONS = {"bandwidth": 0.4, "bins": 16}


def layouts(array):
    """Return the same numbers in other layouts."""
    read_only = array.copy()
    read_only.flags.writeable = False
    strided = np.repeat(array, 3, axis=-1)[..., ::3]
    unaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    unaligned[...] = array
    return {
        "contiguous": array,
        "read-only": read_only,
        "strided": strided,
        "backwards": array[..., ::-1].copy()[..., ::-1],
        "fortran": np.asfortranarray(array),
        "swapped": array.astype(array.dtype.newbyteorder()),
        "unaligned": unaligned,
        "list": array.tolist(),
    }


@pytest.mark.parametrize("rows", [(), (3,), (2, 3)])
@pytest.mark.parametrize("layout", layouts(np.zeros(1)))
def test_layouts(layout, rows):
    x, z = random_problem(0, 50, rows)
    expected_loss, expected = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=("z", "x", "bandwidth"), **OPTIONS)
    x2, z2 = layouts(x)[layout], layouts(z)[layout]
    loss, gradients = kdexent.loss_and_grad(x2, z2, 1.0, 5.0, wrt=("z", "x", "bandwidth"), **OPTIONS)
    np.testing.assert_array_equal(loss, expected_loss)
    for gradient, exact in zip(gradients, expected, strict=True):
        np.testing.assert_array_equal(gradient, exact)
    np.testing.assert_array_equal(x2, x)
    np.testing.assert_array_equal(z2, z)


def test_memory_maps(tmp_path):
    x, z = random_problem(1, 5_000)
    expected_loss, expected = kdexent.loss_and_grad(x, z, 1.0, 5.0, bandwidth=0.4, bins=256)
    for name, array in (("x", x), ("z", z)):
        np.save(tmp_path / f"{name}.npy", array)
    x_map, z_map = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "xz")
    out = np.lib.format.open_memmap(tmp_path / "out.npy", "w+", np.float64, x.shape)
    loss, gradient = kdexent.loss_and_grad(x_map, z_map, 1.0, 5.0, bandwidth=0.4, bins=256, out=out)
    assert gradient is out and loss == expected_loss
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64", "float16", "longdouble", "bool"])
def test_other_real_dtypes_compute_in_float64(dtype):
    x, z = (np.random.default_rng(2).integers(0, 2, (2, 30))).astype(dtype)
    loss, gradient = kdexent.loss_and_grad(x, z, 0.0, 1.0, **OPTIONS)
    expected_loss, expected = kdexent.loss_and_grad(x.astype(float), z.astype(float), 0.0, 1.0, **OPTIONS)
    assert loss == expected_loss and gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient, expected)


@pytest.mark.parametrize(
    ("x_dtype", "z_dtype"), [("float32", "float64"), ("float64", "float32"), ("int32", "float32")]
)
def test_float32_beside_anything_else_is_float64(x_dtype, z_dtype):
    x, z = random_problem(3, 20)
    x, z = x.astype(x_dtype), z.astype(z_dtype)
    loss, gradient = kdexent.loss_and_grad(x, z, 1.0, 5.0, **OPTIONS)
    assert isinstance(loss, float) and gradient.dtype == np.float64
    assert loss == kdexent.loss(x.astype(float), z.astype(float), 1.0, 5.0, **OPTIONS)


@pytest.mark.parametrize("implementation", [reference, kdexent], ids=["reference", "fast"])
def test_what_comes_back(implementation):
    x, z = random_problem(4, 20)
    loss, (by_z, by_h) = implementation.loss_and_grad(x, z, 1.0, 5.0, wrt=("z", "bandwidth"), **OPTIONS)
    assert isinstance(loss, float) and isinstance(by_h, float) and by_z.shape == (20,)
    loss, (by_z, by_h) = implementation.loss_and_grad(x, z[None], 1.0, 5.0, wrt=("z", "bandwidth"), **OPTIONS)
    assert loss.shape == by_h.shape == (1,) and by_z.shape == (1, 20)
    loss, gradient = implementation.loss_and_grad(np.empty((0, 5)), np.empty((0, 5)), 1.0, 5.0, **OPTIONS)
    assert loss.shape == (0,) and gradient.shape == (0, 5)
    assert implementation.log_density(x, z, np.empty(0), bandwidth=1.0).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("rows", [(), (3,), (2, 3)])
def test_out_takes_gradients_of_any_layout(rows, dtype):
    x, z = random_problem(5, 40, rows, dtype=dtype)
    names = ("bandwidth", "x", "z")
    expected_loss, expected = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=names, **OPTIONS)
    for make in (np.empty, lambda shape, dtype: np.empty((*shape, 2), dtype)[..., 0]):
        out = (
            make(rows, dtype) if rows else np.empty((), dtype),
            make((*rows, 40), dtype),
            make((*rows, 40), dtype),
        )
        loss, gradients = kdexent.loss_and_grad(x, z, 1.0, 5.0, wrt=names, out=out, **OPTIONS)
        np.testing.assert_array_equal(loss, expected_loss)
        for given_array, gradient, exact in zip(out, gradients, expected, strict=True):
            np.testing.assert_array_equal(given_array, exact)
            np.testing.assert_array_equal(gradient, exact)


@given(
    rows=st.lists(st.integers(1, 3), max_size=3),
    points=st.integers(1, 20),
    drop=st.lists(st.sampled_from(["keep", "one", "drop"]), min_size=5, max_size=5),
    data=st.integers(0, 2**32 - 1),
)
def test_leading_dimensions_broadcast_as_in_numpy(rows, points, drop, data):
    rng = np.random.default_rng(data)

    def shape(how):
        if how == "drop":
            return tuple(rows[1:])
        return tuple(1 if how == "one" and rng.random() < 0.5 else n for n in rows)

    x, z = rng.normal(size=(*shape(drop[0]), points)), rng.normal(size=(*shape(drop[1]), points))
    a, b = rng.uniform(-2, 0, shape(drop[2])), rng.uniform(0.5, 2, shape(drop[3]))
    h = rng.uniform(0.5, 2, shape(drop[4]))
    loss, gradient = kdexent.loss_and_grad(x, z, a, b, bandwidth=h, bins=4)
    expected_loss, expected = reference.loss_and_grad(x, z, a, b, bandwidth=h, bins=4)
    lead = np.broadcast_shapes(x.shape[:-1], z.shape[:-1], a.shape, b.shape, h.shape)
    assert np.shape(loss) == lead and gradient.shape == (*lead, points)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-12)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-13)
