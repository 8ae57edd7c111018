"""Cross-entropy of a target distribution and a softmax-weighted kernel density estimate.

Names are resolved on first use, so that importing kdexent imports no compiler and compiles nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import reference
    from .choosing import choose
    from .kde import log_density, loss, loss_and_grad
    from .names import KERNELS, METHODS
    from .plan import Plan
    from .warming import warmup

__version__ = "0.1.0"

_HOME = {
    "KERNELS": ".names",
    "METHODS": ".names",
    "Plan": ".plan",
    "choose": ".choosing",
    "log_density": ".kde",
    "loss": ".kde",
    "loss_and_grad": ".kde",
    "warmup": ".warming",
}

__all__ = [
    "KERNELS",
    "METHODS",
    "Plan",
    "choose",
    "log_density",
    "loss",
    "loss_and_grad",
    "reference",
    "warmup",
]


def __getattr__(name: str) -> Any:
    if name == "reference":
        return import_module(".reference", __name__)
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
