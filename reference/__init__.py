"""The oracle: the same names as kdexent, in whole-array NumPy that reads like the formulas."""

from .bandwidth import select_bandwidth
from .information import cross_entropy, entropy, kl_divergence
from .kde import log_density, loss, loss_and_grad
from .linear import linear_softmax_loss, linear_softmax_loss_and_grad
from .sigmoid import sigmoid_cross_entropy, sigmoid_cross_entropy_and_grad
from .softmax_loss import log_softmax, softmax, softmax_cross_entropy, softmax_cross_entropy_and_grad

__all__ = [
    "cross_entropy",
    "entropy",
    "kl_divergence",
    "linear_softmax_loss",
    "linear_softmax_loss_and_grad",
    "log_density",
    "log_softmax",
    "loss",
    "loss_and_grad",
    "select_bandwidth",
    "sigmoid_cross_entropy",
    "sigmoid_cross_entropy_and_grad",
    "softmax",
    "softmax_cross_entropy",
    "softmax_cross_entropy_and_grad",
]
