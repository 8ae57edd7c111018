"""What does a plan cost to make, what does it keep, and what does a step of it take?"""

from typing import Any, ClassVar

from kdexent.measure import cases

from .measure import Cell, Figures, _Timed, _Tracked, _Ways


class _Plans(_Ways):
    ways: ClassVar = {"auto": cases.STEP, "cells": cases.Way("cells", planned=True)}
    grid: ClassVar = {(points,): cases.line(points, bins=1_024) for points in cases.LARGE_SIZES}
    params = (tuple(ways), cases.LARGE_SIZES)
    param_names = ("method", "points")

    def setup_cache(self) -> dict[Cell, Figures]:
        return self.figures()


class Plan(_Plans, _Timed):
    def time_make(self, found: dict[Cell, Figures], name: str, points: int) -> None:
        self.ways[name].plan(self.grid[points,].make(), n_threads=1)


class PlanTracked(_Plans, _Tracked):
    def track_stored_bytes(self, found: dict[Cell, Figures], *cell: Any) -> int:
        return found[cell].stored_bytes

    track_stored_bytes.unit = "bytes"  # type: ignore[attr-defined]  # asv reads it
