"""What files beside the code say of it: lower bounds that are tried, settings that hold on every platform."""

import sys
import time
import tomllib
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import pytest
from lowest import lowest
from processes import run
from tiers import is_of_others, kernels_of

import kdexent

ROOT = Path(__file__).parents[1]


def test_every_requirement_has_a_lowest_version():
    document = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = lowest(document)
    assert len(found) == len(set(found)) and all("==" in each for each in found)
    # One more extra is tried too, and a requirement that says nothing of versions is refused.
    extras = document["project"]["optional-dependencies"]
    extras["new"] = ["package>=1.2"]
    assert {*lowest(document)} - {*found} == {"package==1.2"}
    extras["new"] = ["package"]
    with pytest.raises(AssertionError, match="lower bound"):
        lowest(document)


def test_parts_are_all_kernels_and_tests_once():
    names = "1/3", "2/3", "3/3"
    assert sorted(sum(map(kernels_of, names), ())) == sorted(kdexent.KERNELS)
    for kernel in (*kdexent.KERNELS, None):
        item = SimpleNamespace(
            nodeid=f"test_of[{kernel}]", callspec=SimpleNamespace(params={"kernel": kernel})
        )
        assert [is_of_others(item, part) for part in names].count(False) == 1
    for nonsense in ("0/3", "4/3", "1/100"):
        with pytest.raises(pytest.UsageError, match="part must be K/N"):
            kernels_of(nonsense)


def test_asv_chooses_how_to_launch_benchmarks():
    # A method that is named in the file is refused where there are no forks.
    assert "launch_method" not in (ROOT / "asv.conf.json").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process of its parent's end")
def test_what_asv_starts_ends_with_it():
    # asv imports the benchmarks in a server, and forks that for each of them.
    code = """
        import benchmarks, os, time
        forked = os.fork()
        if forked:
            print(forked, flush=True)
        time.sleep(60)
        """
    started = run(
        """
        import subprocess, sys
        apart = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], cwd=sys.argv[2], **apart)
        print(child.pid, int(child.stdout.readline()))
        """,
        dedent(code),
        str(ROOT),
    )
    tries = 100
    while tries and any(map(runs, started.split())):
        tries -= 1
        time.sleep(0.1)
    assert tries


def runs(pid):
    """Return whether a process has not ended; who adopts it may be slow to read its exit status."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
