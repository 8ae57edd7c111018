"""A loss over samples by a compiled pass over rows of logits and labels, and its gradient."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arguments.arrays import Written, is_contiguous
from ..arguments.labels import Samples, weights_and_share
from ..runtime.jit import Function
from .shares import each_block, rows_of_a_unit


def loss_of(
    samples: Samples,
    labels: NDArray[Any],
    counts: NDArray[Any] | int,
    compiled: Callable[[], Function],
    options: tuple[int, ...],
    shape: tuple[int, ...],
    require: Callable[[Samples, bool], None],
    gradient: NDArray[Any] | None,
    new: bool,
    add: Callable[[list[float]], float] = sum,
) -> Any:
    """Return the loss of samples, with labels as compiled code takes them, and write the gradient, if any.

    `counts` is how many losses of each sample count, (N,), or of all samples alike, and `shape` that of its
    losses. The compiled pass takes `options` before the smoothing; where that finds something bad
    require(samples, known) raises what it is, of logits only if they are still known. A `new` gradient shares
    no memory with arguments.
    """
    z, dtype = samples.logits, samples.dtype
    weights, scale = weights_and_share(samples, counts)
    size, written, overwrites = rows_of_a_unit(*z.shape), None, False
    out = np.empty((0, z.shape[1]), dtype)
    if gradient is not None:
        target, in_place = np.asarray(gradient), new
        if not new:
            in_place, overwrites = _in_place(target, z, labels, samples.given, weights)
        written = Written(target, slice(None), dtype, in_place)
        out = written.array.reshape(z.shape)
    losses = np.empty((len(z) if samples.reduction == "none" else 0, *shape))
    sums, run = np.zeros((-(-len(z) // size), 2)), compiled()
    numbers = *options, samples.smoothing, scale, size

    def block(rows: NDArray[Any], which: slice, units: slice, *counter: Any) -> None:
        of_rows = weights if len(weights) == 1 else weights[which]
        run(rows, labels[which], of_rows, *numbers, sums[units], losses[which], out[which], *counter)

    each_block(z, size, block)
    sums_and_bad = sums.ravel().tolist()
    if any(sums_and_bad[1::2]):
        require(samples, not overwrites)
        if overwrites:  # which ones they were is lost
            raise ValueError(
                "logits must be finite or -inf, and not all -inf in a row; "
                "out took the place of some that are not"
            )
    if written is not None:
        written.store()
    if samples.reduction == "none":
        return losses.reshape((*samples.shape, *shape)).astype(dtype)[()]
    return dtype.type(add(sums_and_bad[::2]) * scale)


def _in_place(out: NDArray[Any], z: NDArray[Any], *others: NDArray[Any]) -> tuple[bool, bool]:
    """Return whether compiled code may write where `out` is, and whether logits z that it reads are there."""
    if any(np.may_share_memory(out, other) for other in others):
        return False, False
    if not np.may_share_memory(out, z):
        return True, False
    same = out.ctypes.data == z.ctypes.data and is_contiguous(z, out.dtype) and is_contiguous(out, out.dtype)
    return same, same
