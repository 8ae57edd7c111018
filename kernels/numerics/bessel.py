"""Modified Bessel functions of the first kind, as the von Mises distribution needs them."""

import math

import numpy as np

from ..arguments.arrays import Floats


def scaled_bessel(kappa: Floats) -> tuple[Floats, Floats]:
    """Return log(exp(-kappa) I0(kappa)) and 1 - I1(kappa)/I0(kappa), kappa (S,).

    By the power series (DLMF 10.25.2) below 20 and by Hankel's expansion (DLMF 10.40.1) above, where
    its terms fall below 1e-17 before they grow; the difference is summed term by term.
    """
    log_bessel, rest, small = np.empty_like(kappa), np.empty_like(kappa), kappa < 20
    log_bessel[small], rest[small] = _by_powers(kappa[small])
    log_bessel[~small], rest[~small] = _by_hankel(kappa[~small])
    return log_bessel, rest


def _by_powers(kappa: Floats) -> tuple[Floats, Floats]:
    k, square = np.arange(1, 60), (kappa / 2)[:, np.newaxis] ** 2
    i0 = 1 + np.cumprod(square / k**2, axis=1).sum(axis=1)
    i1 = kappa / 2 * (1 + np.cumprod(square / (k * (k + 1)), axis=1).sum(axis=1))
    return np.log(i0) - kappa, 1 - i1 / i0


def _by_hankel(kappa: Floats) -> tuple[Floats, Floats]:
    k, eight = np.arange(1, 31), 8 * kappa[:, np.newaxis]
    terms_of_i0 = np.cumprod((2 * k - 1) ** 2 / (eight * k), axis=1)
    terms_of_i1 = np.cumprod((2 * k - 3) * (2 * k + 1) / (eight * k), axis=1)
    i0 = 1 + terms_of_i0.sum(axis=1)
    return np.log(i0) - np.log(2 * math.pi * kappa) / 2, (terms_of_i0 - terms_of_i1).sum(axis=1) / i0
