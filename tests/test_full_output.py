"""A command whose results cannot be written says so in one sentence and ends with status 74."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from sample_results import written
from tiers import thorough, thorough_but_for

from kdexent.cli.app import app

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="there is no full device here")

COMMANDS = [each.name or each.callback.__name__ for each in app.registered_commands]
SHORT = [["--help"], ["--version"], ["bench", "--list"], *([name, "--help"] for name in COMMANDS)]
BENCH = ["bench", "--quick", "--repeat", "1", "--filter"]
CHOOSE = ["choose", "data.csv", "--bandwidth", "1", "--kernel", "boxcar", "--bins", "4"]
CHOOSE += ["--methods", "direct"]  # others take long to compile


def end(folder, arguments, redirection=""):
    """Run a command in a shell and return how it ended."""
    command = [sys.executable, "-m", "kdexent.cli", *map(str, arguments)]
    in_shell = ["sh", "-c", f'"$@" {redirection}', "sh", *command]
    result = subprocess.run(in_shell, capture_output=True, text=True, timeout=300, check=False, cwd=folder)
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr
    return result


def unwritten(folder, arguments, redirection="> /dev/full"):
    """Assert that a command ends with status 74 and the sentence; return the lines before that."""
    result = end(folder, arguments, redirection)
    *before, last = result.stderr.splitlines()
    assert result.returncode == 74 and last.startswith("kdexent: cannot write to the standard output: ")
    return before


@thorough_but_for(redirection=["> /dev/full"])
@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-"])
@pytest.mark.parametrize("arguments", SHORT, ids=" ".join)
def test_a_full_or_closed_standard_output(tmp_path, arguments, redirection):
    assert not unwritten(tmp_path, arguments, redirection)


@thorough_but_for(arguments=[["--help"], ["bench", "--list"]])
@pytest.mark.parametrize("arguments", SHORT, ids=" ".join)
def test_a_standard_output_that_nobody_reads(tmp_path, arguments):
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-m", "kdexent.cli", *arguments]
    result = subprocess.run(command, stdout=writes, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writes)
    assert result.returncode == 74
    assert result.stderr == "kdexent: cannot write to the standard output: Broken pipe\n"


@thorough_but_for(redirection=["2> /dev/full"])
@pytest.mark.parametrize("redirection", ["2> /dev/full", "2>&-"])
@pytest.mark.parametrize(("arguments", "status"), [(["--version"], 0), (["choose", "none.csv"], 2)])
def test_complaints_that_cannot_be_written_change_nothing(tmp_path, arguments, status, redirection):
    result = end(tmp_path, arguments, redirection)
    assert result.returncode == status and result.stdout.count("\n") == (status == 0)


def test_bench_keeps_its_files_when_the_standard_output_is_full(tmp_path):
    unwritten(tmp_path, [*BENCH, "KL divergence", "--json", "found.json"])
    assert json.loads((tmp_path / "found.json").read_text())["agrees"]
    assert end(tmp_path, ["report", "found.json", "--out", "found.html"]).stdout == "Written: found.html\n"


@thorough
def test_bench_writes_json_into_a_full_standard_output(tmp_path):
    unwritten(tmp_path, [*BENCH, "KL divergence", "--json", "-"])


@thorough
def test_bench_shows_its_table_when_files_cannot_be_written(tmp_path):
    (tmp_path / "full.png").symlink_to(FULL)
    result = end(tmp_path, [*BENCH, "float32", "--json", FULL, "--plot", "full.png"])
    assert result.returncode == 74 and "gaussian line" in result.stdout
    last = "kdexent: cannot write /dev/full: No space left on device, nor full.png: No space left on device"
    assert result.stderr.splitlines()[-1] == last


@thorough_but_for(kind=["png"])
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_choose_shows_its_table_when_the_picture_cannot_be_written(tmp_path, kind):
    (tmp_path / "data.csv").write_text("x\n1\n1.5\n2\n")
    (tmp_path / f"full.{kind}").symlink_to(FULL)
    result = end(tmp_path, [*CHOOSE, "--plot", f"full.{kind}"])
    assert result.returncode == 74 and "import kdexent" in result.stdout
    assert result.stderr == f"kdexent: cannot write full.{kind}: No space left on device\n"


def test_a_report_into_a_full_standard_output(tmp_path):
    assert not unwritten(tmp_path, ["report", *written(tmp_path, "gate"), "--out", "-"])


def test_choose_draws_its_picture_when_the_standard_output_is_full(tmp_path):
    (tmp_path / "data.csv").write_text("x\n1\n1.5\n2\n")
    assert not unwritten(tmp_path, [*CHOOSE, "--plot", "found.png"])
    assert (tmp_path / "found.png").read_bytes().startswith(b"\x89PNG")


def test_choose_shows_its_table_when_its_figures_cannot_be_written(tmp_path):
    (tmp_path / "data.csv").write_text("x\n1\n1.5\n2\n")
    (tmp_path / "full.json").symlink_to(FULL)
    result = end(tmp_path, [*CHOOSE, "--json", "full.json"])
    assert result.returncode == 74 and "import kdexent" in result.stdout
    assert result.stderr == "kdexent: cannot write full.json: No space left on device\n"
