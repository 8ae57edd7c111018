"""What do the loss alone, densities and each gradient cost?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import log_density, loss, loss_and_grad

from .measure import SIZES, At, Figures, _Cells, _Timed, _Tracked

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
        (function, size): cell(cases.line(*SIZES[size]))
        for function, cell in FUNCTIONS.items()
        for size in SIZES
    }
    params = (tuple(FUNCTIONS), tuple(SIZES))
    param_names = ("function, gaussian line", "points x bins")


class ByFunction(_ByFunction, _Timed):
    pass


class ByFunctionTracked(_ByFunction, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
