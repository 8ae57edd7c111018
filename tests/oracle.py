"""The loss at 40 digits, from the definition alone: kernels, their images, the sum over bins."""

from __future__ import annotations

import mpmath as mp

_WORKING = 100  # derivatives are central differences with a step of 1e-30


def _compact(shape):
    return lambda u: shape(abs(u)) if abs(u) <= 1 else mp.mpf(0)


KERNELS = {
    "gaussian": lambda u: mp.exp(-u * u / 2) / mp.sqrt(2 * mp.pi),
    "laplace": lambda u: mp.exp(-abs(u)) / 2,
    "logistic": lambda u: 1 / (mp.exp(u) + 2 + mp.exp(-u)),
    "cauchy": lambda u: 1 / (mp.pi * (1 + u * u)),
    "boxcar": _compact(lambda a: mp.mpf(1) / 2),
    "triangular": _compact(lambda a: 1 - a),
    "epanechnikov": _compact(lambda a: mp.mpf(3) / 4 * (1 - a**2)),
    "biweight": _compact(lambda a: mp.mpf(15) / 16 * (1 - a**2) ** 2),
    "triweight": _compact(lambda a: mp.mpf(35) / 32 * (1 - a**2) ** 3),
    "tricube": _compact(lambda a: mp.mpf(70) / 81 * (1 - a**3) ** 3),
    "cosine": _compact(lambda a: mp.pi / 4 * mp.cos(mp.pi * a / 2)),
}


def _density(kernel, d, h, period):
    if period is None:
        return KERNELS[kernel](d / h) / h
    if kernel == "von_mises":
        kappa = (period / (2 * mp.pi * h)) ** 2
        return mp.exp(kappa * mp.cos(2 * mp.pi * d / period)) / (period * mp.besseli(0, kappa))
    if kernel == "cauchy":  # its tails are too long to sum image by image
        s = 2 * mp.pi * h / period
        return mp.sinh(s) / (period * (mp.cosh(s) - mp.cos(2 * mp.pi * d / period)))
    d = d - period * mp.nint(d / period)
    reach = {"gaussian": 16, "laplace": 110, "logistic": 110}.get(kernel, 1) * h / period
    images = range(-int(reach) - 2, int(reach) + 3)
    return mp.fsum(KERNELS[kernel]((d + k * period) / h) for k in images) / h


def _loss(x, z, centers, masses, h, kernel, period):
    w = [mp.exp(zj) for zj in z]
    total = mp.fsum(w)
    q = [
        mp.fsum(wj * _density(kernel, c - xj, h, period) for wj, xj in zip(w, x, strict=True))
        for c in centers
    ]
    return -mp.fsum(p * mp.log(qm / total) for p, qm in zip(masses, q, strict=True))


def loss_and_grad(x, z, centers, masses, h, kernel, period):
    """Return L and its gradients by z, x and h as floats, correct to the last digit."""
    with mp.workdps(_WORKING):
        x, z, centers, masses = ([mp.mpf(float(v)) for v in values] for values in (x, z, centers, masses))
        h = mp.mpf(float(h))
        period = None if period is None else mp.mpf(float(period))
        step = mp.mpf(10) ** -30

        def slope(change):
            return float((change(step) - change(-step)) / (2 * step))

        def at(x=x, z=z, h=h):
            return _loss(x, z, centers, masses, h, kernel, period)

        def moved(values, i, by):
            return [*values[:i], values[i] + by, *values[i + 1 :]]

        return (
            float(at()),
            [slope(lambda by, i=i: at(z=moved(z, i, by))) for i in range(len(z))],
            [slope(lambda by, i=i: at(x=moved(x, i, by))) for i in range(len(x))],
            slope(lambda by: at(h=h + by)),
        )
