"""Which method is the fastest for which points, bins and bandwidth, and how exact is each?"""

from typing import ClassVar

from kdexent import METHODS
from kdexent.measure import cases

from .measure import Cell, Figures, _Timed, _Tracked, _Ways

WAYS = {method: cases.Way(method) for method in METHODS}


class _Points(_Ways):
    ways = WAYS
    grid: ClassVar = {(points,): cases.line(points, bins=1_024) for points in cases.LARGE_SIZES}
    params = (METHODS, cases.LARGE_SIZES)
    param_names = ("method", "points")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()


class _Bins(_Ways):
    ways = WAYS
    grid: ClassVar = {(bins,): cases.line(100_000, bins) for bins in cases.LARGE_BINS}
    params = (METHODS, cases.LARGE_BINS)
    param_names = ("method", "bins")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()


class _Bandwidths(_Ways):
    ways = WAYS
    grid: ClassVar = {(h,): cases.line(1_000_000, bins=1_024, bandwidth=h) for h in cases.BANDWIDTHS}
    params = (METHODS, cases.BANDWIDTHS)
    param_names = ("method", "bandwidth")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()


class Points(_Points, _Timed):
    pass


class PointsTracked(_Points, _Tracked):
    pass


class Bins(_Bins, _Timed):
    pass


class BinsTracked(_Bins, _Tracked):
    pass


class Bandwidths(_Bandwidths, _Timed):
    pass


class BandwidthsTracked(_Bandwidths, _Tracked):
    pass
