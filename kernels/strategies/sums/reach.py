"""What a row's bins are, and how far a kernel reaches: what cells, windows and grids are laid out by."""

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from numba import types

from ...arguments.arrays import Floats
from ...families import FAMILIES, FORMULAS
from ...formula import INVERSE_BANDWIDTH, RowParameters, Variant
from ...names import CIRCLE_ONLY, COMPACT
from ...numerics.arithmetic import SMALLEST_NORMAL, exp2
from ...runtime.jit import Function, lazily
from ...runtime.signatures import READ, READ1, WRITE
from .images import distance_of, reader_of, shift_of

# Errors of sums, relative to a cell's mass times the kernel near its edge.
ROUNDING = 2e-15


class Bins(NamedTuple):
    """What a method needs to know of a row's bins."""

    span: float  # from the lowest to the highest centre
    spacing: float  # 0 where bins are not equally spaced
    number: int


class RowShape(NamedTuple):
    """What the choice of a method for a row depends on."""

    kernel: str
    h: float
    period: float | None
    bins: Bins
    points: int
    derivatives: bool


@cache
def sampler(variant: Variant) -> Callable[[], Function]:
    """Return the compiled function that evaluates a variant at any distances."""
    formula, distance, read = FORMULAS[variant.formula].value, distance_of(variant), reader_of(variant)

    def make() -> Function:
        def sample(at, params, values):
            """values (3, n) = K, dK/dd and dK/dh at distances (n,), over C; params (1, PARAMETERS)."""
            p, period, images = read(params, 0)
            for j in range(at.shape[0]):
                for image in range(images):
                    d = distance(at[j], 0.0, period, shift_of(image, period))
                    e, f, f_d, f_h = formula(d, p)
                    values[0, j] += exp2(e) * f
                    if f > 0.0:
                        values[1, j] += exp2(e) * f_d * p[INVERSE_BANDWIDTH]
                        values[2, j] += exp2(e) * f_h * p[INVERSE_BANDWIDTH]

        return sample

    return lazily(make, types.void(READ1, READ, WRITE), f"cell_accuracy.sample.{variant.key}")


def kernel_values(family: RowParameters, at: Floats) -> Floats:
    """Return K, dK/dd and dK/dh, (3, ...), over C at distances of any shape."""
    flat = np.ascontiguousarray(at.ravel())
    values = np.zeros((3, flat.size))
    sampler(family.variant)()(flat, family.parameters, values)
    return values.reshape(3, *at.shape)


def value_beyond(family: RowParameters, reach: float, h: float, derivatives: bool) -> float:
    """Return how large K/C is from `reach` on, with `derivatives` h dK/dd and h dK/dh too."""
    if math.isinf(reach):
        return 0.0
    values = np.abs(kernel_values(family, np.array([reach]))[:, 0])
    return float(max(values[0], h * values[1:].max()) if derivatives else values[0])


def reach_of(shape: RowShape, family: RowParameters, small: float) -> float:
    """Return the distance beyond which K is less than `small` of its peak; infinite on a circle's all."""
    kernel, h, period, _, _, _ = shape
    if kernel in COMPACT:
        return h
    reach = FAMILIES[kernel].decay.reach(max(small, SMALLEST_NORMAL)) * h
    if kernel in CIRCLE_ONLY:  # by the chord
        assert period is not None
        sine = math.pi * (reach / period)
        if sine < 1e-8:
            return reach
        return period / math.pi * math.asin(sine) if sine < 1 else math.inf
    return (
        reach if period is None or (reach < period / 2 and family.variant.formula != "fourier") else math.inf
    )
