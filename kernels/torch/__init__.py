"""The loss as PyTorch differentiates it: gradients are computed with it, where tensors lie."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

try:
    import torch
except ModuleNotFoundError as error:
    if error.name != "torch":
        raise
    raise ModuleNotFoundError(
        'kdexent.torch needs PyTorch: pip install "kdexent[torch]"', name="torch"
    ) from None

from ..arguments import checks
from ..plan import Plan
from .functions import array_of, constant, kde_losses, softmax_losses

__all__ = ["KDECrossEntropy", "kde_cross_entropy", "softmax_cross_entropy"]

Same = TypeVar("Same", bound=Callable[..., Any])
_uncompiled: Callable[[Same], Same] = torch.compiler.disable
_REDUCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": torch.mean,
    "sum": torch.sum,
    "none": lambda losses: losses,
}


@_uncompiled
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
    `kdexent.loss_and_grad` and what PyTorch takes to call a Function and its backward pass, some ten
    operations on small tensors; they are kept until then: memory of the size of x or z for each. Reverse
    mode only; second derivatives raise a RuntimeError. `torch.func.grad`, `vjp` and `vmap` work, the last as
    one call of many rows; `torch.compile` leaves the call as it is.

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
    checks.one_of("reduction", reduction, tuple(_REDUCTIONS))
    return _reduced(reduction, kde_losses(z, x, bandwidth, a, b, target, options))


@_uncompiled
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
    options = {
        "label_smoothing": label_smoothing,
        "ignore_index": ignore_index,
        "reduction": reduction,
    }
    return softmax_losses(logits, labels, sample_weight, options)


class KDECrossEntropy(torch.nn.Module):  # type: ignore[misc]  # PyTorch is not looked into
    """The loss as a module: of points and logits, or of logits alone where the points stay.

    Parameters
    ----------
    a, b : Tensor or array_like, shape (...)
        Ends of the target interval.
    bandwidth : Tensor or array_like, shape (...)
        Bandwidth; a `torch.nn.Parameter` is learned.
    x : Tensor or array_like, shape (..., N), optional
        Points that stay. What depends on them alone is then done once, by a `kdexent.Plan`.
    kernel, bins, rule, target, period, method, order, rtol, n_threads, reduction
        As in `kde_cross_entropy`.

    Raises
    ------
    ValueError, TypeError
        As from `kde_cross_entropy`; for x with a bandwidth that is learned, or that requires a gradient.

    Notes
    -----
    Costs what `kde_cross_entropy` does, with x what the steps of a plan do. Tensors among a, b, bandwidth
    and target move with the module and are in its state, as buffers; points that stay are not, and what a
    plan was made of stays as it was. A module can be copied and pickled.

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
    ) -> None:
        super().__init__()
        self.reduction = checks.one_of("reduction", reduction, tuple(_REDUCTIONS))
        self.options = {
            "kernel": kernel,
            "bins": bins,
            "rule": rule,
            "period": period,
            "method": method,
            "order": order,
            "rtol": rtol,
            "n_threads": n_threads,
        }
        fixed = {"a": a, "b": b, "bandwidth": bandwidth, "target": target}
        for name, value in fixed.items():
            if isinstance(value, torch.Tensor) and not isinstance(value, torch.nn.Parameter):
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)
        self._plan = None
        if x is not None:
            first, last, h, masses = (array_of(constant(name, value)) for name, value in fixed.items())
            points = array_of(constant("x", x))
            self._plan = Plan(points, first, last, bandwidth=h, target=masses, **self.options)

    def forward(self, z: torch.Tensor, *, x: Any = None) -> torch.Tensor:
        """Return the loss of logits z and points x, shape (..., N) both; of z alone where the points stay.

        Raises
        ------
        TypeError
            If x is missing, or given although the points stay.
        """
        if (x is None) == (self._plan is None):
            raise TypeError("x must be given once: to the module, or with the logits")
        return _module_loss(self, z, x)

    def extra_repr(self) -> str:
        """Return what the module was made of, and shapes of what are tensors."""
        given = {name: getattr(self, name) for name in ("a", "b", "bandwidth", "target")}
        shown = {**given, **self.options, "reduction": self.reduction}
        return ", ".join(
            f"{name}={tuple(value.shape) if isinstance(value, torch.Tensor) else repr(value)}"
            for name, value in shown.items()
            if value is not None
        )


@_uncompiled
def _module_loss(module: KDECrossEntropy, z: Any, x: Any) -> torch.Tensor:
    if module._plan is not None:
        return _reduced(module.reduction, kde_losses(z, plan=module._plan))
    fixed = module.bandwidth, module.a, module.b, module.target
    return _reduced(module.reduction, kde_losses(z, x, *fixed, module.options))


def _reduced(reduction: str, losses: torch.Tensor) -> torch.Tensor:
    return _REDUCTIONS[reduction](losses) if losses.dim() else losses
