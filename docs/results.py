"""README's table of results, out of docs/bench.json: `make results` measures that and writes it."""

import json
from pathlib import Path

from kdexent.measure.numbers import error, rows_of_points, seconds

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- by make results -->\n", "<!-- end -->\n"
ROWS = (  # name, points, bins: the first of that name and size, by auto
    ("gaussian line", 1_000, 64),
    ("gaussian line", 10_000, 256),
    ("gaussian line", 100_000, 256),
    ("gaussian line", 100_000, 1_024),
    ("gaussian line float32", 100_000, 256),
    ("laplace line", 100_000, 256),
    ("epanechnikov line", 100_000, 256),
    ("von_mises circle", 100_000, 256),
    ("gaussian line", 1_000_000, 1_024),
    ("gaussian batch", 100, 32),
    ("guns, own intervals", 200, 151),
    ("departures (gaussian)", 328_521, 64),
    ("wind (von_mises)", 24_398, 64),
)


def table(results: dict) -> str:
    """Return what was measured on, and the table, as Markdown."""
    machine, auto = results["machine"], {"method": "auto", "order": None, "planned": False}
    cases = [case for case in results["cases"] if case["asked"] == auto]
    versions = ", ".join(f"{name} {machine[name.lower()]}" for name in ("Python", "NumPy", "Numba"))
    lines = [
        f"`make bench` on {machine['cpu']} ({machine['cpu_target']}) with {machine['cores']} cores, on"
        f" {results['threads']} threads, {versions}:\n",
        "| case | points | bins | reference | kdexent | times | method | loss error | gradient error |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: |",
    ]
    for row in ROWS:
        case = next(case for case in cases if (case["name"], case["points"], case["bins"]) == row)
        exact = "" if case["exact"] == "reference" else " (direct)"
        cells = (
            case["name"],
            rows_of_points(case["rows"], case["points"]),
            f"{case['bins']:,}",
            seconds(case["exact_s"]) + exact,
            seconds(case["fast_s"]),
            f"{case['speed_up']:,.0f}",
            case["method"],
            error(case["loss_error"]),
            error(case["gradient_error"]),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def with_table(text: str) -> str:
    """Return a document with the table in its place."""
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    results = json.loads((ROOT / "docs/bench.json").read_text(encoding="utf-8"))
    return before + BEGIN + table(results) + END + after


if __name__ == "__main__":
    readme = ROOT / "README.md"
    readme.write_text(with_table(readme.read_text(encoding="utf-8")), encoding="utf-8")
