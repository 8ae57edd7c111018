"""Exponentials and logarithms of vector registers, as `arithmetic` computes those of numbers."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..numerics.arithmetic import (
    ATANH_OF_ROOTS,
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
from ..runtime.jit import GENERATES, Function
from .code import LONGS, Array, VectorCode


class VectorMath(VectorCode):
    """Vector code with elementary functions."""

    def powers_of_e(self, numbers: list[Any], exact: bool = False, keep_nan: bool = False) -> list[Any]:
        """Return e^x of vectors, side by side; 0 where that would be subnormal, and for NaN unless kept.

        With `exact`, to the last bits however far x lies below 0, where log2 e x would have to round.
        """
        return self.powers(numbers, LOG2_E, exact, keep_nan)

    def powers(
        self, numbers: list[Any], rate: float, exact: bool = False, keep_nan: bool = False
    ) -> list[Any]:
        """Return 2^(rate x) of vectors, as `powers_of_e` returns e^x."""
        powers = (self._by_table if self._looks_up else self._by_polynomials)(numbers, rate, exact)
        least, nothing = self.all_lanes(SMALLEST / rate), self.all_lanes(0.0)
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
            self.plus(log, self.times(rest, inverse))
            for log, rest, inverse in zip(self.logs(totals), lost, inverses, strict=True)
        ]

    def logs(self, numbers: list[Any]) -> list[Any]:
        """Return log x as `arithmetic.log` computes it, for positive normal numbers."""
        one = self.all_lanes(1.0)
        split = [self._exponent_and_rest(x) for x in numbers]
        ratios = [self.quotient(self.minus(m, one), self.plus(m, one)) for _, m in split]
        squares = [self.times(t, t) for t in ratios]
        rests = self.polynomials([self.all_lanes(factor) for factor in reversed(ATANH_OF_ROOTS)], squares)
        logs = []
        for (k, _), t, s, p in zip(split, ratios, squares, rests, strict=True):
            both = self.plus(t, t)
            low = self.plus(self.times(self.times(both, s), p), self.times(k, self.all_lanes(LN_2_LOW)))
            logs.append(self.plus(self.times(k, self.all_lanes(LN_2_HIGH)), self.plus(both, low)))
        return logs

    def _exponent_and_rest(self, x: Any) -> tuple[Any, Any]:
        """Return k and m in [sqrt 1/2, sqrt 2) with x = 2^k m."""
        b, shift = self.builder, self.all_lanes(52)
        bits = b.bitcast(x, LONGS)
        exponent = b.ashr(b.sub(bits, self.all_lanes(int(ROOT_HALF_BITS))), shift)
        m = b.bitcast(b.sub(bits, b.shl(exponent, shift)), self.vector)
        shifted = b.bitcast(b.add(exponent, self.all_lanes(int(SHIFT_BITS))), self.vector)
        return self.minus(shifted, self.all_lanes(SHIFT)), m

    def _by_polynomials(self, numbers: list[Any], rate: float, exact: bool) -> list[Any]:
        """Return 2^(rate x) as `arithmetic.exp2` computes it."""
        shifted, rests = self._split(numbers, 1, rate, exact)
        squares = [self.times(r, r) for r in rests]
        odd, even = (
            self.polynomials([self.all_lanes(factor) for factor in reversed(factors)], squares)
            for factors in (ODD, EVEN)
        )
        return [
            self._scaled(self.plus(self.times(by_odd, r), by_even), each, 52)
            for each, r, by_odd, by_even in zip(shifted, rests, odd, even, strict=True)
        ]

    def _by_table(self, numbers: list[Any], rate: float, exact: bool) -> list[Any]:
        """Return 2^(rate x) = 2^(k/8) 2^(r/8): the low bits of k choose a factor of a short polynomial."""
        shifted, rests = self._split(numbers, 8, rate, exact)
        factors = [self._scaled(self._looked_up(each), each, 49) for each in shifted]
        sums = self.polynomials([self.all_lanes(factor) for factor in reversed(OF_EIGHTHS)], rests)
        return [
            self.plus(self.times(self.times(factor, r), total), factor)
            for factor, r, total in zip(factors, rests, sums, strict=True)
        ]

    def _looked_up(self, shifted: Any) -> Any:
        """Return 2^(j/8) for the three low bits j of shifted integers, less what `_scaled` makes of j."""
        bits = [int(np.float64(power).view(np.int64)) - (j << 49) for j, power in enumerate(EIGHTHS)]
        choose = self._declared("llvm.x86.avx512.permvar.di.512", ir.FunctionType(LONGS, [LONGS, LONGS]))
        places = self.builder.bitcast(shifted, LONGS)
        return self.builder.bitcast(
            self.builder.call(choose, [ir.Constant(LONGS, bits), places]), self.vector
        )

    def _split(self, numbers: list[Any], steps: int, rate: float, exact: bool) -> tuple[list[Any], list[Any]]:
        """Return integers next to steps rate x, shifted into the low bits, and what is left of these.

        With `exact`, what is left is of x, less multiples of ln 2 in two parts.
        """
        factor, shift = self.all_lanes(steps * rate), self.all_lanes(SHIFT)
        shifted, rests = [self.product_and_sum(x, factor, shift) for x in numbers], []
        for x, each in zip(numbers, shifted, strict=True):
            whole = self.minus(each, shift)
            if exact:
                high, low = (
                    self.times(whole, self.all_lanes(ln_2 / steps)) for ln_2 in (LN_2_HIGH, LN_2_LOW)
                )
                rests.append(self.times(self.minus(self.minus(x, high), low), factor))
            else:
                rests.append(self.product_and_sum(x, factor, self.negative(whole)))
        return shifted, rests

    def _scaled(self, x: Any, shifted: Any, places: int) -> Any:
        """Return x with the bits of a shifted integer, moved up so many places, added to its own."""
        bits, more = (self.builder.bitcast(each, LONGS) for each in (x, shifted))
        more = self.builder.shl(more, self.all_lanes(places))
        return self.builder.bitcast(self.builder.add(bits, more), self.vector)

    @property
    def _looks_up(self) -> bool:
        """Whether the machine that code is made for looks up one of eight numbers for each lane."""
        return "+avx512f" in self._context.codegen().magic_tuple()[2].split(",")


def generated(result: Any = types.void, instead: Function | None = None) -> Callable[[Function], Function]:
    """Return a decorator that makes f(code, *arguments) an intrinsic f(*arguments) for compiled code.

    What writes its instructions gets numbers as the builder knows them, arrays as `Array`, and a NamedTuple
    as one of these; it returns the builder's result, if there is one. Where no vector code is generated the
    function is what is given `instead`, if that is.
    """

    def decorate(write: Function) -> Function:
        if instead is not None and not GENERATES:
            return instead

        def typed(typing: Any, *kinds: Any) -> tuple[Any, Function]:
            def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
                given = [_known(builder, *each) for each in zip(signature.args, arguments, strict=True)]
                value = write(VectorMath(context, builder), *given)
                return context.get_dummy_value() if value is None else value

            return result(*kinds), generate

        names = list(inspect.signature(write).parameters.values())[1:]
        typing = inspect.Parameter("typing", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        typed.__name__, typed.__doc__ = write.__name__, write.__doc__
        typed.__signature__ = inspect.Signature([typing, *names])  # type: ignore[attr-defined]
        return intrinsic(typed)

    return decorate


def _known(builder: Any, kind: Any, value: Any) -> Any:
    """Return an argument as what writes instructions takes it."""
    if isinstance(kind, types.Array):
        return Array(kind, value)
    tuple_of = getattr(kind, "instance_class", None)
    if tuple_of is not None:
        kinds = enumerate(kind.types)
        return tuple_of(*(_known(builder, each, builder.extract_value(value, i)) for i, each in kinds))
    return value
