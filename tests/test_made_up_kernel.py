"""A kernel is an entry in names, families, the reference's families and the oracle: nothing else knows it."""

import shutil
from pathlib import Path

from processes import run
from tiers import thorough

import kdexent

TESTS, PACKAGE = Path(__file__).parent, Path(kdexent.__file__).parent
REFERENCE = TESTS.parent / "reference"

# 315/256 (1 - u^2)^4: each file, what stands there before the entry, and the entry.
ENTRIES = (
    (
        "kdexent/names.py",
        '    "tricube": KernelFacts(',
        '    "quadweight": KernelFacts(1.0, (-1, 1), degree=8),\n',
    ),
    (
        "kdexent/families.py",
        "@helper\ndef tricube(d, p):",
        """@helper
def quadweight(d, p):
    u, v = d * p[0], _square_to_edge(d, p)
    cube = v * v * v
    return 0.0, v * cube, -8.0 * u * cube, (8.0 * u * u - v) * cube


""",
    ),
    (
        "kdexent/families.py",
        '    "tricube": Family(',
        '    "quadweight": Family(Formula(quadweight), 315 / 256, _NO_TAIL),\n',
    ),
    (
        "kdexent/reference/families.py",
        '    "tricube": Profile(',
        '    "quadweight": Profile(315 / 256, 4, _square_to_edge, lambda u: -2 * u),\n',
    ),
    (
        "tests/oracle.py",
        '            "tricube": ',
        '            "quadweight": _polynomial(*_powers((315, 256), 2, 4)),\n',
    ),
)


@thorough
def test_it_agrees_by_every_method(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "kdexent", ignore=shutil.ignore_patterns("__pycache__", "reference"))
    shutil.copytree(REFERENCE, tmp_path / "kdexent/reference", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TESTS, tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, entry in ENTRIES:
        source = (tmp_path / file).read_text()
        assert source.count(before) == 1, file
        (tmp_path / file).write_text(source.replace(before, entry + before))
    arguments = ("-q", "-p", "no:cacheprovider", "-n", "0", "--thorough", "-k", "quadweight")
    files = [str(tmp_path / "tests" / f"test_{name}.py") for name in ("agreement", "forty_digits", "knots")]
    where = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    script = "import sys, pytest, kdexent; print(kdexent.__file__); sys.exit(pytest.main(sys.argv[1:]))"
    told = run(script, *arguments, *files, timeout=1200, **where)
    assert told.startswith(str(tmp_path))
    assert " passed" in told
