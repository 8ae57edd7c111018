"""What the figures were measured on."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .. import __version__
from ..runtime.pool import available


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    except OSError:
        pass
    brand = _output("sysctl", "-n", "machdep.cpu.brand_string") if platform.system() == "Darwin" else None
    return brand or platform.processor() or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _git_commit() -> str | None:
    """Return the commit of the checkout that this package is imported from, if it is one."""
    folder = str(Path(__file__).parents[1])
    # An environment inside someone else's repository is not a checkout of this one.
    if _output("git", "-C", folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    return _output("git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")


def describe() -> dict[str, Any]:
    """Describe this machine, as it is now, and the software on it."""
    return {
        "cpu": _cpu(),
        # LLVM's name of it, which decides what code is compiled.
        "cpu_target": import_module("llvmlite.binding").get_host_cpu_name(),
        "cores": cores(),  # that this process may use
        "numba_threads": available(),
        "os": platform.platform(terse=True),
        "python": platform.python_version(),
        **{name: version(name) for name in ("numpy", "numba", "llvmlite")},
        "kdexent": __version__,
        "git_commit": _git_commit(),
        "utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }
