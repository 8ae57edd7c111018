"""The page of `kdexent report` in Chromium: what is drawn, pointed at, filtered and reached by keyboard."""

import json
from contextlib import contextmanager

import pytest
from browsers import chromium
from sample_results import DOCUMENTS, bench, written

from kdexent.cli.report.page import report

DESK, PHONE = 1280, 390
# Texts of a chart that lie beyond its edges, and pairs of them that lie on each other.
TEXTS = """() => {
    const box = each => each.getBoundingClientRect();
    const beyond = (p, q) =>
      p.left < q.left - 1 || p.right > q.right + 1 || p.top < q.top - 1 || p.bottom > q.bottom + 1;
    const apart = (p, q) =>
      p.right <= q.left + 1 || q.right <= p.left + 1 || p.bottom <= q.top + 3 || q.bottom <= p.top + 3;
    return [...document.querySelectorAll(".chart svg[role=img]")].flatMap(svg => {
      const texts = [...svg.querySelectorAll("text")];
      const over = (text, i) => texts.slice(i + 1).filter(other => !apart(box(text), box(other)))
        .map(other => `${text.textContent} on ${other.textContent}`);
      const out = texts.filter(text => beyond(box(text), box(svg)));
      return [...out.map(text => text.textContent), ...texts.flatMap(over)];
    });
}"""
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of all kinds of results, and one of a benchmark with a failure."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "bad.json").write_text(json.dumps(bench(problem="it was wrong")))
    made = {"all": written(folder, *DOCUMENTS), "bad": [folder / "bad.json"]}
    for name, paths in made.items():
        assert report(paths, folder / f"{name}.html") == 0
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@contextmanager
def shown(browser, path, width=DESK, scheme="light", scripts=True):
    """Open a page; assert at the end that nothing was complained of, and nothing asked for but the page."""
    size = {"width": width, "height": 900}
    context = browser.new_context(viewport=size, color_scheme=scheme, java_script_enabled=scripts)
    page, said, asked = context.new_page(), [], []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    try:
        page.goto(path.as_uri())
        yield page
        assert said == []
        assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    finally:
        context.close()


def all_of(page, selector):
    return page.locator(selector).all()


def marks(page, kind=""):
    return page.locator(f".chart svg[role=img] .mark{kind}").count()


def tip(page):
    """Return the lines of the tooltip, none where it is hidden."""
    return [each.inner_text() for each in all_of(page, "#tip p") if each.is_visible()]


def focused(page, of):
    """Return a property of what has the focus."""
    return page.evaluate(f"document.activeElement.{of}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", ["all", "bad"])
def test_charts_are_drawn_and_fit(browser, pages, name, width, scheme):
    with shown(browser, pages[name], width, scheme) as page:
        data = json.loads(page.locator("#data").text_content())
        images = all_of(page, ".chart svg[role=img]")
        assert len(images) == len(data["charts"]) == page.locator(".chart").count()
        assert all(each.get_attribute("aria-label") for each in images)
        assert all(each.bounding_box()["height"] > 100 for each in images)
        drawn = sum(len(chart.get("marks", [])) for chart in data["charts"])
        drawn += sum(len(row["marks"]) for chart in data["charts"] for row in chart.get("rows", []))
        assert marks(page) == drawn == page.locator(".points button").count()
        assert page.locator(".chart .front").count() and page.locator(".chart .rule").count()
        assert page.locator(".ring.failed").count() == 2 * (name == "bad")
        assert page.evaluate(FITS)
        assert page.evaluate(TEXTS) == []
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_filters_hide_points_and_rows(browser, pages):
    with shown(browser, pages["all"]) as page:
        shown_rows = page.locator("tbody tr:not([hidden])")
        every, rows = marks(page), shown_rows.count()
        assert marks(page, ".of-grid") > 0
        page.locator("input[value=grid]").click()
        assert marks(page, ".of-grid") == 0 and 0 < marks(page) < every
        assert not page.locator("tr[data-method=grid]:not([hidden])").count()
        assert page.locator("tr[data-method=cells]:not([hidden])").count()
        assert page.locator("#shown").inner_text() == f"{shown_rows.count()} of {rows} rows shown"
        page.locator("#kernel").select_option("laplace")
        kernels = {
            each.get_attribute("data-kernel") for each in all_of(page, "tr[data-kernel]:not([hidden])")
        }
        assert kernels == {"laplace"}
        # What none of is left of is not shown at all, and what has no kernel stays.
        titles = [each.inner_text() for each in all_of(page, "figure h3") if each.is_visible()]
        assert not any(title.startswith("Strategies") for title in titles)
        assert any(title.startswith("Beside others") for title in titles)
        page.locator("button[type=reset]").click()
        page.wait_for_function(f"document.querySelectorAll('tbody tr:not([hidden])').length == {rows}")
        assert marks(page) == every


def test_filters_are_reached_by_keyboard(browser, pages):
    with shown(browser, pages["all"]) as page:
        reached = []
        for _ in range(12):
            page.keyboard.press("Tab")
            reached.append(focused(page, "id"))
        assert "kernel" in reached and sum(each.startswith("method-") for each in reached) == 6
        page.locator("input[value=grid]").focus()
        page.keyboard.press("Space")
        assert marks(page, ".of-grid") == 0


def test_points_are_told_of_by_keyboard(browser, pages):
    with shown(browser, pages["all"]) as page:
        page.locator("#filters button").focus()
        for _ in range(3):
            page.keyboard.press("Tab")
            if focused(page, "ariaLabel"):
                break
        first = tip(page)
        assert first[0] == "direct" and any(line.startswith("gradient error: 1.0e-15") for line in first)
        assert focused(page, "ariaLabel") == "; ".join(first)
        page.keyboard.press("ArrowRight")
        second = tip(page)
        assert second and second != first
        page.keyboard.press("End")
        assert tip(page)[0] == "grid 1"
        page.keyboard.press("Home")
        assert tip(page) == first
        page.keyboard.press("Escape")
        assert tip(page) == []
        # One stop a chart: the next is its table.
        page.keyboard.press("Tab")
        assert focused(page, "tagName") == "SUMMARY"


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_points_are_told_of_where_they_are_pointed_at(browser, pages, width):
    with shown(browser, pages["all"], width) as page:
        mark = page.locator(".chart .mark.of-grid").first
        mark.evaluate("each => each.scrollIntoView({block: 'center'})")
        at = mark.bounding_box()
        page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
        lines = tip(page)
        assert lines[0].startswith("grid ") and any(line.startswith("time: ") for line in lines)
        box = page.locator("#tip").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        page.locator("h1").hover()
        assert tip(page) == []


def test_tables_open(browser, pages):
    with shown(browser, pages["all"], PHONE) as page:
        tables = all_of(page, "table")
        # Open where there is no chart of them.
        assert [table.is_visible() for table in tables].count(True) == 1
        for each in page.locator("details:not([open]) summary").element_handles():
            each.click()
        assert all(table.is_visible() for table in tables)
        assert page.evaluate(FITS)


def test_without_scripts_there_are_the_tables(browser, pages):
    with shown(browser, pages["all"], scripts=False) as page:
        assert all(table.is_visible() for table in all_of(page, "table"))
        assert not page.locator("#filters").is_visible() and not page.locator(".chart svg").count()
        assert "need JavaScript" in page.locator("noscript").inner_text()


def test_no_other_script_runs(browser, pages, tmp_path):
    changed = tmp_path / "report.html"
    text = pages["all"].read_text().replace("<main>", "<main><script>document.title = 'another'</script>")
    changed.write_text(text)
    with pytest.raises(AssertionError, match="The action has been blocked"), shown(browser, changed) as page:
        assert page.title().startswith("kdexent report")
