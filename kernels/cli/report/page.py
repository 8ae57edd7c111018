"""`kdexent report` from the files of results to the page."""

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from re import sub
from typing import Any

from ...measure import numbers
from ...measure.plot_style import BLACK, GREY
from ...names import KERNELS, METHODS
from ..streams import NOT_WRITTEN, STDOUT, Refused, complain, make_folders, write_files
from .charts import LOOKS, Figure, Row, Table
from .figures import of_bench, of_choice, of_gate
from .read import Result, read
from .ways import PLAN

USUAL = Path("bench-results/bench.json")
_FIGURES: dict[str, Callable[[dict[str, Any]], list[Figure]]] = {
    "bench": of_bench,
    "gate": of_gate,
    "choose": of_choice,
}


def report(results: Sequence[Path], out: Path) -> int:
    """Read results, write the page, and return the exit status."""
    if not results:
        if not USUAL.exists():
            raise Refused(f"there is no {USUAL} here: run kdexent bench first, or name files that --json wrote")
        results = [USUAL]
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
    charts: list[dict[str, Any]] = []
    figures = [_FIGURES[result.kind](result.content) for result in results]
    rows = [row for several in figures for figure in several for row in figure.table.rows]
    data = {"charts": charts, "markers": {name: marker for name, (_, marker) in LOOKS.items()}}
    fills = {
        "title": _text("kdexent report: " + ", ".join(Path(result.file).name for result in results)),
        "colours": "\n".join(f".of-{name} {{ --colour: {_colour(look[0])} }}" for name, look in LOOKS.items()),
        "contents": _contents(results),
        "filters": _filters(rows),
        "results": "\n".join(
            _section(number, result, several, charts)
            for number, (result, several) in enumerate(zip(results, figures, strict=True), 1)
        ),
    }
    fills["data"] = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    template = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    script = template.partition("<script>")[2].partition("</script>")[0]
    # No other script runs, whatever a result holds.
    fills["script"] = b64encode(sha256(script.encode()).digest()).decode()
    text = sub(r"\{\{(\w+)\}\}", lambda match: fills[match[1]], template)
    return text.rstrip("\n").encode("ascii", "xmlcharrefreplace").decode()


def _text(text: object) -> str:
    return escape(str(text))


def _colour(colour: str) -> str:
    """Return a colour of the page; those of its writing are others in the dark."""
    return {BLACK: "var(--ink)", GREY: "var(--grey)"}.get(colour, colour)


def _contents(results: Sequence[Result]) -> str:
    links = [
        f'<li><a href="#result-{number}">{_text(result.kind)}: {_text(result.file)}</a></li>'
        for number, result in enumerate(results, 1)
    ]
    return f"<nav aria-label=\"Results\"><ul>{''.join(links)}</ul></nav>" if len(links) > 1 else ""


def _filters(rows: Sequence[Row]) -> str:
    """Return the form that shows some kernels and methods, of those there are."""
    there = {row.kernel for row in rows}, {row.method for row in rows}
    kernels, methods = (
        sorted(names - {""}, key=lambda each: (order.index(each) if each in order else len(order), each))
        for names, order in zip(there, ([*KERNELS], [*METHODS, PLAN]), strict=True)
    )
    parts = []
    if len(kernels) > 1:
        options = "".join(f"<option>{_text(each)}</option>" for each in kernels)
        parts.append(
            '<p><label for="kernel">Kernel</label> '
            f'<select id="kernel"><option value="">all</option>{options}</select></p>'
        )
    if len(methods) > 1:
        boxes = "".join(
            f'<label for="method-{number}"><input type="checkbox" id="method-{number}" value="{_text(each)}" checked>'
            f" {_text(each)}</label>"
            for number, each in enumerate(methods, 1)
        )
        parts.append(f"<fieldset><legend>Methods</legend>{boxes}</fieldset>")
    if not parts:
        return ""
    parts.append('<button type="reset">Show all</button><output id="shown"></output>')
    return f'<form id="filters" aria-label="What is shown" hidden>{"".join(parts)}</form>'


def _section(number: int, result: Result, figures: Sequence[Figure], charts: list[dict[str, Any]]) -> str:
    content = result.content
    parts = [f'<h2 id="heading-{number}">kdexent {result.kind} <span>{_text(result.file)}</span></h2>']
    parts += _words(result.kind, content)
    machine = dict(result.machine)
    if result.kind == "bench":
        limits = content["limits"]
        machine["threads"] = str(content["threads"])
        machine["peak"] = f"{numbers.three_digits(limits['multiply_adds_per_s'] / 1e9)} G multiply-adds/s"
        machine["memory copy"] = f"{numbers.three_digits(limits['copy_bytes_per_s'] / 1e9)} GB/s, read and written"
    facts = "".join(f"<div><dt>{_text(name)}</dt><dd>{_text(fact)}</dd></div>" for name, fact in machine.items())
    for figure in figures:
        parts.append(_figure(f"{number}-{len(parts)}", figure, len(charts)))
        charts += figure.charts
    if machine:
        parts.append(f"<h3>The machine</h3><dl>{facts}</dl>")
    return f'<section id="result-{number}" aria-labelledby="heading-{number}">{"".join(parts)}</section>'


def _words(kind: str, content: dict[str, Any]) -> list[str]:
    """Return what a result says itself."""
    if kind == "bench":
        failures = [f"{each['name']}: {each['problem']}" for each in content["cases"] if each["problem"]]
        failures += [f"{each['name']}: {each['problem']}" for each in content["classifiers"] if each["problem"]]
        good = "good" if content["agrees"] else "bad"
        return [_paragraph(content["verdict"], good), *(_paragraph(each, "bad") for each in failures)] + (
            [_paragraph(content["warning"], "note")] if content["warning"] else []
        )
    if kind == "gate":
        good = {"same": "good", "faster": "good", "slower": "bad", "wrong": "bad"}.get(content["verdict"], "")
        return [_paragraph(content["words"], good)]
    notes = [*content["warnings"], *content["notes"]]
    return [
        _paragraph(content["recommendation"], "advice"),
        f'<pre tabindex="0" aria-label="Lines of Python">{_text(content["code"])}</pre>',
        *(_paragraph(each, "note") for each in notes),
    ]


def _paragraph(text: str, kind: str) -> str:
    return f'<p class="{kind}">{_text(text)}</p>'


def _figure(name: str, figure: Figure, first: int) -> str:
    boxes = "".join(
        f'<div class="chart" data-chart="{first + number}"></div>' for number in range(len(figure.charts))
    )
    note = _paragraph(figure.note, "note") if figure.note else ""
    title = _text(figure.title)
    return (
        f'<figure aria-labelledby="title-{name}"><figcaption><h3 id="title-{name}">{title}</h3>{note}</figcaption>'
        f'<div class="charts">{boxes}</div>'
        f"<details open><summary>Table: {title}</summary>"
        f'<div class="wide" tabindex="0" role="region" aria-label="Table: {title}">{_table(figure.table)}</div>'
        "</details></figure>"
    )


def _table(table: Table) -> str:
    heads = "".join(
        f'<th scope="col"{"" if number < table.texts else _NUMBER}>{_text(head)}</th>'
        for number, head in enumerate(table.heads)
    )
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(_line(row, table.texts) for row in table.rows)}</tbody></table>"


_NUMBER = ' class="number"'


def _line(row: Row, texts: int) -> str:
    named = [("data-kernel", row.kernel), ("data-method", row.method), ("class", row.mark)]
    attributes = "".join(f' {name}="{_text(value)}"' for name, value in named if value)
    first, *others = row.cells
    cells = "".join(
        f"<td{'' if number < texts else _NUMBER}>{_text(cell)}</td>" for number, cell in enumerate(others, 1)
    )
    return f'<tr{attributes}><th scope="row">{_text(first)}</th>{cells}</tr>'
