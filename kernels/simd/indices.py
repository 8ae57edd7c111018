"""Indices of arrays in code that is generated, and loops over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ..numerics.chunks import LANES

_LONG = ir.IntType(64)


class Indices:
    """Integers that a builder computes, and loops over some."""

    _builder: Any

    def integer(self, value: int) -> Any:
        """Return a constant index."""
        return ir.Constant(_LONG, value)

    def sum(self, i: Any, j: Any) -> Any:
        """Return the sum of two indices."""
        return self._builder.add(i, j)

    def lesser(self, i: Any, j: Any) -> Any:
        """Return the lesser of two indices."""
        return self._builder.select(self._builder.icmp_signed("<", i, j), i, j)

    def same(self, i: Any, j: Any) -> Any:
        """Return whether two indices are the same."""
        return self._builder.icmp_signed("==", i, j)

    def registers(self, count: Any) -> Any:
        """Return how many registers so many numbers fill."""
        return self._builder.udiv(count, self.integer(LANES))

    def entry(self, first: Any, more: int) -> Any:
        """Return the first number of a register some registers further."""
        return self._builder.mul(self.sum(first, self.integer(more)), self.integer(LANES))

    @contextmanager
    def if_less(self, i: Any, j: Any) -> Iterator[None]:
        """Do something if an index is less than another."""
        with self._builder.if_then(self._builder.icmp_signed("<", i, j)):
            yield

    @contextmanager
    def indices(self, begin: Any, end: Any, step: int) -> Iterator[Any]:
        """Loop over indices."""
        with cgutils.for_range_slice(self._builder, begin, end, self.integer(step), intp=_LONG, inc=True) as (
            index,
            _,
        ):
            yield index

    def parts(self, count: Any, most: int, part: Callable[[int, Any], None], backwards: bool = False) -> None:
        """Cover 0 .. count - 1 by part(size, first), with `most`, a power of two, as often as possible."""
        whole = self._builder.and_(count, self.integer(-most))
        small, done, size = [], whole, most // 2
        while size:
            left = self._builder.and_(count, self.integer(size))
            small.append((size, done, left))
            size, done = size // 2, self.sum(done, left)

        def large() -> None:
            with self.indices(self.integer(0), whole, most) as first:
                last = self._builder.sub(self._builder.sub(whole, self.integer(most)), first)
                part(most, last if backwards else first)

        if not backwards:
            large()
        for size, first, left in reversed(small) if backwards else small:
            with self._builder.if_then(self._builder.icmp_signed("!=", left, self.integer(0))):
                part(size, first)
        if backwards:
            large()
