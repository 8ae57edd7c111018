"""How does the cost grow with the points and the bins, on the line, on the circle and in single precision?"""

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.races.workloads import loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

POINTS = (1_000,) if QUICK else (*cases.SIZES[::2], 1_000_000)
BINS = (64,) if QUICK else (64, 1_024)
SERIES = {
    "gaussian line": cases.line,
    "gaussian line float32": lambda points, bins: cases.line(points, bins, dtype="float32"),
    "gaussian circle": lambda points, bins: cases.circle(points, bins, "gaussian"),
    "von_mises circle": cases.circle,
}


class _BySize(_Cells):
    cells: ClassVar = {
        (name, points, bins): loss_and_grad(case(points, bins))
        for name, case in SERIES.items()
        for points in POINTS
        for bins in BINS
    }
    params = (tuple(SERIES), POINTS, BINS)
    param_names = ("kernel and domain", "points", "bins")


class BySize(_BySize, _Timed):
    pass


class BySizeTracked(_BySize, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()
