"""Compiling ahead of the first call."""

from collections.abc import Callable
from itertools import product
from typing import Any

from .arguments import checks
from .arguments.float_errors import no_float_errors
from .arguments.problem import check_wrt
from .names import AUTO, CIRCLE_ONLY, DOMAINS, JUMPS, KERNELS, METHODS, WRT
from .strategies import methods
from .strategies.tails import tail


@no_float_errors
def warmup(
    kernel: Any = None,
    *,
    domain: str | None = None,
    wrt: str | tuple[str, ...] = WRT,
    method: str = AUTO,
    plans: bool = False,
) -> int:
    """Compile what calls will need, into the disk cache, and load it into this process.

    Parameters
    ----------
    kernel : str or sequence of str, optional
        Kernels to compile for, out of `kdexent.KERNELS`; all of them if not given.
    domain : {"line", "circle"}, optional
        Where; both if not given.
    wrt : {"z", "x", "bandwidth"} or tuple of them
        The gradients that will be asked for.
    method : str
        One of `kdexent.METHODS`; ``"auto"`` may take any but ``"grid"``.
    plans : bool
        Whether for `kdexent.Plan` too.

    Returns
    -------
    int
        How many compiled functions are ready.

    Raises
    ------
    ValueError, TypeError
        For an unknown kernel, domain, method or name in `wrt`.

    Notes
    -----
    Some half a second for each function that the disk cache does not hold, milliseconds for one
    that it does: 2 to 5 seconds for ``"direct"`` with one kernel and domain, some 20 for ``"auto"``,
    which may need cells of every order, and a few minutes for everything.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.warmup("gaussian", domain="line", wrt="z", method="direct")
    22
    """
    given = KERNELS if kernel is None else kernel
    kernels = (given,) if isinstance(given, str) else tuple(given)
    for name in kernels:
        checks.one_of("kernel", name, KERNELS)
    domains = DOMAINS if domain is None else (checks.one_of("domain", domain, DOMAINS),)
    only_z = check_wrt(wrt) == ("z",)
    checks.one_of("method", method, METHODS)
    table = methods.METHODS
    chosen, needed = ["direct", method], list[Callable[[], Any]]()
    if method == AUTO:
        chosen = [name for name in table if table[name].cost is not None]
    for name, where in product(kernels, domains):
        if where == "line" and name in CIRCLE_ONLY:
            continue
        beside = []
        if method != "direct":
            needed += tail.functions(name, where)
            # Rows with points on a jump go there.
            beside = ["window"] if JUMPS[name] <= (not only_z) else []
        for each in dict.fromkeys([*chosen, *beside]):
            needed += table[each].functions(name, where, only_z, plans)
    needed = list(dict.fromkeys(needed))
    for compiled in needed:
        compiled()
    return len(needed)
