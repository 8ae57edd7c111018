"""PyTorch differentiates the loss, through all that it does with functions."""

import copy
import pickle
import textwrap
import threading

import numpy as np
import pytest
from problems import IDS, KERNELS_AND_DOMAINS, random_problem
from processes import run
from tiers import thorough

import kdexent
from kdexent import reference

torch = pytest.importorskip("torch", reason="an extra of its own: make frameworks")

from torch.utils.checkpoint import checkpoint  # noqa: E402  # needs torch

import kdexent.torch as kt  # noqa: E402  # needs torch
from kdexent.torch import functions  # noqa: E402  # needs torch

OPTIONS = {"bandwidth": 0.4, "bins": 20}


def problem(*rows, seed=1, points=25, dtype=np.float64):
    return [torch.from_numpy(each) for each in random_problem(seed, points, rows, dtype=dtype)]


def gradients(loss, *inputs):
    inputs = [each.detach().clone().requires_grad_() for each in inputs]
    return loss(*inputs), torch.autograd.grad(loss(*inputs), inputs)


@pytest.mark.parametrize(("kernel", "period"), KERNELS_AND_DOMAINS, ids=IDS)
def test_every_kernel(kernel, period):
    x, z = problem(3)
    h = torch.tensor([0.7, 0.8, 0.9], dtype=x.dtype)
    options = {"kernel": kernel, "period": period, "bins": 20}

    def loss(x, z, h):
        return kt.kde_cross_entropy(x, z, 1.0, 4.5, bandwidth=h, reduction="sum", **options)

    found, by = gradients(loss, x, z, h)
    wrt = ("x", "z", "bandwidth")
    expected, slopes = reference.loss_and_grad(
        x.numpy(), z.numpy(), 1.0, 4.5, bandwidth=h.numpy(), wrt=wrt, **options
    )
    assert found.item() == pytest.approx(expected.sum(), rel=1e-9)
    for each, slope in zip(by, slopes, strict=True):
        np.testing.assert_allclose(each, slope, atol=1e-8 * abs(slope).max() + 1e-13)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("rows", [(), (3,), (2, 3)])
def test_gradcheck(rows, reduction):
    x, z = problem(*rows, points=9)
    h = torch.rand(rows, dtype=x.dtype) + 0.5
    inputs = [each.requires_grad_() for each in (x, z, h)]

    def loss(x, z, h):
        return kt.kde_cross_entropy(x, z, 1.0, 4.0, bandwidth=h, bins=8, reduction=reduction)

    assert torch.autograd.gradcheck(loss, inputs)


def test_gradcheck_of_what_is_broadcast():
    x, z = problem(4, points=9)
    shared, h = x[0].clone().requires_grad_(), torch.tensor(0.8, dtype=x.dtype, requires_grad=True)
    target = torch.rand(4, 8, dtype=x.dtype)

    def loss(x, z, h):
        starts = torch.linspace(0.0, 1.0, 4, dtype=x.dtype)
        return kt.kde_cross_entropy(x, z, starts, 4.0, bandwidth=h, bins=8, target=target)

    assert torch.autograd.gradcheck(loss, (shared, z.requires_grad_(), h))


@pytest.mark.parametrize("shape", [(6, 4), (2, 3, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_gradcheck_of_softmax(shape, reduction, soft):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(shape, dtype=torch.float64, generator=generator).requires_grad_()
    labels = torch.softmax(2 * logits.detach(), -1) if soft else torch.randint(0, 4, shape[:-1])
    weights = torch.rand(shape[:-1], dtype=torch.float64, generator=generator)

    def loss(logits):
        return kt.softmax_cross_entropy(
            logits, labels, sample_weight=weights, label_smoothing=0.1, reduction=reduction
        )

    assert torch.autograd.gradcheck(loss, logits)


def test_confident_rows_keep_their_gradient():
    logits = torch.tensor([[40.0, 0.0]], requires_grad=True)
    kt.softmax_cross_entropy(logits, torch.tensor([0])).backward()
    assert logits.grad[0, 1].item() == pytest.approx(np.exp(-40), rel=1e-6)
    for soft in (torch.tensor([[1.0, 0.0]]), torch.tensor([0])):
        assert kt.softmax_cross_entropy(logits, soft).item() == pytest.approx(np.exp(-40), rel=1e-6)


def test_only_what_is_asked_for_is_computed(monkeypatch):
    asked, whole = [], kdexent.loss_and_grad

    def note(*arguments, wrt, **options):
        asked.append(wrt)
        return whole(*arguments, wrt=wrt, **options)

    monkeypatch.setattr(functions.kde, "loss_and_grad", note)
    x, z = problem()
    kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS)
    kt.kde_cross_entropy(x, z.requires_grad_(), 1, 4, **OPTIONS)
    with torch.no_grad():
        kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS)
    assert asked == ["z"]


def test_memory_of_tensors_is_read_where_it_lies(monkeypatch):
    x, z = problem(3)
    read, whole = [], kdexent.loss

    def note(x, z, *arguments, **options):
        read.extend((x, z))
        return whole(x, z, *arguments, **options)

    monkeypatch.setattr(functions.kde, "loss", note)
    strided = x.t().contiguous().t()
    kt.kde_cross_entropy(strided, z, 1, 4, **OPTIONS)
    addresses = [array.__array_interface__["data"][0] for array in read]
    assert addresses == [strided.data_ptr(), z.data_ptr()]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_short_numbers(dtype):
    x, z = problem(3)
    short = z.to(dtype).requires_grad_()
    loss = kt.kde_cross_entropy(x.float(), short, 1, 4, **OPTIONS)
    loss.backward()
    expected, slopes = gradients(lambda z: kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS), z.to(dtype).double())
    assert (loss.dtype, short.grad.dtype) == (torch.float32, dtype)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    np.testing.assert_allclose(short.grad.double(), slopes[0], atol=0.01 * abs(slopes[0]).max().item())


def test_function_transforms():
    x, z = problem(4)

    def loss(z, x, h=0.4):
        return kt.kde_cross_entropy(x, z, 1, 4, bandwidth=h, bins=20)

    each = [gradients(lambda z, x=x[r]: loss(z, x), z[r])[1][0] for r in range(4)]
    of_all = torch.stack(each)
    np.testing.assert_allclose(torch.func.grad(loss)(z[0], x[0]), each[0], rtol=1e-13)
    np.testing.assert_allclose(torch.func.vjp(loss, z[0], x[0])[1](torch.tensor(1.0).double())[0], each[0])
    np.testing.assert_allclose(torch.vmap(torch.func.grad(loss))(z, x), of_all, atol=1e-13)
    summed = torch.func.grad(lambda z: torch.vmap(loss)(z, x).sum())(z)
    np.testing.assert_allclose(summed, of_all, atol=1e-13)
    widths = torch.linspace(0.3, 0.6, 4).double()
    by_h = torch.vmap(torch.func.grad(loss, 2), (0, None, 0))(z, x[0], widths)
    alone = [gradients(lambda h, r=r: loss(z[r], x[0], h), widths[r])[1][0] for r in range(4)]
    np.testing.assert_allclose(by_h, torch.stack(alone), rtol=1e-10)
    weights = torch.rand(2, 4).double()
    jacobian = torch.func.jacrev(lambda z: weights @ torch.vmap(loss)(z, x))(z)
    np.testing.assert_allclose(jacobian, weights[:, :, None] * of_all, atol=1e-13)


def test_vmap_is_one_call_that_keeps_rows_apart(monkeypatch):
    x, z = problem(4)
    calls, whole = [], kdexent.loss

    def note(*arguments, **options):
        calls.append(arguments)
        return whole(*arguments, **options)

    monkeypatch.setattr(functions.kde, "loss", note)

    def losses(x):
        return kt.kde_cross_entropy(x, z, 1, 4, reduction="none", **OPTIONS)

    found = torch.vmap(losses)(x[:3])
    assert len(calls) == 1
    np.testing.assert_allclose(found, torch.stack([losses(each) for each in x[:3]]), rtol=1e-13)


def test_transforms_within_transforms():
    x, z = problem()
    grad, grad_and_value = torch.func.grad, torch.func.grad_and_value
    scale = torch.tensor(2.0).double()

    def loss(z, x):
        return kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS)

    by_z, by_x = gradients(loss, z, x)[1]
    np.testing.assert_allclose(
        grad(lambda z: grad_and_value(lambda x: loss(z, x))(x)[1])(z), by_z, atol=1e-13
    )
    np.testing.assert_allclose(grad(lambda x: grad_and_value(loss)(z, x)[1])(x), by_x, atol=1e-13)
    np.testing.assert_allclose(grad(lambda z: grad(lambda s: s * loss(z, x))(scale))(z), by_z, atol=1e-13)
    outside = z.clone().requires_grad_()
    grad_and_value(lambda x: loss(outside, x))(x)[1].backward()
    np.testing.assert_allclose(outside.grad, by_z, atol=1e-13)
    labels = torch.softmax(x, -1)
    by_logits = gradients(lambda z: kt.softmax_cross_entropy(z, labels), z)[1][0]
    found = grad(lambda z: grad(lambda s: s * kt.softmax_cross_entropy(z, labels))(scale))(z)
    np.testing.assert_allclose(found, by_logits, atol=1e-13)
    for second in (
        lambda: grad(lambda x: grad(loss)(z, x).pow(2).sum())(x),
        lambda: grad(lambda z: grad(loss, 1)(z, x).pow(2).sum())(z),
    ):
        with pytest.raises(RuntimeError, match="first derivatives only"):
            second()


def test_lists_under_vmap():
    x, z = problem(2)

    def losses(z):
        return kt.kde_cross_entropy(x[0].tolist(), z, 1, 4, bandwidth=[0.4, 0.6], bins=20, reduction="none")

    np.testing.assert_allclose(torch.vmap(losses)(z), torch.stack([losses(each) for each in z]))


def test_vmap_of_a_module():
    x, z = problem(3)
    module = kt.KDECrossEntropy(1, 4, x=x, reduction="none", **OPTIONS)
    batch = torch.stack([z, z + 0.1 * x])
    np.testing.assert_allclose(torch.vmap(module)(batch), torch.stack([module(each) for each in batch]))
    np.testing.assert_allclose(torch.vmap(module, 1)(batch[0].unsqueeze(1)).shape, (1, 3))


def test_softmax_in_transforms():
    logits, labels = torch.randn(5, 3, 4).double(), torch.randint(0, 4, (5, 3))
    found = torch.vmap(torch.func.grad(kt.softmax_cross_entropy))(logits, labels)
    alone = [
        gradients(lambda z, y=y: kt.softmax_cross_entropy(z, y), z)[1][0]
        for z, y in zip(logits, labels, strict=True)
    ]
    np.testing.assert_allclose(found, torch.stack(alone), rtol=1e-13)


def test_second_derivatives_raise():
    x, z = problem()
    z.requires_grad_()
    for loss in (
        lambda z: kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS),
        lambda z: kt.softmax_cross_entropy(z, torch.tensor(3)),
    ):
        (slope,) = torch.autograd.grad(loss(z), z, create_graph=True)
        with pytest.raises(RuntimeError, match="first derivatives only"):
            slope.sum().backward()
        with pytest.raises(RuntimeError, match="first derivatives only"):
            torch.func.jacrev(torch.func.grad(loss))(z.detach())
    loss = kt.kde_cross_entropy(x.requires_grad_(), z, 1, 4, **OPTIONS)
    (slope,) = torch.autograd.grad(loss, z, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        torch.autograd.grad(slope.sum() + x.sum(), x)


@pytest.mark.parametrize("name", ["a", "b", "target"])
def test_what_has_no_gradient(name):
    x, z = problem()
    given = {"a": torch.tensor(1.0), "b": torch.tensor(4.0), "target": torch.ones(20)}
    given[name].requires_grad_()
    with pytest.raises(ValueError, match=rf"^{name} has no gradient"):
        kt.kde_cross_entropy(x, z, **given, **OPTIONS)


def test_bad_input_is_named():
    x, z = problem()
    with pytest.raises(ValueError, match=r"^x must be finite, got x\[3\]"):
        kt.kde_cross_entropy(x.index_fill(0, torch.tensor(3), torch.nan), z.requires_grad_(), 1, 4, **OPTIONS)
    with pytest.raises(ValueError, match=r"^reduction must be one of"):
        kt.kde_cross_entropy(x, z, 1, 4, reduction="total", **OPTIONS)
    with pytest.raises(ValueError, match=r"^reduction must be one of"):
        kt.KDECrossEntropy(1, 4, reduction="total", **OPTIONS)
    with pytest.raises(ValueError, match=r"^labels has no gradient"):
        kt.softmax_cross_entropy(z, torch.softmax(z, -1))


def test_module():
    x, z = problem(3)
    h = torch.nn.Parameter(torch.tensor(0.4))
    free, fixed = kt.KDECrossEntropy(1, 4, **OPTIONS), kt.KDECrossEntropy(1, 4, x=x, **OPTIONS)
    learned = kt.KDECrossEntropy(1, 4, bandwidth=h, bins=20)
    expected, slopes = gradients(lambda z: kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS), z)
    for module in (fixed, copy.deepcopy(fixed), pickle.loads(pickle.dumps(fixed))):
        found, by = gradients(module, z)
        assert found.item() == pytest.approx(expected.item(), rel=1e-12)
        np.testing.assert_allclose(by[0], slopes[0], atol=1e-13)
    np.testing.assert_allclose(gradients(lambda z: free(z, x=x), z)[1][0], slopes[0], atol=1e-13)
    learned(z, x=x).backward()
    assert list(learned.parameters()) == [h]
    by_h = gradients(lambda h: kt.kde_cross_entropy(x, z, 1, 4, bandwidth=h, bins=20), h)[1][0]
    assert h.grad.item() == pytest.approx(by_h.item(), rel=1e-6)
    moved = kt.KDECrossEntropy(torch.zeros(3), 4, **OPTIONS).double()
    assert (moved.a.dtype, list(moved.state_dict())) == (torch.float64, ["a"])
    with pytest.raises(TypeError, match="kernle"):
        kt.KDECrossEntropy(1, 4, kernle="laplace", **OPTIONS)
    assert "bandwidth=0.4, kernel='gaussian', bins=20" in repr(fixed)
    with pytest.raises(TypeError, match="x must be given once"):
        free(z)
    with pytest.raises(TypeError, match="x must be given once"):
        fixed(z, x=x)
    with pytest.raises(ValueError, match=r"^bandwidth has no gradient"):
        kt.KDECrossEntropy(1, 4, bandwidth=h, x=x)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_checkpoints(use_reentrant):
    x, z = problem(3)

    def loss(z):
        return kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS)

    def later(z):
        return checkpoint(loss, z, use_reentrant=use_reentrant)

    z.requires_grad_()
    later(z).backward()
    assert (z.grad == gradients(loss, z)[1][0]).all()


def test_several_threads():
    x, z = problem(50)
    expected = gradients(lambda z: kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS), z)[1][0]
    found = [None] * 8

    def work(i):
        found[i] = gradients(lambda z: kt.kde_cross_entropy(x, z, 1, 4, **OPTIONS), z)[1][0]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((each == expected).all() for each in found)


COMPILED = """
    import torch, kdexent.torch as kt
    x, z = torch.rand(3, 25).double(), torch.randn(3, 25).double().requires_grad_()

    def step(z):
        return 3 * kt.kde_cross_entropy(x, torch.sin(z), 0, 1, bandwidth=0.3, bins=20) + z.sum()

    by, = torch.autograd.grad(step(z), z)
    found, = torch.autograd.grad(torch.compile(step, backend="aot_eager")(z), z)
    torch.testing.assert_close(found, by)
    alone = torch.func.grad(lambda z: kt.kde_cross_entropy(x, z, 0, 1, bandwidth=0.3, bins=20))
    torch.testing.assert_close(torch.compile(alone, backend="eager")(z.detach()), alone(z.detach()))
    with torch._dynamo.compiled_autograd._enable(torch.compile(backend="eager")):
        found, = torch.autograd.grad(step(z), z, create_graph=True)
    torch.testing.assert_close(found, by)
    module = torch.compile(kt.KDECrossEntropy(0, 1, bandwidth=0.3, bins=20, x=x), backend="aot_eager")
    (3 * module(torch.sin(z)) + z.sum()).backward()
    torch.testing.assert_close(z.grad, by)
    print("right")
"""


@thorough
def test_compile_leaves_the_call_as_it_is():
    assert run(COMPILED) == "right"


WORKERS = """
    import sys, torch, kdexent.torch as kt

    class Losses(torch.utils.data.Dataset):
        x = torch.linspace(-1, 1, 20_000).double()
        def __len__(self):
            return 4
        def __getitem__(self, i):
            z = (self.x * i).requires_grad_()
            kt.kde_cross_entropy(self.x, z, -1, 1, bandwidth=0.1).backward()
            return z.grad

    if __name__ == "__main__":
        expected = torch.stack([Losses()[i] for i in range(4)])
        for how in sys.argv[1:]:
            loader = torch.utils.data.DataLoader(Losses(), 2, num_workers=2, multiprocessing_context=how)
            assert (torch.cat(list(loader)) == expected).all()
        print("right")
"""


@thorough
def test_workers_of_a_loader(tmp_path):
    script = tmp_path / "workers.py"
    script.write_text(textwrap.dedent(WORKERS))
    assert run(script, "fork", "spawn") == "right"
