"""What does a plan cost to make, what does it keep, and what does a step of it take?"""

from __future__ import annotations

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races import workloads
from kdexent_workloads.races.workloads import loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

POINTS = cases.LARGE_SIZES[1:2] if QUICK else cases.LARGE_SIZES
CASES = {points: cases.line(points, bins=1_024) for points in POINTS}


class _Steps(_Cells):
    cells: ClassVar = {(points,): loss_and_grad(case, cases.STEP) for points, case in CASES.items()}
    params = POINTS
    param_names = ("points, gaussian line of 1,024 bins",)


class _Made(_Cells):
    cells: ClassVar = {(points,): workloads.plan(case) for points, case in CASES.items()}
    params = POINTS
    param_names = _Steps.param_names


class Step(_Steps, _Timed):
    pass


class StepTracked(_Steps, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()

    def track_stored_bytes(self, found: dict[At, Figures], *at: int) -> int:
        return found[at].stored_bytes

    track_stored_bytes.unit = "bytes"  # asv reads it


class Making(_Made, _Timed):
    pass
