"""The oracle: the same names as kdexent, in whole-array NumPy that reads like the formulas."""

from .kde import log_density, loss, loss_and_grad

__all__ = ["log_density", "loss", "loss_and_grad"]
