"""The figures of a result: what is drawn against what, and the table of the same."""

import math
from itertools import cycle, groupby
from statistics import median

from ...measure import numbers
from .charts import LEAST, PEERS, Facts, Figure, Row, Table, axis, legend, look, there, times
from .ways import ERROR, PLAN, TIME, Way, by_error, by_size, ordered

_FEW = 3  # ways to compute a problem, from which on they are compared
_BEYOND = 1e-9, 1e9  # any axis: where an interval has no end
_SAMPLES = "Points are medians of calls in turns; bars go from the least to the most of the samples."


def of_bench(content: Facts) -> list[Figure]:
    """Return the figures of a benchmark."""
    ways = [_benched(each) for each in content["cases"]]
    problems: dict[tuple[str, str], list[Way]] = {}
    for way in ways:
        if there(way.time) and not math.isnan(way.error):
            problems.setdefault((way.facts["group"], way.title), []).append(way)
    figures = [
        by_error(f"Time against error: {title}", several)
        for (_, title), several in problems.items()
        if len(several) >= _FEW
    ]
    figures += [by_size(ways)] if ways else []
    by_group = sorted(content["classifiers"], key=lambda each: each["group"])
    groups = groupby(by_group, key=lambda each: each["group"])
    return figures + [_peers(group, [*members]) for group, members in groups]


def _benched(facts: Facts) -> Way:
    asked = facts["asked"]
    return Way(
        facts,
        case=facts["name"],
        **{name: facts[name] for name in ("kernel", "rows", "points", "bins")},
        method=PLAN if asked["planned"] else asked["method"],
        name=facts["way"],
        took=ordered(facts["method"], facts["order"]),
        time=facts["fast_s"],
        samples=[*filter(there, facts["timings_s"]["fast"])],
    )


def _peers(group: str, cases: list[Facts]) -> Figure:
    """Return the times of the reference and of other libraries beside kdexent's."""
    names = dict.fromkeys(peer["name"] for case in cases for peer in case["peers"])
    looks = dict(zip(names, cycle(PEERS), strict=False)) | {"kdexent": "kdexent", "reference": "reference"}
    rows, table = [], []
    for case in cases:
        size, failed = " x ".join(f"{number:,}" for number in case["shape"]), bool(case["problem"])
        of, times_of = f"{case['name']}, {size}", case["timings_s"]
        ours = case | {"name": "kdexent", "s": case["fast_s"], "timings_s": times_of["fast"]}
        reference = {"name": "reference", "s": case["exact_s"], "timings_s": times_of["exact"]}
        marks = []
        for peer in (ours, reference, *case["peers"]):
            cells, mark = _beside(of, peer, case["fast_s"])
            table.append(Row(cells, mark="" if peer is not ours else "failed" if failed else "best"))
            marks += [mark | {"look": looks[peer["name"]]}] if there(peer["s"]) else []
        rows.append({"name": case["name"], "detail": size, "marks": marks[::-1], "failed": failed})
    drawn = dict.fromkeys(mark["name"] for row in rows for mark in row["marks"][::-1])
    chart = {
        "kind": "rows",
        "title": f"Beside others: {group}",
        "told": f"{len(rows)} functions by {', '.join(drawn)}.",
        "x": axis(TIME, "time", [mark["x"] for row in rows for mark in row["marks"]]),
        "rows": rows,
        "legend": legend((looks[name], name) for name in drawn),
    }
    heads = ["case", "library", "time", "least to most", "over kdexent's", "loss error", ERROR]
    return Figure(str(chart["title"]), _SAMPLES, [chart] if drawn else [], Table(heads, table, 2))


def _beside(of: str, peer: Facts, fast: float) -> tuple[list[str], Facts]:
    """Return the cells and the mark of what a library takes, where kdexent takes so many seconds."""
    samples = [*filter(there, peer["timings_s"])]
    time, span = numbers.seconds(peer["s"]), times(samples)
    over = numbers.ratio(peer["s"] / fast if there(fast) else math.nan)
    errors = [numbers.error(peer.get(name, math.nan)) for name in ("loss_error", "gradient_error")]
    left_out = f" ({peer['left_out']})" if peer.get("left_out") else ""
    says = [f"time: {time} ({span})", f"over kdexent's: {over}"]
    says += [f"errors of loss and gradient: {', '.join(errors)}"] if {*errors} != {"-"} else []
    low, high = min(samples, default=peer["s"]), max(samples, default=peer["s"])
    mark = {"x": peer["s"], "low": low, "high": high, "name": peer["name"], "of": of, "says": says}
    return [of, peer["name"] + left_out, time, span, over, *errors], mark


def of_gate(content: Facts) -> list[Figure]:
    """Return the figures of a gate: the changes of its cells, and what was measured once."""
    unasked = {"asked": {"method": "", "planned": False}, "failures": []}
    nothing = dict.fromkeys(("error_before", "error_after", "allowed"), math.nan)
    controls = [
        {"name": name, "kernel": "", "method": "", **unasked, **nothing, **change, "control": True}
        for name, change in content["control"].items()
    ]
    cells = [*controls, *content["cells"]]
    once = [
        Row([name, *(_once(each[side], each["unit"]) for side in ("old", "new"))])
        for name, each in content["once"].items()
    ]
    figures = [_changes(content, cells)] if cells else []
    if once:
        note = "Once on each side, which is no verdict."
        figures.append(Figure("Measured once", note, [], Table(["what", "before", "after"], once)))
    return figures


def _changes(content: Facts, cells: list[Facts]) -> Figure:
    """Return the change of each cell's time, with its interval."""
    rows, table = [], []
    for cell in cells:
        method = PLAN if cell["asked"]["planned"] else cell["asked"]["method"]
        verdict, control = cell["verdict"] or "null", cell.get("control", False)
        failed = verdict in ("slower", "wrong")
        before, after = (numbers.seconds(_median(cell["seconds"], side)) for side in (0, 1))
        errors = [numbers.error(cell[name]) for name in ("error_before", "error_after", "allowed")]
        change = _change(cell)
        cells_of = [cell["name"] + " (control)" * control, cell["method"] or "-", verdict, before, after]
        table.append(Row([*cells_of, change, *errors], cell["kernel"], method, "failed" * failed))
        says = [f"time: {before} before, {after} after", f"change: {change} %"]
        if errors[2] != "-":
            says.append(f"errors: {errors[0]} before, {errors[1]} after, {errors[2]} allowed")
        says += [f"fails: {each}" for each in cell["failures"] if each]
        low, high = (
            cell[end] if there(cell[end]) else beyond
            for end, beyond in zip(("low", "high"), _BEYOND, strict=True)
        )
        mark = {"x": cell["ratio"], "low": low, "high": high, "look": look(verdict), "name": verdict}
        marks = [mark | {"of": cell["name"], "says": says}] if there(cell["ratio"]) else []
        detail = "control" if control and verdict == "same" else verdict
        row = {"name": cell["name"], "detail": detail, "marks": marks, "failed": failed}
        rows.append(row | {"kernel": cell["kernel"], "method": method})
    threshold = content["threshold"] if there(content["threshold"]) else 0.0
    ratios = [cell["ratio"] for cell in cells] + [(1 + threshold) ** power for power in (-2, 2)]
    chart = {
        "kind": "rows",
        "title": f"Change of time from {content['old']['name']} to {content['new']['name']}",
        "told": content["words"],
        "x": axis("new time over old", "change", ratios),
        "rows": rows,
        "bands": [[1 / (1 + threshold), 1 + threshold]],
        "lines": [{"x": 1.0}],
        "legend": legend((mark["look"], mark["name"]) for row in rows for mark in row["marks"]),
    }
    heads = ["call", "takes", "verdict", "before", "after", "change, %", "error before", "after", "allowed"]
    note = (
        "Points are medians of pairs of processes, bars intervals that hold them 19 times in 20; shaded: "
        f"within the threshold of {100 * threshold:g} %."
    )
    return Figure(str(chart["title"]), note, [chart], Table(heads, table, 3))


def _change(cell: Facts) -> str:
    """Return a change and its interval in per cent."""
    names = "ratio", "low", "high"
    ratio, low, high = (f"{100 * (cell[name] - 1):+.1f}" if there(cell[name]) else "?" for name in names)
    return f"{ratio} [{low}, {high}]" if there(cell["ratio"]) else "-"


def _median(pairs: list[list[float]], side: int) -> float:
    """Return the median of one side of some pairs."""
    return median([pair[side] for pair in pairs if len(pair) == 2 and there(pair[side])] or [math.nan])


def _once(value: float, unit: str) -> str:
    if math.isnan(value):
        return "-"
    return numbers.seconds(value) if unit == "s" else numbers.size(int(value))


def of_choice(content: Facts) -> list[Figure]:
    """Return the figures of a choice: its strategies, and what bins the integral takes."""
    asked = content["asked"]
    domain = "line" if math.isnan(asked["period"]) else "circle"
    ways = [_raced(facts, asked, f"{asked['kernel']} {domain}") for facts in content["strategies"]]
    drawn = [way for way in ways if there(way.time) and not math.isnan(way.error)]
    figures = [by_error(f"Strategies: {drawn[0].title}", drawn, asked["rtol"])] if drawn else []
    taken = (ways[0].facts["rule"], ways[0].bins) if ways else None
    return figures + ([_quadratures(content["quadratures"], taken, asked)] if content["quadratures"] else [])


def _raced(facts: Facts, asked: Facts, case: str) -> Way:
    name = ordered(facts["method"], facts["order"])
    remark = "" if facts["within_rtol"] else f"beyond rtol = {asked['rtol']:g}"
    return Way(
        facts | {"remark": remark},
        case,
        **{each: asked[each] for each in ("kernel", "rows", "points")},
        bins=facts["bins"],
        method=facts["method"],
        name=name,
        took=facts["took"] or name,
        time=facts["seconds"],
        samples=[*filter(there, facts["samples"])],
    )


def _quadratures(quadratures: list[Facts], taken: tuple[str, int] | None, asked: Facts) -> Figure:
    """Return the error of the integral against the number of bins, by each rule."""
    marks, rows = [], []
    for each in sorted(
        quadratures, key=lambda each: (each["rule"] != "midpoint", each["rule"], each["bins"])
    ):
        error, best = each["quadrature_error"], (each["rule"], each["bins"]) == taken
        time = numbers.seconds(each["seconds"])
        cells = [each["rule"], f"{each['bins']:,}", numbers.error(error), time]
        rows.append(Row(cells, asked["kernel"], mark="best" if best else ""))
        if not math.isnan(error):
            says = [f"error of the integral: {cells[2]}"] + [f"time of auto: {time}"] * (time != "-")
            mark = {"x": each["bins"], "y": max(error, LEAST), "look": look(each["rule"]), "best": best}
            mark |= {"name": f"{cells[1]} by {each['rule']}", "of": asked["kernel"], "says": says}
            mark |= {"low": mark["y"], "high": mark["y"], "series": each["rule"], "end": each["rule"]}
            marks.append(mark | {"kernel": asked["kernel"], "method": ""})
    limit, rules = asked["integral_rtol"], dict.fromkeys(mark["series"] for mark in marks)
    chart = {
        "kind": "plot",
        "title": "Error of the integral against bins",
        "told": f"{len(marks)} numbers of bins, by {' and '.join(rules)}.",
        "x": axis("bins M", "bins", [mark["x"] for mark in marks]),
        "y": axis("error of the integral", "error", [*(mark["y"] for mark in marks), limit]),
        "marks": marks,
        "lines": [{"y": limit, "label": f"integral_rtol = {limit:g}"}] if there(limit) else [],
        "legend": legend((look(rule), rule) for rule in rules),
    }
    heads = ["rule", "bins", "error of the integral", "time of auto"]
    return Figure(str(chart["title"]), "", [chart] if marks else [], Table(heads, rows))
