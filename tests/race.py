"""How far `auto` is from the fastest of all methods that keep rtol, on data awkward and plain."""

import argparse
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

import kdexent
from kdexent import data
from kdexent.measure import numbers
from kdexent.measure.cases import Arguments, Way
from kdexent.measure.errors import truth
from kdexent.measure.exact import RTOL, taken
from kdexent.measure.races.change import change
from kdexent.measure.timing import Effort, alternate, time_of
from kdexent.names import AUTO, METHODS
from kdexent.strategies.auto import LEAST_RTOL

BOUND = 1.3
TURNS = 9
HOPELESS = 3.0
FULL_PAIRS = 3e9  # more of them have no direct method in the race


def data_sets(rng: np.random.Generator, count: int) -> dict[str, tuple[np.ndarray, float, float, float]]:
    """Return points, the ends of a target, and a bandwidth."""
    normal = rng.standard_normal(count)
    half = count // 2
    return {
        "normal": (normal, -2.0, 2.0, 0.1),
        "sorted": (np.sort(normal), -2.0, 2.0, 0.1),
        "two modes": (np.r_[normal[:half] * 0.3 - 3, normal[half:] * 0.3 + 3], -3.5, 3.5, 0.1),
        "a low gap": (np.r_[normal[:half] * 0.3 - 3, normal[half:] + 4], -3.4, 5.3, 0.75),
        "ties": (np.round(normal * 5), -10.0, 10.0, 0.1),
        "integers": (np.round(normal * 20), -40.0, 40.0, 2.0),
        "half empty": (np.abs(normal), -2.0, 2.0, 0.05),
        "tails": (normal, -6.0, 6.0, 0.05),
        "heavy tails": (rng.standard_cauchy(count), -20.0, 20.0, 0.005),
        "wide": (normal, -2.0, 2.0, 1.0),
        "narrow": (normal, -2.0, 2.0, 0.002),
    }


def problems(rng: np.random.Generator) -> Iterator[tuple[str, Arguments]]:
    """Yield all problems, to compute loss and gradient of, with their names."""
    for count, bins in ((2_000, 64), (20_000, 256), (1_000_000, 1024)):
        for name, (x, a, b, h) in data_sets(rng, count).items():
            for kernel in ("gaussian", "laplace", "epanechnikov", "cauchy"):
                z, options = rng.standard_normal(count), {"bandwidth": h, "kernel": kernel, "bins": bins}
                yield f"{name}, {kernel}, {count:,} x {bins}", Arguments(x, z, a, b, options)
    x, z, period = data.departures()
    for kernel in ("gaussian", "von_mises", "epanechnikov"):
        options = {"bandwidth": period / 200, "kernel": kernel, "bins": 256, "period": period}
        yield f"departures, {kernel}, {len(x):,} x 256", Arguments(x, z, 0.0, period, options)
    for rows, count, bins in ((10_000, 50, 64), (2_000, 500, 151), (500, 1_000, 512), (400, 5_000, 151)):
        for kernel in ("gaussian", "laplace", "epanechnikov", "von_mises"):
            for ends in ("common", "own"):
                x = rng.vonmises(0.0, 2.0, (rows, count))
                z = rng.standard_normal((rows, count))
                shift = rng.uniform(-0.5, 0.5, rows) if ends == "own" else 0.0
                period = 2 * np.pi if kernel == "von_mises" else None
                options = {"bandwidth": 0.1, "kernel": kernel, "bins": bins, "period": period}
                name = f"rows of {ends} ends, {kernel}, {rows:,} x {count:,} x {bins}"
                yield name, Arguments(x, z, shift - 1.0, shift + 1.0, options)


class Result(NamedTuple):
    """What became of a race."""

    took: str
    best: str
    seconds: float
    ratio: float  # of auto's time and the best's
    low: float
    wrong: list[str]  # ways that miss rtol


def race(arguments: Arguments, plans: bool) -> Result:
    """Race auto against all methods that apply."""
    out, pairs = np.empty_like(arguments.z), arguments.z.size * arguments.options["bins"]
    few = pairs <= FULL_PAIRS
    exact = {"method": "direct", "rtol": 0.0} if few else {"method": AUTO, "rtol": LEAST_RTOL}
    right = truth(arguments.to(kdexent.loss_and_grad, **exact)(), arguments.z)
    works, known, wrong, took = {}, {}, [], {}
    for method in METHODS:
        if method == "grid" or (method == "direct" and not few):
            continue
        way = Way(method, planned=plans)
        try:
            work = partial(way.computation(arguments), out=out)
            by = taken(arguments, way)
            work()
        except ValueError:  # the method does not apply
            continue
        seconds, result = time_of(work)
        took[method] = Way(by.method, by.order).name
        if not right.agreement(result, RTOL).agrees:
            wrong.append(method)
        if seconds > HOPELESS * min(known.values(), default=np.inf) and method != AUTO:
            continue
        works[method], known[method] = work, seconds
    timings = alternate(works, Effort(TURNS, float("inf")), known)
    best = min(works, key=lambda each: timings[each].median)
    ratio = change(np.log(np.divide(timings[AUTO].seconds, timings[best].seconds)))
    return Result(took[AUTO], took[best] if best != AUTO else "auto", timings[best].median, *ratio[:2], wrong)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="problems with this in their name")
    parser.add_argument("--plans", action="store_true", help="race plans instead of calls")
    given = parser.parse_args()
    slow = 0
    heads = ("problem", "auto took", "best", "time", "auto/best")
    print("{:52} {:10} {:10} {:>8} {:>9}".format(*heads))
    for name, arguments in problems(np.random.default_rng(0)):
        if given.only not in name:
            continue
        result = race(arguments, given.plans)
        beyond = result.ratio > BOUND and result.low > 1
        slow += beyond or bool(result.wrong)
        mark = " <" * beyond + "".join(f" {method} is wrong" for method in result.wrong)
        line = f"{name:52} {result.took:10} {result.best:10} {numbers.seconds(result.seconds):>8}"
        print(f"{line} {result.ratio:9.2f}{mark}", flush=True)
    print(f"{slow} beyond {BOUND} times the best, or wrong")
    return min(slow, 1)


if __name__ == "__main__":
    raise SystemExit(main())
