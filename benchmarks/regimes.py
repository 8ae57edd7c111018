"""What do far data, tails, wide logits and an outlier cost, and is the answer still right?"""

from typing import ClassVar

from kdexent.measure import cases

from .measure import Cell, Figures, _Timed, _Tracked, _Ways

WAYS = {way.name: way for way in (cases.DIRECT, cases.Way("window"), cases.AUTO, cases.STEP)}


class _Regimes(_Ways):
    ways = WAYS
    grid: ClassVar = {(case.name,): case for case in cases.regimes(100_000, bins=1_024)}
    params = (tuple(WAYS), tuple(name for (name,) in grid))
    param_names = ("method", "regime")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()


class Regimes(_Regimes, _Timed):
    pass


class RegimesTracked(_Regimes, _Tracked):
    pass
