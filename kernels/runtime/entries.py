"""Files that keep compiled code for later processes, and what must hold before one of them is used.

A file is unpickled, and what it holds is run. It counts only if this user or root alone can have written it,
and if it is to the last bit what these versions wrote for this key. Any other is as if it were not there.
"""

import hashlib
import itertools
import os
import pickle
import stat
import sys
import uuid
from contextlib import suppress
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core.serialize import dumps

# A link could make a file of this user's out of what another one wrote, and a pipe would be waited for.
_OPEN = sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))
_VERSIONS = sys.implementation.cache_tag, numba.__version__, llvmlite.__version__, np.__version__


class Entries:
    """The entries of one function: an index, and a file for each.

    Takes the place of Numba's IndexDataCacheFile, which raises for what is wrong with a file, and
    runs what it finds in it.

    Parameters
    ----------
    folder, name : str
        Where the files are, and what their names begin with.
    stamp : str
        What the source is known by. Entries of another are overwritten.
    """

    def __init__(self, folder: str, name: str, stamp: str) -> None:
        self._path = os.path.join(folder, name)
        self._origin = repr((stamp, _VERSIONS))

    def load(self, key: Any) -> Any:
        """Return what was saved for `key`, or None."""
        number = self._numbers().get(repr(key))
        return None if number is None else _read(self._entry(number), self._origin + repr(key))

    def save(self, key: Any, value: Any) -> None:
        """Write an entry, or raise OSError."""
        numbers = self._numbers()
        if repr(key) not in numbers:
            taken = set(numbers.values())
            numbers[repr(key)] = next(number for number in itertools.count(1) if number not in taken)
            _write(self._index, self._origin, numbers)
        _write(self._entry(numbers[repr(key)]), self._origin + repr(key), value)

    @property
    def _index(self) -> str:
        return f"{self._path}.nbi"

    def _entry(self, number: int) -> str:
        return f"{self._path}.{number}.nbc"

    def _numbers(self) -> dict[str, int]:
        return _read(self._index, self._origin) or {}


def _digest(origin: str, content: bytes) -> bytes:
    """Return a hash of a file's content and of what it was written for."""
    digest = hashlib.sha256(origin.encode())
    digest.update(content)
    return digest.digest()


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags | _OPEN, 0o644)


def _ours(file: os.stat_result) -> bool:
    """Return whether nobody but this user and root can have written a file, or linked to it."""
    if not stat.S_ISREG(file.st_mode):
        return False
    if not hasattr(os, "geteuid"):  # Windows: what its access lists say of the folder decides
        return True
    others = stat.S_IWGRP | stat.S_IWOTH
    return file.st_uid in (0, os.geteuid()) and not file.st_mode & others and file.st_nlink <= 1


def _read(path: str, origin: str) -> Any:
    """Return what was written to a file for `origin`, or None."""
    try:
        with open(path, "rb", opener=_opener) as file:
            if not _ours(os.fstat(file.fileno())):
                return None
            digest, content = file.read(hashlib.sha256().digest_size), file.read()
    except OSError:
        return None
    return pickle.loads(content) if digest == _digest(origin, content) else None


def _write(path: str, origin: str, value: Any) -> None:
    """Write a file in one step: others see what it was or what it becomes."""
    content = dumps(value)
    unfinished = f"{path}.tmp.{uuid.uuid4().hex[:16]}"
    try:
        with open(unfinished, "xb", opener=_opener) as file:
            file.write(_digest(origin, content) + content)
        with suppress(OSError):
            os.rmdir(path)  # an empty folder in its place
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
