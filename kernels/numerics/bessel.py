"""Modified Bessel functions of the first kind, as the von Mises distribution needs them."""

import math

import numpy as np

from ..arguments.arrays import Floats


def scaled_bessel(kappa: Floats) -> tuple[Floats, Floats]:
    """Return log(exp(-kappa) I0(kappa)) and 1 - I1(kappa)/I0(kappa).

    By the power series (DLMF 10.25.2) below 20 and by Hankel's expansion (DLMF 10.40.1) above, where
    its terms fall below 1e-17 before they grow; the difference is summed term by term.
    """
    small, large = np.minimum(kappa, 20), np.maximum(kappa, 20)
    zero = total_zero = np.ones_like(kappa)
    one = total_one = small / 2
    for k in range(1, 60):
        zero = zero * (small / (2 * k)) ** 2
        one = one * small**2 / (4 * k * (k + 1))
        total_zero, total_one = total_zero + zero, total_one + one
    hankel_zero = hankel_one = total = np.ones_like(kappa)
    difference = np.zeros_like(kappa)
    for k in range(1, 31):
        hankel_zero = hankel_zero * (2 * k - 1) ** 2 / (8 * large * k)
        hankel_one = hankel_one * (2 * k - 3) * (2 * k + 1) / (8 * large * k)
        total, difference = total + hankel_zero, difference + (hankel_zero - hankel_one)
    log_bessel = np.where(
        kappa < 20, np.log(total_zero) - small, np.log(total) - np.log(2 * math.pi * large) / 2
    )
    return log_bessel, np.where(kappa < 20, 1 - total_one / total_zero, difference / total)
