"""What does each kernel cost, on the line and wrapped?"""

from typing import ClassVar

from kdexent.measure import cases
from kdexent.measure.races.workloads import LARGE, MIDDLING, loss_and_grad

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked

SIZES = {"100,000 x 256": MIDDLING} if QUICK else {"100,000 x 256": MIDDLING, "1,000,000 x 1,024": LARGE}
DOMAINS = {"line": cases.line} if QUICK else {"line": cases.line, "circle": cases.circle}


class _ByKernel(_Cells):
    cells: ClassVar = {
        (kernel, domain, size): loss_and_grad(case(*SIZES[size], kernel))
        for kernel in cases.KERNELS
        for domain, case in DOMAINS.items()
        for size in SIZES
        if domain == "circle" or kernel in cases.LINE_KERNELS
    }
    params = (cases.KERNELS, tuple(DOMAINS), tuple(SIZES))
    param_names = ("kernel", "domain", "points x bins")

    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()

    # It compiles for every kernel.
    setup_cache.timeout = 600  # type: ignore[attr-defined]  # asv reads it


class ByKernel(_ByKernel, _Timed):
    pass


class ByKernelTracked(_ByKernel, _Tracked):
    pass
