"""The losses as PyTorch's Functions, and what these read and return."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from torch._C import _functorch as functorch  # no public name tells what a transform wraps
from torch._functorch.utils import unwrap_dead_wrappers

from .. import kde, softmax_loss
from ..names import WRT
from ..plan import Plan

_HALVES = torch.float16, torch.bfloat16


class _Asked(NamedTuple):
    options: dict[str, Any]
    wrt: tuple[str, ...] = ()  # gradients that are needed
    plan: Plan | None = None


def kde_losses(
    z: Any,
    x: Any = None,
    bandwidth: Any = None,
    a: Any = None,
    b: Any = None,
    target: Any = None,
    options: dict[str, Any] | None = None,
    plan: Plan | None = None,
) -> torch.Tensor:
    """Return each row's loss: of all arguments, or of logits and a plan."""
    z, x, bandwidth = _logits(z), _wide(x), _wide(bandwidth)
    a, b, target = constant("a", a), constant("b", b), constant("target", target)
    wrt = tuple(name for name, value in zip(WRT, (z, x, bandwidth), strict=True) if _needs(value))
    return _apply(_KDELoss, z, x, bandwidth, a, b, target, _Asked(options or {}, wrt, plan))[0]


def softmax_losses(logits: Any, labels: Any, sample_weight: Any, options: dict[str, Any]) -> torch.Tensor:
    """Return the reduced cross-entropy of labels with the softmax of logits."""
    logits = _logits(logits)
    labels, sample_weight = constant("labels", labels), constant("sample_weight", sample_weight)
    wrt = ("z",) if _needs(logits) else ()
    return _apply(_SoftmaxLoss, logits, labels, sample_weight, _Asked(options, wrt))[0]


def _apply(function: Any, *inputs: Any) -> Any:
    """Apply a Function without binding arguments to names, which takes PyTorch a quarter of its time."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
        return function.apply(*inputs)
    return super(torch.autograd.Function, function).apply(*unwrap_dead_wrappers(inputs))


class _KDELoss(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is not looked into
    """Each row's loss, and the gradients that are needed, which are no functions to differentiate."""

    @staticmethod
    def forward(z: Any, x: Any, bandwidth: Any, a: Any, b: Any, target: Any, asked: _Asked) -> Any:
        compute, arguments, options = asked.plan or kde, [array_of(z)], asked.options
        if asked.plan is None:
            arguments = [array_of(x), *arguments, array_of(a), array_of(b)]
            options = {**options, "bandwidth": array_of(bandwidth), "target": array_of(target)}
        if not asked.wrt:
            return _tensors(z, compute.loss(*arguments, **options))
        if len(asked.wrt) == 1:
            return _tensors(z, *compute.loss_and_grad(*arguments, wrt=asked.wrt[0], **options))
        losses, gradients = compute.loss_and_grad(*arguments, wrt=asked.wrt, **options)
        return _tensors(z, losses, *gradients)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.wrt = inputs[-1].wrt
        ctx.save_for_backward(*output[1:], *(inputs[WRT.index(name)] for name in ctx.wrt))

    @staticmethod
    def backward(ctx: Any, by_loss: Any, *_: Any) -> Any:
        found: dict[str, Any] = {}
        if by_loss is not None:
            product = _Product.apply if torch.is_grad_enabled() else _product
            saved = ctx.saved_tensors  # checkpoints let them be read once
            slopes, inputs = saved[: len(ctx.wrt)], saved[len(ctx.wrt) :]
            for name, slope, value in zip(ctx.wrt, slopes, inputs, strict=True):
                of_row = by_loss if name == "bandwidth" else by_loss.unsqueeze(-1)
                found[name] = product(of_row, slope, value, *inputs)
        return *map(found.get, WRT), None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *inputs: Any) -> Any:
        """Evaluate a batch as rows of one call."""
        *values, asked = inputs
        per_point = True, True, False, False, False, True
        each = list(zip(values, in_dims, per_point, strict=False))
        # Of leading dimensions all that have one get as many, so that those of the batch come first.
        most = max(np.ndim(value) - (dim is not None) - has for value, dim, has in each if value is not None)
        if asked.plan is not None:
            most = max(most, asked.plan.bin_centers.ndim - 1)

        def rows_first(value: Any, dim: int | None, has: bool) -> Any:
            if dim is None:
                return value
            moved = value.movedim(dim, 0)
            return moved.reshape(len(moved), *[1] * (most - (moved.dim() - 1 - has)), *moved.shape[1:])

        batched = [rows_first(*one) for one in each]
        # A tensor of a batch does not tell outside whether its gradient is needed.
        wrt = (name for name, value in zip(WRT, batched, strict=False) if name in asked.wrt or _needs(value))
        found = _KDELoss.apply(*batched, asked._replace(wrt=tuple(wrt)))
        return found, (0,) * len(found)


class _SoftmaxLoss(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is not looked into
    """The loss of logits, and its gradient if that is needed."""

    @staticmethod
    def forward(logits: Any, labels: Any, sample_weight: Any, asked: _Asked) -> Any:
        options = {**asked.options, "sample_weight": array_of(sample_weight)}
        arguments = array_of(logits), array_of(labels)
        if asked.wrt:
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
            return None, None, None, None
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
            wrt = ("z",) if asked.wrt or _needs(each[0]) else ()
            found.append(_SoftmaxLoss.apply(*each, asked._replace(wrt=wrt)))
        return tuple(map(torch.stack, zip(*found, strict=True))), (0,) * len(found[0])


def _product(by_loss: Any, slope: Any, value: Any, *_: Any) -> Any:
    """Return a gradient: a row's times that by its loss, summed where an input was broadcast."""
    found = by_loss * slope
    found = found if found.shape == value.shape else found.sum_to_size(value.shape)
    return found if found.dtype == value.dtype else found.to(value.dtype)


class _Product(torch.autograd.Function):  # type: ignore[misc]  # PyTorch is not looked into
    """The same as a function of all inputs, which says that it has no derivatives, at twice the cost.

    `once_differentiable` would say so only where the derivative by the loss is to be differentiated.
    """

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


def _needs(value: Any) -> bool:
    """Return whether a gradient is asked for, by any of the transforms around."""
    if not isinstance(value, torch.Tensor) or not torch.is_grad_enabled():
        return False
    while not value.requires_grad and functorch.is_functorch_wrapped_tensor(value):
        value = functorch.get_unwrapped(value)
    needs: bool = value.requires_grad
    return needs


def _wide(value: Any) -> Any:
    """Return an argument as NumPy can read it: halves in float32, lists, which have no shape, as arrays."""
    if isinstance(value, (list, tuple)):
        return np.asarray(value)
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in _HALVES else value


def _logits(z: Any) -> torch.Tensor:
    # Of a tensor, as_tensor would forget what transforms ask for.
    return _wide(z if isinstance(z, torch.Tensor) else torch.as_tensor(z))


def constant(name: str, value: Any) -> Any:
    """Return an argument that has no gradient."""
    if isinstance(value, torch.Tensor) and value.requires_grad:
        raise ValueError(f"{name} has no gradient, and must not require one: pass {name}.detach()")
    return _wide(value)


def array_of(value: Any) -> Any:
    """Return a tensor's memory as an array, from the CPU without a copy; anything else as it is."""
    return value.numpy(force=True) if isinstance(value, torch.Tensor) else value


def _tensors(like: Any, *arrays: Any) -> tuple[torch.Tensor, ...]:
    """Return arrays as tensors on the device of another, which on the CPU are the same memory."""
    found = (torch.from_numpy(np.asarray(array)) for array in arrays)
    return tuple(found) if like.is_cpu else tuple(each.to(like.device) for each in found)
