"""What do real angles cost, tied by the thousand?"""

from typing import ClassVar

from kdexent.measure import cases

from .measure import Agreement, Cell, Figures, _Suite, _Timed, _Tracked, _Ways


class RealData(_Suite):
    grid: ClassVar = {(case.name,): case for case in cases.real(bins=64)}
    params = tuple(name for (name,) in grid)
    param_names = ("data",)

    def setup_cache(self) -> dict[Cell, Agreement]:
        return self.agreements()


class _Departures(_Ways):
    ways: ClassVar = {way.name: way for way in (cases.DIRECT, cases.AUTO, cases.STEP)}
    grid: ClassVar = {(bins,): cases.real(bins)[0] for bins in cases.LARGE_BINS}
    params = (tuple(ways), cases.LARGE_BINS)
    param_names = ("method", "bins")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()


class Departures(_Departures, _Timed):
    pass


class DeparturesTracked(_Departures, _Tracked):
    pass
