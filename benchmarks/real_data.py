"""What do real angles cost, tied by the thousand?"""

from typing import ClassVar

from kdexent import cases

from .measure import Agreement, Cell, _Suite


class RealData(_Suite):
    grid: ClassVar = {(case.name,): case for case in cases.real(bins=64)}
    params = tuple(name for (name,) in grid)
    param_names = ("data",)

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()
