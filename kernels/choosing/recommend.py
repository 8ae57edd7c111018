"""Which strategy, order and number of bins to take for one's own data: all are measured on it."""

from __future__ import annotations  # help() shows them as they are written

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..arguments import checks
from ..arguments.float_errors import no_float_errors
from ..arguments.problem import loss_problem
from ..names import METHODS
from ..runtime.jit import COMPILING, GETTING_READY, code_timing
from ..runtime.pool import thread_count
from .choice import Asked, Choice
from .stages import bin_counts_of, bin_ways, candidates, measure
from .trials import Bench, Purse

# Rows of a batch that are measured: so many, and so many points of them; a part of that in fewer seconds.
_MOST_ROWS, _LEAST_ROWS, _MOST_POINTS, _SECONDS = 1000, 16, 2**23, 2.0


@no_float_errors
def choose(
    x: ArrayLike,
    z: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    *,
    bandwidth: ArrayLike,
    kernel: str = "gaussian",
    bins: Any = 256,
    rule: str = "midpoint",
    period: float | None = None,
    target: ArrayLike | None = None,
    rtol: float = 1e-9,
    integral_rtol: float = 1e-6,
    methods: str | Sequence[str] | None = None,
    bin_counts: Sequence[int] | None = None,
    steps: int | None = None,
    budget: float = 20.0,
    progress: Callable[[int, int, str], None] | None = None,
    n_threads: int | None = None,
) -> Choice:
    """Measure on one's own data which strategy, number of bins and rule to take.

    Parameters
    ----------
    x, z, a, b, bandwidth, kernel, bins, rule, period, target, n_threads
        As in `kdexent.loss_and_grad`.
    rtol : float, in [0, 1)
        The largest error of the sum over bins, kept for any logits.
    integral_rtol : float, positive
        The largest error of that sum as an integral over [a, b], relative to max(1, abs(L)).
    methods : str or sequence of str, optional
        Out of `kdexent.METHODS`, to measure them with each of their orders; nothing is then promised of
        grids and of orders. The methods that keep `rtol`, without an order, if not given.
    bin_counts : sequence of int, optional
        Numbers of bins to find the quadrature error of, beside `bins`: by both rules, by Gauss up
        to 512. From bins/8 to 4 bins in steps of two if not given, at least 8.
    steps : int, optional
        How often the logits will change while x stays: a `kdexent.Plan` is then measured too.
    budget : float
        Seconds to spend, compiling apart; of slow calls fewer are measured, of batches some rows.
    progress : callable, optional
        Called as ``progress(done, total, text)`` with the steps done, their number and what is next.

    Returns
    -------
    Choice
        A sequence of `Measured`, with `best`, `ties`, `code`, `recommendation`, `pareto`, `notes`,
        `to_dict` and `plot`; printed, a table.

    Raises
    ------
    ValueError, TypeError
        As from `kdexent.loss_and_grad`, before anything is measured, and for unknown `methods`.

    See Also
    --------
    kdexent.loss_and_grad : what is measured.
    kdexent.select_bandwidth : a bandwidth for the data.

    Notes
    -----
    The quadrature error of M bins is the exact sum's distance from -1/(b-a) times the integral of
    log q, found by adaptive Gauss quadrature. The cheapest bins and rule within `integral_rtol` are
    taken, by times of ``"auto"``; then all ways are raced at those. A target of other masses or bins of
    other edges have no such error, and stay as they are.

    Times of a table are medians of calls that take turns and write into `out`, compiled before. The
    answer is ``"auto"`` unless another way was faster in most turns, by more than 5 % and beyond chance
    (5 % risk). Errors are those of the worst row measured, against ``method="direct"``, or against
    ``"auto"`` at rtol = 2e-13 where all pairs take too long. Beside rtol, 100 eps are allowed in the loss and
    100 eps max(S) in the gradient.

    Examples
    --------
    >>> import numpy as np, kdexent
    >>> x = np.linspace(-2, 2, 100)
    >>> choice = kdexent.choose(x, -(x**2), -1, 1, bandwidth=0.2, bins=64, methods=["direct"])
    >>> choice.best.method, choice.best.gradient_error
    ('direct', 0.0)
    >>> choice.best.quadrature_error < 1e-6
    True
    >>> choice.code.splitlines()[0]
    'import kdexent'
    """
    tolerance, names = checks.tolerance(rtol), _methods(methods)
    of_integral, seconds = checks.scalar("integral_rtol", integral_rtol), checks.scalar("budget", budget)
    checks.positive("integral_rtol", of_integral)
    checks.positive("budget", seconds)
    if steps is not None and checks.integer("steps", steps) < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be a function of (done, total, text), got {progress!r}")
    thread_count(n_threads)
    x, z = checks.real_array("x", x), checks.logits_array("z", z)
    problem = loss_problem(x, z, a, b, bandwidth, kernel, bins, rule, target, period)
    if problem.rows == 0:
        raise ValueError(f"x, z, a, b and bandwidth must have at least one row, got shape {problem.shape}")
    checks.require_data(x, z)
    counts = bin_counts_of(bin_counts, problem.bins)

    asked = Asked(
        points=problem.points,
        rows=problem.rows,
        a=checks.real_parameter("a", a),
        b=checks.real_parameter("b", b),
        bandwidth=checks.real_parameter("bandwidth", bandwidth),
        kernel=problem.kernel,
        bins=bins,
        bin_count=problem.bins,
        rule=rule,
        period=problem.period,
        target=target is not None,
        rtol=tolerance,
        n_threads=n_threads,
        integral_rtol=of_integral,
        steps=steps,
        copied=not (x.flags.c_contiguous and z.flags.c_contiguous),
    )
    x, z, asked, target = _some_rows(x, z, asked, target, problem.shape, seconds)
    arguments = asked.a, asked.b, asked.bandwidth, kernel, bins, rule, target, period
    of_rows = loss_problem(x, z, *arguments)
    asked = asked._replace(measured_rows=of_rows.rows)

    def step(text: str) -> None:
        """Report a step before it is taken."""
        if progress is not None:
            progress(min(next(begun), total), total, text)

    with code_timing(COMPILING) as compiling, code_timing(GETTING_READY) as getting_ready:
        bench = Bench(x, z, target, of_rows, asked, Purse(seconds, getting_ready))
        ways = bin_ways(bench, counts)
        total, begun = len(ways) + len(candidates(names)) + 4 + (steps is not None), count()
        choice = measure(bench, names, ways, step, compiling)
    if progress is not None:
        progress(total, total, "")
    return choice


def _some_rows(
    x: NDArray[Any], z: NDArray[Any], asked: Asked, target: Any, shape: tuple[int, ...], seconds: float
) -> tuple[NDArray[Any], NDArray[Any], Asked, Any]:
    """Return what is to be measured: contiguous data, of batches of many rows some rows that lie evenly."""
    part = min(1.0, seconds / _SECONDS)
    most = min(_MOST_ROWS, max(_LEAST_ROWS, int(part * min(_MOST_ROWS, _MOST_POINTS // asked.points))))
    if asked.rows <= most:
        return np.ascontiguousarray(x), np.ascontiguousarray(z), asked, target
    picked = np.linspace(0, asked.rows - 1, most).round().astype(np.intp)

    def of_rows(array: Any, tail: int) -> Any:
        array = np.asarray(array)
        if array.ndim <= tail:
            return array
        whole = np.broadcast_to(array, (*shape, *array.shape[array.ndim - tail :]))
        return whole[np.unravel_index(picked, shape)]

    beside = {name: of_rows(getattr(asked, name), 0) for name in ("a", "b", "bandwidth")}
    target = None if target is None else of_rows(target, 1)
    return of_rows(x, 1), of_rows(z, 1), asked._replace(**beside), target


def _methods(methods: Any) -> tuple[str, ...] | None:
    if methods is None:
        return None
    if not isinstance(methods, Iterable):
        raise TypeError(f"methods must be a name or a sequence of names, got {methods!r}")
    given = (methods,) if isinstance(methods, str) else tuple(methods)
    if not given:
        raise ValueError(f"methods must name at least one of {', '.join(map(repr, METHODS))}, got none")
    return tuple(dict.fromkeys(checks.one_of("methods", name, METHODS) for name in given))
