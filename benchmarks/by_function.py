"""What do the loss alone, densities and each gradient cost?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import log_density, loss, loss_and_grad

from .measure import QUICK, SIZES, At, Figures, _Cells, _Timed, _Tracked

DOMAINS = {"gaussian line": cases.line}
if not QUICK:
    DOMAINS["von_mises circle"] = cases.circle
FUNCTIONS = {
    "loss": loss,
    "log_density": log_density,
    "gradient by z": loss_and_grad,
    "by x": lambda case: loss_and_grad(case, wrt="x"),
    "by bandwidth": lambda case: loss_and_grad(case, wrt="bandwidth"),
    "by all": lambda case: loss_and_grad(case, wrt=("z", "x", "bandwidth")),
}


class _ByFunction(_Cells):
    cells: ClassVar = {
        (function, domain, size): cell(case(*SIZES[size]))
        for function, cell in FUNCTIONS.items()
        for domain, case in DOMAINS.items()
        for size in SIZES
    }
    params = (tuple(FUNCTIONS), tuple(DOMAINS), tuple(SIZES))
    param_names = ("function", "kernel and domain", "points x bins")


class ByFunction(_ByFunction, _Timed):
    pass


class ByFunctionTracked(_ByFunction, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
