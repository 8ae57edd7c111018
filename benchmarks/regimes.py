"""What do far data, tails, wide logits, an outlier and real angles, tied by the thousand, cost?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

CASES = {f"gaussian, {case.name}": case for case in cases.regimes(100_000, bins=256 if QUICK else 1_024)}
if not QUICK:
    CASES |= {case.name: case for case in cases.real(1_024)}


class _Regimes(_Cells):
    cells: ClassVar = {(name,): loss_and_grad(case) for name, case in CASES.items()}
    params = tuple(CASES)
    param_names = ("kernel and regime",)


class Regimes(_Regimes, _Timed):
    pass


class RegimesTracked(_Regimes, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
