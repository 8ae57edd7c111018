"""The registered kernels and methods, and the facts about a kernel that need no arithmetic."""

from typing import NamedTuple

__all__ = ["AUTO", "CIRCLE_ONLY", "COMPACT", "KERNELS", "METHODS", "RULES", "WRT", "KernelFacts"]


class KernelFacts(NamedTuple):
    """What is true of a kernel K(u), whatever its bandwidth."""

    reach: float  # K(u) = 0 for |u| beyond this
    circle_only: bool = False


_FACTS = {
    "gaussian": KernelFacts(float("inf")),
    "laplace": KernelFacts(float("inf")),
    "logistic": KernelFacts(float("inf")),
    "cauchy": KernelFacts(float("inf")),
    "boxcar": KernelFacts(1.0),
    "triangular": KernelFacts(1.0),
    "epanechnikov": KernelFacts(1.0),
    "biweight": KernelFacts(1.0),
    "triweight": KernelFacts(1.0),
    "tricube": KernelFacts(1.0),
    "cosine": KernelFacts(1.0),
    "von_mises": KernelFacts(float("inf"), circle_only=True),
}

KERNELS = tuple(_FACTS)
COMPACT = frozenset(name for name, facts in _FACTS.items() if facts.reach < float("inf"))
CIRCLE_ONLY = frozenset(name for name, facts in _FACTS.items() if facts.circle_only)

AUTO = "auto"
METHODS = (AUTO, "direct")

RULES = ("midpoint", "gauss")
WRT = ("z", "x", "bandwidth")
