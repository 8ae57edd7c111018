"""A disk cache with anything wrong in it is as if it were empty: nothing is raised, nothing wrong is run."""

import os
import pickle
import random
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from processes import AS_ANYONE, run
from tiers import thorough, thorough_but_for

from kdexent.runtime import entries
from kdexent.runtime.entries import Entries

STAMP, KEY = "stamp", ("float64", ("x86_64", "a cpu", "+avx"))
VALUE = {"code": bytes(range(256)) * 4}
# The quickest to compile.
PRINT = "import kdexent; print(round(kdexent.entropy([0.5, 0.5]), 12))"
ANSWER = "0.69314718056"

unix = pytest.mark.skipif(os.name != "posix", reason="owners, modes and limits are those of Unix")


def files_of(folder):
    return sorted(path for path in Path(folder).rglob("*") if path.suffix in (".nbi", ".nbc"))


def seen(folder):
    """What changes when a file is written anew, or left unfinished."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in Path(folder).rglob("*.nb*")}


def flip(path):
    content = bytearray(path.read_bytes() or b"0")
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def make_folder(path):
    path.unlink()
    path.mkdir()


def make_link(path):
    there = path.with_name("elsewhere")
    path.rename(there)
    path.symlink_to(there)


def make_pipe(path):
    path.unlink()
    os.mkfifo(path)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "short": lambda path: path.write_bytes(path.read_bytes()[:16]),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "another's pickle": lambda path: path.write_bytes(b"\x80\x04N."),
    "flipped": flip,
    "gone": Path.unlink,
    "folder": make_folder,
}
IN_UNIX = {
    "link": make_link,
    "second name": lambda path: os.link(path, path.with_name("elsewhere")),
    "pipe": make_pipe,
    "written by the group": lambda path: path.chmod(0o664),
    "written by all": lambda path: path.chmod(0o646),
}
if os.name == "posix":
    DAMAGE |= IN_UNIX


@pytest.fixture
def kept(tmp_path):
    """Entries with one in them."""
    found = Entries(str(tmp_path), "name", STAMP)
    found.save(KEY, VALUE)
    assert found.load(KEY) == VALUE
    return found


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_a_miss_and_is_replaced(kept, tmp_path, damage, suffix):
    (path,) = tmp_path.glob(f"*{suffix}")
    DAMAGE[damage](path)
    assert kept.load(KEY) is None
    kept.save(KEY, VALUE)
    assert kept.load(KEY) == VALUE
    assert path.is_file() and not path.is_symlink()


def test_every_flipped_bit_is_noticed(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(pickle, "loads", lambda content: pytest.fail("a damaged entry was unpickled"))
    for path in files_of(tmp_path):
        good = path.read_bytes()
        for place in range(len(good)):
            bad = bytearray(good)
            bad[place] ^= 1 << place % 8
            path.write_bytes(bad)
            assert entries._read(str(path), kept._origin + repr(KEY)) is None
            assert entries._read(str(path), kept._origin) is None
        path.write_bytes(good)


@unix
@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_file_of_another_user_is_not_even_unpickled(kept, tmp_path, monkeypatch, suffix):
    (path,) = tmp_path.glob(f"*{suffix}")
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    loads, unpickled = pickle.loads, []
    monkeypatch.setattr(pickle, "loads", lambda content: unpickled.append(content) or loads(content))
    assert kept.load(KEY) is None
    assert not any(path.read_bytes().endswith(content) for content in unpickled)


@unix
def test_whatever_the_umask_nobody_else_can_write_entries(tmp_path):
    before = os.umask(0)
    try:
        Entries(str(tmp_path), "name", STAMP).save(KEY, VALUE)
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in files_of(tmp_path)} == {0o644}


def test_an_entry_for_another_key_or_version_is_a_miss(kept, tmp_path, monkeypatch):
    other = ("float32", *KEY[1:])
    kept.save(other, "other")
    one, two = sorted(tmp_path.glob("*.nbc"))
    one.write_bytes(two.read_bytes())  # as after two processes that saw no index both took number 1
    assert kept.load(KEY) is None and kept.load(other) == "other"
    assert Entries(str(tmp_path), "name", "another stamp").load(other) is None
    monkeypatch.setattr(entries, "_VERSIONS", (*entries._VERSIONS[1:], "another"))
    assert Entries(str(tmp_path), "name", STAMP).load(other) is None


def test_what_cannot_be_written_leaves_nothing_behind(kept, tmp_path, monkeypatch):
    before = seen(tmp_path)

    def refuse(*paths):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError):
        kept.save(KEY, "new")
    assert seen(tmp_path) == before


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A cache with one function in it, which other processes load."""
    folder = tmp_path_factory.mktemp("warm")
    for _ in range(2):
        assert run(PRINT, NUMBA_CACHE_DIR=str(folder)) == ANSWER
    assert len(files_of(folder)) == 2
    return folder


def heals(folder, first="", **environment):
    """Assert that a process works with a bad cache, and that the next one finds a good one."""
    assert run(first + PRINT, NUMBA_CACHE_DIR=str(folder), **environment) == ANSWER
    before = seen(folder)
    assert run(PRINT, NUMBA_CACHE_DIR=str(folder)) == ANSWER
    assert len(before) == 2 and seen(folder) == before, "compiled again"


@thorough_but_for(damage=["flipped"])
@pytest.mark.parametrize("damage", ["flipped", "cut", "folder"])
def test_a_call_replaces_damaged_files(warm, tmp_path, damage):
    cache = shutil.copytree(warm, tmp_path / "cache")
    for path in files_of(cache):
        DAMAGE[damage](path)
    heals(cache)


@thorough
@unix
def test_a_call_replaces_files_that_it_cannot_read(warm, tmp_path):
    cache = shutil.copytree(warm, tmp_path / "cache")
    for path in files_of(cache):
        path.chmod(0)
    heals(cache, AS_ANYONE)


@thorough
def test_a_call_replaces_entries_of_another_version(warm, tmp_path):
    cache = shutil.copytree(warm, tmp_path / "cache")
    before = seen(cache)
    assert run("import numba; numba.__version__ = '0'\n" + PRINT, NUMBA_CACHE_DIR=str(cache)) == ANSWER
    assert all(seen(cache)[path] != before[path] for path in before)
    heals(cache)


@thorough
def test_code_for_another_cpu_is_kept_apart(warm, tmp_path):
    cache = shutil.copytree(warm, tmp_path / "cache")
    generic = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    for options in (generic, {}, generic):
        assert run(PRINT, NUMBA_CACHE_DIR=str(cache), **options) == ANSWER
        assert len(files_of(cache)) == 3, "an index and two entries"


@thorough
@unix
def test_a_limit_on_the_size_of_files(tmp_path):
    # The index can be written, and only a part of the code.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
    cache = tmp_path / "cache"
    assert run(limit + PRINT, NUMBA_CACHE_DIR=str(cache)) == ANSWER
    assert [path.suffix for path in seen(cache)] == [".nbi"], "a part of a file is left"
    heals(cache)


MOUNT = "mount -t tmpfs -o size=16k none"


def can_mount(folder):
    try:
        command = ["unshare", "-rm", "sh", "-c", f"{MOUNT} {folder}"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def test_a_full_disk(tmp_path):
    if not can_mount(tmp_path):
        pytest.skip("nobody may mount a small disk here")
    # Two calls in processes of their own, and what is on the disk after them.
    script = f'{MOUNT} "$0" && "$@" && "$@" && find "$0" -type f'
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    command = ["unshare", "-rm", "sh", "-c", script, str(tmp_path), sys.executable, "-c", PRINT]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0 and not result.stderr, result.stderr
    printed = result.stdout.split("\n")
    assert printed[:2] == [ANSWER] * 2
    assert all(name.endswith(".nbi") for name in printed[2:] if name), "a part of a file is left"


@thorough_but_for(starts=[3])
@pytest.mark.parametrize("starts", [3, 8])
def test_cold_starts_at_once_while_files_are_damaged(tmp_path, starts):
    ended, picks = threading.Event(), random.Random(0)
    kinds = [kind for kind in DAMAGE if kind not in ("link", "second name", "pipe")]  # each done once only

    def damage():
        while not ended.wait(0.01):
            for path in files_of(tmp_path):
                with suppress(OSError):  # replaced or damaged before
                    DAMAGE[picks.choice(kinds)](path)

    damaging = threading.Thread(target=damage)
    damaging.start()
    try:
        with ThreadPoolExecutor(starts) as starters:
            answers = list(starters.map(lambda _: run(PRINT, NUMBA_CACHE_DIR=str(tmp_path)), range(starts)))
    finally:
        ended.set()
        damaging.join()
    assert answers == [ANSWER] * starts
    heals(tmp_path)
