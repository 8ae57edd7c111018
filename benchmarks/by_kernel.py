"""What does each kernel cost, on the line and wrapped?"""

from typing import ClassVar

from kdexent.measure import cases

from .measure import Agreement, Cell, Figures, _Suite, _Timed, _Tracked, _Ways


class ByKernel(_Suite):
    grid: ClassVar = {tuple(case.name.split()): case for case in cases.kernels(points=100_000, bins=64)}
    params = (cases.KERNELS, ("line", "circle"))
    param_names = ("kernel", "domain")

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()

    # It compiles for every kernel.
    setup_cache.timeout = 600


class _Large(_Ways):
    ways: ClassVar = {"auto": cases.AUTO}
    grid: ClassVar = {
        (kernel,): (cases.line if kernel in cases.LINE_KERNELS else cases.circle)(1_000_000, 1_024, kernel)
        for kernel in cases.KERNELS
    }
    params = (tuple(ways), cases.KERNELS)
    param_names = ("method", "kernel")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()

    setup_cache.timeout = 600


class Large(_Large, _Timed):
    pass


class LargeTracked(_Large, _Tracked):
    pass
