"""Helpers keep off the core of the thread that they help, within what a thread may use."""

import itertools
import os
import threading

import pytest

from kdexent.runtime import cores, pool

ALLOWED = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
several = pytest.mark.skipif(len(ALLOWED) < 2, reason="one core, or no choice of it")
some = pytest.mark.skipif(not ALLOWED, reason="no choice of cores")


def in_a_thread(work):
    """Return what a function returns in a thread of its own, whose cores are its own affair."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


@several
def test_a_thread_leaves_its_core_and_may_come_back():
    def moves():
        seat, seen = cores.Seat(), [cores.current_core()]
        for _ in range(3):
            assert seat.leave(seen[-1])
            seen.append(cores.current_core())
            assert os.sched_getaffinity(0) <= set(ALLOWED)
        return seen

    seen = in_a_thread(moves)
    assert all(one != next_one for one, next_one in itertools.pairwise(seen)), seen
    assert os.sched_getaffinity(0) == set(ALLOWED)


@some
def test_a_thread_stays_where_it_has_no_other_core():
    def stays():
        os.sched_setaffinity(0, ALLOWED[:1])
        return cores.Seat().leave(ALLOWED[0]), os.sched_getaffinity(0)

    assert in_a_thread(stays) == (False, set(ALLOWED[:1]))


@several
def test_a_choice_of_cores_by_others_holds():
    def chosen_by_others():
        seat = cores.Seat()
        while ALLOWED[0] in os.sched_getaffinity(0):
            seat.leave(cores.current_core())
        os.sched_setaffinity(0, ALLOWED[:1])
        return seat.leave(ALLOWED[0]), os.sched_getaffinity(0)

    assert in_a_thread(chosen_by_others) == (False, set(ALLOWED[:1]))


def test_a_core_that_is_not_known_is_not_left(monkeypatch):
    monkeypatch.setattr(cores, "current_core", lambda: -1)
    before = os.sched_getaffinity(0) if ALLOWED else None
    assert cores.Seat().leave(-1)
    assert before is None or os.sched_getaffinity(0) == before


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("more_soon", [True, False])
def test_a_helper_lingers_only_on_a_core_of_its_own_and_for_more_work(monkeypatch, apart, more_soon):
    monkeypatch.setattr(cores.Seat, "leave", lambda _seat, _core: apart)
    lengths, both = {}, threading.Barrier(2, timeout=60)

    def work(counter):
        lengths[threading.current_thread().name] = len(counter)
        both.wait()
        counter[:] = 2  # all units taken and done

    monkeypatch.setattr(pool, "_MOST_HELPERS", 1)
    pool.run_units(2, work, 2, more_soon)
    callers = lengths.pop(threading.current_thread().name)
    assert [length > callers for length in lengths.values()] == [apart and more_soon]
