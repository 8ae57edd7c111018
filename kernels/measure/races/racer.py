"""One side of a race: a process that times the cells it is told to, on the kdexent that it finds."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from ..timing import Sampled, keep_to_one_core, slowed
from . import workloads
from .workloads import Cell


def arrays(result: Any) -> list[np.ndarray]:
    """Return a loss, a (loss, gradient) or a (loss, gradients) in one list, none of what is no number."""
    if isinstance(result, (tuple, list)):
        return [array for each in result for array in arrays(each)]
    array = np.asarray(result)
    return [array] if array.dtype.kind == "f" else []


def ready(cell: Cell) -> Callable[[], Any]:
    """Return the call of a cell, which has run once, on the threads and cores that it is to be timed on."""
    keep_to_one_core(False)
    # What functions go by that take no n_threads.
    config: Any = numba.config
    numba.set_num_threads(cell.threads or config.NUMBA_NUM_THREADS)
    call = cell.call()
    call()
    keep_to_one_core(cell.threads == 1)
    return call


class Racer:
    """What answers requests; each is of a cell by its name, and of what to do with it."""

    def __init__(self) -> None:
        self._cells = {cell.name: cell for cell in [*workloads.controls(), *workloads.full()]}
        self._sampled: Sampled | None = None

    def prepare(self, cell: str, slower: float = 0.0) -> dict[str, Any]:
        """Compile or load what a cell needs."""
        self._sampled = None  # its arrays go before others come
        gc.collect()
        call = ready(self._cells[cell])
        self._sampled = Sampled(slowed(call, slower) if slower else call)
        return {"calls": self._sampled.calls}

    def sample(self, calls: int) -> dict[str, Any]:
        """Time the cell that was prepared last."""
        assert self._sampled is not None
        self._sampled.calls = calls
        return {"seconds": self._sampled.sample()}

    def result(self, cell: str, path: str) -> dict[str, Any]:
        """Write the result of a cell, and say how auto had it computed."""
        np.savez(path, *arrays(ready(self._cells[cell])()))
        return {"taken": _taken(self._cells[cell])}


def _taken(cell: Cell) -> dict[str, Any]:
    """Return method, order and memory, as the revision that runs tells them; nothing where it cannot."""
    case: Any = cell.case
    if case is None or not cell.of_densities:
        return {}
    try:
        from kdexent.measure.exact import taken  # noqa: PLC0415  # the revision may have none

        return taken(case.make(), cell.way, cell.derivatives)._asdict()
    except Exception:  # another revision's own, which may want other arguments; the table has a - then
        return {}


def main() -> None:
    """Answer requests, a line of JSON each, until there are no more, or nobody who reads the answers."""
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever a cell prints is no answer
    racer = Racer()
    gc.disable()
    gc.freeze()  # what is there stays; going through it would take a fifth of preparing a cell
    print(json.dumps({}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(racer, request.pop("do"))(**request)
        except Exception as failure:  # one cell that fails, which the table says, must not end the others
            answer = {"failure": f"{type(failure).__name__}: {failure}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
