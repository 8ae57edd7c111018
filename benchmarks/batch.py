"""What do many small rows cost?"""

from typing import ClassVar

from kdexent.measure import cases

from .measure import Agreement, Cell, _Suite


class Batch(_Suite):
    grid: ClassVar = {(rows,): cases.batch(rows) for rows in (100, 1_000, 10_000)}
    params = tuple(rows for (rows,) in grid)
    param_names = ("rows",)

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()
