"""Indices of arrays in code that is generated, and loops over them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from ..numerics.chunks import LANES

LONG = ir.IntType(64)


class Indices:
    """Integers that a builder computes, and loops over them; an index may also be a Python integer."""

    builder: Any

    def index(self, i: Any) -> Any:
        """Return an index as the builder takes it."""
        return ir.Constant(LONG, i) if isinstance(i, int) else i

    def sum(self, i: Any, j: Any) -> Any:
        """Return the sum of two indices."""
        return self.builder.add(self.index(i), self.index(j))

    def difference(self, i: Any, j: Any) -> Any:
        """Return an index less another."""
        return self.builder.sub(self.index(i), self.index(j))

    def product(self, i: Any, j: Any) -> Any:
        """Return the product of two indices."""
        return self.builder.mul(self.index(i), self.index(j))

    def lesser(self, i: Any, j: Any) -> Any:
        """Return the lesser of two indices."""
        return self.builder.select(self.builder.icmp_signed("<", i, j), i, j)

    def same(self, i: Any, j: Any) -> Any:
        """Return whether two indices are the same."""
        return self.builder.icmp_signed("==", i, self.index(j))

    def registers(self, count: Any) -> Any:
        """Return how many registers so many numbers fill."""
        return self.builder.udiv(count, self.index(LANES))

    def entry(self, register: Any, more: int = 0) -> Any:
        """Return the first number of a register, or of one some registers further."""
        return self.product(self.sum(register, more), LANES)

    @contextmanager
    def if_less(self, i: Any, j: Any, likely: bool | None = None) -> Iterator[None]:
        """Do something if an index is less than another."""
        with self.builder.if_then(self.builder.icmp_signed("<", self.index(i), j), likely=likely):
            yield

    @contextmanager
    def indices(self, begin: Any, end: Any, step: int) -> Iterator[Any]:
        """Loop over indices."""
        ends = self.index(begin), end, self.index(step)
        with cgutils.for_range_slice(self.builder, *ends, intp=LONG, inc=True) as (index, _):
            yield index

    def blocks(
        self, count: Any, most: int, body: Callable[[int, Any], None], backwards: bool = False
    ) -> None:
        """Cover 0 .. count - 1 by body(size, first), with `most`, a power of two, as often as possible."""
        whole = self.builder.and_(count, self.index(-most))
        small, done, size = [], whole, most // 2
        while size:
            left = self.builder.and_(count, self.index(size))
            small.append((size, done, left))
            size, done = size // 2, self.sum(done, left)

        def large() -> None:
            with self.indices(0, whole, most) as first:
                last = self.difference(self.difference(whole, most), first)
                body(most, last if backwards else first)

        if not backwards:
            large()
        for size, first, left in reversed(small) if backwards else small:
            with self.builder.if_then(self.builder.icmp_signed("!=", left, self.index(0))):
                body(size, first)
        if backwards:
            large()
