"""`kdexent gate`: verdicts and exit statuses, its table, and what it cannot build or run."""

import json
import math
import os
import subprocess
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import typer
from rich.console import Console

import kdexent
from kdexent.cli import app
from kdexent.cli.gate import builds, compare
from kdexent.cli.gate.report import INTERRUPTED, Once, Outcome, Seen, as_json, called, show
from kdexent.cli.streams import Refused
from kdexent.measure.errors import Error
from kdexent.measure.races import workloads
from kdexent.measure.races.judge import UNKNOWN, judge
from kdexent.measure.races.race import Race
from kdexent.measure.races.starts import WARM, Failed, Side

SAME, SLOWER, FASTER = [0.001 * each for each in range(-3, 4)], [0.2] * 7, [-0.2] * 7
UNDECIDED = [-0.1, 0.1] * 4
SIDES = Side("old", Path("old"), Path("old")), Side("new", Path("new"), Path("new"))
CELLS = {cell.name: cell for cell in [*workloads.controls(), *workloads.quick()]}
CONTROL, *OTHERS = CELLS
CELL, OTHER = OTHERS[1], OTHERS[2]


def errors(before, after):
    """Return errors that are such parts of what is allowed."""
    return Error(1e-9 * before, 1e-9), Error(1e-9 * after, 1e-9)


GOOD = Seen(errors(1e-3, 1e-3), ({}, {}), (None, None))


def outcome(logs, seen=None, ended="", names=(CONTROL, CELL, OTHER), starts=()):
    race = Race(*SIDES, Path("workloads"))
    race.logs = {CONTROL: SAME, CELL: SAME, OTHER: SAME} | logs
    race.seconds = {name: [(1e-3, 1e-3)] for name in race.logs}
    seen = {name: GOOD for name in names} | (seen or {})
    return Outcome(
        race,
        {name: CELLS[name] for name in names},
        [*starts],
        seen,
        {"memory": Once(None, 1e9, "bytes")},
        "quick",
        workloads.VERSION,
        1.0,
        ended,
    )


@pytest.mark.parametrize(
    ("logs", "seen", "status", "verdict"),
    [
        ({}, {}, 0, "same"),
        ({CELL: SLOWER}, {}, 1, "slower"),
        ({CELL: FASTER}, {}, 0, "faster"),
        ({CELL: UNDECIDED}, {}, 3, "undecided"),
        ({CELL: []}, {}, 3, "undecided"),
        # An error is wrong beyond what is allowed, and never by its ratio.
        ({}, {CELL: GOOD._replace(errors=errors(1e-12, 0.999))}, 0, "same"),
        ({}, {CELL: GOOD._replace(errors=errors(1e-3, 1.001))}, 1, "wrong"),
        ({}, {CELL: GOOD._replace(errors=errors(1e-3, math.inf))}, 1, "wrong"),
        ({}, {CELL: GOOD._replace(errors=errors(2.0, 0.5))}, 0, "same"),
        # What the old revision cannot run does not count, what the new one cannot any more does.
        ({CELL: []}, {CELL: GOOD._replace(failures=("no such kernel", None))}, 0, "null"),
        ({CELL: []}, {CELL: GOOD._replace(failures=(None, "no such kernel"))}, 1, "wrong"),
        ({CELL: []}, {CELL: GOOD._replace(failures=("no", "no"))}, 0, "null"),
        # Where a control moves nothing is said of times, and all of errors.
        ({CONTROL: SLOWER, CELL: SLOWER}, {}, 3, "undecided"),
        ({CONTROL: FASTER, CELL: FASTER}, {}, 3, "undecided"),
        ({CONTROL: SLOWER}, {CELL: GOOD._replace(errors=errors(0.1, 2.0))}, 1, "wrong"),
    ],
)
def test_verdicts_and_exit_statuses(logs, seen, status, verdict):
    found = outcome(logs, seen)
    assert found.status == status
    assert str(found.verdicts[CELL]) == verdict
    noisy = CONTROL in logs
    assert ("machine too noisy" in found.words) == noisy and (found.verdicts[CONTROL] == "moved") == noisy


@pytest.mark.parametrize(("new", "status", "verdict"), [(False, 0, "null"), (True, 1, "wrong")])
def test_who_ends_in_the_middle_of_a_race(new, status, verdict):
    found = outcome({CELL: []})
    found.race.failures[CELL] = Failed("its process ended with status -11", new)
    assert (found.status, str(found.verdicts[CELL])) == (status, verdict)
    assert json.loads(as_json(found))["cells"][0]["failures"][new] == "its process ended with status -11"


def test_where_nothing_can_be_compared_nothing_passes():
    missing = GOOD._replace(failures=("no such kernel", None))
    assert outcome({CELL: [], OTHER: []}, {CELL: missing, OTHER: missing}).status == 3


def test_interrupted_is_a_status_of_its_own_unless_something_is_slower():
    assert outcome({}, ended=INTERRUPTED).status == 130
    slower = outcome({CELL: SLOWER}, ended=INTERRUPTED)
    assert slower.status == 1 and "interrupted" in slower.words
    assert outcome({}, ended="new cannot run the workloads").status == 2


def test_starts_may_be_undecided_and_no_more():
    def status(logs):
        return outcome({WARM: logs}, starts=[WARM]).status

    assert [status(logs) for logs in (SAME, UNDECIDED, FASTER, SLOWER)] == [0, 0, 0, 1]


def test_without_a_control_nothing_passes():
    found = outcome({CONTROL: []}, {CONTROL: GOOD._replace(failures=(None, "no memory"))})
    assert found.status == 3 and "machine too noisy" in found.words


def test_a_result_of_another_shape_is_wrong():
    error = judge(CELLS[CELL])
    arrays = [np.zeros(()), np.zeros(7)]
    assert all(compare._error(error, some).share == math.inf for some in (arrays, arrays[:1], []))


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_table_fits(width, capsys):
    names = [*CELLS]
    methods = {"method": "cells", "order": 10, "workspace_bytes": 1, "stored_bytes": 0}
    other = {**methods, "method": "direct", "order": None, "workspace_bytes": 2}
    changed = GOOD._replace(errors=errors(1e-12, 2.0), taken=(methods, other))
    logs = dict.fromkeys(names, SLOWER) | {CONTROL: FASTER}
    found = outcome(logs, {CELL: changed}, names=names)
    console = Console(width=width, highlight=False)
    show(found, console)
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= width
    assert "cells 10 > direct" in " ".join(printed.split()) and "1 > 2 bytes of workspace" in " ".join(
        printed.split()
    )
    assert "moved" in printed and "wrong" in printed and "machine too noisy" in printed
    # A line each: no name is broken.
    assert all(
        any(line.startswith(row) for line in printed.splitlines())
        for row in ("gaussian line, data 100 h away ", "laplace circle ", "linear softmax ")
    )


def test_the_document_is_json_without_what_is_not_finite():
    found = outcome({CELL: [], OTHER: SLOWER}, {CELL: GOOD._replace(errors=(UNKNOWN, UNKNOWN))})
    document = json.loads(as_json(found), parse_constant=pytest.fail)
    cells = {cell["name"]: cell for cell in document["cells"]}
    assert cells[OTHER]["verdict"] == "slower" and cells[OTHER]["ratio"] == pytest.approx(math.exp(0.2))
    assert cells[OTHER]["kernel"] in kdexent.KERNELS and cells[OTHER]["domain"] == "line"
    assert [cells[CELL][what] for what in ("ratio", "low", "high", "error_after")] == [None] * 4
    assert (
        cells[OTHER]["error_after"] == pytest.approx(1e-12, rel=1e-9, abs=0)
        and cells[OTHER]["allowed"] == 1e-9
    )
    assert document["verdict"] == "slower" and document["status"] == 1 and document["seed"] == 0
    assert document["once"] == {"memory": {"old": None, "new": 1e9, "unit": "bytes"}}
    assert document["control"].keys() == {CONTROL} and document["control"][CONTROL]["verdict"] == "same"


@pytest.mark.parametrize("text", ["5%", "5 %", " 5", "5.0"])
def test_a_threshold_is_a_percentage(text):
    assert app._percent(text) == 5


@pytest.mark.parametrize("text", ["0", "0.01%", "1001", "five", "nan", "%"])
def test_what_is_no_percentage_is_refused(text):
    with pytest.raises(typer.BadParameter, match="a percentage"):
        app._percent(text)


def test_a_fault_of_the_command_is_no_verdict(capsys):
    with pytest.raises(typer.Exit) as ended:
        app._end(lambda: 1 // 0)
    assert ended.value.exit_code == 2 and "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("name", [cell.name for cell in workloads.quick()])
def test_a_cell_is_found_by_what_the_table_calls_it(name):
    for text in (name, called(name, CELLS[name])):
        cells, _ = compare._selected(workloads, compare.Options("quick", text, 6, 0.05, None))
        assert name in cells


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("revision", "told"),
    [
        ("no-such-branch", "no revision no-such-branch"),
        ("old.whl", "no wheel"),
        (builds.WORKING_TREE, "cannot build the working tree: .*(pyproject|toml|TOML)"),
    ],
)
def test_what_cannot_be_built_is_refused(here, revision, told):
    subprocess.run(["git", "init", "--quiet", "."], check=True)
    (here / "pyproject.toml").write_text("this is no TOML")
    with pytest.raises(Refused, match=told):
        builds.build(revision)
    assert not list(here.glob(".gate/*/packages"))


def test_a_wheel_is_installed_once_for_what_is_in_it(here):
    def wheel(content):
        path, about = here / "kdexent-1-py3-none-any.whl", "kdexent-1.dist-info"
        files = {
            "kdexent/__init__.py": content,
            f"{about}/METADATA": "Metadata-Version: 2.1\nName: kdexent\nVersion: 1\n",
            f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\n",
            f"{about}/RECORD": "",
        }
        with zipfile.ZipFile(path, "w") as written:
            for name, text in files.items():
                written.writestr(zipfile.ZipInfo(name), text)  # without the time of day: the same bytes
        return builds.build(path.name).packages / "kdexent" / "__init__.py"

    old = wheel("'old'")
    assert old.read_text() == "'old'" and old.is_relative_to(here / ".gate")
    new = wheel("'new'")
    assert (old.read_text(), new.read_text()) == ("'old'", "'new'")
    made = new.stat().st_mtime_ns
    assert wheel("'new'").stat().st_mtime_ns == made
    (here / "no.whl").write_text("no wheel")
    with pytest.raises(Refused, match=r"cannot build no\.whl"):
        builds.build("no.whl")


def test_the_latest_builds_are_kept(here):
    for number in range(builds._MOST_KEPT + 3):
        packages = here / builds.KEPT / f"{number}" / "packages"
        packages.mkdir(parents=True)
        os.utime(packages.parent, (number, number))
    builds._installed("old", "0", here, here / builds.KEPT)  # the oldest, which is used once more
    kept = {path.name for path in (here / builds.KEPT).iterdir()}
    assert len(kept) == builds._MOST_KEPT and "0" in kept and "1" not in kept


def test_outside_a_repository_there_are_no_revisions(here, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(here.parent))
    with pytest.raises(Refused, match="not a git repository"):
        builds.build("HEAD")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Refused, match="git is missing"):
        builds.build("HEAD")


@pytest.fixture
def installed(here, monkeypatch, tmp_path_factory):
    """A gate between the kdexent that is tested and itself, which all these tests compile once."""
    folder = tmp_path_factory.getbasetemp()
    packages = (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "installed"
    packages.mkdir(exist_ok=True)
    with suppress(FileExistsError):
        (packages / "kdexent").symlink_to(Path(kdexent.__file__).parent)
    monkeypatch.setattr(compare, "key_of", lambda name: name)
    monkeypatch.setattr(compare, "build", lambda name: Side(name, packages, packages / "cache"))
    return compare.Options("quick", "N = 100, M = 32", 1, 0.05, here / "gate.json")


def test_a_run_from_end_to_end(installed, capsys):
    assert compare.gate("a", "b", installed) == 3  # a single pair of processes decides nothing
    printed = capsys.readouterr().out
    assert "gaussian line" in printed and "undecided" in printed
    document = json.loads(installed.json.read_text())
    (cell,) = [cell for cell in document["cells"] if cell["kernel"]]
    assert cell["method"] == cell["method_before"] == "direct"
    assert 0 <= cell["error_after"] <= cell["allowed"] and cell["error_before"] == cell["error_after"]
    assert cell["verdict"] == "undecided" and len(cell["seconds"]) == 2


def test_the_document_can_go_to_the_standard_output(installed, capsys):
    compare.gate("a", "b", installed._replace(json=Path("-")))
    printed, told = capsys.readouterr()
    assert json.loads(printed)["verdict"] == "undecided" and "gaussian line" in told


def test_a_process_that_cannot_start_later_leaves_what_there_is(installed, capsys, monkeypatch):
    def fails(race, cells):
        race.logs[CELL] = SLOWER
        raise Failed("no memory", new=True)
        yield

    monkeypatch.setattr(Race, "round", fails)
    assert compare.gate("a", "b", installed) == 2
    assert "b cannot run the workloads: no memory" in " ".join(capsys.readouterr().out.split())
    assert installed.json.is_file()


def test_workloads_that_need_another_kdexent_are_refused(installed, here, monkeypatch):
    measure = here / "newer" / "kdexent" / "measure"
    (measure / "races").mkdir(parents=True)
    (measure / "races" / "workloads.py").write_text("from kdexent import of_tomorrow")
    monkeypatch.setattr(compare, "build", lambda name: Side(name, here / "newer", here))
    with pytest.raises(Refused, match=r"do not run beside this kdexent: .*of_tomorrow"):
        compare.gate("a", "b", installed)


def test_an_interrupt_leaves_what_there_is(installed, capsys, monkeypatch):
    def interrupted(race, cells):
        yield cells[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(Race, "round", interrupted)
    assert compare.gate("a", "b", installed) == 130
    assert "gaussian line" in capsys.readouterr().out
    assert json.loads(installed.json.read_text())["interrupted"] is True


@pytest.mark.parametrize(
    ("change", "told"), [({"tier": "slow"}, "tier must be"), ({"cells": "tomorrow"}, "no cell")]
)
def test_what_cannot_run_is_refused(installed, change, told):
    with pytest.raises(Refused, match=told):
        compare.gate("a", "b", installed._replace(**change))


def test_what_is_refused_is_refused_before_what_takes_long(installed, monkeypatch):
    built, made = [], compare.build
    monkeypatch.setattr(compare, "build", lambda name: built.append(name) or made(name))
    with pytest.raises(Refused, match="no cell"):
        compare.gate("a", "b", installed._replace(cells="tomorrow"))
    assert built == ["b"]  # whose cells they are
    monkeypatch.setattr(compare, "key_of", builds.key_of)
    with pytest.raises(Refused, match="no wheel"):
        compare.gate("a.whl", "b", installed)
    assert built == ["b"]


def test_a_process_that_ends_is_one_cell_s_failure(installed, capsys, monkeypatch):
    ask = compare.Process.ask

    def ends(process, do, **request):
        if process.side.new and request.get("cell", "").startswith("gaussian"):
            process._process.kill()
        return ask(process, do, **request)

    monkeypatch.setattr(compare.Process, "ask", ends)
    assert compare.gate("a", "b", installed) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "wrong" in printed and "b cannot run it: its process ended with status -9" in printed
    assert set(printed.split()) >= {"NumPy:", "undecided"}  # the others went on


def test_a_revision_that_cannot_run_the_workloads_is_refused(installed, here, monkeypatch, capfd):
    made = compare.build

    def broken(name):
        (here / "broken" / "kdexent").mkdir(parents=True, exist_ok=True)
        (here / "broken" / "kdexent" / "__init__.py").write_text("raise ImportError('too old')")
        return made(name) if name == "b" else Side(name, here / "broken", here)

    monkeypatch.setattr(compare, "build", broken)
    with pytest.raises(Refused, match="a cannot run the workloads"):
        compare.gate("a", "b", installed)
    assert "too old" in capfd.readouterr().err


def test_a_revision_without_workloads_is_refused(installed, here, monkeypatch):
    (here / "older" / "kdexent" / "measure").mkdir(parents=True)
    monkeypatch.setattr(compare, "build", lambda name: Side(name, here / "older", here))
    with pytest.raises(Refused, match="older than this command"):
        compare.gate("a", "b", installed)
