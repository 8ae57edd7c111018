"""Which strategy, order and number of bins to take for one's own data: all are measured on it."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from numpy.typing import ArrayLike

from ..arguments import checks
from ..arguments.float_errors import no_float_errors
from ..arguments.problem import loss_problem
from ..measure.timing import FULL
from ..names import METHODS
from ..runtime.pool import thread_count
from .candidates import bin_counts_of, bin_ways, candidates, measure_bins, measure_strategies
from .choice import Asked, Choice
from .trials import Bench, exact_method


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
    methods: str | Sequence[str] | None = None,
    bin_counts: Sequence[int] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
    n_threads: int | None = None,
) -> Choice:
    """Measure every strategy on one's own data, and what numbers of bins are worth.

    Parameters
    ----------
    x, z, a, b, bandwidth, kernel, bins, rule, period, target, n_threads
        As in `kdexent.loss_and_grad`.
    rtol : float, in [0, 1)
        The largest error that the best strategy may have.
    methods : str or sequence of str, optional
        Out of `kdexent.METHODS`; all of them if not given, each of every order that it has.
    bin_counts : sequence of int, optional
        Numbers of bins to find the quadrature error of, beside `bins`: by both rules, by Gauss up
        to 512. From bins/8 to 4 bins in steps of two if not given, at least 8.
    progress : callable, optional
        Called as ``progress(done, total, text)`` with the steps done, their number and what is next.

    Returns
    -------
    Choice
        A sequence of `Measured`, with `best`, `best_bins`, `pareto`, `recommendation`, `line`,
        `notes` and `plot`; printed, a table.

    Raises
    ------
    ValueError, TypeError
        As from `kdexent.loss_and_grad`, before anything is measured, and for unknown `methods`.

    See Also
    --------
    kdexent.loss_and_grad : what is measured.

    Notes
    -----
    Times are medians of alternated calls that write into `out`, compiled before; an entry gets about
    0.3 s, and a call of more is timed once. Compiling comes first, up to a minute for what
    the disk cache does not hold. Strategies' errors are those of the worst row,
    against ``method="direct"``, or against ``"auto"`` at rtol = 1e-13 for more than 2e10 pairs.
    Beside rtol, `best` is allowed what floating point costs anyone: 100 eps in the loss and
    100 eps max(S) in the gradient.

    The quadrature error of M bins is the exact sum's distance from -1/(b-a) times the integral of
    log q, found by adaptive Gauss quadrature. It says how well the bins stand for a uniform target
    and is left out for others. `best_bins` is the cheapest rule and number of bins with at most
    max(rtol, 1e-6) of it: an rtol of strategies is mostly out of the reach of quadrature.

    Examples
    --------
    >>> import numpy as np, kdexent
    >>> x = np.linspace(-2, 2, 100)
    >>> choice = kdexent.choose(x, -(x**2), -1, 1, bandwidth=0.2, bins=64, methods=["direct"])
    >>> choice.best.method, choice.best.gradient_error
    ('direct', 0.0)
    >>> choice.line
    'kdexent.loss_and_grad(x, z, a, b, bandwidth=0.2, bins=64, method="direct")'
    >>> choice.best_bins.quadrature_error < 1e-6
    True
    """
    tolerance, names = checks.tolerance(rtol), _methods(methods)
    thread_count(n_threads)
    x, z = checks.real_array("x", x), checks.logits_array("z", z)
    problem = loss_problem(x, z, a, b, bandwidth, kernel, bins, rule, target, period)
    if problem.rows == 0:
        raise ValueError(f"x, z, a, b and bandwidth must have at least one row, got shape {problem.shape}")
    checks.require_data(x, z)
    counts = bin_counts_of(bin_counts, problem.bins)

    a, b = checks.real_parameter("a", a), checks.real_parameter("b", b)
    bandwidth = checks.real_parameter("bandwidth", bandwidth)
    exact, exact_rtol = exact_method(problem, problem.bins)
    asked = Asked(
        points=problem.points,
        rows=problem.rows,
        a=a,
        b=b,
        bandwidth=bandwidth,
        kernel=problem.kernel,
        bins=bins,
        bin_count=problem.bins,
        rule=rule,
        period=problem.period,
        target=target is not None,
        rtol=tolerance,
        n_threads=n_threads,
        exact=exact if exact_rtol == 0 else f"{exact} at rtol = {exact_rtol:g}",
    )
    bench = Bench(x, z, target, problem, asked)
    others = bin_ways(bench, counts) if bench.has_quadrature else None
    counted = [len(each) for each in (candidates(names), others) if each is not None]
    total, begun = sum(each + FULL.repeat + 1 for each in counted), count()

    def step(text: str) -> None:
        """Report a step before it is taken."""
        if progress is not None:
            progress(min(next(begun), total), total, text)

    rows, notes = measure_strategies(bench, names, step)
    if not rows:
        raise ValueError("methods must name at least one that applies here: " + " ".join(notes))
    if others is None:
        notes.append("No quadrature errors: they are those of a uniform target on a number of bins.")
    choice = Choice(rows, asked, notes)
    if others is not None:
        choice = measure_bins(bench, choice, others, step)
    if progress is not None:
        progress(total, total, "")
    return choice


def _methods(methods: Any) -> tuple[str, ...]:
    if methods is None:
        return METHODS
    given = (methods,) if isinstance(methods, str) else tuple(methods)
    if not given:
        raise ValueError(f"methods must name at least one of {', '.join(map(repr, METHODS))}, got none")
    return tuple(dict.fromkeys(checks.one_of("methods", name, METHODS) for name in given))
