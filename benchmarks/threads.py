"""What does a second thread gain?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import LARGE, loss_and_grad

from .measure import QUICK, _Timed

CASES = {"gaussian line, 1,000,000 x 1,024": cases.line(*LARGE)}
if not QUICK:
    CASES["gaussian batch, 10,000 x 100 x 32"] = cases.batch()
THREADS = (1, 2)


class Threads(_Timed):
    cells: ClassVar = {
        (name, threads): loss_and_grad(case, threads=threads)
        for name, case in CASES.items()
        for threads in THREADS
    }
    params = (tuple(CASES), THREADS)
    param_names = ("case", "threads")
