"""The registered kernels and methods, and the facts about a kernel that need no arithmetic."""

from collections.abc import Collection
from typing import NamedTuple


class KernelFacts(NamedTuple):
    """What is true of a kernel K(u), whatever its bandwidth."""

    reach: float  # K(u) = 0 for |u| beyond this
    knots: tuple[int, ...] = ()  # where K(u) is not smooth
    circle_only: bool = False
    jump: int = 9  # 0 if K itself jumps at a knot, 1 if dK/du does, more if neither: those are not told apart
    degree: int = 99  # of the polynomial that K is between its knots, if it is one
    steady: bool = False  # |d log K/du| is bounded
    heavy: bool = False  # K falls off by a power: there is no distance from which on it is nothing
    # Bandwidths in proportion to (int K^2 / (int u^2 K)^2)^(1/5) smooth alike (Marron & Nolan 1988): here
    # over the gaussian's. Of cauchy, which has no variance, half widths at half maximum are equal.
    canonical: float = 1.0


FACTS = {
    "gaussian": KernelFacts(float("inf")),
    "laplace": KernelFacts(float("inf"), (0,), jump=1, steady=True, canonical=0.7397705),
    "logistic": KernelFacts(float("inf"), steady=True, canonical=0.5590097),
    "cauchy": KernelFacts(float("inf"), steady=True, heavy=True, canonical=1.1774100),
    "boxcar": KernelFacts(1.0, (-1, 1), jump=0, degree=0, canonical=1.7400571),
    "triangular": KernelFacts(1.0, (-1, 0, 1), jump=1, degree=1, canonical=2.4319981),
    "epanechnikov": KernelFacts(1.0, (-1, 1), jump=1, degree=2, canonical=2.2138044),
    "biweight": KernelFacts(1.0, (-1, 1), degree=4, canonical=2.6226153),
    "triweight": KernelFacts(1.0, (-1, 1), degree=6, canonical=2.9781059),
    "tricube": KernelFacts(1.0, (-1, 0, 1), degree=9, canonical=2.6097836),
    "cosine": KernelFacts(1.0, (-1, 1), jump=1, canonical=2.2749767),
    "von_mises": KernelFacts(float("inf"), circle_only=True),
}

KERNELS = tuple(FACTS)
COMPACT = frozenset(name for name, facts in FACTS.items() if facts.reach < float("inf"))
CIRCLE_ONLY = frozenset(name for name, facts in FACTS.items() if facts.circle_only)

KNOTS = {name: facts.knots for name, facts in FACTS.items()}
JUMPS = {name: facts.jump for name, facts in FACTS.items()}

AUTO = "auto"
METHODS = (AUTO, "direct", "window", "grid", "cells")
# The orders of those methods that have one. Cells of no given order choose theirs by rtol.
ORDERS = {"grid": (1, 2, 4), "cells": (1, 2, 3, 4, 6, 8, 10, 12, 16)}

RULES = ("midpoint", "gauss")
WRT = ("z", "x", "bandwidth")
DOMAINS = ("line", "circle")
BANDWIDTH_RULES = ("silverman", "likelihood")


def check_entries(table: str, entries: Collection[str], names: Collection[str]) -> None:
    """Raise AssertionError unless a table has an entry for every one of these names, and no other."""
    missing, others = sorted({*names} - {*entries}), sorted({*entries} - {*names})
    if missing or others:
        wrong = [f"lacks {', '.join(missing)}"] * bool(missing)
        wrong += [f"has {', '.join(others)}, not registered in names.py"] * bool(others)
        raise AssertionError(f"{table} {' and '.join(wrong)}")
