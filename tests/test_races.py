"""What a race says of two things, whatever the distribution of times, and of processes that fail."""

import json
import math
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from tiers import thorough

import kdexent
from kdexent import reference
from kdexent.measure.races.change import Change, Verdict, change
from kdexent.measure.races.race import Ended, Process, Race
from kdexent.measure.races.starts import IMPORT, STARTS, WARM, WORKLOADS, Failed, Side, as_workloads, start

PACKAGE = Path(kdexent.__file__).parent


@pytest.mark.parametrize("count", [6, 7, 11, 12, 30])
def test_an_interval_holds_the_median_19_times_in_20(count):
    rng = np.random.default_rng(count)
    held = 0
    for _ in range(2_000):
        found = change(1e-3 * rng.standard_cauchy(count) + 0.1)  # no mean, no variance
        held += found.low <= math.exp(0.1) <= found.high
    assert held / 2_000 >= 0.94


@pytest.mark.parametrize("count", range(6))
def test_few_values_decide_nothing(count):
    found = change([0.5] * count)
    assert (found.low, found.high) == (0, math.inf)
    assert found.verdict() == Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Change(1.06, 1.01, 1.10), Verdict.SLOWER),
        (Change(1.06, 0.99, 1.10), Verdict.UNDECIDED),
        (Change(1.04, 1.01, 1.10), Verdict.UNDECIDED),
        (Change(1.04, 1.01, 1.05), Verdict.SAME),
        (Change(1.00, 0.96, 1.04), Verdict.SAME),
        (Change(1.00, 0.94, 1.04), Verdict.UNDECIDED),
        (Change(0.90, 0.85, 0.99), Verdict.FASTER),
        (Change(0.90, 0.85, 1.01), Verdict.UNDECIDED),
        (change([]), Verdict.UNDECIDED),
    ],
)
def test_verdicts(found, verdict):
    assert found.verdict(0.05) == verdict


def test_slower_one_way_is_faster_the_other_way():
    logs = np.random.default_rng(0).normal(0.1, 0.01, 9)
    there, back = change(logs), change(-logs)
    assert (there.verdict(), back.verdict()) == (Verdict.SLOWER, Verdict.FASTER)
    np.testing.assert_allclose(
        [there.ratio, there.low, there.high], [1 / back.ratio, 1 / back.high, 1 / back.low]
    )


@pytest.fixture
def installed(tmp_path):
    """The kdexent that is tested, in a folder of its own, and its workloads in another."""
    (tmp_path / "packages").mkdir()
    (tmp_path / "packages" / "kdexent").symlink_to(PACKAGE)
    (tmp_path / "packages" / "kdexent.reference").symlink_to(Path(reference.__file__).parent)
    side = Side("this", tmp_path / "packages", Path(os.environ.get("NUMBA_CACHE_DIR", tmp_path / "cache")))
    workloads = as_workloads(PACKAGE / "measure", tmp_path / "workloads")
    return side, tmp_path / "workloads", workloads


def numpy_cells(workloads):
    return [cell.name for cell in workloads.controls()]


def test_each_round_is_one_value_of_every_cell(installed):
    side, folder, workloads = installed
    cells = numpy_cells(workloads)
    race = Race(side, side, folder, seed=1)
    for _ in range(2):
        assert sorted(race.round(cells)) == sorted(cells)
    assert {len(race.logs[cell]) for cell in cells} == {2}
    assert all(old > 0 and new > 0 for cell in cells for old, new in race.seconds[cell])
    assert not race.failures


@thorough
def test_what_is_much_slower_is_slower_and_what_is_not_the_same_runs_on(installed):
    side, folder, workloads = installed
    cell = numpy_cells(workloads)[0]
    race = Race(side, side._replace(slower=1.0), folder, threshold=0.2)
    steps = list(race.run([cell], rounds=6))
    assert race.verdict(cell) == Verdict.SLOWER
    assert 1.5 < race.change(cell).ratio < 3
    assert [done for done, _, _ in steps] == list(range(12))  # and again, to confirm it
    few = Race(side, side, folder)
    assert [total for _, total, _ in few.run([cell], rounds=1)] == [1, 2]  # one value decides nothing


@thorough
def test_controls_run_as_long_as_any_cell_does(installed, monkeypatch):
    side, folder, workloads = installed
    control, cell = numpy_cells(workloads)
    race = Race(side, side, folder)
    monkeypatch.setattr(race, "_is_settled", lambda cell: len(race.logs.get(cell, ())) >= 2)
    assert len([*race.run([cell], 1, [control])]) == 4
    assert len([*race.run([], 1, [control])]) == 0


def test_who_ends_costs_the_others_no_value(installed, monkeypatch):
    side, folder, workloads = installed
    cells = numpy_cells(workloads)
    race, prepare = Race(side, side, folder), Process.prepare

    def ends(process, cell):
        if cell == cells[0]:
            process._process.kill()
        return prepare(process, cell)

    monkeypatch.setattr(Process, "prepare", ends)
    assert sorted(race.round(cells)) == sorted(cells)
    assert isinstance(race.failures[cells[0]], Ended) and len(race.logs[cells[1]]) == 1


def test_a_cell_that_fails_leaves_the_others(installed):
    side, folder, workloads = installed
    cells = [*numpy_cells(workloads), "of tomorrow"]
    race = Race(side, side, folder)
    list(race.round(cells))
    assert set(race.failures) == {"of tomorrow"} and "KeyError" in str(race.failures["of tomorrow"])
    assert set(race.logs) == set(cells[:-1])


def test_a_process_that_ends_is_a_failure_in_words(installed):
    side, folder, workloads = installed
    with Process(side, folder) as process:
        process.wait()
        process._process.kill()
        with pytest.raises(Ended, match="process ended with status -9"):
            process.prepare(numpy_cells(workloads)[0])


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="other systems have no broken pipes")
def test_a_process_whose_race_was_killed_ends_in_silence(installed, capfd):
    side, folder, _ = installed
    with Process(side, folder) as process:
        process.wait()
        process._process.stdout.close()
        print(json.dumps({"do": "nothing"}), file=process._process.stdin, flush=True)
        assert process._process.wait(60) == -signal.SIGPIPE
    assert not capfd.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_no_process_is_left_after_an_interrupt(installed):
    side, folder, workloads = installed
    race = Race(side, side, folder)
    running = race.round(numpy_cells(workloads))
    next(running)
    assert len(racers()) == 2
    with pytest.raises(KeyboardInterrupt):
        running.throw(KeyboardInterrupt)
    assert not racers()


def racers():
    """Return the command lines of this process's children that are racers."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid():
                lines.append((path.parent / "cmdline").read_text())
        except OSError:
            pass
    return [line for line in lines if WORKLOADS in line]


def test_workloads_have_names_of_their_own_and_every_public_function(installed):
    *_, workloads = installed
    quick, full = workloads.quick(), workloads.full()
    names = [cell.name for cell in full]
    assert len(names) == len({*names}) and {cell.name for cell in quick} <= {*names}
    assert 20 <= len(quick) <= 30
    functions = {cell.function for cell in full} | {"choose", "warmup", "KERNELS", "METHODS", "reference"}
    assert {name for name in kdexent.__all__ if name != "__version__"} <= functions
    of_kernels = {cell.case.make().options["kernel"] for cell in quick if cell.of_densities}
    assert of_kernels == {*kdexent.KERNELS}


def test_what_starts_take_are_seconds(installed):
    side, *_ = installed
    (imported,), warm = start(IMPORT, side), start(WARM, side, side)
    assert len(warm) == 2 and 0 < imported < min(warm) < max(warm) < 60


@pytest.mark.parametrize("what", STARTS)
@pytest.mark.parametrize("new", [False, True])
def test_a_start_that_fails_says_whose_it_is(tmp_path, what, new):
    (tmp_path / "kdexent").mkdir()
    (tmp_path / "kdexent" / "__init__.py").write_text("raise RuntimeError('of old')")
    with pytest.raises(Failed, match="RuntimeError: of old") as caught:
        start(what, Side("old", tmp_path, tmp_path, new=new))
    assert caught.value.new == new
