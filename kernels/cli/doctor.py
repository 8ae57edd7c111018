"""`kdexent doctor`: what a report of a fault needs."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from .. import kde, reference
from ..measure.errors import truth
from ..measure.machine import describe
from ..names import METHODS
from ..runtime.jit import cache_folder
from .terminal import console, plain_table

_OPTIONAL = "scipy", "torch", "jax", "scikit-learn", "dask", "matplotlib", "pyarrow"
_VARIABLES = "NUMBA_", "KDEXENT_"
_PROBLEM: dict[str, Any] = {"a": -1.0, "b": 1.0, "bandwidth": 0.1, "bins": 64}
_RTOL = 1e-9
_ERRORS = {"grid": 1e-3}  # of what keeps no rtol


def examine() -> int:
    """Print what is here, and whether every method is right; return the exit status."""
    screen = console()
    table = plain_table(2)
    table.show_header = False
    for name, value in _facts():
        table.add_row(name, value)
    screen.print(table)
    screen.print()
    status = 0
    for method in METHODS:
        found = _self_test(method)
        status |= found != "right"
        screen.print(f"{method:8}{found}", markup=False)
    return status


def _facts() -> Iterator[tuple[str, str]]:
    machine = describe()
    commit = f", commit {machine['git_commit']}" if machine["git_commit"] else ""
    yield "kdexent", f"{machine['kdexent']}{commit}, in {Path(kde.__file__).parent}"
    libraries = ", ".join(f"{name} {machine[name]}" for name in ("numpy", "numba", "llvmlite"))
    yield "Python", f"{machine['python']}, {libraries}"
    yield "machine", f"{machine['cpu']} ({machine['cpu_target']}), {machine['os']}"
    yield "threads", f"{machine['numba_threads']} of {machine['cores']} cores"
    folder = cache_folder()
    yield "compiled code", _size_of(folder) if folder else "kept nowhere: no folder for it can be written to"
    also = [f"{name} {found}" for name in _OPTIONAL if (found := _version(name))]
    yield "also here", ", ".join(also) or "nothing"
    ours = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(_VARIABLES)]
    yield "environment", " ".join(ours) or "nothing of Numba's"


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _size_of(folder: Path) -> str:
    files = [path.stat().st_size for path in folder.rglob("kdexent.*.nb[ci]")]
    return f"can be written to {folder}: {len(files)} files, {sum(files) / 1e6:.0f} MB"


def _self_test(method: str) -> str:
    """Say whether a method's loss and gradient are those of the reference."""
    x, z = np.random.default_rng(0).normal(size=(2, 2000))
    try:
        found = kde.loss_and_grad(x, z, **_PROBLEM, method=method, rtol=_RTOL)
    except Exception as error:  # whatever it is, the report of a fault needs it
        return f"{type(error).__name__}: {error}"
    errors = truth(reference.loss_and_grad(x, z, **_PROBLEM), z).agreement(found, _ERRORS.get(method, _RTOL))
    return errors.problem or "right"
