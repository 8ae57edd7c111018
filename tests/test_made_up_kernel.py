"""A kernel is an entry in names, families, the reference's families and the oracle: nothing else knows it."""

import shutil
from pathlib import Path

import ratio_oracle
from processes import run
from tiers import thorough

import kdexent

TESTS, PACKAGE = Path(__file__).parent, Path(kdexent.__file__).parent
REFERENCE = TESTS.parent / "reference"

# 3/2 (1 - |u|)^2: each file, what stands there before the entry, and the entry.
ENTRIES = (
    (
        "kdexent/names.py",
        '    "tricube": KernelFacts(',
        '    "cusp": KernelFacts(1.0, (-1, 0, 1), jump=1, degree=2),\n',
    ),
    (
        "kdexent/families.py",
        "@helper\ndef tricube(d, p):",
        """@helper
def cusp(d, p):
    u, v = abs(d) * p[0], _to_edge(d, p)
    v = v if v > 0.0 else 0.0
    sign = 1.0 if d > 0.0 else (-1.0 if d < 0.0 else 0.0)
    return 0.0, v * v, -2.0 * sign * v, (2.0 * u - v) * v


""",
    ),
    (
        "kdexent/families.py",
        '    "tricube": Family(',
        '    "cusp": Family(Formula(cusp), 3 / 2, _NO_TAIL),\n',
    ),
    (
        "kdexent/reference/families.py",
        '    "tricube": Profile(',
        '    "cusp": Profile(3 / 2, 2, lambda u, v: v, lambda u: -np.ones_like(u)),\n',
    ),
    (
        "tests/oracle.py",
        '    "tricube": Compact(',
        '    "cusp": Compact(lambda m, u, v: 3 * v * v / 2, lambda m, u, v: -3 * v),\n',
    ),
)
FILES = ("names", "agreement", "knots")


@thorough
def test_it_passes_what_the_registered_ones_do(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "kdexent", ignore=shutil.ignore_patterns("__pycache__", "reference"))
    shutil.copytree(REFERENCE, tmp_path / "kdexent/reference", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(TESTS, tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, entry in ENTRIES:
        source = (tmp_path / file).read_text()
        assert source.count(before) == 1, file
        (tmp_path / file).write_text(source.replace(before, entry + before))
    where = {"PYTHONPATH": str(tmp_path), "NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    files = [str(tmp_path / "tests" / f"test_{name}.py") for name in FILES]
    arguments = ("-q", "-p", "no:cacheprovider", "-n", "0", "--thorough", "-k", "cusp or test_names")
    script = "import sys, pytest, kdexent; print(kdexent.__file__); sys.exit(pytest.main(sys.argv[1:]))"
    told = run(script, *arguments, *files, timeout=1200, **where)
    assert told.startswith(str(tmp_path))
    assert " passed" in told
    if ratio_oracle.AVAILABLE:
        arguments = ("--kernel", "cusp", "--start", "0", "--seconds", "10")
        told = run(tmp_path / "tests/campaign.py", *arguments, timeout=300, **where)
        assert ", 0 with disagreements" in told
        assert not told.startswith("0 problems")
