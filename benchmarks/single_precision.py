"""What do float32 data gain, and lose in accuracy, beside float64?"""

from typing import ClassVar

from kdexent.measure import cases

from .measure import Agreement, Cell, _Suite

DTYPES = ("float32", "float64")


class SinglePrecision(_Suite):
    grid: ClassVar = {(dtype,): cases.line(points=100_000, bins=256, dtype=dtype) for dtype in DTYPES}
    params = DTYPES
    param_names = ("dtype",)

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()
