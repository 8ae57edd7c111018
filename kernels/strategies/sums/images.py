"""How far a bin is from a point, and from the point's images on a circle."""

import math

from ...formula import IMAGES, PERIOD, Variant, parameters_of
from ...numerics.arithmetic import LARGEST
from ...numerics.chunks import own_row
from ...runtime.jit import Function, helper


@helper
def shift_of(image, period):
    """Return how far image number 0, 1, 2, 3 ... lies behind the nearest one: 0, -P, P, -2P ..."""
    k = (image + 1) // 2
    return -k * period if image % 2 == 1 else k * period


@helper
def _to_circle(d, period):
    """Return d in [-P/2, P/2] for d in [-3P/2, 3P/2]."""
    return d - math.copysign(period, d) if abs(d) > 0.5 * period else d


@helper
def distance_between(d):
    """Return |d|, or the largest float for what is beyond any."""
    return min(abs(d), LARGEST)


def distance_of(variant: Variant) -> Function:
    """Return the distance of a bin from a point's image that lies `shift` behind the nearest one."""

    @helper
    def on_line(c, x, period, shift):
        return c - x

    @helper
    def on_circle(c, x, period, shift):
        return _to_circle(c - x, period)

    @helper
    def of_image(c, x, period, shift):
        d = _to_circle(c - x, period)
        return d + (shift if d > 0.0 else -shift)

    return of_image if variant.images else on_circle if variant.circle else on_line


def reader_of(variant: Variant) -> Function:
    """Return a helper f(params, r): row r of params (R or 1, PARAMETERS), its period and how many images."""
    images = variant.images

    @helper
    def read(params, r):
        p = parameters_of(params, own_row(params, r))
        return p, p[PERIOD], int(p[IMAGES]) if images else 1

    return read
