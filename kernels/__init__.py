"""Cross-entropy of a target distribution and a softmax-weighted kernel density estimate.

Names are resolved on first use, so that importing kdexent imports no compiler and compiles nothing.
"""

from typing import TYPE_CHECKING, Any

from .runtime.undisturbed import load

if TYPE_CHECKING:
    from . import reference
    from .bandwidth import select_bandwidth
    from .choosing.recommend import choose
    from .information import cross_entropy, entropy, kl_divergence
    from .kde import log_density, loss, loss_and_grad
    from .linear import linear_softmax_loss, linear_softmax_loss_and_grad
    from .names import KERNELS, METHODS
    from .plan import Plan
    from .sigmoid import sigmoid_cross_entropy, sigmoid_cross_entropy_and_grad
    from .softmax_loss import log_softmax, softmax, softmax_cross_entropy, softmax_cross_entropy_and_grad
    from .warming import warmup

__version__ = "0.2.0"

_NAMES = {
    ".bandwidth": ("select_bandwidth",),
    ".choosing.recommend": ("choose",),
    ".information": ("cross_entropy", "entropy", "kl_divergence"),
    ".kde": ("log_density", "loss", "loss_and_grad"),
    ".linear": ("linear_softmax_loss", "linear_softmax_loss_and_grad"),
    ".names": ("KERNELS", "METHODS"),
    ".plan": ("Plan",),
    ".sigmoid": ("sigmoid_cross_entropy", "sigmoid_cross_entropy_and_grad"),
    ".softmax_loss": ("log_softmax", "softmax", "softmax_cross_entropy", "softmax_cross_entropy_and_grad"),
    ".warming": ("warmup",),
}
_HOME = {name: module for module, names in _NAMES.items() for name in names}

__all__ = [
    "KERNELS",
    "METHODS",
    "Plan",
    "choose",
    "cross_entropy",
    "entropy",
    "kl_divergence",
    "linear_softmax_loss",
    "linear_softmax_loss_and_grad",
    "log_density",
    "log_softmax",
    "loss",
    "loss_and_grad",
    "reference",
    "select_bandwidth",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_and_grad",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_and_grad",
    "warmup",
]


def __getattr__(name: str) -> Any:
    if name == "reference":
        return load(".reference")
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(load(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
