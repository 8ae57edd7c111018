"""Measure which lines of compiled code the tests of every loop reach, by running it as plain Python.

python tests/coverage_of_loops.py [percent] ends with status 1 where a test fails or fewer lines are reached.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"  # before Numba is imported

import coverage
import pytest

HERE = Path(__file__).parent
# What compiles functions, of which some close over others; what generates instructions has none.
COMPILES = re.compile(r"^from \.+(runtime\.)?jit import .*\b(helper|loop|plain|lazily)\b", re.MULTILINE)
GENERATES = [r"@generated\(", "@intrinsic"]


class Share:
    """Leaves a process every n-th test."""

    def __init__(self, first, n):
        self.first, self.n = first, n

    def pytest_collection_modifyitems(self, items):
        items[:] = items[self.first :: self.n]


def run_share(first, n, data_file):
    """Run a process's tests, and keep in a file which lines they reach."""
    measured = coverage.Coverage(data_file=data_file, source_pkgs=["kdexent"], config_file=False)
    measured.start()
    # NumPy's numbers warn of what compiled arithmetic does silently.
    quietly = ["-q", "--thorough", "-W", "ignore::RuntimeWarning", str(HERE / "test_every_loop.py")]
    status = pytest.main(quietly, plugins=[Share(first, n)])
    measured.stop()
    measured.save()
    return int(status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED))


def main(least: float) -> int:
    n = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/share.{first}" for first in range(n)]
        shares = [
            subprocess.Popen([sys.executable, __file__, "--share", str(first), str(n), file])
            for first, file in enumerate(files)
        ]
        failed = any([share.wait() for share in shares])
        measured = coverage.Coverage(data_file=f"{folder}/all", source_pkgs=["kdexent"], config_file=False)
        for pattern in GENERATES:
            measured.exclude(pattern)
        measured.combine(files)
        import kdexent  # noqa: PLC0415  # not before the environment is set

        sources = Path(kdexent.__file__).parent.rglob("*.py")
        compiled = [str(path) for path in sources if COMPILES.search(path.read_text())]
        reached = measured.report(include=compiled, show_missing=True)
    return int(failed or reached < least)


if __name__ == "__main__":
    if "--share" in sys.argv:
        sys.exit(run_share(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]))
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 95.0))
