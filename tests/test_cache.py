"""Compiled code on disk: shared, never stale, and not needed."""

import os
import shutil
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from processes import AS_ANYONE, run
from tiers import thorough, thorough_but_for

import kdexent

PACKAGE = Path(kdexent.__file__).parent
CALL = "kdexent.loss([0.3], [0.0], -0.1, 0.1, bandwidth=0.2, bins=8)"
QUICKEST = "kdexent.entropy([0.5, 0.5])"  # to compile
ANSWER = "0.6931471806"
PRINT = f"""
    import kdexent
    print(round({QUICKEST}, 10))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of the package: its folder, the environment in which it is imported, and a cache folder."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "kdexent", ignore=shutil.ignore_patterns("__pycache__", "data"))
    cache = tmp_path / "cache"
    return site / "kdexent", {"PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(cache)}, cache


def files_of(cache):
    return sorted(path for path in Path(cache).rglob("*") if path.suffix in (".nbi", ".nbc"))


def test_the_cache_folder_asked_for_is_used(package):
    folder, environment, cache = package
    where = f"{PRINT}    print(kdexent.__file__)"
    assert run(where, **environment) == f"{ANSWER}\n{folder / '__init__.py'}"
    written = {path: path.stat().st_mtime_ns for path in files_of(cache)}
    assert written and not files_of(folder)
    assert run(PRINT, **environment) == ANSWER
    assert {path: path.stat().st_mtime_ns for path in files_of(cache)} == written, "compiled again"


@thorough
def test_without_a_cache_folder_it_lies_beside_the_package(package):
    folder, environment, cache = package
    del environment["NUMBA_CACHE_DIR"]
    assert run(PRINT, without=["NUMBA_CACHE_DIR"], **environment) == ANSWER
    assert files_of(folder) and not files_of(cache)


@thorough_but_for(call=[QUICKEST])
@pytest.mark.parametrize(
    ("call", "file", "before", "after"),
    [
        (
            f"{CALL[:-1]}, kernel='cauchy')",
            "families.py",
            "def cauchy(d, p):\n    u = d",
            "def cauchy(d, p):\n    u = 2.0 * d",
        ),
        (CALL, "numerics/arithmetic.py", "LOG2_E = ", "LOG2_E = 0.5 * "),
        (QUICKEST, "numerics/arithmetic.py", "LN_2_LOW = ", "LN_2_LOW = 0.5 * "),
    ],
    ids=["cauchy", "gaussian", "entropy"],
)
def test_the_next_process_sees_an_edit_of_a_helper(package, call, file, before, after):
    folder, environment, _ = package
    code = f"import kdexent; print({call}.hex())"
    answer = run(code, **environment)
    source = (folder / file).read_text()
    assert source.count(before) == 1
    (folder / file).write_text(source.replace(before, after))
    edited = run(code, **environment)
    assert edited != answer
    assert edited == run(code, **{**environment, "NUMBA_CACHE_DIR": environment["NUMBA_CACHE_DIR"] + "2"})
    (folder / file).write_text(source)
    assert run(code, **environment) == answer


def test_an_edit_of_any_file_is_noticed(package):
    environment = package[1]
    out = run(
        """
        from pathlib import Path
        from kdexent.runtime import jit
        folder, stamps = Path(jit.__file__).parents[1], {jit._package_stamp()}
        files = sorted(folder.rglob("*.py"))
        for path in files:
            source = path.read_bytes()
            path.write_bytes(source + b"#")
            jit._package_stamp.cache_clear()
            stamps.add(jit._package_stamp())
            path.write_bytes(source)
        print(len(stamps) == len(files) + 1)
        """,
        **environment,
    )
    assert out == "True"


@thorough
@pytest.mark.parametrize("home", ["unset", "read-only"])
def test_a_package_that_cannot_be_written_to(package, home, tmp_path):
    folder, environment, _ = package
    del environment["NUMBA_CACHE_DIR"]
    if home == "read-only":
        environment["HOME"] = str(tmp_path / "home")
        (tmp_path / "home").mkdir(mode=0o555)
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)
    unset = ["HOME", "NUMBA_CACHE_DIR", "XDG_CACHE_HOME"]
    out = run(AS_ANYONE + textwrap.dedent(PRINT), without=unset, **environment)
    assert out == ANSWER
    assert not files_of(folder)
    folder.chmod(0o755)


def test_nothing_writable_still_works(tmp_path):
    # A file system that refuses everything, temporary files too.
    out = run(
        """
        import os
        os.access = lambda *args, **options: False
        import tempfile
        def refuse(*args, **options):
            raise PermissionError("read-only file system")
        tempfile.TemporaryFile = refuse
        """
        + textwrap.indent(PRINT, 4 * " "),
        HOME=os.devnull,
        without=["NUMBA_CACHE_DIR"],
    )
    assert out == ANSWER


@thorough
def test_eight_cold_starts_at_once(tmp_path):
    def start(_):
        return run(f"import kdexent; print({CALL}.hex())", NUMBA_CACHE_DIR=str(tmp_path))

    with ThreadPoolExecutor(8) as starters:
        assert len(set(starters.map(start, range(8)))) == 1


@thorough
def test_checked_and_unchecked_code_are_kept_apart(tmp_path):
    found = []
    for check in ("0", "1", "0"):
        assert run(PRINT, NUMBA_CACHE_DIR=str(tmp_path), NUMBA_BOUNDSCHECK=check) == ANSWER
        found.append(len(list(tmp_path.rglob("*.nbc"))))
    assert found[0] < found[1] == found[2]


@thorough
def test_warmup_leaves_nothing_to_compile():
    # In the folder that other tests fill: what comes from there is asked for in the same place.
    out = run("""
        import kdexent
        from kdexent.runtime import jit
        kdexent.warmup("epanechnikov", domain="line", plans=True)
        def refuse(*args):
            raise AssertionError("compiled after warmup")
        jit._specialise = refuse
        for period in (None,):
            for bandwidth in (0.1, 7.0):
                options = {"bandwidth": bandwidth, "kernel": "epanechnikov", "period": period}
                far, near = ([0.3, 9.0], [0.0, 1.0], -0.1, 0.1), ([0.3], [0.0], -0.1, 5.0)
                kdexent.loss_and_grad(*far, bins=8, wrt=("z", "x", "bandwidth"), **options)
                kdexent.loss_and_grad(*near, bins=8, **options)
                kdexent.log_density([0.3], [0.0], [0.1], **options)
                for method in ("cells", "window"):
                    for wrt in ("z", ("z", "x", "bandwidth")):
                        kdexent.loss_and_grad(*far, bins=8, wrt=wrt, method=method, **options)
                        kdexent.loss_and_grad(*near, bins=8, wrt=wrt, method=method, **options)
                kdexent.Plan(far[0], *far[2:], bins=8, method="cells", **options).loss_and_grad(far[1])
        print("ok")
        """)
    assert out == "ok"


@thorough
def test_cached_code_and_new_code_do_not_mix(tmp_path):
    # Two variants of one loop, each compiled in a process of its own, then both loaded by a third.
    code = """
        import sys
        import numpy as np
        from kdexent.strategies.sums.places import OUTSIDE, even
        from kdexent.strategies.cells.moments import point_passes
        from kdexent.strategies.sums.passes import Taking
        from kdexent.runtime.units import new_counter
        for kind in "{kinds}".split():
            cells = even(0.0, 4.0, 1.0)
            if kind == "knots":
                cells = cells._replace(kind="knots", breaks=(0.0, 0.25))
            sums, states = np.zeros((1, (cells.cells + OUTSIDE) * 3)), np.zeros((1, 8))
            x, z, ends = np.array([0.1, 1.35, 12.6, 3.9]), np.zeros(4), np.array([0, 4])
            g = cells.array(0.0)
            point_passes(3, kind, False).forward()(x, z, ends, g, (), states, sums, new_counter(), 1)
            by, powers = np.empty(4), np.arange(1.0, sums.size + 1)
            fixed = g, Taking(0.0, 0.0, 1.0, 0.0), (powers,), by, by[:0], np.empty(1), new_counter(), 1
            point_passes(3, kind, False).adjoint()(x, z, 4, *fixed)
            print(sums.tolist(), by.tolist())
    """
    apart = [run(code.format(kinds=kinds), NUMBA_CACHE_DIR=str(tmp_path)) for kinds in ("even", "knots")]
    assert run(code.format(kinds="even knots"), NUMBA_CACHE_DIR=str(tmp_path)) == "\n".join(apart)


@thorough_but_for(methods=[["grid", "direct"]])
@pytest.mark.parametrize("methods", [["grid", "direct"], ["cells", "grid", "direct"]], ids="-".join)
def test_bits_do_not_depend_on_what_was_compiled_or_loaded_before(tmp_path, methods):
    # Compiled functions that share a function by its name would all call the one that came first.
    code = """
        import numpy as np, kdexent
        rng = np.random.default_rng(5)
        x, z = rng.uniform(0, 6, 40), rng.normal(size=40)
        def results(method):
            L, g = kdexent.loss_and_grad(x, z, 1, 5, bandwidth=0.4, bins=17, method=method)
            return float(L).hex(), g.tobytes().hex()
        found = {{method: results(method) for method in {methods}}}
        print([found[method] for method in sorted(found)])
    """
    compiled, *loaded = (
        run(code.format(methods=order), NUMBA_CACHE_DIR=str(tmp_path))
        for order in (methods, methods, methods[::-1])
    )
    assert loaded == [compiled, compiled]
