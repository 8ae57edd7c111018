"""`kdexent report`: what is on the page, what it refuses, and that no text gets out of its place."""

import json
import math
import re
import subprocess
import sys
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest
from processes import run
from sample_results import DOCUMENTS, bench, choice, written

from kdexent.cli.report import charts
from kdexent.cli.report.page import page, report
from kdexent.cli.report.read import read
from kdexent.cli.streams import Refused

NAMES = [*DOCUMENTS]
NAMESPACE = "http://www.w3.org/2000/svg"
VOID = {"meta", "link", "input"}
HOSTILE = "</script><script>alert(1)</script></p>\"'&<!--{{data}}\\u2028\u2028\ud800\x00"


class Page(HTMLParser):
    """A page, taken apart; one that is not well nested raises."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        for tag in self.open[-1:]:
            self.texts.setdefault(tag, []).append(data)

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def charts(self):
        return json.loads(self.texts["script"][0])["charts"]


def written_page(paths):
    return page([read(path) for path in paths])


def checked(text):
    """Return a page after what must hold of every one."""
    found = Page(text)
    assert text.isascii()
    assert re.findall(r"(?:\w+:)?//[^\s\"'*/]*", text.replace(NAMESPACE, "")) == []
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(ids) == len({*ids})
    for name in ("for", "aria-labelledby"):
        assert {attributes[name] for _, attributes in found.tags if name in attributes} <= {*ids}
    links = [each["href"] for each in found.of("a")]
    assert all(link[0] == "#" and link[1:] in ids for link in links)
    # The one script that is run, and the one that holds data.
    assert [each.get("type") for each in found.of("script")] == ["application/json", None]
    policy = next(each["content"] for each in found.of("meta") if "http-equiv" in each)
    digest = b64encode(sha256(found.texts["script"][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert not {attribute for _, each in found.tags for attribute in each if attribute.startswith("on")}
    boxes = [int(each["data-chart"]) for each in found.of("div") if "data-chart" in each]
    assert boxes == [*range(len(found.charts))]
    for chart in found.charts:
        check_chart(chart)
    return found


def check_chart(chart):
    """Check what the script relies on."""
    for axis in [chart[name] for name in ("x", "y") if name in chart]:
        assert 0 < axis["low"] < axis["high"] and len(axis["ticks"]) >= 2
        assert all(axis["low"] <= value <= axis["high"] and text for value, text, _ in axis["ticks"])
    marks = (
        chart["marks"]
        if chart["kind"] == "plot"
        else [each for row in chart["rows"] for each in row["marks"]]
    )
    assert {look for look, _ in chart["legend"]} == {mark["look"] for mark in marks} <= {*charts.LOOKS}
    for mark in marks:
        assert chart["x"]["low"] <= mark["x"] <= chart["x"]["high"] and mark["name"] and mark["says"]
        assert mark["low"] <= mark["y" if "y" in mark else "x"] <= mark["high"]
        assert "y" not in chart or chart["y"]["low"] <= mark["y"] <= chart["y"]["high"]


@pytest.mark.parametrize("names", [["bench"], ["gate"], ["choose"], NAMES, ["gate", "gate"]], ids=" ".join)
def test_results_alone_and_together(tmp_path, names):
    found = checked(written_page(written(tmp_path, *names)))
    sections = found.of("section")
    assert len(sections) == len(names) and len(found.of("nav")) == (len(names) > 1)
    assert len(found.of("table")) == len(found.of("figure")) == len(found.of("details"))
    # Every chart has its table, and every machine is told of.
    assert found.texts["h3"].count("The machine") == len(names)
    assert len(found.of("form")) == 1


def test_every_figure_of_a_benchmark_is_on_the_page(tmp_path):
    document = bench(problem="it was wrong")
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(document))
    found = checked(written_page([path]))
    errors, points, bins, peers = found.charts
    assert len(points["marks"]) == len(bins["marks"]) == len(document["cases"])
    assert {mark["x"] for mark in points["marks"]} == {c["rows"] * c["points"] for c in document["cases"]}
    assert {mark["x"] for mark in bins["marks"]} == {c["bins"] for c in document["cases"]}
    assert {mark["method"] for mark in points["marks"]} == {
        "auto",
        "direct",
        "window",
        "grid",
        "cells",
        "Plan",
    }
    assert sum(mark["failed"] for mark in points["marks"]) == 1
    assert f"{document['cases'][0]['name']}: it was wrong" in found.texts["p"]
    # Its limits: those of the record.
    limits = {True: set(), False: set()}
    for c in document["cases"]:
        limits[c["method"] == "direct"].add((c["rows"] * c["points"], c["limit_s"]))
    assert all({*map(tuple, line["at"])} <= limits[line["dotted"]] for line in points["lines"])
    assert {line["dotted"] for line in points["lines"]} == {False, True}
    assert "100 G multiply-adds/s" in found.texts["dd"]
    front = [mark["name"] for mark in errors["marks"] if mark["front"]]
    assert front[0] == "direct" and "grid 4" not in front
    assert len(peers["rows"]) == len(document["classifiers"])
    assert {name for _, name in peers["legend"]} >= {"kdexent", "reference", "scikit-learn"}
    assert "another (not installed)" in found.texts["td"]


def test_the_front_is_the_choices_own(tmp_path):
    errors, integral = checked(written_page(written(tmp_path, "choose"))).charts
    front = [mark["name"] for mark in errors["marks"] if mark["front"]]
    assert sorted(front) == sorted(f"{row.method} {row.order or ''}".strip() for row in choice().pareto)
    assert len(front) == len(errors["marks"]) - 1
    assert [mark["name"] for mark in errors["marks"] if mark["best"]] == ["auto"]
    assert errors["lines"] == [{"x": 1e-9, "label": "rtol = 1e-09"}]
    # No error at all has a place too.
    assert min(mark["x"] for mark in errors["marks"]) == charts.LEAST
    assert [charts.LEAST, "0", 0] in errors["x"]["ticks"] and [charts.LEAST, "0", 0] in integral["y"]["ticks"]
    assert [mark["name"] for mark in integral["marks"] if mark["best"]] == ["64 by midpoint"]


def test_a_gates_verdicts_are_on_the_page(tmp_path):
    found = checked(written_page(written(tmp_path, "gate")))
    document = DOCUMENTS["gate"]()
    (changes,) = found.charts
    assert len(changes["rows"]) == len(document["cells"]) + len(document["control"])
    verdicts = {row["name"]: row["detail"] for row in changes["rows"]}
    for cell in document["cells"]:
        assert verdicts[cell["name"]] == (cell["verdict"] or "null")
    assert {"slower", "wrong", "same", "null", "control"} == {*verdicts.values()}
    assert {row["kernel"] for row in changes["rows"]} > {"", "laplace"}
    assert changes["bands"] == [[pytest.approx(1 / 1.05), pytest.approx(1.05)]]
    assert "+22.1 [+22.1, +22.1]" in found.texts["td"] and "1.00 GB" in found.texts["td"]


def changed(value, change):
    """Return a document with another text, number or truth value for each."""
    if isinstance(value, dict):
        return {name: each if name == "schema" else changed(each, change) for name, each in value.items()}
    return [changed(each, change) for each in value] if isinstance(value, list) else change(value)


def page_of(tmp_path, *documents):
    paths = [tmp_path / f"{number}.json" for number in range(len(documents))]
    for path, document in zip(paths, documents, strict=True):
        path.write_text(json.dumps(document))
    return checked(written_page(paths))


def test_no_text_gets_out_of_its_place(tmp_path):
    documents = [
        changed(DOCUMENTS[name](), lambda value: HOSTILE if isinstance(value, str) else value)
        for name in NAMES
    ]
    documents[1]["control"] = {HOSTILE: next(iter(documents[1]["control"].values()))}
    others = [DOCUMENTS[name]() for name in NAMES]
    found, plain = page_of(tmp_path, *documents, *others), page_of(tmp_path, *others)
    assert {tag for tag, _ in found.tags} == {tag for tag, _ in plain.tags}
    assert any("alert(1)" in text for text in found.texts["td"])
    assert "</script" not in "".join(found.texts["script"])


def test_a_hostile_name_of_a_file(tmp_path):
    path = tmp_path / "<script>'&\".json"
    path.write_text(json.dumps(bench()))
    assert "<script>'&\".json" in "".join(checked(written_page([path])).texts["title"])


def is_count(value):
    return type(value) is int


@pytest.mark.parametrize("name", NAMES)
def test_what_is_null_is_left_out(tmp_path, name):
    found = page_of(tmp_path, changed(DOCUMENTS[name](), lambda value: value if is_count(value) else None))
    assert all(not chart.get("marks") for chart in found.charts)
    assert not any("nan" in text for tag in ("td", "p", "dd") for text in found.texts.get(tag, []))


@pytest.mark.parametrize("name", NAMES)
def test_no_data_is_no_figure(tmp_path, name):
    document = DOCUMENTS[name]()
    empty = {"cells": [], "control": {}, "once": {}} if name == "gate" else {}
    lists = ("cases", "classifiers", "strategies", "quadratures", "notes")
    found = page_of(tmp_path, document | {key: [] for key in lists if key in document} | empty)
    assert found.charts == [] and not found.of("figure") and not found.of("form")


def test_numbers_beyond_all_bounds(tmp_path):
    huge = changed(bench(), lambda value: 10**400 if isinstance(value, float) else value)
    tiny = changed(bench(), lambda value: 5e-324 if isinstance(value, float) else value)
    below = changed(bench(), lambda value: -1.0 if isinstance(value, float) else value)
    page_of(tmp_path, huge, below)
    with pytest.raises(Refused, match="nothing"):
        page_of(tmp_path, {"of": "another program"})
    page_of(tmp_path, tiny)


DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("", "it is no JSON"),
        ("{", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (DEEP, "it is no JSON"),
        ("null", "nothing that kdexent bench, gate, choose writes"),
        ("[]", "nothing that"),
        ('{"cells": []}', "nothing that"),
        ({"schema": 99}, "another version of kdexent bench: its schema is 99"),
        ({"schema": 2}, "its schema is 2"),
        ({"schema": None}, "its schema is None"),
        ({"schema": "x" * 999}, "its schema is 'x+, "),
        ({"cases": 3}, "damaged: cases is no list"),
        ({"cases": [3]}, r"damaged: cases\[0\] is no object"),
        ({"cases": [{}]}, r"damaged: cases\[0\].rows is no count"),
        ({"limits": []}, "damaged: limits is no object"),
        ({"limits": {"copy_bytes_per_s": "fast"}}, "damaged: limits.copy_bytes_per_s is no number"),
        ({"limits": {"copy_bytes_per_s": True}}, "damaged: limits.copy_bytes_per_s is no number"),
        ({"threads": -1}, "damaged: threads is no count"),
        ({"threads": 2**80}, "damaged: threads is no count"),
        ({"agrees": 1}, "damaged: agrees is no truth value"),
        ({"verdict": ["good"]}, "damaged: verdict is no text"),
        ({"machine": {"cpu": {}}}, "damaged: machine.cpu is no word"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(tmp_path, content, told):
    path = tmp_path / "odd.json"
    content = json.dumps(bench() | content) if isinstance(content, dict) else content
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Refused, match=told) as refused:
        report([path], tmp_path / "report.html")
    assert str(path) in str(refused.value) and len(str(refused.value)) < 300
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize(("name", "told"), [("none.json", "there is no file"), (".", "cannot read")])
def test_what_is_no_file_is_refused(tmp_path, name, told):
    with pytest.raises(Refused, match=told):
        report([tmp_path / name], tmp_path / "report.html")


def test_the_usual_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="run kdexent bench"):
        report([], Path("report.html"))
    Path("bench-results").mkdir()
    written(Path("bench-results"), "bench")
    assert report([], Path("new/report.html")) == 0
    assert capsys.readouterr().out == f"Written: {Path('new/report.html')}\n"
    assert checked(Path("new/report.html").read_text()).texts["title"] == ["kdexent report: bench.json"]


def test_a_result_is_not_written_over(tmp_path):
    (path,) = written(tmp_path, "gate")
    before = path.read_bytes()
    with pytest.raises(Refused, match="is one of the results"):
        report([path], path)
    assert path.read_bytes() == before


def command(*arguments):
    arguments = [sys.executable, "-m", "kdexent.cli", "report", *map(str, arguments)]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def test_the_command(tmp_path):
    paths = written(tmp_path, *NAMES)
    out = tmp_path / "report.html"
    done = command(*paths, "--out", out)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"Written: {out}\n", "")
    assert command(*paths, "--out", "-").stdout == out.read_text() == written_page(paths) + "\n"
    for place in (tmp_path, paths[0] / "report.html"):
        done = command(*paths, "--out", place)
        assert done.returncode == 2 and done.stderr.startswith("kdexent: cannot write there: ")
    done = command(tmp_path / "none.json", "--out", out)
    assert (done.returncode, done.stderr) == (2, f"kdexent: there is no file {tmp_path / 'none.json'}\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full device here")
def test_a_page_that_cannot_be_written(tmp_path):
    done = command(*written(tmp_path, "gate"), "--out", "/dev/full")
    assert (done.returncode, done.stdout) == (74, "")
    assert done.stderr == "kdexent: cannot write /dev/full: No space left on device\n"


def test_the_same_results_make_the_same_page(tmp_path):
    paths = [*map(str, written(tmp_path, *NAMES))]
    code = "import sys; sys.argv[0] = 'kdexent'; from kdexent.cli import main; main()"
    pages = {run(code, "report", *paths, "--out", "-", PYTHONHASHSEED=seed) for seed in ("0", "1", "2")}
    assert len(pages) == 1


def test_it_needs_neither_compiler_nor_matplotlib(tmp_path):
    code = """
        import sys
        from pathlib import Path
        from kdexent.cli import app
        from kdexent.cli.report.page import report
        report([*map(Path, sys.argv[2:])], Path(sys.argv[1]))
        print(sorted({"numba", "llvmlite", "matplotlib", "scipy", "pyarrow"} & {*sys.modules}))
        """
    out = tmp_path / "report.html"
    printed = run(code, str(out), *map(str, written(tmp_path, *NAMES)))
    assert printed.splitlines() == [f"Written: {out}", "[]"]


@pytest.mark.parametrize("kind", charts._TICKS)
@pytest.mark.parametrize(
    "values", [[], [math.nan], [0.0, -1.0], [1.0], [3.3e-7], [1e-300, 1e300], [1.1, 1.9], [1e-5, 1e-3, 7.0]]
)
def test_every_axis_has_ticks(kind, values):
    axis = charts.axis("title", kind, values)
    shown = [each for each in values if charts.there(each)]
    assert all(axis["low"] <= each <= axis["high"] for each in shown)
    assert all(axis["low"] <= value <= axis["high"] for value, *_ in axis["ticks"])
    texts = [text for _, text, _ in axis["ticks"]]
    assert len({*texts}) == len(texts)
    if not shown or kind in ("time", "error"):
        assert len(texts) >= 2
