"""What does a call cost that has next to nothing to compute?"""

from kdexent_workloads.races import workloads

from .starting import PROBLEM

WARM = f"""{PROBLEM}
from kdexent import loss, loss_and_grad
loss(*problem, **options)
loss_and_grad(*problem, **options)
"""

version = ".".join(map(str, workloads.VERSION))
number = 1_000


def setup_cache() -> None:
    """Leave everything compiled on disk."""
    exec(WARM, {})


# In processes of their own: with a setup in its own process, asv times calls one by one, and a
# look at the clock between two of them is not small beside such a call.
def timeraw_loss_of_100_gaussian_points() -> tuple[str, str]:
    return "loss(*problem, **options)", WARM


def timeraw_gradient_of_100_gaussian_points() -> tuple[str, str]:
    return "loss_and_grad(*problem, **options)", WARM
