"""A choice in words: the sentence that recommends it, and the line of Python that uses it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..measure import numbers
from ..names import AUTO

if TYPE_CHECKING:
    from .choice import Choice, Measured

__all__ = ["call", "named", "problem", "quadrature", "recommendation", "strategy"]


def strategy(row: Measured) -> str:
    """Return a row's method and order."""
    return named(row.method, row.order)


def named(method: str, order: int | None) -> str:
    """Return a method and its order."""
    return method if order is None else f"{method} of order {order}"


def quadrature(bins: int, rule: str) -> str:
    """Return a number of bins and their rule."""
    if rule == "gauss":
        return f"{numbers.count(bins)} Gauss {'node' if bins == 1 else 'nodes'}"
    return f"{numbers.count(bins)} midpoint {'bin' if bins == 1 else 'bins'}"


def problem(choice: Choice) -> str:
    """Return what was measured, in one line."""
    asked = choice.asked
    points = numbers.count(asked.points)
    if asked.rows > 1:
        points = f"{numbers.count(asked.rows)} x {points}"
    place = "the line" if asked.period is None else f"a circle of period {asked.period:.6g}"
    bins = (
        f"{numbers.count(asked.bin_count)} bins" if asked.target else quadrature(asked.bin_count, asked.rule)
    )
    interval = (
        "its own intervals"
        if np.ndim(asked.a) or np.ndim(asked.b)
        else f"[{_short(asked.a)}, {_short(asked.b)}]"
    )
    width = "several bandwidths" if np.ndim(asked.bandwidth) else f"bandwidth {_short(asked.bandwidth)}"
    return f"{asked.kernel} kernel on {place}, {points} points, {bins} on {interval}, {width}"


def _short(value: Any) -> str:
    return f"{float(value):.6g}"


def call(choice: Choice, a: str = "a", b: str = "b") -> str:
    """Return the line of Python that uses the best strategy, or auto where none was within rtol.

    Parameters
    ----------
    choice : Choice
        What was measured.
    a, b : str
        What stands for the ends of the interval.
    """
    asked, row = choice.asked, choice.best
    method, order = (AUTO, None) if row is None else (row.method, row.order)
    one = np.ndim(asked.bandwidth) == 0
    options = [f"bandwidth={float(asked.bandwidth)!r}" if one else "bandwidth=bandwidth"]
    if asked.kernel != "gaussian":
        options.append(f'kernel="{asked.kernel}"')
    options.append("bins=bins" if np.ndim(asked.bins) else f"bins={asked.bin_count}")
    if asked.rule != "midpoint":
        options.append(f'rule="{asked.rule}"')
    if asked.target:
        options.append("target=target")
    if asked.period is not None:
        options.append(f"period={asked.period!r}")
    if method != AUTO:
        options.append(f'method="{method}"')
    if order is not None:
        options.append(f"order={order}")
    if order is None and method != "direct" and asked.rtol != 1e-9:
        options.append(f"rtol={asked.rtol!r}")
    if asked.n_threads is not None:
        options.append(f"n_threads={asked.n_threads}")
    return f"kdexent.loss_and_grad(x, z, {a}, {b}, {', '.join(options)})"


def recommendation(choice: Choice) -> str:
    """Return one sentence: what to use, and why."""
    best, rtol = choice.best, f"{choice.asked.rtol:g}"
    if best is None:
        closest = min(choice.strategies, key=lambda row: row.gradient_error)
        return (
            f"None of the {len(choice.strategies)} strategies measured is within rtol = {rtol} "
            f"({strategy(closest)} comes closest, with a gradient error of "
            f'{numbers.error(closest.gradient_error)}), so take method="auto", which promises it.'
        )
    return f"Take {strategy(best)}: {_why(choice, best)}{_bins(choice, best)}."


def _why(choice: Choice, best: Measured) -> str:
    rtol = f"rtol = {choice.asked.rtol:g}"
    took = f"{numbers.seconds(best.seconds)} for loss and gradient"
    error = f"with a gradient error of {numbers.error(best.gradient_error)}"
    if best.gradient_error == 0:
        error = "exact to rounding"
    good = [row for row in choice.strategies if row.within_rtol]
    if len(choice.strategies) == 1:
        return f"{took}, {error}"
    text = f"the fastest within {rtol} ({len(good)} of {len(choice.strategies)} are), {took}, {error}"
    others = {row.method: row.seconds / best.seconds for row in choice.strategies if row.order is None}
    rivals = [
        _times(others[name], name) for name in (AUTO, "direct") if name != best.method and name in others
    ]
    return text + (f", {' and '.join(rivals)}" if rivals else "")


def _times(ratio: float, name: str) -> str:
    return (
        f"about as fast as {name}" if ratio < 1.1 else f"{numbers.ratio(ratio)[:-1]} times as fast as {name}"
    )


def _bins(choice: Choice, best: Measured) -> str:
    """Return what other bins would be worth."""
    row = choice.best_bins
    if not choice.quadratures:
        return ""
    limit = f"{choice.bins_tolerance:g}"
    error = numbers.error(best.quadrature_error)
    own = f"{quadrature(best.bins, best.rule)} have a quadrature error of {error}"
    if row is None:
        return f"; {own}, and no number of bins measured reaches {limit}"
    if (row.bins, row.rule) == (best.bins, best.rule):
        return f"; {own}, and none that reaches {limit} is cheaper"
    cost = numbers.seconds(row.seconds)
    return f"; {own}, {quadrature(row.bins, row.rule)} {numbers.error(row.quadrature_error)} in {cost}"
