"""What a new process waits for, on a kdexent that is installed in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any, NamedTuple

_FIRST_CALL = """
import json, sys, time
import numpy as np
points, options = json.loads(sys.argv[1])
x, z = np.random.default_rng(0).standard_normal((2, points))
start = time.perf_counter()
import kdexent
imported, before = time.perf_counter(), time.process_time()
if options:
    kdexent.loss_and_grad(x, z, -1.0, 1.0, bandwidth=0.05, **options)
called, cpu = time.perf_counter(), time.process_time()
peak = None
if sys.platform != "win32":
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
print(json.dumps([imported - start, called - imported, cpu - before, peak]))
"""
IMPORT, WARM = "import", "first call, compiled"
STARTS = {IMPORT: 2, WARM: 1}  # and how many of each side are taken in a round
FIRST_CALL = 100, {"bins": 32}  # points and options
WORKLOADS = "kdexent_workloads"


class Side(NamedTuple):
    """A kdexent that is installed in a folder of its own."""

    name: str
    packages: Path
    cache: Path  # of what it compiles
    slower: float = 0.0  # made so, by a part of its time: what a race is tried on
    new: bool = False  # or the one that it is compared with
    key: str = ""  # of what is in it: a commit, or a hash of files

    def environment(self, beside: Path | None = None) -> dict[str, str]:
        """Return the environment of a process that finds this kdexent and no other, and what is beside it."""
        folders = [str(folder) for folder in (self.packages, beside) if folder is not None]
        own = {"PYTHONPATH": os.pathsep.join(folders), "NUMBA_CACHE_DIR": str(self.cache)}
        return {**os.environ, **own}


def as_workloads(measure: Path, folder: Path) -> ModuleType:
    """Make the workloads of some revision importable beside any kdexent; return the module that lists them.

    Its folder `measure` becomes a package of another name, whose modules find each other, and the kdexent
    that is installed beside it.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == WORKLOADS]:
        del sys.modules[name]  # those of another revision
    # Without older compiled forms: what is there is what runs.
    shutil.copytree(measure, folder / WORKLOADS, ignore=shutil.ignore_patterns("__pycache__"))
    sys.path.append(str(folder))
    try:
        return import_module(f"{WORKLOADS}.races.workloads")
    finally:
        sys.path.remove(str(folder))


class Failed(Exception):
    """What cannot run, in words, and whether it is the new side that cannot."""

    def __init__(self, words: str, new: bool = False) -> None:
        super().__init__(words)
        self.new = new


class Started(NamedTuple):
    """What a new process took."""

    imported: float  # s
    called: float  # s, the first call
    cpu: float  # s, of all threads in it: what it compiles, where nothing was compiled before
    peak: int | None  # bytes of memory, where the platform tells


def start(what: str, *sides: Side) -> list[float]:
    """Return what one of STARTS takes on each side, in seconds, all at once."""
    points, options = (0, None) if what == IMPORT else FIRST_CALL
    environments = [(side.environment(), side.new) for side in sides]
    taken = _in_new_processes(environments, points, options)
    return [each.imported if what == IMPORT else each.called for each in taken]


def in_new_process(
    environment: Mapping[str, str],
    points: int = 0,
    options: Mapping[str, Any] | None = None,
    nothing_compiled: bool = False,
) -> Started:
    """Return what a process takes to import kdexent, and with options to call its loss_and_grad.

    Raises Failed where it cannot.
    """
    (taken,) = _in_new_processes([(environment, False)], points, options, nothing_compiled)
    return taken


def _in_new_processes(
    environments: Sequence[tuple[Mapping[str, str], bool]],
    points: int,
    options: Mapping[str, Any] | None,
    nothing_compiled: bool = False,
) -> list[Started]:
    """Return what processes take that start at once, of environments and whether each is the new side's."""
    command = [sys.executable, "-P", "-c", _FIRST_CALL, json.dumps([points, options])]
    # Control-C is the parent's to answer.
    how: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "start_new_session": True}
    with ExitStack() as stack:
        running = []
        for environment, new in environments:
            how["env"] = dict(environment)
            if nothing_compiled:
                how["env"]["NUMBA_CACHE_DIR"] = stack.enter_context(TemporaryDirectory())
            process = stack.enter_context(subprocess.Popen(command, text=True, **how))
            stack.callback(process.kill)  # which does nothing to one that has ended
            running.append((process, new))
        return [_started(process, new) for process, new in running]


def _started(process: subprocess.Popen[str], new: bool) -> Started:
    printed, complained = process.communicate()
    if process.returncode:
        said = complained.strip().splitlines()
        raise Failed(said[-1] if said else f"its process ended with status {process.returncode}", new)
    return Started(*json.loads(printed))
