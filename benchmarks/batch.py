"""What do many small rows cost?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked


class _Batch(_Cells):
    cells: ClassVar = {
        (rows,): loss_and_grad(cases.batch(rows)) for rows in ((1_000,) if QUICK else (1_000, 10_000))
    }
    params = tuple(rows for (rows,) in cells)
    param_names = ("rows of 100 points and 32 bins, gaussian",)


class Batch(_Batch, _Timed):
    pass


class BatchTracked(_Batch, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
