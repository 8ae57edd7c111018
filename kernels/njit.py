"""The kernels for people who write Numba themselves: functions of one row, for their own compiled code."""

from functools import cache
from typing import Any

import numpy as np

from .arguments import checks
from .arguments.arrays import Floats
from .names import CIRCLE_ONLY, DOMAINS, KERNELS
from .runtime.jit import for_callers
from .runtime.uncounted import uncounted
from .strategies import row_functions

__all__ = ["row_log_density", "row_loss_and_grad", "workspace_size"]


def row_loss_and_grad(kernel: str, *, domain: str | None = None) -> Any:
    """Return a compiled function of a row's loss and its gradient by the logits, for other compiled code.

    Parameters
    ----------
    kernel : str
        One of `kdexent.KERNELS`.
    domain : {"line", "circle"}, optional
        Where the function will be used: both if not given, which takes twice as long to compile.

    Returns
    -------
    function
        ``loss = f(x, z, centers, masses, h, period, out, workspace)``, of C-contiguous float64 arrays of one
        axis: data points `x` and logits `z` (N,), -inf for points that do not count, bin `centers` (M,), in
        any order, on a circle within one period, and `masses` (M,) of any positive scale, bandwidth `h`,
        `period`, or 0 on the line, and `out` (N,) for the gradient. `workspace` has `workspace_size` numbers
        at least; what is in it does not matter. Each thread needs its own. `out` may be the same array
        as `x`, `z`, `centers` or `masses`, but not overlap them otherwise. Python may call it, too.

    Raises
    ------
    ValueError
        For an unknown kernel or domain. The compiled function raises it for what `kdexent.loss` refuses; out
        of ``prange`` it comes as the ``__cause__`` of a SystemError, and other rows may be left out.
    TypingError
        Of Numba's, for code that calls the function with arguments of other types; a TypeError where nothing
        is compiled.
    RuntimeError
        In code from a cache that was loaded before the function which it calls was made.

    See Also
    --------
    row_log_density, workspace_size

    Notes
    -----
    What the method ``"direct"`` does, as exact, tails included: O(N + M) where the kernel has such sums on
    equally spaced centers, at most O(N M) otherwise. A row costs a microsecond or some more than in a batch,
    which makes arrays and looks at common bins once. It takes no lock, allocates nothing and calls no Python.

    The first time on a machine, making the function compiles it, for up to a minute or two; kdexent's disk
    cache holds it then. Callers compile a call by name alone, and may be cached with ``cache=True``. The name
    has to be known when their code is loaded: make the function where their module is imported. They keep
    the kernel and domain that they were compiled for, as Numba's cache does not look at other files or at
    variables: remove it where these change.

    Examples
    --------
    >>> import numba
    >>> import numpy as np
    >>> from kdexent.njit import row_loss_and_grad, workspace_size
    >>> row = row_loss_and_grad("laplace", domain="line")
    >>> @numba.njit
    ... def mean_loss(x, z, centers, masses, out, workspace):
    ...     total = 0.0
    ...     for r in range(len(x)):
    ...         total += row(x[r], z[r], centers, masses, 0.1, 0.0, out[r], workspace)
    ...     return total / len(x)
    >>> x, z = np.linspace(-1, 1, 12).reshape(3, 4), np.zeros((3, 4))
    >>> centers, masses = np.array([-0.5, 0.0, 0.5]), np.ones(3)
    >>> workspace = np.empty(workspace_size("laplace", 4, 3))
    >>> round(mean_loss(x, z, centers, masses, np.empty((3, 4)), workspace), 6)
    3.316938
    """
    return _row(kernel, domain, True)


def row_log_density(kernel: str, *, domain: str | None = None) -> Any:
    """Return a compiled function of a row's log density at the centers, for other compiled code.

    Parameters
    ----------
    kernel : str
        One of `kdexent.KERNELS`.
    domain : {"line", "circle"}, optional
        Where the function will be used: both if not given.

    Returns
    -------
    function
        ``f(x, z, centers, masses, h, period, out, workspace)``, which takes what those of `row_loss_and_grad`
        take, writes log q at the centers to `out` (M,), and returns 0. What the M masses are does not matter.

    Raises
    ------
    ValueError
        As `row_loss_and_grad`.

    Notes
    -----
    As exact, and to be called, as what `row_loss_and_grad` returns; O(N + M) to O(N M).

    Examples
    --------
    >>> import numpy as np
    >>> from kdexent.njit import row_log_density, workspace_size
    >>> row = row_log_density("laplace", domain="line")
    >>> centers, out = np.array([0.0, 1.0]), np.empty(2)
    >>> workspace = np.empty(workspace_size("laplace", 1, 2))
    >>> row(np.zeros(1), np.zeros(1), centers, np.ones(2), 0.5, 0.0, out, workspace)
    0.0
    >>> out
    array([ 0., -2.])
    """
    return _row(kernel, domain, False)


def workspace_size(kernel: str, points: int, bins: int) -> int:
    """Return how many float64 numbers the workspace of a row must have.

    Parameters
    ----------
    kernel : str
        One of `kdexent.KERNELS`.
    points, bins : int
        N and M of the row, at least 1. What is enough for more of them is enough for fewer.

    Returns
    -------
    int
        3,000 to 32,000 numbers, two for each point and 14 to 54 for each bin, or some 600 for each of up to
        1,024 bins where pairs in reach are kept.

    Raises
    ------
    ValueError, TypeError
        For an unknown kernel, or numbers that are no positive integers.

    Notes
    -----
    The most that any way through the sums takes, on the line or the circle. Compiled code cannot call this.

    Examples
    --------
    >>> from kdexent.njit import workspace_size
    >>> workspace_size("laplace", 200, 151) > 200
    True
    """
    checks.one_of("kernel", kernel, KERNELS)
    sizes = {"points": checks.integer("points", points), "bins": checks.integer("bins", bins)}
    for name, size in sizes.items():
        checks.require(name, np.array(size), np.array(size) >= 1, "must be at least 1")
    return row_functions.words(kernel, **sizes)


@cache
def _row(kernel: str, domain: str | None, loss: bool) -> Any:
    checks.one_of("kernel", kernel, KERNELS)
    if domain is not None:
        checks.one_of("domain", domain, DOMAINS)
    elif kernel in CIRCLE_ONLY:
        return _row(kernel, "circle", loss)
    if domain == "line" and kernel in CIRCLE_ONLY:
        raise ValueError(f"domain must be 'circle' for kernel {kernel!r}, got 'line'")
    compiled = row_functions.row_function(kernel, domain, loss)

    @for_callers
    def row(
        x: Floats,
        z: Floats,
        centers: Floats,
        masses: Floats,
        h: float,
        period: float,
        out: Floats,
        workspace: Floats,
    ) -> Any:
        # References counted here would not be given back where the call raises.
        return compiled(
            uncounted(x),
            uncounted(z),
            uncounted(centers),
            uncounted(masses),
            h,
            period,
            uncounted(out),
            uncounted(workspace),
        )

    return row
