"""The measurements of docs/guide.md: a table of every call as CSV, and the page's tables out of it.

make guide measures, in some ten minutes on a machine that does nothing else, and writes both.
"""

import argparse
import csv
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import kdexent
from kdexent import data
from kdexent.choosing.quadrature import converged_loss
from kdexent.measure.cases import Arguments, Way
from kdexent.measure.errors import truth
from kdexent.measure.exact import taken
from kdexent.measure.numbers import error, seconds, three_digits
from kdexent.measure.timing import QUICK, alternate, time_of
from kdexent.names import METHODS, ORDERS

DOCS = Path(__file__).parents[1] / "docs"
RTOL, HOPELESS = 1e-9, 30.0
SAMPLES = ("gaussian", "laplace", "epanechnikov", "cauchy")
AIMS = (1e-3, 1e-6, 1e-9)
LADDER = sorted({round(2 ** (step / 2)) for step in range(2, 25)})


class Row(NamedTuple):
    """What was measured of one way to compute one case; times are of a call, in seconds."""

    table: str
    case: str
    kernel: str
    rows: int
    points: int
    bins: int
    h: float
    method: str  # that was named, with its order
    took: str  # what auto took
    seconds: float
    spread: float  # of the middle half of the times, as a part of the median
    loss_error: float
    gradient_error: float
    allowed: bool  # the errors are within rtol


def normal(rows: int = 0, points: int = 100_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return points and logits."""
    return np.random.default_rng(seed).normal(size=(2, rows, points) if rows else (2, points))


def problems() -> Iterator[tuple[str, str, Arguments, tuple[Way, ...]]]:
    """Yield the tables, cases and ways."""
    named = tuple(Way(method) for method in METHODS)
    for kernel in SAMPLES:
        for points in (300, 3_000, 30_000, 300_000):
            for bins in (32, 256, 2048):
                x, z = normal(points=points)
                yield "sizes", "", Arguments(x, z, -1, 1, _options(kernel, 0.05, bins)), named
        for h in (1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0):
            yield "bandwidths", "", Arguments(*normal(), -1, 1, _options(kernel, h)), named
    orders = tuple(Way(method, order) for method in ("cells", "grid") for order in ORDERS[method])
    for kernel in SAMPLES:
        yield "orders", "", Arguments(*normal(), -1, 1, _options(kernel, 0.05)), (Way("direct"), *orders)
        for case, (x, a, b) in _kinds_of_data().items():
            yield "data", case, Arguments(x, normal()[1], a, b, _options(kernel, 0.05)), named
    for kernel in ("gaussian", "laplace", "epanechnikov"):
        x, z = normal()
        angles = np.angle(np.exp(1j * x))
        yield "domain", "line", Arguments(angles, z, -1, 1, _options(kernel, 0.05)), named
        circle = {**_options(kernel, 0.05), "period": 2 * math.pi}
        yield "domain", "circle", Arguments(angles, z, -1, 1, circle), named
        for rows, points in ((1, 1_000_000), (100, 10_000), (1_000, 1_000), (10_000, 100)):
            batch = Arguments(*normal(rows, points), -1, 1, _options(kernel, 0.05, 64))
            yield "batches", f"{rows:,} x {points:,}", batch, named
        for dtype in (np.float64, np.float32):
            single = Arguments(*(each.astype(dtype) for each in (x, z)), -1, 1, _options(kernel, 0.05))
            yield "precision", np.dtype(dtype).name, single, named


def _options(kernel: str, h: float, bins: int = 256) -> dict:
    return {"kernel": kernel, "bandwidth": h, "bins": bins}


def _kinds_of_data() -> dict[str, tuple[np.ndarray, float, float]]:
    x, _ = normal()
    departures, _, period = data.departures()
    return {
        "normal": (x, -1, 1),
        "sorted": (np.sort(x), -1, 1),
        "tail": (x, 4, 6),
        "no point near": (x, 20, 22),
        "a gap": (np.where(x < 0, x - 3, x + 3), -2, 2),
        "ties": (np.round(x, 1), -1, 1),
        "minutes of a day": (departures[: len(x)] * 2 / period - 1, -1, 1),
        "heavy tails": (np.random.default_rng(0).standard_cauchy(len(x)), -1, 1),
    }


def measured() -> Iterator[Row]:
    """Yield what was measured."""
    for table, case, arguments, ways in problems():
        exact = truth(Way("direct").computation(arguments)(), arguments.z)
        options, shape = arguments.options, np.shape(arguments.x)
        works, results = {}, {}
        for way in ways:
            work = way.computation(arguments)
            try:
                results[way] = work()
            except ValueError:  # the method does not apply
                continue
            works[way] = work
        once = {way: time_of(work)[0] for way, work in works.items()}
        works = {way: work for way, work in works.items() if once[way] <= HOPELESS * min(once.values())}
        for way, times in alternate(works, QUICK).items():
            low, high = np.quantile(times.seconds, (0.25, 0.75))
            errors = exact.agreement(results[way], RTOL)
            took = taken(arguments, way)
            yield Row(
                table,
                case,
                options["kernel"],
                shape[0] if len(shape) > 1 else 1,
                shape[-1],
                options["bins"],
                options["bandwidth"],
                way.method if way.order is None else f"{way.method} {way.order}",
                took.method if took.order is None else f"{took.method} {took.order}",
                times.median,
                (high - low) / times.median,
                errors.loss_error,
                errors.gradient_error,
                errors.agrees,
            )


class Bins(NamedTuple):
    """How many bins bring the loss within an aim of that of infinitely many, relative to max(1, abs(L))."""

    kernel: str
    h: float  # over b - a
    rule: str
    aim: float
    bins: int | None  # none of those tried


def bins_needed() -> Iterator[Bins]:
    """Yield what the integral needs, of 2,000 normal points over [-1, 1]."""
    x, z = normal(points=2_000)
    for kernel in SAMPLES:
        for part in (1.0, 0.1, 0.01):
            h = 2 * part
            shape = {"bandwidth": h, "kernel": kernel}

            def density(at, shape=shape):
                return kdexent.log_density(x, z, 2 * at - 1, **shape)

            limit = converged_loss(density, 8 / part, 1e-12, 20.0).losses[0]
            for rule in ("midpoint", "gauss"):
                counts = [count for count in LADDER if rule == "midpoint" or count <= 1024]
                losses = [kdexent.loss(x, z, -1, 1, bins=count, rule=rule, **shape) for count in counts]
                off = np.abs(np.array(losses) - limit) / max(1, abs(limit))
                for aim in AIMS:
                    late = np.flatnonzero(~(off <= aim))
                    first = late[-1] + 1 if late.size else 0
                    yield Bins(kernel, part, rule, aim, counts[first] if first < len(counts) else None)


def table(heads: tuple[str, ...], lines: Iterator[tuple]) -> str:
    """Return a table in Markdown, the first column of words and the others of numbers."""
    rule = ("---", *["---:"] * (len(heads) - 1))
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in (heads, rule, *lines)) + "\n"


def tables(rows: list[Row], needed: list[Bins]) -> dict[str, str]:
    """Return the page's tables."""

    def of(name: str, **equal) -> list[Row]:
        return [
            row
            for row in rows
            if row.table == name and all(getattr(row, key) == value for key, value in equal.items())
        ]

    def fastest(found: list[Row]) -> str:
        kept = [row for row in found if row.allowed and row.method != "auto"]
        best = min(kept, key=lambda row: row.seconds)
        return f"{best.method} {seconds(best.seconds)}"

    def auto(found: list[Row]) -> Row:
        return next(row for row in found if row.method == "auto")

    sizes = sorted(
        {(row.kernel, row.points) for row in of("sizes")}, key=lambda key: (SAMPLES.index(key[0]), key[1])
    )
    bins = sorted({row.bins for row in of("sizes")})
    widths = sorted({row.h for row in of("bandwidths")})
    cases = list(dict.fromkeys(row.case for row in of("data")))
    batches = list(dict.fromkeys(row.case for row in of("batches")))

    def one(name: str, **equal) -> str:
        row = auto(of(name, **equal))
        return f"{seconds(row.seconds)} ({row.took})"

    def one_order(method: str, kernel: str) -> str:
        found = of("orders", method=method, kernel=kernel)
        return f"{seconds(found[0].seconds)}, {error(found[0].gradient_error)}" if found else "-"

    def cost(row: Row) -> str:
        return three_digits(row.seconds / (row.rows * row.points) * 1e9)

    return {
        "sizes": table(
            ("kernel, N", *(f"M = {count:,}" for count in bins)),
            (
                (
                    f"{kernel}, {points:,}",
                    *(fastest(of("sizes", kernel=kernel, points=points, bins=count)) for count in bins),
                )
                for kernel, points in sizes
            ),
        ),
        "bandwidths": table(
            ("kernel", *(f"h = {h:g}" for h in widths)),
            (
                (kernel, *(fastest(of("bandwidths", kernel=kernel, h=h)) for h in widths))
                for kernel in SAMPLES
            ),
        ),
        "orders": table(
            ("method, order", *SAMPLES),
            (
                (method, *(one_order(method, kernel) for kernel in SAMPLES))
                for method in dict.fromkeys(row.method for row in of("orders"))
            ),
        ),
        "data": table(
            ("data", *SAMPLES),
            ((case, *(one("data", case=case, kernel=kernel) for kernel in SAMPLES)) for case in cases),
        ),
        "domain": table(
            ("kernel", "line", "circle"),
            (
                (
                    kernel,
                    one("domain", case="line", kernel=kernel),
                    one("domain", case="circle", kernel=kernel),
                )
                for kernel in dict.fromkeys(row.kernel for row in of("domain"))
            ),
        ),
        "batches": table(
            ("ns a point", *batches),
            (
                (kernel, *(cost(auto(of("batches", case=case, kernel=kernel))) for case in batches))
                for kernel in dict.fromkeys(row.kernel for row in of("batches"))
            ),
        ),
        "precision": table(
            ("kernel", "float64", "float32"),
            (
                (kernel, *(one("precision", case=name, kernel=kernel) for name in ("float64", "float32")))
                for kernel in dict.fromkeys(row.kernel for row in of("precision"))
            ),
        ),
        "integral": table(
            ("kernel, h / (b - a)", *(f"{rule}, {aim:g}" for rule in ("midpoint", "gauss") for aim in AIMS)),
            (
                (
                    f"{kernel}, {part:g}",
                    *(
                        each.bins or f"> {LADDER[-1] if each.rule == 'midpoint' else 1024:,}"
                        for each in needed
                        if (each.kernel, each.h) == (kernel, part)
                    ),
                )
                for kernel, part in dict.fromkeys((each.kernel, each.h) for each in needed)
            ),
        ),
    }


def write(path: Path, rows: list[NamedTuple]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(rows[0]._fields)
        writer.writerows(
            [f"{value:.3g}" if isinstance(value, float) else value for value in row] for row in rows
        )


def read(path: Path, kind: type) -> list:
    """Return what was written, as the types of its fields say."""
    types = kind.__annotations__
    made = {int | None: lambda text: int(text) if text else None, bool: lambda text: text == "True"}
    with path.open(newline="", encoding="utf-8") as file:
        return [
            kind(**{name: made.get(types[name], types[name])(text) for name, text in line.items()})
            for line in csv.DictReader(file)
        ]


def with_tables(page: str) -> str:
    """Return the page with the tables of the files beside it in their places."""
    for name, text in tables(read(DOCS / "guide.csv", Row), read(DOCS / "guide_bins.csv", Bins)).items():
        before, rest = page.split(f"<!-- guide: {name} -->\n")
        page = f"{before}<!-- guide: {name} -->\n{text}{rest[rest.index('<!-- end -->') :]}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tables", action="store_true", help="write the page's tables only, measure nothing")
    if not parser.parse_args().tables:
        write(DOCS / "guide_bins.csv", list(bins_needed()))
        write(DOCS / "guide.csv", list(measured()))
    page = DOCS / "guide.md"
    page.write_text(with_tables(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
