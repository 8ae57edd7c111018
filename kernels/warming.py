"""Compiling ahead of the first call."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import checks
from .families import Variant, row_parameters
from .finish import finish
from .names import CIRCLE_ONLY, KERNELS, WRT
from .pair_loops import pair_loops
from .problem import FLOAT32, FLOAT64, check_wrt
from .scan import scan
from .shortcuts import has_shortcut, shortcut_loops

_DOMAINS = ("line", "circle")


def warmup(kernel: Any = None, *, domain: str | None = None, wrt: str | tuple[str, ...] = WRT) -> int:
    """Compile what calls will need, into the disk cache, and load it into this process.

    Parameters
    ----------
    kernel : str or sequence of str, optional
        Kernels to compile for, out of `kdexent.KERNELS`; all of them if not given.
    domain : {"line", "circle"}, optional
        Where; both if not given.
    wrt : {"z", "x", "bandwidth"} or tuple of them
        The gradients that will be asked for.

    Returns
    -------
    int
        How many compiled functions are ready.

    Raises
    ------
    ValueError, TypeError
        For an unknown kernel, domain or name in `wrt`.

    Notes
    -----
    Some half a second for each function that the disk cache does not hold, milliseconds for one
    that it does: 2 to 5 seconds for one kernel and domain, a minute for everything.

    Examples
    --------
    >>> import kdexent
    >>> kdexent.warmup("gaussian", domain="line", wrt="z")
    11
    """
    given = KERNELS if kernel is None else kernel
    kernels = (given,) if isinstance(given, str) else tuple(given)
    for name in kernels:
        checks.one_of("kernel", name, KERNELS)
    domains = _DOMAINS if domain is None else (checks.one_of("domain", domain, _DOMAINS),)
    only_z = check_wrt(wrt) == ("z",)
    needed = [lambda: scan(FLOAT64), lambda: scan(FLOAT32), finish]
    for variant in dict.fromkeys(variant for name in kernels for variant in variants(name, domains)):
        loops = pair_loops(variant)
        needed += [loops.forward, loops.adjoint, loops.log_forward, loops.log_adjoint]
        if not only_z:
            needed.append(loops.full_adjoint)
        if has_shortcut(variant):
            for single in (False, True):
                needed += shortcut_loops(variant, single)
    needed = list(dict.fromkeys(needed))
    for compiled in needed:
        compiled()
    return len(needed)


def variants(kernel: str, domains: tuple[str, ...] = _DOMAINS) -> list[Variant]:
    """Return the formulas that calls with a kernel may take."""
    found = [Variant(kernel)] if "line" in domains and kernel not in CIRCLE_ONLY else []
    if "circle" in domains:
        narrow, wide = (row_parameters(kernel, np.array([h]), 1.0).variant for h in (0.01, 1.0))
        found += [narrow] if narrow == wide else [narrow, wide]
    return found
