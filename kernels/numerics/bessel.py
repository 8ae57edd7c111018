"""Modified Bessel functions of the first kind, as the von Mises distribution needs them."""

import math

import numpy as np
from numba import types

from ..arguments.arrays import Floats
from ..runtime.jit import Function, compiled_as, helper, lazily
from ..runtime.signatures import READ1, WRITE1


@helper
def _by_powers(kappa):
    square = 0.25 * kappa * kappa
    i0, i1, of_i0, of_i1 = 1.0, 1.0, 1.0, 1.0
    for k in range(1, 60):
        of_i0 *= square / (k * k)
        of_i1 *= square / (k * (k + 1.0))
        i0 += of_i0
        i1 += of_i1
    return math.log(i0) - kappa, 1.0 - 0.5 * kappa * i1 / i0


@helper
def _by_hankel(kappa):
    i0, lost, of_i0, of_i1 = 1.0, 0.0, 1.0, 1.0
    for k in range(1, 31):
        of_i0 *= (2.0 * k - 1.0) * (2.0 * k - 1.0) / (8.0 * k * kappa)
        of_i1 *= (2.0 * k - 3.0) * (2.0 * k + 1.0) / (8.0 * k * kappa)
        i0 += of_i0
        lost += of_i0 - of_i1
    return math.log(i0) - 0.5 * math.log(2.0 * math.pi * kappa), lost / i0


def _of_number(kappa):
    return _by_powers(kappa) if kappa < 20.0 else _by_hankel(kappa)


def _make_of_each() -> Function:
    of_number = helper(_of_number)

    def of_each(kappa, log_bessel, rest):
        """Write both for each kappa (S,)."""
        for s in range(kappa.shape[0]):
            log_bessel[s], rest[s] = of_number(kappa[s])

    return of_each


scaled_bessel_of_each = lazily(_make_of_each, types.void(READ1, WRITE1, WRITE1), "scaled_bessel")


@compiled_as(_of_number)
def scaled_bessel(kappa: Floats) -> tuple[Floats, Floats]:
    """Return log(exp(-kappa) I0(kappa)) and 1 - I1(kappa)/I0(kappa), kappa (S,).

    By the power series (DLMF 10.25.2) below 20 and by Hankel's expansion (DLMF 10.40.1) above, where
    its terms fall below 1e-17 before they grow; the difference is summed term by term.
    """
    log_bessel, rest = np.empty_like(kappa), np.empty_like(kappa)
    scaled_bessel_of_each()(kappa, log_bessel, rest)
    return log_bessel, rest
