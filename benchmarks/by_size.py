"""How does the cost grow with the points and the bins?"""

from typing import ClassVar

from kdexent.measure import cases

from .measure import Agreement, Cell, _Suite


class BySize(_Suite):
    grid: ClassVar = {
        (points, bins): cases.line(points, bins) for points in cases.SIZES for bins in cases.BINS
    }
    params = (cases.SIZES, cases.BINS)
    param_names = ("points", "bins")

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()
