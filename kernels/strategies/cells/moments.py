"""What each point adds to its cell and takes from it: compiled passes for one order.

A cell of order P holds the moments sum_j w_j T_k(v_j), k < P, of its points, T_k the Chebyshev
polynomials, which do not amplify rounding errors; and what points take back is a polynomial in v.
"""

from functools import cache

from ...numerics.chunks import LANES
from ...runtime.jit import Function, helper
from ...runtime.signatures import READ1
from ...simd.ahead import to_read, to_write
from ...simd.scatter import add_moments, add_polynomials
from ..sums.loops import Loops, compiled
from ..sums.passes import adding, adjoint_signature, forward_signature, taking
from ..sums.places import locator


@cache
def point_passes(order: int, kind: str, circle: bool) -> Loops:
    """Return the passes of one kind of cells, each compiled when it is first asked for."""
    key = f"{order}.{kind}.{'circle' if circle else 'line'}"
    made = (_make_moments, forward_signature()), (_make_values, adjoint_signature(READ1))
    return compiled(Loops, "cell_points", key, (order, kind, circle), *made)


def _make_moments(order: int, kind: str, circle: bool) -> Function:
    add_eight = add_moments(order)

    @helper
    def add(w, places, shift, rooms, n, data, after, sums):
        """sums (cells * P,) += w_j T_k(v_j)."""
        (_, cell, v), (x, z) = places, data
        for j in range(0, n, LANES):
            to_read(x, after + j)
            to_read(z, after + j)
            add_eight(w, v, cell, j, sums)

    return adding(locator(kind, circle), order, add)


def _make_values(order: int, kind: str, circle: bool) -> Function:
    add_eight = add_polynomials(order)

    @helper
    def take(sums, slopes, sloping, places, shift, rooms, n, data, after, coefficients):
        """sums_i += sum_k coefficients[cell_i, k] v_i^k, coefficients (cells * P,)."""
        (_, cell, v), (x, z, by) = places, data
        for j in range(0, n, LANES):
            to_read(x, after + j)
            to_read(z, after + j)
            to_write(by, after + j)
            add_eight(coefficients, cell, v, j, sums)

    return taking(locator(kind, circle), order, take)
