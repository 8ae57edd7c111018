"""JAX differentiates the loss, through all that it does with functions."""

from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads
from problems import IDS, KERNELS_AND_DOMAINS, random_problem
from processes import run

import kdexent
import kdexent.jax as kj
from kdexent import reference

jax.config.update("jax_enable_x64", True)

OPTIONS = {"bandwidth": 0.4, "bins": 20}


def problem(*rows, seed=1, points=25):
    return [jnp.asarray(each) for each in random_problem(seed, points, rows)]


@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_every_kernel(kernel, period):
    x, z = problem(3)
    h = jnp.array([0.7, 0.8, 0.9])
    options = {"kernel": kernel, "period": period, "bins": 20}

    def loss(x, z, h):
        return kj.kde_cross_entropy(x, z, 1.0, 4.5, bandwidth=h, reduction="sum", **options)

    found, by = jax.jit(jax.value_and_grad(loss, (0, 1, 2)))(x, z, h)
    wrt = ("x", "z", "bandwidth")
    expected, slopes = reference.loss_and_grad(
        *map(np.asarray, (x, z)), 1.0, 4.5, bandwidth=h, wrt=wrt, **options
    )
    assert float(found) == pytest.approx(expected.sum(), rel=1e-9)
    for each, slope in zip(by, slopes, strict=True):
        np.testing.assert_allclose(each, slope, atol=1e-8 * abs(slope).max() + 1e-13)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("rows", [(), (3,), (2, 3)])
def test_gradients_of_finite_differences(rows, reduction):
    x, z = problem(*rows, points=9)
    target = jnp.arange(1.0, 9.0)

    def loss(x, z, h):
        return kj.kde_cross_entropy(x, z, 1.0, 4.0, bandwidth=h, bins=8, target=target, reduction=reduction)

    check_grads(loss, (x, z, jnp.full(rows, 0.8)), 1, modes=("rev",))
    check_grads(loss, (x.reshape(-1, 9)[0], z, 0.8), 1, modes=("rev",))


def test_only_what_is_asked_for_is_computed(monkeypatch):
    asked, whole = [], kdexent.loss_and_grad

    def note(*arguments, wrt, **options):
        asked.append(wrt)
        return whole(*arguments, wrt=wrt, **options)

    monkeypatch.setattr(kj.kde, "loss_and_grad", note)
    x, z = problem()

    def loss(z):
        return kj.kde_cross_entropy(x, z, 1, 4, **OPTIONS)

    loss(z).block_until_ready()
    jax.grad(loss)(z).block_until_ready()
    assert asked == [("z",)]


def test_vmap_is_one_call_that_keeps_rows_apart(monkeypatch):
    x, z = problem(4)
    calls, whole = [], kdexent.loss

    def note(**arguments):
        calls.append(arguments)
        return whole(**arguments)

    monkeypatch.setattr(kj.kde, "loss", note)

    def losses(x, h=0.4):
        return kj.kde_cross_entropy(x, z, 1, 4, bandwidth=h, bins=20, reduction="none")

    found = jax.jit(jax.vmap(losses))(x[:3]).block_until_ready()
    assert len(calls) == 1
    np.testing.assert_allclose(found, [losses(each) for each in x[:3]], rtol=1e-13)
    of_each = jax.vmap(jax.vmap(losses, (None, 0)), (0, None))(x[:3], jnp.array([0.3, 0.4]))
    np.testing.assert_allclose(of_each[:, 1], found, rtol=1e-13)


def test_function_transforms():
    x, z = problem(4)

    def loss(z, x, h=0.4):
        return kj.kde_cross_entropy(x, z, 1, 4, bandwidth=h, bins=20)

    each = np.array([jax.grad(loss)(z[r], x[r]) for r in range(4)])
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(loss)))(z, x), each, atol=1e-13)
    np.testing.assert_allclose(jax.grad(lambda z: jax.vmap(loss)(z, x).sum())(z), each, atol=1e-13)
    np.testing.assert_allclose(jax.jacrev(loss)(z[0], x[0]), each[0], atol=1e-13)
    by_h = jax.vmap(jax.grad(loss, 2), (None, None, 0))(z[0], x[0], jnp.linspace(0.3, 0.6, 5))
    alone = [jax.grad(loss, 2)(z[0], x[0], h) for h in jnp.linspace(0.3, 0.6, 5)]
    np.testing.assert_allclose(by_h, alone, rtol=1e-10)
    assert (jax.grad(lambda z: 0.0 * loss(z, x[0]) + z.sum())(z[0]) == 1).all()


def test_memory_that_is_no_array_here_is_copied(monkeypatch):
    x, z = problem(4)

    def losses(z, h):
        return kj.kde_cross_entropy(x, z, 1, 4, bandwidth=h, bins=20)

    h = jnp.array(0.4)
    expected = jax.value_and_grad(losses, (0, 1))(z, h)
    kj._kept.cache_clear()  # as a compiled program has one way
    monkeypatch.setattr(jax.lax, "platform_dependent", lambda operands, *, cpu, default: default(operands))
    assert "pure_callback" in str(jax.make_jaxpr(losses)(z, h))
    found = jax.value_and_grad(losses, (0, 1))(z, h)
    jax.tree.map(np.testing.assert_array_equal, found, expected)
    kj._kept.cache_clear()


def test_subnormal_numbers_are_numbers():
    # JAX's programs take them for 0.
    x, z = problem()
    target = np.array([1e-310, 2e-310, 3e-310, 2e-310])
    options = {"bandwidth": 0.4, "bins": 4, "target": target}
    found = jax.jit(lambda z: kj.kde_cross_entropy(x, z, 1, 4, **options))(z)
    assert found == kdexent.loss(np.asarray(x), np.asarray(z), 1, 4, **options)


def test_threads_that_are_started_in_a_callback_compute_as_others():
    code = """
        import jax, numpy as np, kdexent
        x, z = np.random.default_rng(0).normal(size=(2, 200_000))
        options = {"bandwidth": 0.1, "bins": 4}
        call = lambda: kdexent.loss(x, z, -1, 1, n_threads=2, **options).astype(np.float32)
        jax.jit(lambda: jax.pure_callback(call, jax.ShapeDtypeStruct((), np.float32)))().block_until_ready()
        z[1:] -= 707  # gradients of 1e-308
        one, two = (kdexent.loss_and_grad(x, z, -1, 1, n_threads=n, **options)[1] for n in (1, 2))
        assert (one == two).all() and (one[1:] != 0).any()
        print("right")
    """
    assert run(code) == "right"


def test_several_threads():
    x, z = problem(50)
    step = jax.jit(jax.grad(lambda z: kj.kde_cross_entropy(x, z, 1, 4, **OPTIONS)))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(step, [z + i for i in range(200)]))
    for i, each in enumerate(found):
        np.testing.assert_array_equal(each, step(z + i))


def test_calls_that_are_not_compiled_are_compiled_once():
    code = """
        import jax, jax.numpy as jnp, kdexent.jax as kj
        events = []
        jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: events.append(event))
        x, z = jnp.linspace(-1, 1, 25), jnp.zeros(25)
        step = jax.value_and_grad(lambda z: kj.kde_cross_entropy(x, z, 1, 4, bandwidth=0.4, bins=20))
        for call in range(3):
            events.clear()
            step(z + call)
            print(sum("backend_compile" in event for event in events) > 0)
    """
    assert run(code).split() == ["True", "False", "False"]


def test_edges_and_constant_arrays():
    x, z = problem(3)
    edges, ends = np.array([1.0, 2.0, 4.0]), np.array([4.0, 4.0, 4.0])
    found = kj.kde_cross_entropy(x, z, 1.0, ends, bandwidth=0.4, bins=edges, reduction="none")
    expected = reference.loss(np.asarray(x), np.asarray(z), 1.0, 4.0, bandwidth=0.4, bins=edges)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_halves(dtype):
    x, z = problem(3)
    short = z.astype(dtype)

    def loss(z):
        return kj.kde_cross_entropy(x.astype(jnp.float32), z, 1, 4, **OPTIONS)

    found, by = jax.value_and_grad(loss)(short)
    assert (found.dtype, by.dtype) == (jnp.float32, dtype)
    assert float(found) == pytest.approx(float(loss(short.astype(jnp.float32))), rel=1e-6)


def test_single_precision():
    x, z = (each.astype(jnp.float32) for each in problem(3))

    def loss(z):
        return kj.kde_cross_entropy(x, z, 1, 4, **OPTIONS)

    found, by = jax.value_and_grad(loss)(z)
    expected, slopes = jax.value_and_grad(
        lambda z: kj.kde_cross_entropy(x.astype(float), z, 1, 4, **OPTIONS)
    )(z.astype(float))
    assert (found.dtype, by.dtype) == (jnp.float32, jnp.float32)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(by, slopes, atol=1e-6 * abs(slopes).max())


def test_without_double_precision_numbers_keep_their_digits():
    code = """
        import jax, jax.numpy as jnp, numpy as np, kdexent, kdexent.jax as kj
        x, z = (np.random.default_rng(0).normal(size=(2, 30)).astype(np.float32))
        call = lambda z: kj.kde_cross_entropy(x, z, -0.1, 0.1, bandwidth=1e-3)
        found, by = jax.jit(jax.value_and_grad(call))(z)
        loss, slopes = kdexent.loss_and_grad(x, z, -0.1, 0.1, bandwidth=1e-3)
        assert found.dtype == by.dtype == jnp.float32
        assert abs(found - loss) <= 2e-7 * loss and (by == slopes).all()
        seconds = jnp.arange(30) + 1_700_000_001  # that float32 would round to the same
        call = lambda z: kj.kde_cross_entropy(seconds, z, 1_700_000_010.0, 1_700_000_020.0, bandwidth=3)
        found, by = jax.jit(jax.value_and_grad(call))(z)
        loss, slopes = kdexent.loss_and_grad(
            np.asarray(seconds), z, 1_700_000_010.0, 1_700_000_020.0, bandwidth=3
        )
        assert abs(found - loss) <= 2e-7 * loss and (by == slopes.astype(np.float32)).all()
        print("right")
    """
    assert run(code) == "right"


@pytest.mark.parametrize("name", ["a", "b", "target"])
def test_what_has_no_gradient(name):
    x, z = problem()
    given = {"a": jnp.array(1.0), "b": jnp.array(4.0), "target": jnp.ones(20)}
    with pytest.raises(ValueError, match=rf"^{name} has no gradient"):
        jax.grad(lambda value: kj.kde_cross_entropy(x, z, **{**given, name: value}, **OPTIONS))(given[name])


def test_second_derivatives_raise():
    x, z = problem()

    def loss(z):
        return kj.kde_cross_entropy(x, z, 1, 4, **OPTIONS)

    for second in (jax.hessian(loss), jax.jacrev(jax.grad(loss))):
        with pytest.raises(TypeError, match="first derivatives only"):
            second(z)


def test_bad_input_is_named():
    x, z = problem()
    with pytest.raises(ValueError, match=r"^reduction must be one of"):
        kj.kde_cross_entropy(x, z, 1, 4, reduction="total", **OPTIONS)
    with pytest.raises(jax.errors.JaxRuntimeError, match=r"z must be finite or -inf.*got z\[2\] = nan"):
        jax.jit(lambda z: kj.kde_cross_entropy(x, z, 1, 4, **OPTIONS))(
            z.at[2].set(jnp.nan)
        ).block_until_ready()
