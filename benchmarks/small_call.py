"""What does a call cost that has next to nothing to compute?"""

from kdexent.measure import cases

from .measure import agreed

WARM = """
from kdexent.measure import cases
from kdexent import loss, loss_and_grad
*problem, options = cases.line(points=100, bins=32).make()
loss(*problem, **options)
loss_and_grad(*problem, **options)
"""


def setup_cache() -> None:
    agreed(cases.line(points=100, bins=32))


# In processes of their own: with a setup in its own process, asv times calls one by one, and a
# look at the clock between two of them is not small beside such a call.
def timeraw_loss() -> tuple[str, str]:
    return "loss(*problem, **options)", WARM


def timeraw_loss_and_grad() -> tuple[str, str]:
    return "loss_and_grad(*problem, **options)", WARM


timeraw_loss.number = timeraw_loss_and_grad.number = 1_000  # type: ignore[attr-defined]  # asv reads it
