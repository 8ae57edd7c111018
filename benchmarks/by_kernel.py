"""What does each kernel cost, on the line and wrapped?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import MIDDLING, ON_CIRCLES, loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

DOMAINS = {"line": (cases.line, cases.LINE_KERNELS)}
if not QUICK:
    DOMAINS["circle"] = cases.circle, ON_CIRCLES


class _ByKernel(_Cells):
    cells: ClassVar = {
        (kernel, domain): loss_and_grad(case(*MIDDLING, kernel))
        for domain, (case, kernels) in DOMAINS.items()
        for kernel in kernels
    }
    params = (cases.KERNELS, tuple(DOMAINS))
    param_names = ("kernel", "domain, {:,} points, {} bins".format(*MIDDLING))


class ByKernel(_ByKernel, _Timed):
    pass


class ByKernelTracked(_ByKernel, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
