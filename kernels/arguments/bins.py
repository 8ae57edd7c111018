"""Where the bins are and what they weigh: equal bins, edges, Gauss-Legendre nodes, target masses."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..names import RULES
from . import checks
from .arrays import Floats
from .gauss import gauss_legendre
from .kept import kept
from .memory import memory_bytes

_BYTES_PER_BIN = 40  # at least: its centre and mass, as given and for this call, and its density
_SURELY_FIT = 2**20


class Bins(NamedTuple):
    """Bins of the intervals [a, b] and their uniform-target masses."""

    masses: Floats  # (M,), sum 1
    centers: Floats  # (M,), those of [0, 1] where there are several intervals
    equal: bool  # centres equally spaced
    several: bool = False


def stretched(a: float | Floats, length: float | Floats, units: Floats) -> Floats:
    """Return the centres (..., M) of bins of intervals from `a` on, of those of [0, 1], units (M,)."""
    centers: Floats = np.multiply(np.asarray(length)[..., np.newaxis], units)
    centers += np.asarray(a)[..., np.newaxis]
    return centers


@kept(64)
def _unit_bins(count: int, rule: str) -> tuple[Floats, Floats]:
    """Return the masses and centres (M,) of bins of [0, 1]."""
    if rule == "gauss":
        centers, masses = gauss_legendre(count)
    else:
        centers, masses = (np.arange(count) + 0.5) / count, np.full(count, 1 / count)
    for array in (centers, masses):
        array.flags.writeable = False
    return masses, centers


def make_bins(bins: Any, rule: Any, a: float | Floats, b: float | Floats) -> Bins:
    """Return the bins that the arguments `bins` and `rule` describe on [a, b]."""
    checks.one_of("rule", rule, RULES)
    if type(bins) is not int:
        given = checks.rectangular("bins", bins)
        if given.ndim > 0:
            return _edge_bins(given, rule, a, b)
    count = checks.integer("bins", bins)
    if count < 1:
        raise ValueError(f"bins must be at least 1, got {checks.shown(count)}")
    if count > _SURELY_FIT or not (isinstance(a, float) and isinstance(b, float)):
        require_room("bins", count, np.broadcast(a, b).size)
    try:
        masses, units = _unit_bins(count, rule)
    except MemoryError:  # of which this process may have less than the machine has
        raise ValueError(f"bins must be fewer than {count}, for which there is no memory") from None
    equal = rule == "midpoint"
    if np.ndim(a) or np.ndim(b):
        return Bins(masses, units, equal, several=True)
    return Bins(masses, stretched(a, b - a, units), equal)


def require_room(name: str, count: int, rows: int = 1) -> None:
    """Raise unless so many bins, with centres of their own in each row, fit into memory."""
    most = most_bins(rows)
    if count > most:
        each = "" if rows <= 1 else f" in each of {rows} rows"
        raise ValueError(
            f"{name} must be at most {most}{each}, as many as {memory_bytes() / 1e9:.3g} GB of memory hold, "
            f"got {checks.shown(count)}"
        )


def most_bins(rows: int = 1) -> int:
    """Return how many bins, with centres of their own in each row, fit into memory."""
    return memory_bytes() // (_BYTES_PER_BIN + 8 * max(0, rows - 1))


def _edge_bins(bins: NDArray[Any], rule: str, a: float | Floats, b: float | Floats) -> Bins:
    require_room("bins", bins.size)
    edges = checks.real_array("bins", bins).astype(np.float64)
    if edges.ndim != 1 or edges.size < 2:
        raise ValueError(
            f"bins must be an integer or a 1-D array of at least 2 edges, got shape {edges.shape}"
        )
    if rule != "midpoint":
        raise ValueError(f"rule {rule!r} takes bins as a number of nodes, not as edges")
    checks.require("bins", edges, np.isfinite(edges), "must have finite edges")
    checks.lengths("bins", edges)
    widths = np.diff(edges)
    checks.require("bins", edges[1:], widths > 0, "must have increasing edges")
    slack = 1e-12 * (edges[-1] - edges[0])
    for name, end, edge in (("a", a, edges[0]), ("b", b, edges[-1])):
        ends = np.asarray(end)
        checks.require(name, ends, np.abs(ends - edge) <= slack, f"must be the matching end of bins, {edge}")
    return Bins(widths / widths.sum(), edges[:-1] + widths / 2, equal=False)


def target_masses(target: Any, count: int) -> Floats:
    """Return the target as masses (..., M) with sum 1 in each row."""
    masses = checks.real_array("target", target)
    if masses.ndim == 0 or masses.shape[-1] != count:
        raise ValueError(f"target must have shape (..., {count}), one mass for each bin, got {masses.shape}")
    masses = masses.astype(np.float64)
    checks.require_masses("target", masses)
    # Dividing by the largest mass first keeps the sum from overflowing.
    largest = masses.max(axis=-1, keepdims=True)
    checks.require("target", largest[..., 0], largest[..., 0] > 0, "must have a positive mass in every row")
    masses /= largest
    masses /= masses.sum(axis=-1, keepdims=True)
    return masses
