"""Which method is the fastest for which points, bins and bandwidth, and how exact is each?"""

from __future__ import annotations

from typing import ClassVar

from kdexent_workloads import cases
from kdexent_workloads.cases import Case
from kdexent_workloads.races.workloads import Cell, loss_and_grad

from kdexent import METHODS

from .measure import QUICK, At, Figures, _Cells, _Timed, _Tracked


def by_method(of: dict[str | float, Case]) -> dict[At, Cell]:
    """Return the cells of every method that a case has time for."""
    ways = {method: cases.Way(method) for method in METHODS}
    return {
        (method, name): loss_and_grad(case, way)
        for name, case in of.items()
        for method, way in ways.items()
        if cases.affordable(case, way)
    }


# Some of what `kdexent bench` goes through.
POINTS = cases.LARGE_SIZES[:1] if QUICK else cases.LARGE_SIZES[::2]
BINS, BANDWIDTHS = cases.LARGE_BINS[::2], cases.BANDWIDTHS[1::2]


class _Points(_Cells):
    cells: ClassVar = by_method({points: cases.line(points, bins=1_024) for points in POINTS})
    params = (METHODS, POINTS)
    param_names = ("method, gaussian line of 1,024 bins", "points")


class Points(_Points, _Timed):
    pass


class PointsTracked(_Points, _Tracked):
    def setup_cache(self) -> dict[At, Figures]:
        return self.figures()


if not QUICK:

    class _Bins(_Cells):
        cells: ClassVar = by_method({bins: cases.line(100_000, bins) for bins in BINS})
        params = (METHODS, BINS)
        param_names = ("method, gaussian line of 100,000 points", "bins")

    class _Bandwidths(_Cells):
        cells: ClassVar = by_method({h: cases.line(100_000, 1_024, bandwidth=h) for h in BANDWIDTHS})
        params = (METHODS, BANDWIDTHS)
        param_names = ("method, gaussian line of 100,000 points and 1,024 bins", "bandwidth")

    class Bins(_Bins, _Timed):
        pass

    class BinsTracked(_Bins, _Tracked):
        def setup_cache(self) -> dict[At, Figures]:
            return self.figures()

    class Bandwidths(_Bandwidths, _Timed):
        pass

    class BandwidthsTracked(_Bandwidths, _Tracked):
        def setup_cache(self) -> dict[At, Figures]:
            return self.figures()
