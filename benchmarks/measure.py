"""How the other modules measure cells: first how exact they are and what auto took, then times."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from kdexent_workloads.races import workloads
from kdexent_workloads.races.racer import arrays, ready
from kdexent_workloads.races.workloads import LARGE, MIDDLING, Cell

from kdexent import METHODS
from kdexent.measure.exact import taken
from kdexent.measure.races.judge import judge

At = tuple[Any, ...]  # the values of asv's parameters

QUICK = os.environ.get("KDEXENT_TIER", "full") == "quick"
SIZES = {"100,000 x 256": MIDDLING} if QUICK else {"100,000 x 256": MIDDLING, "1,000,000 x 1,024": LARGE}


class Figures(NamedTuple):
    """What is found out about a cell before it is timed."""

    error: float  # as a part of what is allowed: beyond 1 it is wrong
    method: float
    workspace_bytes: int
    stored_bytes: int


def figures(cell: Cell) -> Figures:
    """Return figures of a cell."""
    error = judge(cell)(arrays(cell.call()())).share
    if not cell.of_densities:
        return Figures(error, 0.0, 0, 0)
    found = taken(cell.case.make(), cell.way, cell.derivatives)
    method = 100 * METHODS.index(found.method) + (found.order or 0)
    return Figures(error, method, found.workspace_bytes, found.stored_bytes)


def _compile(cells: Sequence[Cell]) -> None:
    for cell in cells:
        with suppress(Exception):  # a revision that cannot run it, which asv says of the cell
            ready(cell)


# asv takes every public class that it finds in a module for benchmarks, imported ones too.
class _Cells:
    """A cell for each value of asv's parameters, but for those that are left out.

    A subclass gives `cells`, asv's `params` and `param_names`; it has subclasses of `_Timed` and `_Tracked`.
    """

    cells: ClassVar[Mapping[At, Cell]]
    # An edited case starts a new series.
    version = ".".join(map(str, workloads.VERSION))

    def _leave_out(self, at: At) -> None:
        if at not in self.cells:  # asv's way to leave a cell out
            raise NotImplementedError


class _Timed(_Cells):
    """Times, on one thread and core where the cell does not ask for more."""

    # The place of arrays in memory, which is a process's, matters more than a process's own samples tell.
    rounds = 12 if QUICK else 2
    repeat = (3, 100, 0.1)  # calls at least, at most, and their seconds in a process
    warmup_time = 0.05  # s

    at: At | None = None

    def setup_cache(self) -> None:
        """Compile what all cells need, a kernel at a time: asv runs this once for all who inherit it."""
        if "fork" not in get_all_start_methods():  # others cannot hand cells over
            return
        for module in Path(__file__).parent.glob("[!_]*.py"):
            import_module(f".{module.stem}", __package__)
        cells = {cell.name: cell for each in _Timed.__subclasses__() for cell in each.cells.values()}
        of_kernels: dict[str, list[Cell]] = {}
        for name, cell in cells.items():
            of_kernels.setdefault(name.split()[0], []).append(cell)
        halves: tuple[list[Cell], list[Cell]] = [], []
        for of_kernel in sorted(of_kernels.values(), key=len, reverse=True):
            min(halves, key=len).extend(of_kernel)
        processes = [get_context("fork").Process(target=_compile, args=(half,)) for half in halves]
        for process in processes:
            process.start()
        for process in processes:
            process.join()

    def setup(self, *at: Any) -> None:
        self._leave_out(at)
        if self.at != at:  # asv calls this before every call that it times
            self.call, self.at = ready(self.cells[at]), at

    def time_call(self, *_: Any) -> None:
        self.call()


class _Tracked(_Cells):
    """What has been found out beforehand: a process of its own for each figure would load all code anew.

    A subclass has a `setup_cache` of its own that returns `self.figures()`, because asv runs an inherited one
    once for all who share it.
    """

    def figures(self) -> dict[At, Figures]:
        return {at: figures(cell) for at, cell in self.cells.items()}

    def setup(self, found: dict[At, Figures], *at: Any) -> None:
        self._leave_out(at)

    def track_error(self, found: dict[At, Figures], *at: Any) -> float:
        # asv's tables print every digit there is.
        return float(f"{found[at].error:.3g}")

    def track_method_and_order(self, found: dict[At, Figures], *at: Any) -> float:
        return found[at].method

    def track_workspace_bytes(self, found: dict[At, Figures], *at: Any) -> int:
        return found[at].workspace_bytes

    track_error.unit = "of what is allowed"  # asv reads it
    track_method_and_order.unit = "100 * index in kdexent.METHODS + order"  # asv reads it
    track_workspace_bytes.unit = "bytes"  # asv reads it
