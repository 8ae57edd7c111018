"""What `make test` leaves to `make test-all`: tests marked thorough, but for some of their parameters."""

from __future__ import annotations

import zlib

import pytest
from problems import KERNELS_AND_DOMAINS

import kdexent

# One kernel that is smooth, one with knots, and one that has a formula of its own for the circle.
FEW = ("gaussian", "epanechnikov", "von_mises")
DOMAINS_OF_FEW = {"gaussian": "line", "epanechnikov": "circle", "von_mises": "circle"}

thorough = pytest.mark.thorough


def _numbers_of(part):
    first, of = map(int, part.split("/"))
    if not 1 <= first <= of <= len(kdexent.KERNELS):
        raise pytest.UsageError(f"part must be K/N with 1 <= K <= N <= {len(kdexent.KERNELS)}, got {part}")
    return first, of


def kernels_of(part):
    """Return the kernels of a part such as "1/3": every third from the first on."""
    first, of = _numbers_of(part)
    return kdexent.KERNELS[first - 1 :: of]


def thorough_but_for(**values):
    """Mark a test as thorough, but for these values of its parameters, or those of another such mark."""
    return pytest.mark.thorough(**values)


def thorough_but_for_few(**values):
    """Mark a test of kernels and domains as thorough, but for few of these and values of other parameters."""

    def mark(test):
        for kernel, period in KERNELS_AND_DOMAINS:
            if DOMAINS_OF_FEW.get(kernel) == ("line" if period is None else "circle"):
                test = thorough_but_for(kernel=[kernel], period=[period], **values)(test)
        return test

    return mark


def is_thorough(item):
    """Return whether a test is left to `make test-all`."""
    marks = list(item.iter_markers("thorough"))
    return bool(marks) and not any(_is_left(item, mark.kwargs) for mark in marks)


def is_of_others(item, part):
    """Return whether a test is in another part: by its kernel, or by its name where it has none."""
    kernel = item.callspec.params.get("kernel") if hasattr(item, "callspec") else None
    if kernel in kdexent.KERNELS:
        return kernel not in kernels_of(part)
    first, of = _numbers_of(part)
    return zlib.crc32(item.nodeid.encode()) % of != first - 1


def _is_left(item, values):
    given = item.callspec.params if values else {}
    if not values.keys() <= given.keys():
        raise pytest.UsageError(f"{item.nodeid} is thorough but for {[*values]}, and has {[*given]}")
    return bool(values) and all(given[name] in few for name, few in values.items())
