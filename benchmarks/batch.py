"""What do many small rows cost?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

BATCHES = {"gaussian, 100 x 32": cases.batch, "laplace, 200 x 151 (guns)": cases.guns}


class _Batch(_Cells):
    cells: ClassVar = {
        (name, rows): loss_and_grad(case(rows))
        for name, case in BATCHES.items()
        for rows in ((1_000,) if QUICK else (1_000, 10_000))
    }
    params = tuple(BATCHES), tuple(dict.fromkeys(rows for _, rows in cells))
    param_names = ("kernel, points x bins", "rows")


class Batch(_Batch, _Timed):
    pass


class BatchTracked(_Batch, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
