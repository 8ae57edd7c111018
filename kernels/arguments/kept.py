"""What calls keep for later ones: results of functions, of which all together take at most so many bytes.

Numbers and arrays whose size does not depend on a call's arguments are left to `lru_cache`, and count for a
few megabytes. There is no lock: a signal's handler, or a finalizer, may call in between any two steps.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable
from contextlib import suppress
from functools import wraps
from typing import Any, TypeVar

import numpy as np

MOST_BYTES = 48 * 2**20  # in a process; with all that is left to lru_cache, less than 64 MB

Made = TypeVar("Made")

_stores: list[Store] = []
_PACKAGE = __name__.partition(".")[0]
_NOTHING = None, 0
_RECOUNT = 64  # entries, after which what calls at once may have counted wrongly is right again


def size_of(thing: Any) -> int:
    """Return the bytes that tuples, arrays and objects of this package take with all that they hold.

    What an object says that it will add to itself, as `to_come`, counts as well.
    """
    seen: set[int] = set()
    total, left = 0, [thing]
    while left:
        one = left.pop()
        while isinstance(one, np.ndarray) and isinstance(one.base, np.ndarray):
            one = one.base  # which a view keeps whole
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, (tuple, list)):
            left.extend(one)
        elif isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
        elif type(one).__module__.partition(".")[0] == _PACKAGE:
            left.extend(getattr(one, name, None) for name in getattr(one, "__slots__", ()))
            left.append(getattr(one, "__dict__", None))
            total += getattr(one, "to_come", 0)
    return total


class Store:
    """Results by what they were made of, the oldest of which go when there are too many."""

    def __init__(self, most: int, size: Callable[[Any], int] = size_of) -> None:
        self._most, self._size = most, size
        self.results: dict[Hashable, tuple[Any, int]] = {}  # with the bytes of each
        self._puts = 0
        self.bytes = 0  # about
        _stores.append(self)

    def get(self, key: Hashable) -> Any:
        """Return a result, or None."""
        return self.results.get(key, _NOTHING)[0]

    def put(self, key: Hashable, result: Any) -> None:
        """Keep a result, if there is room for it."""
        size = self._size(result)
        self.bytes -= self.results.pop(key, _NOTHING)[1]
        if size > MOST_BYTES:
            return
        self.bytes += size
        self.results[key] = result, size
        self._puts += 1
        if self._puts % _RECOUNT == 0:
            self.count()
        while len(self.results) > self._most:
            self.drop()
        if sum(store.bytes for store in _stores) > MOST_BYTES:
            _make_room()

    def weigh(self, key: Hashable) -> None:
        """Note that a result has grown."""
        result = self.get(key)
        if result is not None:
            self.put(key, result)

    def count(self) -> None:
        """Count the bytes anew."""
        self.bytes = sum(size for _, size in list(self.results.values()))

    def drop(self) -> None:
        """Forget the oldest result."""
        with suppress(StopIteration, RuntimeError):  # another call was there before
            self.bytes -= self.results.pop(next(iter(self.results)), _NOTHING)[1]


def _make_room() -> None:
    for store in _stores:
        store.count()
    while sum(store.bytes for store in _stores) > MOST_BYTES:
        largest = max(_stores, key=lambda store: store.bytes)
        largest.drop()
        largest.count()


def kept(
    most: int, size: Callable[[Any], int] = size_of
) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """Return a decorator for functions of which so many results are kept, by their arguments."""

    def decorate(make: Callable[..., Made]) -> Callable[..., Made]:
        store = Store(most, size)
        get = store.results.get

        @wraps(make)
        def call(*key: Any) -> Made:
            kept = get(key)
            if kept is not None:
                made: Made = kept[0]
            else:
                made = make(*key)
                store.put(key, made)
            return made

        return call

    return decorate
