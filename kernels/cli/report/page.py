"""`kdexent report` from the files of results to the page."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path

from ...measure import numbers
from ...measure.plot_style import BLACK, GREY
from ...names import KERNELS
from ..streams import NOT_WRITTEN, STDOUT, Refused, complain, make_folders, write_files
from .charts import LOOKS, Figure, Row, Table
from .figures import of_bench, of_choice, of_gate
from .read import Result, read
from .ways import METHOD_ORDER

_USUAL = Path("bench-results/bench.json")
_FIGURES = {"bench": of_bench, "gate": of_gate, "choose": of_choice}
# Those of the writing, which are others in the dark.
_INKS = {BLACK: "var(--ink)", GREY: "var(--grey)"}
_TONES = {"same": "good", "faster": "good", "slower": "bad", "wrong": "bad"}


def report(results: Sequence[Path], out: Path) -> int:
    """Read results, write the page, and return the exit status."""
    if not results:
        if not _USUAL.exists():
            raise Refused(f"there is no {_USUAL} here: run kdexent bench, or name what --json wrote")
        results = [_USUAL]
    text = page([read(path) for path in results])
    if out == STDOUT:
        print(text)
        return 0
    make_folders([out])
    if any(out.exists() and out.samefile(path) for path in results):
        raise Refused(f"{out} is one of the results")
    failure = write_files([(out, text)])
    if failure is not None:
        return complain(failure, NOT_WRITTEN)
    print(f"Written: {out}")
    return 0


def page(results: Sequence[Result]) -> str:
    """Return the page of some results, in ASCII: it is the same in every encoding."""
    figures = [_FIGURES[result.kind](result.content) for result in results]
    charts = [chart for several in figures for figure in several for chart in figure.charts]
    numbered = iter(range(len(charts)))
    data = {"charts": charts, "markers": {name: marker for name, (_, marker) in LOOKS.items()}}
    template = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    script = template.partition("<script>")[2].partition("</script>")[0]
    fills = {
        "title": escape("kdexent report: " + ", ".join(Path(result.file).name for result in results)),
        "colours": "\n".join(
            f".of-{name} {{ --colour: {_INKS.get(colour, colour)} }}" for name, (colour, _) in LOOKS.items()
        ),
        "contents": _contents(results),
        "filters": _filters([row for several in figures for figure in several for row in figure.table.rows]),
        "results": "\n".join(
            _section(f"{number}", result, several, numbered)
            for number, (result, several) in enumerate(zip(results, figures, strict=True), 1)
        ),
        "data": json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
        # No other script runs, whatever a result holds.
        "script": b64encode(sha256(script.encode()).digest()).decode(),
    }
    text = re.sub(r"\{\{(\w+)\}\}", lambda match: fills[match[1]], template)
    return text.rstrip("\n").encode("ascii", "xmlcharrefreplace").decode()


def _tag(name: str, *inside: str, **attributes: str) -> str:
    """Return an element of what is inside, which is HTML; an attribute without a value stands alone."""
    named = (
        (key.rstrip("_").replace("_", "-"), f'="{escape(value)}"' if value else "")
        for key, value in attributes.items()
    )
    opening = "".join([name, *(f" {key}{value}" for key, value in named)])
    return f"<{opening}>" if name == "input" else f"<{opening}>{''.join(inside)}</{name}>"


def _some(**attributes: str) -> dict[str, str]:
    """Return the attributes that have a value."""
    return {key: value for key, value in attributes.items() if value}


def _paragraph(text: str, kind: str) -> str:
    return _tag("p", escape(text), class_=kind)


def _contents(results: Sequence[Result]) -> str:
    links = [
        _tag("li", _tag("a", escape(f"{result.kind}: {result.file}"), href=f"#result-{number}"))
        for number, result in enumerate(results, 1)
    ]
    return _tag("nav", _tag("ul", *links), aria_label="Results") if len(links) > 1 else ""


def _filters(rows: Sequence[Row]) -> str:
    """Return the form that shows some kernels and methods, where there are several."""

    def several(names: Iterable[str], order: Sequence[str]) -> list[str]:
        there = {*names} - {""}
        found = [each for each in order if each in there]
        found += sorted(there - {*found})
        return found if len(found) > 1 else []

    kernels = several((row.kernel for row in rows), KERNELS)
    methods = several((row.method for row in rows), METHOD_ORDER)
    parts = []
    if kernels:
        options = [_tag("option", "all", value=""), *(_tag("option", escape(each)) for each in kernels)]
        chosen = _tag("select", *options, id="kernel")
        parts.append(_tag("p", _tag("label", "Kernel", for_="kernel"), " ", chosen))
    if methods:
        boxes = []
        for number, each in enumerate(methods, 1):
            box = _tag("input", type="checkbox", id=f"method-{number}", value=each, checked="")
            boxes.append(_tag("label", box, f" {escape(each)}", for_=f"method-{number}"))
        parts.append(_tag("fieldset", _tag("legend", "Methods"), *boxes))
    if not parts:
        return ""
    parts += [_tag("button", "Show all", type="reset"), _tag("output", id="shown")]
    return _tag("form", *parts, id="filters", aria_label="What is shown", hidden="")


def _section(name: str, result: Result, figures: Sequence[Figure], charts: Iterable[int]) -> str:
    """Return what a file holds; `charts` are the numbers of the next charts."""
    head = f"kdexent {result.kind} " + _tag("span", escape(result.file))
    parts = [_tag("h2", head, id=f"heading-{name}"), *_words(result)]
    parts += [_figure(f"{name}-{number}", figure, charts) for number, figure in enumerate(figures, 1)]
    facts = [
        _tag("div", _tag("dt", escape(words)), _tag("dd", escape(fact)))
        for words, fact in _machine(result).items()
    ]
    parts += [_tag("h3", "The machine"), _tag("dl", *facts)] if facts else []
    return _tag("section", *parts, id=f"result-{name}", aria_labelledby=f"heading-{name}")


def _machine(result: Result) -> dict[str, str]:
    """Return what is known of the machine, with its limits where they were measured."""
    if result.kind != "bench":
        return result.machine
    limits = result.content["limits"]
    peak, copy = (
        numbers.three_digits(limits[name] / 1e9) for name in ("multiply_adds_per_s", "copy_bytes_per_s")
    )
    return result.machine | {
        "threads in use": f"{result.content['threads']}",
        "peak": f"{peak} G multiply-adds/s",
        "memory copy": f"{copy} GB/s, read and written",
    }


def _words(result: Result) -> list[str]:
    """Return what a result says itself."""
    content = result.content
    if result.kind == "bench":
        failures = [each for each in (*content["cases"], *content["classifiers"]) if each["problem"]]
        return [
            _paragraph(content["verdict"], "good" if content["agrees"] else "bad"),
            *(_paragraph(f"{each['name']}: {each['problem']}", "bad") for each in failures),
            *([_paragraph(content["warning"], "note")] if content["warning"] else []),
        ]
    if result.kind == "gate":
        return [_paragraph(content["words"], _TONES.get(content["verdict"], "note"))]
    return [
        _paragraph(content["recommendation"], "advice"),
        _tag("pre", escape(content["code"]), tabindex="0", role="region", aria_label="Lines of Python"),
        *(_paragraph(each, "note") for each in (*content["warnings"], *content["notes"])),
    ]


def _figure(name: str, figure: Figure, charts: Iterable[int]) -> str:
    boxes = [_tag("div", class_="chart", data_chart=f"{next(iter(charts))}") for _ in figure.charts]
    head = [_tag("h3", escape(figure.title), id=f"title-{name}")]
    head += [_paragraph(figure.note, "note")] if figure.note else []
    told = f"Table: {figure.title}"
    table = _tag("div", _table(figure.table), class_="wide", tabindex="0", role="region", aria_label=told)
    return _tag(
        "figure",
        _tag("figcaption", *head),
        _tag("div", *boxes, class_="charts"),
        _tag("details", _tag("summary", escape(told)), table, open=""),
        aria_labelledby=f"title-{name}",
    )


def _table(table: Table) -> str:
    kinds = [_some(class_="" if number < table.texts else "number") for number in range(len(table.heads))]
    heads = [
        _tag("th", escape(head), scope="col", **kind) for head, kind in zip(table.heads, kinds, strict=True)
    ]
    lines = []
    for row in table.rows:
        first, *others = row.cells
        cells = [_tag("td", escape(cell), **kind) for cell, kind in zip(others, kinds[1:], strict=True)]
        about = _some(data_kernel=row.kernel, data_method=row.method, class_=row.mark)
        lines.append(_tag("tr", _tag("th", escape(first), scope="row"), *cells, **about))
    return _tag("table", _tag("thead", _tag("tr", *heads)), _tag("tbody", *lines))
