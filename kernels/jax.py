"""The loss as JAX differentiates it: a compiled program calls back once, for the gradient too."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import jax
    import jax.numpy as jnp
    from jax.experimental.buffer_callback import buffer_callback
except ModuleNotFoundError as error:
    if error.name != "jax":
        raise
    raise ModuleNotFoundError('kdexent.jax needs JAX: pip install "kdexent[jax]"', name="jax") from None

from . import kde
from .arguments import checks
from .names import WRT
from .runtime.subnormals import subnormals_kept

__all__ = ["kde_cross_entropy"]

_PER_POINT = "x", "z", "target"  # arguments with an axis of their own, beside those of rows
_HALVES = jnp.float16, jnp.bfloat16
_REDUCTIONS: dict[str, Callable[[jax.Array], jax.Array]] = {
    "mean": jnp.mean,
    "sum": jnp.sum,
    "none": lambda losses: losses,
}


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
) -> jax.Array:
    """Return the cross-entropy of a target on [a, b] and a softmax-weighted KDE, for JAX to differentiate.

    Parameters
    ----------
    x, z : array_like, shape (..., N)
        Data points and logits as in `kdexent.loss`, with gradients; halves become float32.
    a, b : array_like, shape (...)
        Ends of the target interval. They, and the target, have no gradient.
    bandwidth : array_like, shape (...)
        Bandwidth, with a gradient. Python's and NumPy's numbers keep their digits, whatever JAX's precision.
    kernel, bins, rule, target, period, method, order, rtol, n_threads
        As in `kdexent.loss`. All but the target are constants of a compiled program.
    reduction : {"mean", "sum", "none"}, default "mean"
        The mean of rows' losses, their sum, or each.

    Returns
    -------
    jax.Array, shape () or (...)
        The loss in nats; float32 where x and z are, or JAX has no float64, and float64 otherwise.

    Raises
    ------
    ValueError
        For an unknown reduction, and where a gradient by `a`, `b` or the target is asked for.
    jax.errors.JaxRuntimeError
        With the message of `kdexent.loss` for bad input, which a compiled program finds when it runs.
    TypeError
        For second derivatives, and in forward mode.

    Notes
    -----
    Works under `jax.jit`, `jax.grad`, `jax.value_and_grad` and `jax.vmap`, the last as one call of many rows.
    A compiled program calls back once on each device; the gradients that are asked for are computed with the
    loss, at the cost of `kdexent.loss_and_grad` and some tens of microseconds that JAX takes to call. On the
    CPU they are written where the program reads them; elsewhere, all that it reads is copied.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> import kdexent.jax
    >>> def loss(z):
    ...     return kdexent.jax.kde_cross_entropy(
    ...         jnp.array([-1.0, -0.5]), z, 0.0, 1.0, bandwidth=0.5, kernel="laplace"
    ...     )
    >>> jax.jit(jax.grad(loss))(jnp.zeros(2, jnp.float32)).round(4)
    Array([ 0.2311, -0.2311], dtype=float32)
    """
    reduced = _REDUCTIONS[checks.one_of("reduction", reduction, tuple(_REDUCTIONS))]
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
    given = {"x": _wide(x), "z": _wide(z), "a": a, "b": b, "bandwidth": bandwidth, "target": target}
    operands = {name: value for name, value in given.items() if isinstance(value, jax.Array)}
    constants = {name: value for name, value in given.items() if name not in operands}
    shapes = {name: _rows_of(name, np.shape(value)) for name, value in given.items() if value is not None}
    rows = np.broadcast_shapes(*shapes.values())
    # A batch puts an axis before those of rows: all operands have as many of these.
    aligned = {
        name: value.reshape((*[1] * (len(rows) - len(shapes[name])), *value.shape))
        for name, value in operands.items()
    }
    fixed = {**constants, **options}
    try:
        # JAX knows what it has compiled by the function.
        losses = _kept(tuple(fixed.items()), rows)
    except TypeError:  # an array among them has no hash
        losses = _differentiable(fixed, rows)
    return reduced(losses(aligned))


def _wide(value: Any) -> jax.Array:
    """Return an argument as kdexent computes with it: halves in float32."""
    array = jnp.asarray(value)
    return array.astype(jnp.float32) if array.dtype in _HALVES else array


def _rows_of(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if name in _PER_POINT else shape


@functools.lru_cache(maxsize=256)
def _kept(fixed: tuple[tuple[str, Any], ...], rows: tuple[int, ...]) -> Callable[..., Any]:
    return _differentiable(dict(fixed), rows)


def _differentiable(fixed: dict[str, Any], rows: tuple[int, ...]) -> Callable[..., Any]:
    """Return a function of the operands, by name: each row's loss, the other arguments being fixed."""

    def compute(wrt: tuple[str, ...], operands: dict[str, Any], out: Any = None) -> tuple[Any, ...]:
        """Return losses and gradients by x, z and the bandwidth, these in `out` if it is given."""
        arguments = {**fixed, **{name: np.asarray(value) for name, value in operands.items()}}
        with subnormals_kept():
            if not wrt:
                return (kde.loss(**arguments),)
            losses, gradients = kde.loss_and_grad(**arguments, wrt=wrt, out=out)
            return losses, *gradients

    @functools.cache
    def call(wrt: tuple[str, ...]) -> Callable[..., Any]:
        """Return a function of the operands: losses and gradients, as arrays that a compiled program has."""

        @jax.custom_jvp
        @jax.jit  # or calls that are not compiled would compile this each time
        def losses_and_gradients(operands: dict[str, Any]) -> Any:
            points = operands["z"].shape[-1:]
            single = operands["x"].dtype == operands["z"].dtype == jnp.float32
            double = jax.config.read("jax_enable_x64")
            dtype = jnp.dtype("float32" if single or not double else "float64")
            shapes = [rows, *(rows if name == "bandwidth" else (*rows, *points) for name in wrt)]
            results = tuple(jax.ShapeDtypeStruct(shape, dtype) for shape in shapes)

            def fill(context: Any, buffers: Any, operands: dict[str, Any]) -> None:
                arrays = tuple(map(np.asarray, buffers))
                in_place = arrays[1:] if wrt and (single or double) else None
                for array, result in zip(arrays, compute(wrt, operands, in_place), strict=True):
                    if result is not array:
                        array[...] = result

            def copied(operands: dict[str, Any]) -> Any:
                return tuple(np.asarray(each, dtype) for each in compute(wrt, operands))

            # A pure_callback copies what it reads and returns, at 150 us a call; buffers need a CPU's memory.
            return jax.lax.platform_dependent(
                operands,
                cpu=buffer_callback(fill, results, vmap_method="expand_dims"),
                default=lambda each: jax.pure_callback(copied, results, each, vmap_method="expand_dims"),
            )

        @losses_and_gradients.defjvp
        def _(primals: Any, tangents: Any) -> Any:
            raise TypeError("kdexent.jax has first derivatives only, in reverse mode")

        return losses_and_gradients

    @jax.custom_vjp
    def losses(operands: dict[str, Any]) -> Any:
        return call(())(operands)[0]

    def forward(operands: dict[str, Any]) -> Any:
        wrt = tuple(name for name, each in operands.items() if each.perturbed)
        for name in wrt:
            if name not in WRT:
                raise ValueError(f"{name} has no gradient: pass jax.lax.stop_gradient({name})")
        values = {name: each.value for name, each in operands.items()}
        found, *gradients = call(wrt)(values)
        like = {name: (gradient, values[name]) for name, gradient in zip(wrt, gradients, strict=True)}
        return found, (like, dict.fromkeys(values))

    def backward(residuals: Any, by_loss: Any) -> Any:
        gradients, nothing = residuals
        if isinstance(by_loss, jax.custom_derivatives.SymbolicZero):
            return (nothing,)
        found = {
            name: _summed(by_loss if name == "bandwidth" else by_loss[..., None], gradient, value)
            for name, (gradient, value) in gradients.items()
        }
        return ({**nothing, **found},)

    losses.defvjp(forward, backward, symbolic_zeros=True)
    return losses


def _summed(by_loss: Any, gradient: Any, like: Any) -> Any:
    """Return a gradient by an operand: summed where that was broadcast."""
    product = by_loss * gradient
    axes = tuple(i for i, size in enumerate(like.shape) if size == 1 and product.shape[i] != 1)
    return product.sum(axes, keepdims=True).astype(like.dtype)
