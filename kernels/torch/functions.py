"""The losses as PyTorch's Functions, and what these read and return."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from .. import kde, softmax_loss
from ..plan import Plan

_HALVES = torch.float16, torch.bfloat16
_REDUCTIONS: dict[str, Callable[[Any], Any]] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "none": lambda losses: losses,
}


class Asked(NamedTuple):
    options: dict[str, Any]
    needed: tuple[bool, ...]  # of the inputs that have a gradient, in their order
    plan: Plan | None = None


def differentiable(
    x: Any, z: Any, others: tuple[Any, ...], options: dict[str, Any], plan: Plan | None
) -> Any:
    a, b, bandwidth, target = others
    z, x, bandwidth = wide(torch.as_tensor(z)), wide(x), wide(bandwidth)
    a, b, target = constant("a", a), constant("b", b), constant("target", target)
    asked = Asked(options, tuple(map(needs, (z, x, bandwidth))), plan)
    return _Loss.apply(z, x, bandwidth, a, b, target, asked)[0]


_NAMES = "z", "x", "bandwidth"


class _Loss(torch.autograd.Function):
    """Each row's loss, and the gradients that are needed, which are no functions to differentiate."""

    @staticmethod
    def forward(z: Any, x: Any, bandwidth: Any, a: Any, b: Any, target: Any, asked: Asked) -> Any:
        wrt = tuple(name for name, needed in zip(_NAMES, asked.needed, strict=True) if needed)
        compute, arguments, options = asked.plan or kde, [array_of(z)], asked.options
        if asked.plan is None:
            arguments = [array_of(x), *arguments, array_of(a), array_of(b)]
            options = {**options, "bandwidth": array_of(bandwidth), "target": array_of(target)}
        if not wrt:
            return _tensors(z, compute.loss(*arguments, **options))
        if len(wrt) == 1:
            return _tensors(z, *compute.loss_and_grad(*arguments, wrt=wrt[0], **options))
        losses, gradients = compute.loss_and_grad(*arguments, wrt=wrt, **options)
        return _tensors(z, losses, *gradients)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.asked = inputs[-1]
        given = (each for each, needed in zip(inputs, ctx.asked.needed, strict=False) if needed)
        ctx.save_for_backward(*output[1:], *given)

    @staticmethod
    def backward(ctx: Any, by_loss: Any, *_: Any) -> Any:
        if by_loss is None:
            return (None,) * 7
        saved, needed = ctx.saved_tensors, ctx.asked.needed
        slopes, given = saved[: len(saved) // 2], saved[len(saved) // 2 :]
        found: list[Any] = []
        product = _Product.apply if torch.is_grad_enabled() else _product
        for name in (name for name, each in zip(_NAMES, needed, strict=True) if each):
            slope, value = slopes[len(found)], given[len(found)]
            of_row = by_loss if name == "bandwidth" else by_loss.unsqueeze(-1)
            found.append(product(of_row, slope, value, *given))
        gradients = iter(found)
        return *(next(gradients) if each else None for each in needed), None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Evaluate a batch as rows of one call."""
        *values, asked = inputs
        # Of leading dimensions all have as many, so that those of the batch come first.
        points = [True, True, False, False, False, True]
        ranks = [
            torch.as_tensor(value).dim() - (dim is not None) - has_points
            for value, dim, has_points in zip(values, in_dims, points, strict=False)
            if value is not None
        ]
        most, batched = max(ranks, default=0), []
        for value, dim, has_points in zip(values, in_dims, points, strict=False):
            if dim is None:
                batched.append(value)
                continue
            moved = value.movedim(dim, 0)
            missing = most - (moved.dim() - 1 - has_points)
            batched.append(moved.reshape(moved.shape[0], *[1] * missing, *moved.shape[1:]))
        # A tensor of a batch does not tell outside whether its gradient is asked for.
        needed = tuple(known or needs(value) for known, value in zip(asked.needed, batched[:3], strict=True))
        found = _Loss.apply(*batched, asked._replace(needed=needed))
        return found, (0,) * len(found)


class Softmax(torch.autograd.Function):
    """The loss of logits, and its gradient if that is needed."""

    @staticmethod
    def forward(logits: Any, labels: Any, sample_weight: Any, asked: Asked) -> Any:
        options = {**asked.options, "sample_weight": array_of(sample_weight)}
        arguments = array_of(logits), array_of(labels)
        if asked.needed[0]:
            return _tensors(logits, *softmax_loss.softmax_cross_entropy_and_grad(*arguments, **options))
        return _tensors(logits, softmax_loss.softmax_cross_entropy(*arguments, **options))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        if len(output) > 1:
            ctx.save_for_backward(output[1], inputs[0])

    @staticmethod
    def backward(ctx: Any, by_loss: Any, *_: Any) -> Any:
        if by_loss is None:
            return (None,) * 4
        slope, logits = ctx.saved_tensors
        of_row = by_loss.unsqueeze(-1) if by_loss.dim() else by_loss
        product = _Product.apply if torch.is_grad_enabled() else _product
        return product(of_row, slope, logits), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Evaluate a batch one after another: each has a reduction of its own."""
        *values, asked = inputs
        found = []
        for i in range(info.batch_size):
            each = [
                value if dim is None else value.select(dim, i)
                for value, dim in zip(values, in_dims, strict=False)
            ]
            needed = (asked.needed[0] or needs(each[0]),)
            found.append(Softmax.apply(*each, asked._replace(needed=needed)))
        return tuple(map(torch.stack, zip(*found, strict=True))), (0,) * len(found[0])


def _product(by_loss: Any, slope: Any, value: Any, *_: Any) -> Any:
    """Return a gradient: a row's times that by its loss, summed where an input was broadcast."""
    found = by_loss * slope
    found = found if found.shape == value.shape else found.sum_to_size(value.shape)
    return found if found.dtype == value.dtype else found.to(value.dtype)


class _Product(torch.autograd.Function):
    """The same as a function of all inputs, to say that it has no derivatives; at twice the cost."""

    generate_vmap_rule = True

    @staticmethod
    def forward(by_loss: Any, slope: Any, value: Any, *inputs: Any) -> Any:
        return _product(by_loss, slope, value)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, *_: Any) -> Any:
        raise RuntimeError("kdexent.torch has first derivatives only")


# PyTorch asks for the signature at every call, and would take a third of what it adds to find it.
for _forward in (_Loss.forward, Softmax.forward, _Product.forward):
    setattr(_forward, "__signature__", inspect.signature(_forward))  # noqa: B010  # as mypy knows no such name


def needs(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.requires_grad and torch.is_grad_enabled()


def wide(value: Any) -> Any:
    """Return an argument as NumPy can read it: halves in float32."""
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in _HALVES else value


def constant(name: str, value: Any) -> Any:
    if isinstance(value, torch.Tensor) and value.requires_grad:
        raise ValueError(f"{name} has no gradient, and must not require one: pass {name}.detach()")
    return wide(value)


def array_of(value: Any) -> Any:
    """Return a tensor's memory as an array, from the CPU without a copy; anything else as it is."""
    return value.numpy(force=True) if isinstance(value, torch.Tensor) else value


def _tensors(like: Any, *arrays: Any) -> tuple[torch.Tensor, ...]:
    """Return arrays as tensors on the device of another, which on the CPU are the same memory."""
    found = (torch.from_numpy(np.asarray(array)) for array in arrays)
    return tuple(found) if like.is_cpu else tuple(each.to(like.device) for each in found)


def require_reduction(reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"reduction must be one of {', '.join(map(repr, _REDUCTIONS))}, got {reduction!r}")


def reduced(reduction: str, losses: Any) -> Any:
    return _REDUCTIONS[reduction](losses) if losses.dim() else losses
