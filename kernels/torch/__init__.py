"""The loss as PyTorch differentiates it: gradients are computed with it, where tensors lie."""

from __future__ import annotations

from typing import Any

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        'kdexent.torch needs PyTorch: pip install "kdexent[torch]"', name="torch"
    ) from None

from ..plan import Plan
from .functions import (
    Asked,
    Softmax,
    array_of,
    constant,
    differentiable,
    needs,
    reduced,
    require_reduction,
    wide,
)

__all__ = ["KDECrossEntropy", "kde_cross_entropy", "softmax_cross_entropy"]


@torch.compiler.disable
def kde_cross_entropy(
    x: Any,
    z: Any,
    a: Any,
    b: Any,
    *,
    bandwidth: Any,
    kernel: str = "gaussian",
    bins: Any = 256,
    rule: str = "midpoint",
    target: Any = None,
    period: float | None = None,
    method: str = "auto",
    order: int | None = None,
    rtol: float = 1e-9,
    n_threads: int | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Return the cross-entropy of a target on [a, b] and a softmax-weighted KDE, to differentiate.

    Parameters
    ----------
    x, z : Tensor or array_like, shape (..., N)
        Data points and logits as in `kdexent.loss`; float32 and float64 tensors on the CPU are read where
        they lie, halves become float32. Gradients go to both.
    a, b : Tensor or array_like, shape (...)
        Ends of the target interval. They, and the target, have no gradient.
    bandwidth : Tensor or array_like, shape (...)
        Bandwidth, with a gradient.
    kernel, bins, rule, target, period, method, order, rtol, n_threads
        As in `kdexent.loss`.
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean of rows' losses, their sum, or each.

    Returns
    -------
    Tensor, shape () or (...)
        The loss in nats, on the device of z; float32 where x and z are, float64 otherwise.

    Raises
    ------
    ValueError, TypeError
        As from `kdexent.loss`; for an unknown reduction, and what requires a gradient but has none.

    Notes
    -----
    The gradients that are asked for are computed together with the loss, at the cost of
    `kdexent.loss_and_grad`, and kept until the backward pass: memory of the size of x or z for each. Second
    derivatives raise a RuntimeError. `torch.func.grad`, `vjp` and `vmap` work, the last as one call of many
    rows; `torch.compile` leaves the call as it is.

    Examples
    --------
    >>> import torch
    >>> import kdexent.torch
    >>> z = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    >>> x = torch.tensor([-1.0, -0.5], dtype=torch.float64)
    >>> loss = kdexent.torch.kde_cross_entropy(x, z, 0.0, 1.0, bandwidth=0.5, kernel="laplace")
    >>> loss.backward()
    >>> z.grad
    tensor([ 0.2311, -0.2311], dtype=torch.float64)
    """
    options = {
        "kernel": kernel,
        "bins": bins,
        "rule": rule,
        "period": period,
        "method": method,
        "order": order,
        "rtol": rtol,
        "n_threads": n_threads,
    }
    require_reduction(reduction)
    return reduced(reduction, differentiable(x, z, (a, b, bandwidth, target), options, None))


@torch.compiler.disable
def softmax_cross_entropy(
    logits: torch.Tensor,
    labels: Any,
    *,
    sample_weight: Any = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
    reduction: str = "mean",
) -> torch.Tensor:
    """Return the cross-entropy of labels with the softmax of logits, as a tensor to differentiate.

    Confident samples keep their digits, loss and gradient, where `torch.nn.functional.cross_entropy` rounds
    them to 0.

    Parameters
    ----------
    logits : Tensor, shape (..., C)
        Logits, classes last.
    labels : Tensor or array_like, shape (...) of integers or (..., C) of real numbers
        Classes, or probabilities, which have no gradient.
    sample_weight, label_smoothing, ignore_index, reduction
        As in `kdexent.softmax_cross_entropy`.

    Returns
    -------
    Tensor, shape () or (...)
        The loss in nats, on the device of the logits and in their dtype, float32 for halves.

    Raises
    ------
    ValueError, TypeError
        As from `kdexent.softmax_cross_entropy`, and for labels or weights that require a gradient.

    Notes
    -----
    O(N C) time, reading the logits once; the gradient is computed with the loss where it is asked for.

    Examples
    --------
    >>> import torch
    >>> import kdexent.torch
    >>> logits = torch.tensor([[0.0, 40.0]])
    >>> kdexent.torch.softmax_cross_entropy(logits, torch.tensor([1]))
    tensor(4.2484e-18)
    """
    logits = wide(logits)
    labels, sample_weight = constant("labels", labels), constant("sample_weight", sample_weight)
    options = {
        "label_smoothing": label_smoothing,
        "ignore_index": ignore_index,
        "reduction": reduction,
    }
    return Softmax.apply(logits, labels, sample_weight, Asked(options, (needs(logits),)))[0]


class KDECrossEntropy(torch.nn.Module):
    """The loss as a module: of points and logits, or of logits alone where the points stay.

    Parameters
    ----------
    a, b : Tensor or array_like, shape (...)
        Ends of the target interval.
    bandwidth : Tensor or array_like, shape (...)
        Bandwidth; a `torch.nn.Parameter` is learned.
    x : Tensor or array_like, shape (..., N), optional
        Points that stay. What depends on them alone is then done once, by a `kdexent.Plan`.
    target, reduction, options
        As in `kde_cross_entropy`; options are kernel, bins, rule, period, method, order, rtol and n_threads.

    Raises
    ------
    ValueError, TypeError
        As from `kde_cross_entropy`; for x with a bandwidth that is learned, or that requires a gradient.

    Notes
    -----
    Costs what `kde_cross_entropy` does, with x what the steps of a plan do. A module can be copied and
    pickled.

    Examples
    --------
    >>> import torch
    >>> import kdexent.torch
    >>> loss = kdexent.torch.KDECrossEntropy(0.0, 1.0, bandwidth=0.2, x=torch.rand(50))
    >>> loss(torch.zeros(8, 50)).shape
    torch.Size([])
    """

    def __init__(
        self,
        a: Any,
        b: Any,
        *,
        bandwidth: Any,
        x: Any = None,
        target: Any = None,
        reduction: str = "mean",
        **options: Any,
    ) -> None:
        super().__init__()
        self.a, self.b, self.bandwidth, self.target = a, b, bandwidth, target
        self.options, self.reduction, self.plan = options, reduction, None
        require_reduction(reduction)
        if x is not None:
            fixed = {"x": x, "bandwidth": bandwidth, "a": a, "b": b, "target": target}
            x, h, *ends, target = (array_of(constant(name, value)) for name, value in fixed.items())
            self.plan = Plan(x, *ends, bandwidth=h, target=target, **options)

    def forward(self, z: torch.Tensor, x: Any = None) -> torch.Tensor:
        """Return the loss of logits z and points x, shape (..., N) both; of z alone where the points stay.

        Raises
        ------
        TypeError
            If x is missing, or given although the points stay.
        """
        if (x is None) == (self.plan is None):
            raise TypeError("x must be given once: to the module, or with the logits")
        if self.plan is None:
            return kde_cross_entropy(
                x,
                z,
                self.a,
                self.b,
                bandwidth=self.bandwidth,
                target=self.target,
                reduction=self.reduction,
                **self.options,
            )
        return _planned(self.plan, z, self.reduction)

    def extra_repr(self) -> str:
        """Return what the module was made of."""
        given = {"a": self.a, "b": self.b, "bandwidth": self.bandwidth, **self.options}
        return ", ".join(f"{name}={value!r}" for name, value in given.items())


@torch.compiler.disable
def _planned(plan: Plan, z: Any, reduction: str) -> torch.Tensor:
    return reduced(reduction, differentiable(None, z, (None, None, None, None), {}, plan))
