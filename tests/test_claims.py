"""What files beside the code say of it: lower bounds that are tried, settings that hold on every platform."""

import sys
import time
import tomllib
from pathlib import Path

import pytest
from lowest import lowest
from processes import run

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


def test_asv_chooses_how_to_launch_benchmarks():
    # A method that is named in the file is refused where there are no forks.
    assert "launch_method" not in (ROOT / "asv.conf.json").read_text(encoding="utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a process of its parent's end")
def test_what_asv_starts_ends_with_it():
    code = "import benchmarks, time; print(flush=True); time.sleep(60)"
    started = run(
        """
        import subprocess, sys
        apart = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], cwd=sys.argv[2], **apart)
        child.stdout.readline()
        print(child.pid)
        """,
        code,
        str(ROOT),
    )
    status, tries = Path(f"/proc/{started}/stat"), 100
    # Who adopts it may be slow to read its exit status.
    while tries and status.exists() and ") Z " not in status.read_text():
        tries -= 1
        time.sleep(0.1)
    assert tries
