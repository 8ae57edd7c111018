"""Problems to test on, and what it means for two answers to agree."""

from __future__ import annotations

import numpy as np

import kdexent
from kdexent.names import CIRCLE_ONLY, COMPACT

DOMAINS = [None, 2 * np.pi]
KERNELS_AND_DOMAINS = [
    (kernel, period)
    for kernel in kdexent.KERNELS
    for period in DOMAINS
    if not (period is None and kernel in CIRCLE_ONLY)
]
IDS = [f"{kernel}-{'line' if period is None else 'circle'}" for kernel, period in KERNELS_AND_DOMAINS]
SMOOTH = [kernel for kernel in kdexent.KERNELS if kernel not in COMPACT]


def random_problem(seed, points=40, rows=(), period=None, dtype=np.float64):
    """Return x, z with points all over [0, 6] and logits of spread 1; angles get whole periods added."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 6, (*rows, points))
    if period is not None:
        x += period * rng.integers(-3, 4, x.shape)
    return x.astype(dtype), rng.normal(size=(*rows, points)).astype(dtype)


def softmax(z):
    w = np.exp(np.asarray(z, float) - np.max(z, axis=-1, keepdims=True))
    return w / w.sum(axis=-1, keepdims=True)


class Rounding:
    """What moving each x by a few ulp does to an answer, found out only where it is needed.

    `evaluate(x)` returns a tuple of arrays. Points at the edge of a compact kernel, or far from all
    bins, can change the exact answer by more than any fixed tolerance.
    """

    def __init__(self, evaluate, x):
        self._evaluate, self._x, self._changes = evaluate, np.asarray(x, float), None

    def of(self, index):
        if self._changes is None:
            signs = np.random.default_rng(0).choice([-1.0, 1.0], (4, *self._x.shape))
            # In one of them neighbours move apart: points that move together change no gradient.
            signs[0] = np.where(np.arange(self._x.shape[-1] if self._x.ndim else 1) % 2, 1.0, -1.0)
            size = 2 * np.spacing(np.maximum(np.abs(self._x), 8.0))
            exact = self._evaluate(self._x)
            moved = [self._evaluate(self._x + sign * size) for sign in signs]
            with np.errstate(invalid="ignore"):
                self._changes = [
                    4
                    * np.max(
                        [np.abs(np.asarray(m[i], float) - np.asarray(exact[i], float)) for m in moved], axis=0
                    )
                    for i in range(len(exact))
                ]
        return self._changes[index]


def assert_losses_agree(loss, expected, rtol, rounding=None):
    loss, expected = np.asarray(loss, float), np.asarray(expected, float)
    assert loss.shape == expected.shape
    np.testing.assert_array_equal(np.isfinite(loss), np.isfinite(expected))
    finite = np.isfinite(expected)
    assert (loss[~finite] == expected[~finite]).all()
    error = np.abs(loss[finite] - expected[finite])
    allowed = rtol * np.maximum(1, np.abs(expected[finite]))
    if (error > allowed).any() and rounding is not None:
        allowed = allowed + np.nan_to_num(rounding.of(0)[finite])
    assert (error <= allowed).all(), f"loss: error {error.max():.3g}, allowed {allowed.min():.3g}"


def assert_gradients_agree(gradient, expected, z, bandwidth, name, rtol, rounding=None, slack=100):
    """Assert max|g - g_exact| <= rtol max|g_exact| + rounding, row by row.

    Rounding is some tens of eps of what the gradient is a difference of: S for z, S/h for x and
    1/h for the bandwidth; and, given as (Rounding, index), what moving each x by an ulp does.
    """
    gradient, expected = np.asarray(gradient), np.asarray(expected, float)
    assert gradient.shape == expected.shape
    assert np.isfinite(gradient).all()
    h, largest = np.asarray(bandwidth, float), softmax(z).max(axis=-1)
    scale = {"z": largest, "x": largest / h, "bandwidth": 1 / h}[name]

    def per_row(values):
        return values if name == "bandwidth" else values.max(axis=-1)

    error = per_row(np.abs(gradient - expected))
    allowed = rtol * per_row(np.abs(expected)) + slack * np.finfo(gradient.dtype).eps * scale
    if (error > allowed).any() and rounding is not None:
        allowed = allowed + per_row(rounding[0].of(rounding[1]))
    assert (error <= allowed).all(), f"d/d{name}: error {np.max(error):.3g}, allowed {np.min(allowed):.3g}"


def differences(function, at, step=1e-3):
    """Return the gradient by central differences of fourth order."""
    gradient = np.empty(at.shape)
    for index in np.ndindex(at.shape):
        values = []
        for k in (-2, -1, 1, 2):
            moved = at.copy()
            moved[index] += k * step
            values.append(function(moved))
        gradient[index] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * step)
    return gradient


def layouts(array):
    """Return the same numbers in other layouts."""
    read_only = array.copy()
    read_only.flags.writeable = False
    return {
        "read-only": read_only,
        "strided": np.repeat(array, 3, axis=-1)[..., ::3],
        "every other row": np.repeat(array, 2, axis=0)[::2],
        "backwards": array[..., ::-1].copy()[..., ::-1],
        "fortran": np.asfortranarray(array),
        "big-endian": array.astype(array.dtype.newbyteorder(">")),
        "list": array.tolist(),
    }


def outs(shape, dtype):
    """Return arrays of other layouts to write to."""
    wide = np.full((*shape[:-1], 2 * shape[-1]), 7.0, dtype)
    return {
        "contiguous": np.full(shape, 7.0, dtype),
        "strided": wide[..., ::2],
        "backwards": np.full(shape, 7.0, dtype)[..., ::-1],
        "fortran": np.full(shape, 7.0, dtype, order="F"),
        "part": wide[..., : shape[-1]],
    }
