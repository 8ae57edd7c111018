"""What does each kernel cost, on the line and wrapped?"""

from typing import ClassVar

from kdexent import cases
from kdexent.names import KERNELS

from .measure import Agreement, Cell, _Suite


class ByKernel(_Suite):
    grid: ClassVar = {tuple(case.name.split()): case for case in cases.kernels(points=100_000, bins=64)}
    params = (KERNELS, ("line", "circle"))
    param_names = ("kernel", "domain")

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()

    # It compiles for every kernel.
    setup_cache.timeout = 600
