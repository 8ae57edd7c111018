"""The registered kernels and methods, and the facts about a kernel that need no arithmetic."""

from typing import NamedTuple

__all__ = [
    "AUTO",
    "CIRCLE_ONLY",
    "COMPACT",
    "JUMPS",
    "KERNELS",
    "KNOTS",
    "METHODS",
    "ORDERS",
    "RULES",
    "WRT",
    "KernelFacts",
]


class KernelFacts(NamedTuple):
    """What is true of a kernel K(u), whatever its bandwidth."""

    reach: float  # K(u) = 0 for |u| beyond this
    knots: tuple[int, ...] = ()  # where K(u) is not smooth
    circle_only: bool = False
    jump: int = 9  # the lowest derivative of K that jumps at a knot, 0 for K itself


_FACTS = {
    "gaussian": KernelFacts(float("inf")),
    "laplace": KernelFacts(float("inf"), (0,), jump=1),
    "logistic": KernelFacts(float("inf")),
    "cauchy": KernelFacts(float("inf")),
    "boxcar": KernelFacts(1.0, (-1, 1), jump=0),
    "triangular": KernelFacts(1.0, (-1, 0, 1), jump=1),
    "epanechnikov": KernelFacts(1.0, (-1, 1), jump=1),
    "biweight": KernelFacts(1.0, (-1, 1)),
    "triweight": KernelFacts(1.0, (-1, 1)),
    "tricube": KernelFacts(1.0, (-1, 0, 1)),
    "cosine": KernelFacts(1.0, (-1, 1), jump=1),
    "von_mises": KernelFacts(float("inf"), circle_only=True),
}

KERNELS = tuple(_FACTS)
COMPACT = frozenset(name for name, facts in _FACTS.items() if facts.reach < float("inf"))
CIRCLE_ONLY = frozenset(name for name, facts in _FACTS.items() if facts.circle_only)

KNOTS = {name: facts.knots for name, facts in _FACTS.items()}
JUMPS = {name: facts.jump for name, facts in _FACTS.items()}

AUTO = "auto"
METHODS = (AUTO, "direct", "window", "grid", "cells")
# The orders of those methods that have one. Cells of no given order choose theirs by rtol.
ORDERS = {"grid": (1, 2, 4), "cells": (1, 2, 3, 4, 6, 8, 10, 12, 16)}

RULES = ("midpoint", "gauss")
WRT = ("z", "x", "bandwidth")
