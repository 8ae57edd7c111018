"""The figures of a result: what is drawn against what, and the table of the same."""

import math
from itertools import groupby
from typing import Any

from ...measure import numbers
from .charts import LEAST, PEERS, Figure, Row, Table, axis, legend, look, there, times
from .ways import ERROR, PLAN, TIME, Way, by_error, ordered, by_size, way_of

Facts = dict[str, Any]
_FEW = 3  # ways to compute a problem, from which on they are compared


def of_bench(content: Facts) -> list[Figure]:
    """Return the figures of a benchmark."""
    ways = [way_of(each) for each in content["cases"]]
    drawn = [way for way in ways if there(way.time)]
    problems: dict[str, list[Way]] = {}
    for way in drawn:
        if not math.isnan(way.facts["gradient_error"]):
            problems.setdefault(way.title, []).append(way)
    figures = [
        by_error(f"Time against error: {problem}", several)
        for problem, several in problems.items()
        if len({way.name for way in several}) >= _FEW
    ]
    figures += [by_size(ways, drawn, content["limits"])] if drawn else []
    classifiers = sorted(content["classifiers"], key=lambda each: each["group"])
    groups = groupby(classifiers, key=lambda each: each["group"])
    return figures + [_peers(group, [*members]) for group, members in groups]


def _peers(group: str, classifiers: list[Facts]) -> Figure:
    """Return the times of the reference and of other libraries beside kdexent's."""
    names = dict.fromkeys(peer["name"] for each in classifiers for peer in each["peers"])
    looks = dict(zip(names, [*PEERS] * (1 + len(names) // len(PEERS)), strict=False))
    looks = {"kdexent": "kdexent", "reference": "reference"} | {
        name: each for name, each in looks.items() if name not in ("kdexent", "reference")
    }
    rows, table, used = [], [], dict[str, None]()
    for each in classifiers:
        size = " x ".join(f"{number:,}" for number in each["shape"])
        ours = {**each, "name": "kdexent", "s": each["fast_s"], "timings_s": each["timings_s"]["fast"]}
        exact = {"name": "reference", "s": each["exact_s"], "timings_s": each["timings_s"]["exact"]}
        marks = []
        for peer in (ours, exact, *each["peers"]):
            over = peer["s"] / each["fast_s"] if each["fast_s"] else math.nan
            samples = [*filter(there, peer["timings_s"])]
            errors = [numbers.error(peer.get(name, math.nan)) for name in ("loss_error", "gradient_error")]
            left_out = peer.get("left_out", "")
            table.append(
                Row(
                    [
                        f"{each['name']}, {size}",
                        peer["name"] + (f" ({left_out})" if left_out else ""),
                        numbers.seconds(peer["s"]),
                        times(samples),
                        numbers.ratio(over),
                        *errors,
                    ],
                    mark="failed" if peer is ours and each["problem"] else "best" if peer is ours else "",
                )
            )
            if there(peer["s"]):
                used |= {peer["name"]: None}
                says = [f"time: {numbers.seconds(peer['s'])} ({times(samples)})"]
                says += [f"over kdexent's: {numbers.ratio(over)}"] if peer is not ours else []
                says += [f"errors of loss, gradient: {', '.join(errors)}"] if {*errors} != {"-"} else []
                marks.append(
                    {
                        "x": peer["s"],
                        "low": min(samples, default=peer["s"]),
                        "high": max(samples, default=peer["s"]),
                        "look": looks[peer["name"]],
                        "name": peer["name"],
                        "of": f"{each['name']}, {size}",
                        "says": says,
                    }
                )
        rows.append({"name": each["name"], "detail": size, "marks": marks[::-1]})
    chart = {
        "kind": "rows",
        "title": f"Beside others: {group}",
        "told": f"{len(rows)} functions beside {', '.join(name for name in used if name != 'kdexent')}.",
        "x": axis(TIME, "time", [mark["x"] for row in rows for mark in row["marks"]]),
        "rows": rows,
        "legend": legend((looks[name], name) for name in used),
    }
    heads = ["case", "library", "time", "least to most", "over kdexent's", "loss error", ERROR]
    note = "Medians of calls in turns; bars go from the least to the most of the samples."
    return Figure(chart["title"], note, [chart] if used else [], Table(heads, table, 2))


def of_gate(content: Facts) -> list[Figure]:
    """Return the figure of a gate: the changes of all cells, and what they are called."""
    threshold = content["threshold"] if there(content["threshold"]) else 0.0
    cells = [{"name": name, **change} for name, change in content["control"].items()] + content["cells"]
    rows, table = [], []
    for cell in cells:
        kernel, asked = cell.get("kernel", ""), cell.get("asked", {"method": "", "planned": False})
        method = PLAN if asked["planned"] else asked["method"]
        change = f"{_percent(cell['ratio'])} [{_percent(cell['low'])}, {_percent(cell['high'])}]"
        change = change if there(cell["ratio"]) else "-"
        before, after = (
            numbers.seconds(_median([pair[side] for pair in cell["seconds"] if len(pair) == 2])) for side in (0, 1)
        )
        errors = [numbers.error(cell.get(name, math.nan)) for name in ("error_before", "error_after", "allowed")]
        verdict, took = cell["verdict"] or "null", cell.get("method", "")
        failures = "; ".join(filter(None, cell.get("failures", [])))
        is_control = "failures" not in cell
        mark = "failed" if verdict in ("slower", "wrong") else ""
        named = [cell["name"] + (" (control)" if is_control else ""), took or "-", verdict]
        table.append(Row([*named, before, after, change, *errors], kernel, method, mark))
        says = [f"time: {before} before, {after} after", f"change: {change}", f"verdict: {verdict}"]
        says += [f"errors: {errors[0]} before, {errors[1]} after, {errors[2]} allowed"] if took else []
        says += [f"fails: {failures}"] if failures else []
        marks = [
            {
                "x": cell["ratio"],
                "low": cell["low"] if there(cell["low"]) else 1e-9,
                "high": cell["high"] if there(cell["high"]) else 1e9,
                "look": look(verdict),
                "name": verdict,
                "of": cell["name"],
                "says": says,
            }
        ]
        marks = marks if there(cell["ratio"]) else []
        what = {"name": cell["name"], "detail": "control" if is_control else verdict, "marks": marks}
        rows.append({**what, "kernel": kernel, "method": method})
    ratios = [cell["ratio"] for cell in cells]
    room = (1 + threshold) ** 2
    counts = {cell["verdict"]: None for cell in cells if cell["verdict"]}
    chart = {
        "kind": "rows",
        "title": f"Change of time from {content['old']['name']} to {content['new']['name']}",
        "told": content["words"],
        "x": axis("new time over old", "change", [*ratios, room, 1 / room], 1.1),
        "rows": rows,
        "bands": [[1 / (1 + threshold), 1 + threshold]],
        "lines": [{"x": 1.0, "label": ""}],
        "legend": legend((look(each), each) for each in counts),
    }
    heads = ["call", "method", "verdict", "before", "after", "time, % [interval]", "error before", "after", "allowed"]
    note = (
        f"The median of pairs of processes, and an interval that holds it 19 times in 20; shaded: the threshold "
        f"of {100 * threshold:g} %."
    )
    figures = [Figure(chart["title"], note, [chart], Table(heads, table, 3))] if cells else []
    once = [
        Row([name, *(_figure(each[side], each["unit"]) for side in ("old", "new"))])
        for name, each in content["once"].items()
    ]
    if once:
        note = "Once on each side, which is no verdict."
        figures.append(Figure("Measured once", note, [], Table(["what", "before", "after"], once)))
    return figures


def _percent(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}" if there(ratio) else "?"


def _median(values: list[float]) -> float:
    ordered = sorted(each for each in values if not math.isnan(each))
    return (ordered[len(ordered) // 2] + ordered[~(len(ordered) // 2)]) / 2 if ordered else math.nan


def _figure(value: float, unit: str) -> str:
    if math.isnan(value):
        return "-"
    return numbers.seconds(value) if unit == "s" else numbers.size(int(value))


def of_choice(content: Facts) -> list[Figure]:
    """Return the figures of a choice: its strategies, and what bins the integral takes."""
    asked = content["asked"]
    domain = "line" if math.isnan(asked["period"]) else "circle"
    case = f"{asked['kernel']} {domain}"
    ways = []
    for facts in content["strategies"]:
        name = ordered(facts["method"], facts["order"])
        size, samples = (asked["rows"], asked["points"], facts["bins"]), [*filter(there, facts["samples"])]
        facts["remark"] = "" if facts["within_rtol"] else f"beyond rtol = {asked['rtol']:g}"
        named = case, asked["kernel"], size, facts["method"], name, facts["took"] or name
        ways.append(Way(facts, *named, facts["seconds"], samples))
    drawn = [way for way in ways if there(way.time) and not math.isnan(way.facts["gradient_error"])]
    figures = [by_error(f"Strategies: {ways[0].title}", drawn, asked["rtol"])] if drawn else []
    quadratures = [each for each in content["quadratures"] if each["bins"]]
    return figures + ([_quadratures(quadratures, ways, asked)] if quadratures else [])


def _quadratures(quadratures: list[Facts], ways: list[Way], asked: Facts) -> Figure:
    """Return the error of the integral against the number of bins, by each rule."""
    taken = (ways[0].facts["rule"], ways[0].bins) if ways else None
    ordered = sorted(quadratures, key=lambda each: (each["rule"] != "midpoint", each["rule"], each["bins"]))
    marks, rows = [], []
    for each in ordered:
        error, best = each["quadrature_error"], (each["rule"], each["bins"]) == taken
        told = [f"error of the integral: {numbers.error(error)}"]
        told += [f"time of auto: {numbers.seconds(each['seconds'])}"] if there(each["seconds"]) else []
        name = f"{each['bins']:,} by {each['rule']}"
        kernel = {"kernel": asked["kernel"], "method": ""}
        cells = [each["rule"], f"{each['bins']:,}", numbers.error(error), numbers.seconds(each["seconds"])]
        rows.append(Row(cells, **kernel, mark="best" if best else ""))
        if not math.isnan(error):
            mark = {"x": each["bins"], "y": max(error, LEAST), "look": look(each["rule"]), "name": name}
            mark |= {"of": asked["kernel"], "says": told, "best": best, "series": each["rule"], **kernel}
            marks.append({**mark, "low": mark["y"], "high": mark["y"], "end": each["rule"]})
    limit = asked["integral_rtol"]
    chart = {
        "kind": "plot",
        "title": "Error of the integral against bins",
        "told": f"{len(marks)} numbers of bins; the ways were measured with {taken[1]:,} by {taken[0]}." if taken else "",
        "x": axis("bins", "bins", [mark["x"] for mark in marks]),
        "y": axis("error of the integral", "error", [*(mark["y"] for mark in marks), limit]),
        "marks": marks,
        "lines": [{"y": limit, "label": f"integral_rtol = {limit:g}"}] if there(limit) else [],
        "legend": legend((mark["look"], mark["series"]) for mark in marks),
    }
    heads = ["rule", "bins", "error of the integral", "time of auto"]
    return Figure(chart["title"], "", [chart] if marks else [], Table(heads, rows))
