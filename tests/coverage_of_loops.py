"""Measure which lines of compiled code the tests of every loop reach, by running it as plain Python.

python tests/coverage_of_loops.py [percent] ends with status 1 where a test fails or fewer lines are reached.
"""

import os
import re
import sys
from pathlib import Path

os.environ["NUMBA_DISABLE_JIT"] = "1"  # before Numba is imported

import coverage
import pytest

HERE = Path(__file__).parent
# What compiles functions, of which some close over others; what generates instructions has none.
COMPILES = re.compile(r"^from \.+(runtime\.)?jit import .*\b(helper|loop|plain|lazily)\b", re.MULTILINE)
GENERATES = [r"@generated\(", "@intrinsic"]


def main(least: float) -> int:
    measured = coverage.Coverage(data_file=None, source_pkgs=["kdexent"], config_file=False)
    for pattern in GENERATES:
        measured.exclude(pattern)
    measured.start()
    # NumPy's numbers warn of what compiled arithmetic does silently.
    status = pytest.main(
        ["-q", "--thorough", "-W", "ignore::RuntimeWarning", str(HERE / "test_every_loop.py")]
    )
    measured.stop()
    import kdexent  # noqa: PLC0415  # not before it is measured

    sources = Path(kdexent.__file__).parent.rglob("*.py")
    files = [path for path in sources if COMPILES.search(path.read_text())]
    reached = measured.report(include=[str(path) for path in files], show_missing=True)
    return int(status != 0 or reached < least)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 95.0))
