"""Interpolation at Chebyshev nodes of [-1, 1]."""

from functools import lru_cache

import numpy as np
from numpy.polynomial.chebyshev import cheb2poly

from ..arguments.arrays import Floats


@lru_cache(maxsize=64)
def chebyshev(order: int) -> tuple[Floats, Floats, Floats]:
    """Return the nodes (P,), what takes moments to weights at the nodes, and powers in place of T_k.

    The weights' matrix B (P nodes, P) has B T = the interpolant's values: K = sum_lk K(node_l) B_lk T_k.
    """
    angles = np.pi * (np.arange(order) + 0.5) / order
    nodes = np.cos(angles)
    weights = np.cos(angles[:, np.newaxis] * np.arange(order)) * (2 / order)
    weights[:, 0] /= 2
    powers = np.zeros((order, order))
    for k in range(order):
        powers[k, : k + 1] = cheb2poly([0] * k + [1])
    return nodes, weights, powers
