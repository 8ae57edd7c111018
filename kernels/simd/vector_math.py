"""Exponentials and logarithms of vector registers, as `arithmetic` computes those of numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from ..numerics.arithmetic import (
    ATANH,
    EIGHTHS,
    EVEN,
    LN_2_HIGH,
    LN_2_LOW,
    LOG2_E,
    ODD,
    OF_EIGHTHS,
    ROOT_HALF_BITS,
    SHIFT,
    SHIFT_BITS,
    SMALLEST,
)
from ..numerics.chunks import LANES
from .code import VectorCode

_LONGS = ir.VectorType(ir.IntType(64), LANES)

_Parted = Callable[[list[Any], int], tuple[list[Any], list[Any]]]


class VectorMath(VectorCode):
    """Vector code with elementary functions."""

    def powers_of_e(self, numbers: list[Any], keep_nan: bool = False) -> list[Any]:
        """Return e^x of vectors, side by side; 0 where that would be subnormal, and for NaN unless kept."""
        return self._powers_of(numbers, self._parted, keep_nan)

    def power_of_e(self, x: Any, keep_nan: bool = False) -> Any:
        """Return e^x."""
        return self.powers_of_e([x], keep_nan)[0]

    def exact_powers_of_e(self, numbers: list[Any]) -> list[Any]:
        """Return e^x to the last bits, however far x lies below 0, where log2 e x would have to round."""
        return self._powers_of(numbers, self._parted_exactly, False)

    def _powers_of(self, numbers: list[Any], parted: _Parted, keep_nan: bool) -> list[Any]:
        powers = (self._by_table if self._looks_up else self._by_polynomials)(numbers, parted)
        least, nothing = self.all_lanes(SMALLEST / LOG2_E), self.all_lanes(0.0)
        above = self.above_or_nan if keep_nan else self.above
        return [
            self.either(above(x, least), power, nothing) for x, power in zip(numbers, powers, strict=True)
        ]

    def logs_of_1_and(self, numbers: list[Any], inverses: list[Any]) -> list[Any]:
        """Return log(1 + x) to some ulp for x >= 0, of which 1 / (1 + x) is known."""
        one = self.all_lanes(1.0)
        totals = [self.plus(one, x) for x in numbers]
        lost = [self.minus(x, self.minus(total, one)) for x, total in zip(numbers, totals, strict=True)]
        return [
            self.plus(log, self.times(part, inverse))
            for log, part, inverse in zip(self.logs(totals), lost, inverses, strict=True)
        ]

    def logs(self, numbers: list[Any]) -> list[Any]:
        """Return log x as `arithmetic.log_ratio` computes log(x / 1), for positive normal numbers."""
        one = self.all_lanes(1.0)
        parts = [self._exponent_and_rest(x) for x in numbers]
        ratios = [self.quotient(self.minus(m, one), self.plus(m, one)) for _, m in parts]
        squares = [self.times(t, t) for t in ratios]
        rests = self.polynomials([self.all_lanes(factor) for factor in reversed(ATANH)], squares)
        logs = []
        for (k, _), t, s, p in zip(parts, ratios, squares, rests, strict=True):
            both = self.plus(t, t)
            low = self.plus(self.times(self.times(both, s), p), self.times(k, self.all_lanes(LN_2_LOW)))
            logs.append(self.plus(self.times(k, self.all_lanes(LN_2_HIGH)), self.plus(both, low)))
        return logs

    def _exponent_and_rest(self, x: Any) -> tuple[Any, Any]:
        """Return k and m in [sqrt 1/2, sqrt 2) with x = 2^k m."""
        b, shift = self._builder, ir.Constant(_LONGS, [52] * LANES)
        bits = b.bitcast(x, _LONGS)
        exponent = b.ashr(b.sub(bits, ir.Constant(_LONGS, [int(ROOT_HALF_BITS)] * LANES)), shift)
        m = b.bitcast(b.sub(bits, b.shl(exponent, shift)), self.vector)
        shifted = b.bitcast(b.add(exponent, ir.Constant(_LONGS, [int(SHIFT_BITS)] * LANES)), self.vector)
        return self.minus(shifted, self.all_lanes(SHIFT)), m

    def _by_polynomials(self, numbers: list[Any], parted: _Parted) -> list[Any]:
        """Return e^x as `arithmetic.exp2` computes powers of two."""
        shifted, rests = parted(numbers, 1)
        squares = [self.times(r, r) for r in rests]
        odd, even = (
            self.polynomials([self.all_lanes(factor) for factor in reversed(factors)], squares)
            for factors in (ODD, EVEN)
        )
        return [
            self._scaled(self.plus(self.times(by_odd, r), by_even), each, 52)
            for each, r, by_odd, by_even in zip(shifted, rests, odd, even, strict=True)
        ]

    def _by_table(self, numbers: list[Any], parted: _Parted) -> list[Any]:
        """Return e^x = 2^(k/8) 2^(r/8): the low bits of k choose a factor, and the polynomial is short."""
        shifted, rests = parted(numbers, 8)
        factors = [self._scaled(self._looked_up(each), each, 49) for each in shifted]
        sums = self.polynomials([self.all_lanes(factor) for factor in reversed(OF_EIGHTHS)], rests)
        return [
            self.plus(self.times(self.times(factor, r), total), factor)
            for factor, r, total in zip(factors, rests, sums, strict=True)
        ]

    def _looked_up(self, shifted: Any) -> Any:
        """Return 2^(j/8) for the three low bits j of shifted integers, less what `_scaled` makes of j."""
        bits = [int(np.float64(power).view(np.int64)) - (j << 49) for j, power in enumerate(EIGHTHS)]
        choose = self._declared("llvm.x86.avx512.permvar.di.512", ir.FunctionType(_LONGS, [_LONGS, _LONGS]))
        places = self._builder.bitcast(shifted, _LONGS)
        return self._builder.bitcast(
            self._builder.call(choose, [ir.Constant(_LONGS, bits), places]), self.vector
        )

    def _parted(self, numbers: list[Any], steps: int) -> tuple[list[Any], list[Any]]:
        """Return integers next to steps log2(e^x), shifted into the low bits, and what is left of these."""
        factor, shift = self.all_lanes(steps * LOG2_E), self.all_lanes(SHIFT)
        shifted = [self.product_and_sum(x, factor, shift) for x in numbers]
        wholes = [self.minus(each, shift) for each in shifted]
        return shifted, [
            self.product_and_sum(x, factor, self.negative(whole))
            for x, whole in zip(numbers, wholes, strict=True)
        ]

    def _parted_exactly(self, numbers: list[Any], steps: int) -> tuple[list[Any], list[Any]]:
        """Return what `_parted` does, where what is left is of x, less multiples of ln 2 in two parts."""
        factor, shift = self.all_lanes(steps * LOG2_E), self.all_lanes(SHIFT)
        shifted = [self.product_and_sum(x, factor, shift) for x in numbers]
        rests = []
        for x, each in zip(numbers, shifted, strict=True):
            whole = self.minus(each, shift)
            high, low = (self.times(whole, self.all_lanes(part / steps)) for part in (LN_2_HIGH, LN_2_LOW))
            rests.append(self.times(self.minus(self.minus(x, high), low), factor))
        return shifted, rests

    def _scaled(self, x: Any, shifted: Any, places: int) -> Any:
        """Return x with the bits of a shifted integer, moved up so many places, added to its own."""
        bits, more = (self._builder.bitcast(each, _LONGS) for each in (x, shifted))
        more = self._builder.shl(more, ir.Constant(_LONGS, [places] * LANES))
        return self._builder.bitcast(self._builder.add(bits, more), self.vector)

    @property
    def _looks_up(self) -> bool:
        """Whether the machine that code is made for looks up one of eight numbers for each lane."""
        return "+avx512f" in self._context.codegen().magic_tuple()[2].split(",")
