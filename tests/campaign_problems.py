"""Random problems with nasty structure, each made from its seed alone."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import kdexent
from kdexent.arguments.checks import LONGEST
from kdexent.names import CIRCLE_ONLY, COMPACT

RTOL = [0.0, 1e-12, 1e-11, 1e-9, 1e-6, 1e-3]
_MOST_PAIRS = 2e6


@dataclass
class Case:
    """One call's arguments, and what is known of them."""

    data: tuple[np.ndarray, np.ndarray]
    interval: tuple[object, object]
    options: dict[str, object]
    tolerances: list[float]
    exact_centers: bool
    plans: bool
    tails: bool  # for bins that fast sums are not certain of, however few
    notes: list[str] = field(default_factory=list)

    @property
    def frame(self):
        about = {"rule": "midpoint", "target": None, "period": None, **self.options}
        names = ("bandwidth", "kernel", "bins", "rule", "target", "period")
        return (*self.interval, *(about[name] for name in names))


def _size(rng):
    sizes = [rng.uniform(0, 1), rng.uniform(0.5, 2.5), rng.uniform(2, 3.5), 4.3]
    points = int(10 ** rng.choice(sizes, p=[0.2, 0.4, 0.3, 0.1]))
    bins = int(10 ** rng.choice([0, rng.uniform(0, 1.2), rng.uniform(1, 2.5)]))
    return points, max(1, min(bins, int(_MOST_PAIRS / points)))


def _points(rng, n, notes):
    """Return data in a unit of their own, most of it over some [0, 10]."""
    kind = rng.choice(
        [
            "uniform",
            "normal",
            "integers",
            "halves",
            "ties",
            "gap",
            "outliers",
            "heavy",
            "one value",
            "sorted",
            "comb",
        ]
    )
    notes.append(str(kind))
    x = rng.uniform(0, 10, n)
    if kind == "normal":
        x = rng.normal(5, 2, n)
    elif kind == "integers":
        x = rng.integers(0, rng.choice([2, 24, 1000]), n).astype(float)
    elif kind == "halves":
        x = rng.integers(0, 2**12, n) / 256.0
    elif kind == "ties":
        x = rng.choice(rng.uniform(0, 10, max(1, n // 8)), n)
    elif kind == "gap":
        x = np.where(rng.random(n) < 0.5, x / 10, 9 + x / 10)
    elif kind == "outliers":
        x[rng.integers(0, n, max(1, n // 20))] *= 10.0 ** rng.integers(1, 13)
    elif kind == "heavy":
        x = rng.standard_cauchy(n)
    elif kind == "one value":
        x = np.full(n, x[0])
    elif kind == "sorted":
        x = np.sort(x)
    elif kind == "comb":
        x = np.round(x) + rng.choice([0.0, 2.0**-30, 1e-9], n)
    return x


def _logits(rng, shape, x, notes):
    kind = rng.choice(
        ["normal", "normal", "grid and offset", "thousands", "flat", "one above", "along x", "wide", "huge"],
        p=[0.25, 0.1, 0.2, 0.1, 0.1, 0.1, 0.08, 0.05, 0.02],
    )
    notes.append(f"z {kind}")
    z = rng.normal(size=shape)
    if kind == "grid and offset":
        z = np.round(64 * z) / 64 + rng.choice([-1.0, 1.0]) * 2.0 ** rng.integers(0, 41)
    elif kind == "thousands":
        z *= rng.choice([300.0, 1000.0, 3000.0])
    elif kind == "flat":
        z = np.zeros(shape)
    elif kind == "one above":
        z[..., rng.integers(shape[-1])] += rng.choice([20.0, 40.0, 700.0, 1e4])
    elif kind == "along x":
        spread = np.ptp(x)
        z += (x - x.min()) / (spread if spread > 0 else 1.0) * rng.choice([-2000.0, 50.0, 800.0])
    elif kind == "wide":
        z = rng.choice([-1e5, 0.0, 1.0], shape) + z
    elif kind == "huge":
        z = np.round(z * 4) * 2.0**40
    if rng.random() < 0.15 and shape[-1] > 1:
        notes.append("masked")
        z = np.where(rng.random(shape) < rng.choice([0.1, 0.9]), -np.inf, z)
        z[..., rng.integers(shape[-1])] = 0.0
    return z


def _interval(rng, x, h, notes):
    """Return a and b, sometimes far away; with whole numbers often, so that centres are exact."""
    low, high = float(x.min()), float(x.max())
    spread = high - low if high > low else 1.0
    kind = rng.choice(
        ["inside", "across", "far", "very far", "narrow", "on a point"], p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.1]
    )
    notes.append(f"target {kind}")
    if kind == "inside":
        a = low + spread * rng.uniform(0, 0.5)
        b = a + spread * rng.uniform(0.05, 0.5)
    elif kind == "across":
        a, b = low - spread * rng.uniform(0, 1), high + spread * rng.uniform(0, 1)
    elif kind == "narrow":
        a = rng.uniform(low, high)
        b = a + h * 10.0 ** rng.uniform(-6, 0)
    elif kind == "on a point":
        at = float(rng.choice(x))
        a, b = at - rng.choice([0.25, 1.0]), at + rng.choice([0.25, 1.0])
    else:
        away = h * 10.0 ** (rng.uniform(0.5, 3) if kind == "far" else rng.uniform(3, 7))
        width = rng.choice([h, 10 * h, away, 1.0])
        a = high + away if rng.random() < 0.5 else low - away - width
        b = a + width
    if rng.random() < 0.6 and b > a:
        step = 2.0 ** np.floor(np.log2(b - a))
        a = float(np.floor(a / step) * step)
        b = a + step * rng.integers(1, 3)
    if not b > a:
        b = float(np.nextafter(a, np.inf)) + abs(a) * 1e-12 + 1e-9
    return float(a), float(b)


def _target(rng, bins):
    masses = rng.random(bins)
    kind = rng.integers(5)
    if kind == 1:
        masses = masses**30
    elif kind == 2:
        masses = np.eye(bins)[rng.integers(bins)]
    elif kind == 3:
        masses[rng.random(bins) < 0.7] = 0
        masses[rng.integers(bins)] = 1
    elif kind == 4:
        masses *= 10.0 ** rng.integers(-300, 300)
    return masses


def make_case(seed, tame=False):
    rng = np.random.default_rng(seed)
    notes = []
    kernel = str(rng.choice(kdexent.KERNELS))
    circle = kernel in CIRCLE_ONLY or rng.random() < 0.35
    points, bins = _size(rng)
    x = _points(rng, points, notes)
    spread = float(np.ptp(np.clip(x, -100, 100))) or 1.0
    h = spread * 10.0 ** rng.choice([rng.uniform(-2.5, 0.5), rng.uniform(-2, 0), rng.uniform(-6, 4)])
    if rng.random() < 0.5:
        h = 2.0 ** np.round(np.log2(h))
    rows = () if rng.random() < 0.7 else (int(rng.integers(2, 5)),)
    period = None
    if circle:
        period = float(rng.choice([2 * np.pi, 1.0, 16.0, 10.0, 360.0, 7.3]))
        if kernel in COMPACT:
            h = min(h, 50 * period)
    a, b = _interval(rng, x, h, notes)
    if period is not None and b - a > period:
        b = a + period * float(rng.choice([1.0, 0.5, 0.25]))
    z_shape = (*rows, points) if rng.random() < 0.8 else (points,)
    z = _logits(rng, z_shape, x, notes)
    if rows and rng.random() < 0.5:
        x = x + rng.choice([0.0, 1.0, 0.5], (*rows, 1)) * rng.integers(-3, 4, (*rows, 1))
    bandwidth = h * 2.0 ** rng.integers(-2, 3, rows) if rows and rng.random() < 0.4 else h
    if kernel in COMPACT and period is not None:
        bandwidth = np.minimum(bandwidth, 50 * period) if np.ndim(bandwidth) else bandwidth
    options = {"bandwidth": bandwidth, "kernel": kernel, "bins": bins}
    if period is not None:
        options["period"] = period
    exact_centers = False
    if rng.random() < 0.5:
        bins = options["bins"] = 1 << int(np.log2(bins))
    kind = rng.choice(["equal", "equal", "equal", "gauss", "edges"])
    if kind == "gauss" and bins <= 300:
        options["rule"] = "gauss"
    elif kind == "edges":
        inner = np.sort(a + (b - a) * rng.random(bins - 1))
        edges = np.unique(np.concatenate([[a], inner, [b]]))
        options["bins"] = edges
        bins = len(edges) - 1
    else:
        nodes = (np.arange(bins) + 0.5) / bins
        exact = np.longdouble(a) + (np.longdouble(b) - np.longdouble(a)) * nodes.astype(np.longdouble)
        power_of_two = bins & (bins - 1) == 0
        exact_centers = bool(power_of_two and (exact == a + (b - a) * nodes).all())
    if rng.random() < 0.3:
        options["target"] = _target(rng, bins)
    interval = (a, b)
    if not tame and rng.random() < 0.2:
        x, interval, options = _rescaled(rng, x, interval, options, notes)
    elif rng.random() < 0.1:
        with np.errstate(over="ignore"):
            x, z = x.astype(np.float32), z.astype(np.float32)
        notes.append("float32")
    tolerances = [0.0, *(float(rtol) for rtol in rng.choice(RTOL[1:], 2, replace=False))]
    plans, tails = (bool(rng.random() < 0.5) for _ in range(2))
    if tails:
        notes.append("tails")
    return Case((x, z), interval, options, tolerances, exact_centers, plans, tails, notes)


def _rescaled(rng, x, interval, options, notes):
    """Return the problem in another unit of length, or with a bandwidth or period beyond all measure."""
    kind = rng.choice(["unit", "bandwidth", "period"])
    h = options["bandwidth"]
    compact = options["kernel"] in COMPACT and "period" in options
    if kind == "unit":
        factor = 2.0 ** float(rng.choice([-1000, -500, -60, 60, 500, 900]))
        longest = max(np.max(np.abs(length)) for length in (*interval, h, options.get("period", 0.0)))
        factor = min(factor, 2.0 ** np.floor(np.log2(LONGEST / longest)))
        parts = {"bandwidth": h * factor}
        if "period" in options:
            parts["period"] = options["period"] * factor
        if np.ndim(options["bins"]):
            parts["bins"] = options["bins"] * factor
        x, interval = x * factor, tuple(end * factor for end in interval)
    elif kind == "bandwidth" or "period" not in options:
        factor = float(rng.choice([1e-320, 1e-308, 1e-200, 1e-160, 1e-155, 1e-60, 1e60, 1e155, 1e300]))
        if compact:
            factor = min(factor, 1.0)
        parts = {"bandwidth": np.multiply(h, factor)}
    else:
        factor = float(rng.choice([1e20, 1e155, 1e160, 1e300]))
        parts = {"period": options["period"] * factor}
    for name, length in parts.items():
        if name != "bins":
            parts[name] = np.clip(length, np.finfo(float).tiny, LONGEST)
    notes.append(f"{kind} times {factor:g}")
    return x, interval, {**options, **parts}
