"""What frameworks take that differentiate the loss themselves, all pairs or binned, beside kdexent in them.

Binned means linearly, on a grid, and convolved by FFT, as KDE packages do.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ..cases import BANDWIDTH, line
from ..classifier_cases import Arguments, ClassifierCase, Peer, Prepared

FRAMEWORKS = "in frameworks that differentiate"
SIZES = ((10_000, 256), (100_000, 256))
NAMED = "bandwidth", "bins"
_GRID = 4096  # points
_MARGIN = 8  # bandwidths on both sides of the data


def _log_norm(h: float) -> float:
    return math.log(h * math.sqrt(2 * math.pi))


def _jax_dense(jax: Any, x: Any, h: float, centers: Any, z: Any) -> Any:
    np, log_sum = jax.numpy, jax.nn.logsumexp
    log_k = -0.5 * ((centers[:, np.newaxis] - x) / h) ** 2
    return _log_norm(h) + log_sum(z) - log_sum(log_k + z, axis=1).mean()


def _jax_binned(jax: Any, x: Any, h: float, centers: Any, z: Any) -> Any:
    np = jax.numpy
    low, high = x.min() - _MARGIN * h, x.max() + _MARGIN * h
    step = (high - low) / (_GRID - 1)
    at, weights = (x - low) / step, jax.nn.softmax(z)
    cell = np.floor(at).astype(int)
    right = weights * (at - cell)
    mass = np.zeros(_GRID).at[cell].add(weights - right).at[cell + 1].add(right)
    ring = np.arange(2 * _GRID)
    kernel = np.exp(-0.5 * (np.minimum(ring, 2 * _GRID - ring) * step / h) ** 2)
    spectrum = np.fft.rfft(mass, 2 * _GRID) * np.fft.rfft(kernel)
    density = np.fft.irfft(spectrum)[:_GRID]
    q = np.interp((centers - low) / step, np.arange(_GRID), density)
    return _log_norm(h) - np.log(q).mean()


def _torch_dense(torch: Any, x: Any, h: float, centers: Any, z: Any) -> Any:
    log_k = -0.5 * ((centers[:, None] - x) / h) ** 2
    return _log_norm(h) + torch.logsumexp(z, 0) - torch.logsumexp(log_k + z, 1).mean()


def _torch_binned(torch: Any, x: Any, h: float, centers: Any, z: Any) -> Any:
    low, high = x.min() - _MARGIN * h, x.max() + _MARGIN * h
    step = (high - low) / (_GRID - 1)
    at, weights = (x - low) / step, torch.softmax(z, 0)
    cell = at.floor().long()
    right = weights * (at - cell)
    mass = torch.zeros(_GRID, dtype=x.dtype).index_add(0, cell, weights - right).index_add(0, cell + 1, right)
    ring = torch.arange(2 * _GRID)
    kernel = torch.exp(-0.5 * (torch.minimum(ring, 2 * _GRID - ring) * step / h) ** 2)
    density = torch.fft.irfft(torch.fft.rfft(mass, 2 * _GRID) * torch.fft.rfft(kernel))[:_GRID]
    place = (centers - low) / step
    left = place.floor().long()
    q = torch.lerp(density[left], density[left + 1], place - left)
    return _log_norm(h) - torch.log(q).mean()


def _of_jax(loss: Any, n_threads: int, x: Any, z: Any, a: float, b: float, h: float, bins: int) -> Prepared:
    import jax  # noqa: PLC0415  # need not be installed
    from jax import jit as compiled  # noqa: PLC0415  # need not be installed

    jax.config.update("jax_enable_x64", True)
    points, logits = jax.numpy.asarray(x), jax.numpy.asarray(z)
    if loss is None:
        import kdexent.jax  # noqa: PLC0415  # only where JAX is

        def of_logits(z: Any) -> Any:
            options: dict[str, Any] = {"bandwidth": h, "bins": bins, "n_threads": n_threads}
            return kdexent.jax.kde_cross_entropy(points, z, a, b, **options)
    else:
        centers = a + (b - a) * (jax.numpy.arange(bins) + 0.5) / bins
        of_logits = partial(loss, jax, points, h, centers)
    run = compiled(jax.value_and_grad(of_logits))
    return Prepared(lambda: jax.block_until_ready(run(logits)))


def _of_torch(loss: Any, n_threads: int, x: Any, z: Any, a: float, b: float, h: float, bins: int) -> Prepared:
    import torch  # noqa: PLC0415  # need not be installed

    torch.set_num_threads(n_threads)
    points, logits = torch.from_numpy(x), torch.from_numpy(z).requires_grad_()
    if loss is None:
        import kdexent.torch  # noqa: PLC0415  # only where PyTorch is

        options: dict[str, Any] = {"bandwidth": h, "bins": bins, "n_threads": n_threads}
        of_logits: Any = partial(kdexent.torch.kde_cross_entropy, points, a=a, b=b, **options)
    else:
        centers = a + (b - a) * (torch.arange(bins, dtype=points.dtype) + 0.5) / bins
        of_logits = partial(loss, torch, points, h, centers)

    def call() -> tuple[Any, Any]:
        logits.grad = None
        value = of_logits(z=logits) if loss is None else of_logits(logits)
        value.backward()
        return value, logits.grad

    return Prepared(call, lambda result: (result[0].item(), result[1].numpy()))


PEERS = (
    Peer("kdexent.jax", "jax", partial(_of_jax, None)),
    Peer("JAX, all pairs", "jax", partial(_of_jax, _jax_dense)),
    Peer("JAX, binned", "jax", partial(_of_jax, _jax_binned)),
    Peer("kdexent.torch", "torch", partial(_of_torch, None)),
    Peer("PyTorch, all pairs", "torch", partial(_of_torch, _torch_dense)),
    Peer("PyTorch, binned", "torch", partial(_of_torch, _torch_binned)),
)


def suite(quick: bool = False) -> list[ClassifierCase]:
    """Return a gaussian row of each size."""

    def make(points: int, bins: int) -> Arguments:
        x, z, a, b, _ = line(points, bins).make()
        return x, z, a, b, BANDWIDTH, bins

    sizes = ((1_000, 64),) if quick else SIZES
    return [
        ClassifierCase(
            "gaussian", size, "loss_and_grad", partial(make, *size), PEERS, group=FRAMEWORKS, named=NAMED
        )
        for size in sizes
    ]
